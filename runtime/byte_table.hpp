// Functions of one byte, as tables of their 256 results.
#pragma once

#include <cstdint>
#include <cstring>

#include "runtime/isa.hpp"

namespace igata::runtime {

using TranslateBytes = void (*)(const std::uint8_t* table, const std::uint8_t* from, std::uint8_t* to,
                                std::int64_t count);

/// to[i] = table[from[i]]; `from` and `to` may be the same.
inline void translate_one_by_one(const std::uint8_t* table, const std::uint8_t* from, std::uint8_t* to,
                                 std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = table[from[i]];
}

#if defined(__x86_64__)
/// The same by AVX512_VBMI: two halves of the table, each in two registers; the byte's highest bit says which.
[[gnu::target("arch=x86-64-v4,avx512vbmi,prefer-vector-width=512")]] inline void translate_by_vbmi(
    const std::uint8_t* table, const std::uint8_t* from, std::uint8_t* to, std::int64_t count) {
    using Register [[gnu::vector_size(64)]] = signed char;
    Register parts[4];
    for (int i = 0; i < 4; ++i) std::memcpy(&parts[i], table + 64 * i, 64);
    const auto translate = [&](Register& x) {  // by reference: a baseline lambda may not return wide vectors
        Register low = x;
        Register high = x;
        asm("vpermi2b %2, %1, %0" : "+v"(low) : "v"(parts[0]), "v"(parts[1]));
        asm("vpermi2b %2, %1, %0" : "+v"(high) : "v"(parts[2]), "v"(parts[3]));
        x = x < 0 ? high : low;
    };
    std::int64_t i = 0;
    for (; i + 64 <= count; i += 64) {
        Register x;
        std::memcpy(&x, from + i, 64);
        translate(x);
        std::memcpy(to + i, &x, 64);
    }
    if (i == count) return;
    Register rest = {};
    std::memcpy(&rest, from + i, static_cast<std::size_t>(count - i));
    translate(rest);
    std::memcpy(to + i, &rest, static_cast<std::size_t>(count - i));
}
#endif

/// What translates fastest here.
inline TranslateBytes translate_bytes(Isa isa = detect_isa()) {
#if defined(__x86_64__)
    if (isa == Isa::v4 && __builtin_cpu_supports("avx512vbmi")) return translate_by_vbmi;
#endif
    static_cast<void>(isa);
    return translate_one_by_one;
}

}  // namespace igata::runtime
