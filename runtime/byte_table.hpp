// Functions of one byte, as tables of their 256 results.
#pragma once

#include <cstdint>
#include <cstring>

#include "runtime/isa.hpp"

namespace igata::runtime {

using TranslateBytes = void (*)(const std::uint8_t* table, const std::uint8_t* from, std::uint8_t* to,
                                std::int64_t count);

/// Rows of `count` bytes each, some bytes apart.
struct ByteRows {
    const std::uint8_t* from;
    std::uint8_t* to;
    std::int64_t count;
    std::int64_t rows = 1;
    std::int64_t from_step = 0;
    std::int64_t to_step = 0;
};

using TranslateRows = void (*)(const std::uint8_t* table, const ByteRows& rows);

inline void translate_rows_one_by_one(const std::uint8_t* table, const ByteRows& r) {
    for (std::int64_t row = 0; row < r.rows; ++row) {
        const std::uint8_t* from = r.from + row * r.from_step;
        std::uint8_t* to = r.to + row * r.to_step;
        for (std::int64_t i = 0; i < r.count; ++i) to[i] = table[from[i]];
    }
}

#if defined(__x86_64__)
/// The same by AVX512_VBMI: two halves of the table, each in two registers; the byte's highest bit says which.
[[gnu::target("arch=x86-64-v4,avx512vbmi,prefer-vector-width=512")]] inline void translate_rows_by_vbmi(
    const std::uint8_t* table, const ByteRows& r) {
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
    const std::int64_t whole = r.count / 64 * 64;
    const std::uint64_t rest = (std::uint64_t{1} << (r.count - whole)) - 1;  // a bit for each byte
    for (std::int64_t row = 0; row < r.rows; ++row) {
        const std::uint8_t* from = r.from + row * r.from_step;
        std::uint8_t* to = r.to + row * r.to_step;
        Register x;
        for (std::int64_t i = 0; i < whole; i += 64) {
            std::memcpy(&x, from + i, 64);
            translate(x);
            std::memcpy(to + i, &x, 64);
        }
        if (rest == 0) continue;
        asm volatile("kmovq %2, %%k1\n\tvmovdqu8 (%1), %0%{%%k1%}%{z%}"
                     : "=v"(x)
                     : "r"(from + whole), "r"(rest)
                     : "k1", "memory");
        translate(x);
        asm volatile("kmovq %2, %%k1\n\tvmovdqu8 %0, (%1)%{%%k1%}"
                     :
                     : "v"(x), "r"(to + whole), "r"(rest)
                     : "k1", "memory");
    }
}
#endif

inline TranslateRows translate_rows(Isa isa = detect_isa()) {
#if defined(__x86_64__)
    if (isa == Isa::v4 && __builtin_cpu_supports("avx512vbmi")) return translate_rows_by_vbmi;
#endif
    static_cast<void>(isa);
    return translate_rows_one_by_one;
}

/// to[i] = table[from[i]]; `from` and `to` may be the same.
inline void translate_one_by_one(const std::uint8_t* table, const std::uint8_t* from, std::uint8_t* to,
                                 std::int64_t count) {
    translate_rows_one_by_one(table, {from, to, count});
}

#if defined(__x86_64__)
inline void translate_by_vbmi(const std::uint8_t* table, const std::uint8_t* from, std::uint8_t* to,
                              std::int64_t count) {
    translate_rows_by_vbmi(table, {from, to, count});
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
