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

    /// From four vectors of bytes the bytes of each place together: result q has a quarter of the places, in order.
    /// `quarters`: what `quarters_of` gives.
    template <class Register>
    [[gnu::always_inline]] static void interleave(const Register (&x)[4], const Register& quarters, Register (&y)[4]) {
        Register sorted[4];
        for (int i = 0; i < 4; ++i) asm("vpermd %2, %1, %0" : "=v"(sorted[i]) : "v"(quarters), "v"(x[i]));
        Register low[2];
        Register high[2];
        for (int i = 0; i < 2; ++i) {
            asm("vpunpcklbw %2, %1, %0" : "=v"(low[i]) : "v"(sorted[2 * i]), "v"(sorted[2 * i + 1]));
            asm("vpunpckhbw %2, %1, %0" : "=v"(high[i]) : "v"(sorted[2 * i]), "v"(sorted[2 * i + 1]));
        }
        asm("vpunpcklwd %2, %1, %0" : "=v"(y[0]) : "v"(low[0]), "v"(low[1]));
        asm("vpunpckhwd %2, %1, %0" : "=v"(y[1]) : "v"(low[0]), "v"(low[1]));
        asm("vpunpcklwd %2, %1, %0" : "=v"(y[2]) : "v"(high[0]), "v"(high[1]));
        asm("vpunpckhwd %2, %1, %0" : "=v"(y[3]) : "v"(high[0]), "v"(high[1]));
    }

    /// Rounds half to even.
    template <class Floats, class Register>
    [[gnu::always_inline]] static void round(const Floats& x, Register& rounded) {
        asm("vcvtps2dq %1, %0" : "=v"(rounded) : "v"(x));
    }

    /// The lowest bytes have the numbers, saturated to signed bytes. Into a register: stores of VPMOVSDB are slow.
    template <class Register, class Bytes>
    [[gnu::always_inline]] static void saturate(const Register& x, Bytes& bytes) {
        if constexpr (wide) {
            asm("vpmovsdb %1, %0" : "=v"(bytes) : "v"(x));
        } else {
            asm("vextracti128 $1, %1, %0" : "=x"(bytes) : "x"(x));
            asm("vpackssdw %0, %x1, %0" : "+x"(bytes) : "x"(x));
            asm("vpacksswb %0, %0, %0" : "+x"(bytes));
        }
    }

    /// The order of groups of four bytes from which unpacking, which stays within 128 bits, makes quarters in order.
    template <class Register>
    [[gnu::always_inline]] static void quarters_of(Register& order) {
        constexpr int parts = wide ? 4 : 2;
        for (int i = 0; i < 4 * parts; ++i) order[i] = i % 4 * parts + i / 4;
    }
};

#endif

}  // namespace igata::runtime
