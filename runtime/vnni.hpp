// What kernels make of VPDPBUSD, which adds four products of unsigned by signed bytes to each 32-bit sum, and does not
// saturate: the sums are exact. AVX512_VNNI has it for all widths, AVX_VNNI for 256 bits and fewer.
#pragma once

#include <cstdint>

#include "runtime/isa.hpp"

namespace igata::runtime {

#if defined(__x86_64__)

/// The instructions in code for v4 (`wide`) or v3. By reference: a baseline function may not return wide vectors.
template <bool wide>
struct Vnni {
    template <class Register>
    [[gnu::always_inline]] static void add_products(Register& sums, const Register& bytes, const Register& weights) {
        if constexpr (wide) asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(bytes), "vm"(weights));
        else asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums) : "x"(bytes), "xm"(weights));
    }

    /// From four vectors of bytes the bytes of each place together, four times a quarter of the places: in each 128
    /// bits, result q has places 4q to 4q + 3.
    template <class Register>
    [[gnu::always_inline]] static void interleave(const Register (&x)[4], Register (&y)[4]) {
        Register low[2];
        Register high[2];
        for (int i = 0; i < 2; ++i) {
            asm("vpunpcklbw %2, %1, %0" : "=v"(low[i]) : "v"(x[2 * i]), "v"(x[2 * i + 1]));
            asm("vpunpckhbw %2, %1, %0" : "=v"(high[i]) : "v"(x[2 * i]), "v"(x[2 * i + 1]));
        }
        asm("vpunpcklwd %2, %1, %0" : "=v"(y[0]) : "v"(low[0]), "v"(low[1]));
        asm("vpunpckhwd %2, %1, %0" : "=v"(y[1]) : "v"(low[0]), "v"(low[1]));
        asm("vpunpcklwd %2, %1, %0" : "=v"(y[2]) : "v"(high[0]), "v"(high[1]));
        asm("vpunpckhwd %2, %1, %0" : "=v"(y[3]) : "v"(high[0]), "v"(high[1]));
    }

    /// Numbers of 0 to 255, in the places that `interleave` gave them, as bytes in order.
    template <class Register>
    [[gnu::always_inline]] static void pack(const Register (&x)[4], Register& bytes) {
        Register low;
        Register high;
        asm("vpackusdw %2, %1, %0" : "=v"(low) : "v"(x[0]), "v"(x[1]));
        asm("vpackusdw %2, %1, %0" : "=v"(high) : "v"(x[2]), "v"(x[3]));
        asm("vpackuswb %2, %1, %0" : "=v"(bytes) : "v"(low), "v"(high));
    }
};

#endif

/// The channel at lane `lane` of vector `q`, of 4 * lanes, as `interleave` orders them.
constexpr int interleaved_place(int q, int lane) { return lane / 4 * 16 + 4 * q + lane % 4; }

}  // namespace igata::runtime
