// Tells whether a weights file is the one that a predictor was cast with. The compiler writes it, the runtime checks
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace igata::runtime {

/// FNV-1a over 64-bit words in four interleaved streams: as fast as memory. The last words are padded with zeros.
inline std::uint64_t checksum(const void* data, std::size_t size) {
    constexpr std::uint64_t prime = 0x100000001b3U;
    constexpr std::size_t block = 4 * sizeof(std::uint64_t);
    std::uint64_t streams[4] = {0xcbf29ce484222325U, 0x9e3779b97f4a7c15U, 0xc2b2ae3d27d4eb4fU, 0x165667b19e3779f9U};
    const auto* bytes = static_cast<const unsigned char*>(data);
    for (std::size_t offset = 0; offset < size; offset += block) {
        std::uint64_t words[4] = {};
        std::memcpy(words, bytes + offset, size - offset < block ? size - offset : block);
        for (int i = 0; i < 4; ++i) streams[i] = (streams[i] ^ words[i]) * prime;
    }
    std::uint64_t sum = static_cast<std::uint64_t>(size);
    for (const std::uint64_t stream : streams) sum = (sum ^ stream ^ (stream >> 32U)) * prime;
    return sum;
}

}  // namespace igata::runtime
