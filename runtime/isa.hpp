// One kernel body, compiled for several instruction sets, chosen at run time: the artefact runs on any x86-64.
#pragma once

#include <cstdint>

namespace igata::runtime {

/// x86-64 levels: v3 has AVX2 and FMA, v4 has AVX-512 (F, BW, CD, DQ, VL).
enum class Isa : std::uint8_t { baseline, v3, v4 };

/// The best level that this processor has.
inline Isa detect_isa() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        return Isa::v4;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
        return Isa::v3;
#endif
    return Isa::baseline;
}

/// Whether code for `isa` may use VPDPBUSD: in v4 that of AVX512_VNNI, in v3 that of AVX_VNNI, no part of either.
inline bool has_vnni(Isa isa) {
#if defined(__x86_64__)
    if (isa == Isa::v4) return __builtin_cpu_supports("avx512vnni");
    if (isa == Isa::v3) return __builtin_cpu_supports("avxvnni");
#endif
    static_cast<void>(isa);
    return false;
}

inline const char* name_of(Isa isa) { return isa == Isa::v4 ? "v4" : isa == Isa::v3 ? "v3" : "baseline"; }

/// `lanes` floats that the processor handles at once.
template <int lanes>
struct VectorOf {
    using Register [[gnu::vector_size(lanes * sizeof(float))]] = float;
    using Unaligned [[gnu::vector_size(lanes * sizeof(float)), gnu::aligned(alignof(float)), gnu::may_alias]] = float;
};

/// `lanes` integers of 32 bits, likewise.
template <int lanes>
struct IntegersOf {
    using Register [[gnu::vector_size(lanes * sizeof(std::int32_t))]] = std::int32_t;
    using Unaligned [[gnu::vector_size(lanes * sizeof(std::int32_t)), gnu::aligned(1), gnu::may_alias]] = std::int32_t;
};

/// How kernels and loops are compiled, whatever the build type: so that they vectorise. Threaded jumps cut loops apart;
/// partial redundancy elimination makes branches of clamps, and loops over bytes stay scalar.
#define IGATA_VECTORISED gnu::optimize("O3", "no-trapping-math", "no-math-errno", "no-thread-jumps", "no-tree-pre")

/// Compiles `Body::run<lanes>(arguments...)`, which must be always inline, for each level. `get` picks one.
template <class Body, class... Arguments>
struct Versions {
    using Function = void (*)(Arguments...);

#if defined(__x86_64__)
    [[gnu::target("arch=x86-64-v4,prefer-vector-width=512"), IGATA_VECTORISED]] static void v4(Arguments... arguments) {
        Body::template run<16>(arguments...);
    }
    [[gnu::target("arch=x86-64-v3"), IGATA_VECTORISED]] static void v3(Arguments... arguments) {
        Body::template run<8>(arguments...);
    }
#endif
    [[IGATA_VECTORISED]] static void baseline(Arguments... arguments) { Body::template run<4>(arguments...); }

    static Function get(Isa isa = detect_isa()) {
#if defined(__x86_64__)
        if (isa == Isa::v4) return v4;
        if (isa == Isa::v3) return v3;
#endif
        static_cast<void>(isa);
        return baseline;
    }
};

#undef IGATA_VECTORISED

}  // namespace igata::runtime
