// Random numbers by counting: Philox4x32-10, number i of a seed, whoever asks for it and in whatever order.
#pragma once

#include <cstdint>

namespace igata::runtime {

/// 64 random bits for (seed, counter).
inline std::uint64_t random_bits(std::uint64_t seed, std::uint64_t counter) {
    std::uint32_t c[4] = {static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32U), 0, 0};
    auto k0 = static_cast<std::uint32_t>(seed);
    auto k1 = static_cast<std::uint32_t>(seed >> 32U);
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t a = std::uint64_t{0xD2511F53U} * c[0];
        const std::uint64_t b = std::uint64_t{0xCD9E8D57U} * c[2];
        const std::uint32_t next0 = static_cast<std::uint32_t>(b >> 32U) ^ c[1] ^ k0;
        const std::uint32_t next2 = static_cast<std::uint32_t>(a >> 32U) ^ c[3] ^ k1;
        c[0] = next0;
        c[1] = static_cast<std::uint32_t>(b);
        c[2] = next2;
        c[3] = static_cast<std::uint32_t>(a);
        k0 += 0x9E3779B9U;
        k1 += 0xBB67AE85U;
    }
    return std::uint64_t{c[1]} << 32U | c[0];
}

/// A number of [0, 1), evenly distributed.
inline double random_uniform(std::uint64_t seed, std::uint64_t counter) {
    return static_cast<double>(random_bits(seed, counter) >> 11U) * 0x1p-53;
}

}  // namespace igata::runtime
