#include "compiler/emit/weights.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace igata {

namespace {

void put(const Plan& plan, std::string& pool) {
    for (const Buffer& buffer : plan.buffers) {
        if (buffer.space != runtime::Space::weights || !buffer.constant) continue;
        const auto bytes = buffer.constant->bytes();
        if (buffer.offset < 0) continue;  // not read by any step
        const auto offset = static_cast<std::size_t>(buffer.offset);
        if (offset + bytes.size() > pool.size())
            throw std::logic_error("constant '" + buffer.name + "' outside the pool");
        if (!bytes.empty()) std::memcpy(pool.data() + offset, bytes.data(), bytes.size());
    }
}

}  // namespace

std::string pooled_weights(std::span<const Plan> plans) {
    std::string pool(static_cast<std::size_t>(plans.front().weight_bytes), '\0');
    for (const Plan& plan : plans) put(plan, pool);
    return pool;
}

std::string literal_lines(std::span<const char> bytes) {
    constexpr std::size_t per_line = 4096;
    std::string out;
    out.reserve(bytes.size() * 3);
    for (std::size_t begin = 0; begin < bytes.size(); begin += per_line) {
        out += '"';
        const std::size_t end = std::min(begin + per_line, bytes.size());
        for (std::size_t i = begin; i < end; ++i) {
            const auto byte = static_cast<unsigned char>(bytes[i]);
            if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\' && byte != '?') {
                out += static_cast<char>(byte);
                continue;
            }
            // The shortest octal escape that the next character cannot extend.
            const bool digit_follows = i + 1 < end && bytes[i + 1] >= '0' && bytes[i + 1] <= '7';
            out += '\\';
            if (digit_follows || byte >= 64) out += static_cast<char>('0' + (byte >> 6));
            if (digit_follows || byte >= 8) out += static_cast<char>('0' + ((byte >> 3) & 7));
            out += static_cast<char>('0' + (byte & 7));
        }
        out += "\"\n";
    }
    if (bytes.empty()) out = "\"\"\n";
    return out;
}

}  // namespace igata
