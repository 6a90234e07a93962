// What generated loops over bytes are made of: a register of elements at a time, bytes widened to 32 bits as they are
// loaded. Compilers unroll such loops to the width of a register of bytes, and leave shorter rows to scalar code.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "runtime/isa.hpp"

namespace igata::runtime::vectors {

template <class Register>
inline constexpr int lanes_of = static_cast<int>(sizeof(Register) / sizeof(std::int32_t));

template <class Register, class T>
[[gnu::always_inline]] inline void fill(T value, Register& to) {
    to = Register{} + value;
}

/// Keeps a product from becoming one operation with the sum that it is a term of, so that every processor rounds twice.
template <class Floats>
[[gnu::always_inline]] inline void keep_rounded(Floats& product) {
#if defined(__x86_64__)
    asm("" : "+v"(product));
#endif
}

/// f32 and i32.
template <class T, class Register>
[[gnu::always_inline]] inline void load(const T* from, Register& to) {
    static_assert(sizeof(T) == 4);
    std::memcpy(&to, from, sizeof to);
}

template <class T, class Register>
[[gnu::always_inline]] inline void store(T* to, const Register& from) {
    static_assert(sizeof(T) == 4);
    std::memcpy(to, &from, sizeof from);
}

/// What the lanes' bytes are loaded to and stored from. No memory is named to the compiler's inline assembly: GCC 12
/// takes functions that store only there for functions without effects.
using Packed [[gnu::vector_size(16)]] = std::int64_t;

template <int lanes>
[[gnu::always_inline]] inline void load_packed(const void* from, Packed& to) {
    to = Packed{};
    std::memcpy(&to, from, lanes);
}

#if defined(__x86_64__)
template <class Byte, class Integers>
[[gnu::always_inline]] inline void widen(const Packed& packed, Byte, Integers& to) {
    if constexpr (std::is_signed_v<Byte>) asm("vpmovsxbd %1, %0" : "=v"(to) : "v"(packed));
    else asm("vpmovzxbd %1, %0" : "=v"(to) : "v"(packed));
}
#endif

/// Bytes, signed or not.
template <class Byte, class Integers>
[[gnu::always_inline]] inline void load_bytes(const Byte* from, Integers& to) {
    constexpr int lanes = lanes_of<Integers>;
#if defined(__x86_64__)
    if constexpr (lanes > 4) {
        Packed packed;
        load_packed<lanes>(from, packed);
        return widen(packed, Byte{}, to);
    }
#endif
    for (int i = 0; i < lanes; ++i) to[i] = from[i];
}

template <class Integers>
[[gnu::always_inline]] inline void load(const std::uint8_t* from, Integers& to) {
    load_bytes(from, to);
}

template <class Integers>
[[gnu::always_inline]] inline void load(const std::int8_t* from, Integers& to) {
    load_bytes(from, to);
}

/// The lowest 8 bits of each integer.
template <class Integers>
[[gnu::always_inline]] inline void store(std::uint8_t* to, const Integers& from) {
    constexpr int lanes = lanes_of<Integers>;
#if defined(__x86_64__)
    if constexpr (lanes == 16) {
        Packed packed;
        asm("vpmovdb %1, %0" : "=v"(packed) : "v"(from));
        std::memcpy(to, &packed, sizeof packed);
        return;
    } else if constexpr (lanes == 8) {
        Integers packed = from & 255;
        asm("vpackusdw %0, %0, %0\n\tvpackuswb %0, %0, %0" : "+x"(packed));
        const std::int32_t halves[2] = {packed[0], packed[4]};
        std::memcpy(to, halves, sizeof halves);
        return;
    }
#endif
    for (int i = 0; i < lanes; ++i) to[i] = static_cast<std::uint8_t>(from[i]);
}

template <class Integers>
[[gnu::always_inline]] inline void store(std::int8_t* to, const Integers& from) {
    store(reinterpret_cast<std::uint8_t*>(to), from);
}

/// `count` elements, at most a register; the rest is 0.
template <class T, class Register>
[[gnu::always_inline]] inline void load(const T* from, std::int64_t count, Register& to) {
    constexpr int lanes = lanes_of<Register>;
    if (count == lanes) return load(from, to);
#if defined(__x86_64__)
    if constexpr (lanes == 16) {
        const std::uint32_t mask = (std::uint32_t{1} << count) - 1;
        if constexpr (sizeof(T) == 4) {
            asm volatile("kmovw %2, %%k1\n\tvmovups (%1), %0%{%%k1%}%{z%}"
                         : "=v"(to)
                         : "r"(from), "r"(mask)
                         : "k1", "memory");
        } else {
            Packed packed;
            asm volatile("kmovw %2, %%k1\n\tvmovdqu8 (%1), %0%{%%k1%}%{z%}"
                         : "=v"(packed)
                         : "r"(from), "r"(mask)
                         : "k1", "memory");
            widen(packed, T{}, to);
        }
        return;
    }
#endif
    T elements[lanes] = {};
    for (std::int64_t i = 0; i < count; ++i) elements[i] = from[i];
    load(elements, to);
}

template <class T, class Register>
[[gnu::always_inline]] inline void store(T* to, std::int64_t count, const Register& from) {
    constexpr int lanes = lanes_of<Register>;
    if (count == lanes) return store(to, from);
    T elements[lanes];
    store(elements, from);
    for (std::int64_t i = 0; i < count; ++i) to[i] = elements[i];
}

/// To the nearest integer, halves to even.
template <class Floats>
[[gnu::always_inline]] inline void round(Floats& x) {
    constexpr int lanes = lanes_of<Floats>;
#if defined(__x86_64__)
    if constexpr (lanes == 16) {
        asm("vrndscaleps $4, %0, %0" : "+v"(x));
        return;
    } else if constexpr (lanes == 8) {
        asm("vroundps $4, %0, %0" : "+x"(x));
        return;
    }
#endif
    // Where floats have no fraction left, adding rounds; larger ones, infinities and NaN are integers or stay.
    constexpr float whole = 0x1p23F;
    const Floats size = x < 0.0F ? -x : x;
    const Floats rounded = (size + whole) - whole;
    const Floats with_sign = x < 0.0F ? -rounded : rounded;
    x = size < whole ? with_sign : x;
}

}  // namespace igata::runtime::vectors
