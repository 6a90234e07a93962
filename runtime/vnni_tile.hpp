// The register tiles of quantized convolutions with VPDPBUSD: pixels times vectors of channels, kept in registers over
// all source channels of all taps. And how sums become bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "runtime/specs.hpp"
#include "runtime/vnni.hpp"

namespace igata::runtime {

/// Sums times a multiplier, rounded half to even, moved by the zero point and saturated. A float whose last bit counts
/// ones holds the integer in its low bits: here in its last byte.
struct ByteScaling {
    float least = 0.0F, greatest = 0.0F;  ///< results less the zero point
    std::int32_t zero = 0;

    static constexpr float rounder = 0x1.8p23F;

    ByteScaling() = default;
    ByteScaling(DataType dtype, std::int32_t zero_point)
        : least(static_cast<float>((dtype == DataType::i8 ? -128 : 0) - zero_point)),
          greatest(static_cast<float>((dtype == DataType::i8 ? 127 : 255) - zero_point)),
          zero(zero_point) {}

    /// Stores `lanes` sums. To be called on a copy: what is stored might be this object.
    template <int lanes>
    [[gnu::always_inline]] void store(const typename IntegersOf<lanes>::Register& sums,
                                      const typename VectorOf<lanes>::Register& multiplier, std::byte* to) const {
        using Floats = typename VectorOf<lanes>::Register;
        using Bytes [[gnu::vector_size(lanes)]] = std::uint8_t;
        Floats x = __builtin_convertvector(sums, Floats) * multiplier;
        const Floats low = Floats{} + least;
        const Floats high = Floats{} + greatest;
        x = x > low ? x : low;
        x = x < high ? x : high;
        const auto values = reinterpret_cast<typename IntegersOf<lanes>::Register>(x + rounder) + zero;
        const Bytes bytes = __builtin_convertvector(values, Bytes);
        std::memcpy(to, &bytes, lanes);
    }
};

#if defined(__x86_64__)

/// Some pixels times one panel of channels.
struct VnniPanel {
    const std::uint8_t* const* sources = nullptr;  ///< [tap][source_step]: where each pixel's factors start
    std::int64_t source_step = 0;
    std::int64_t taps = 0;
    std::int64_t quads = 0;                ///< of source channels, a tap
    const std::int8_t* weights = nullptr;  ///< [tap][quad][channel][4]
    const std::int32_t* start = nullptr;   ///< of the sums, a channel
};

/// `flip`: the sources are signed, and become unsigned by adding 128.
template <int lanes, bool flip>
struct VnniTile {
    using Register = typename IntegersOf<lanes>::Register;
    using Unaligned = typename IntegersOf<lanes>::Unaligned;

    static constexpr int most_vectors = lanes == 16 ? 4 : 2;
    static constexpr int most_rows = 12;
    /// Rows of a tile of so many vectors.
    static constexpr int rows_of(int vectors) {
        if (lanes == 16) return vectors == 4 ? 6 : vectors == 3 ? 8 : vectors == 2 ? 10 : 12;
        return vectors == 2 ? 5 : 8;
    }

    template <int rows, int vectors>
    [[gnu::always_inline]] static void multiply(const VnniPanel& panel, std::int32_t* result) {
        Register sums[rows][vectors];
#pragma GCC unroll 16
        for (int v = 0; v < vectors; ++v) {
            const Register start = *reinterpret_cast<const Unaligned*>(panel.start + v * lanes);
#pragma GCC unroll 16
            for (int r = 0; r < rows; ++r) sums[r][v] = start;
        }
        const Register signs = Register{} + static_cast<std::int32_t>(0x80808080U);
        const std::int8_t* weights = panel.weights;
        for (std::int64_t tap = 0; tap < panel.taps; ++tap) {
            const std::uint8_t* pixels[rows];
#pragma GCC unroll 16
            for (int r = 0; r < rows; ++r) pixels[r] = panel.sources[tap * panel.source_step + r];
#pragma GCC unroll 1
            for (std::int64_t k = 0; k < 4 * panel.quads; k += 4, weights += 4 * vectors * lanes) {
                Register w[vectors];
#pragma GCC unroll 16
                for (int v = 0; v < vectors; ++v) w[v] = *reinterpret_cast<const Unaligned*>(weights + 4 * v * lanes);
#pragma GCC unroll 16
                for (int r = 0; r < rows; ++r) {
                    std::int32_t four = 0;
                    std::memcpy(&four, pixels[r] + k, sizeof four);
                    Register x = Register{} + four;
                    if constexpr (flip) x ^= signs;
#pragma GCC unroll 16
                    for (int v = 0; v < vectors; ++v) {
                        Register sum = sums[r][v];  // a copy: else the array would stay in memory
                        Vnni<lanes == 16>::add_products(sum, x, w[v]);
                        sums[r][v] = sum;
                    }
                }
            }
        }
#pragma GCC unroll 16
        for (int r = 0; r < rows; ++r)
#pragma GCC unroll 16
            for (int v = 0; v < vectors; ++v)
                *reinterpret_cast<Unaligned*>(result + (r * vectors + v) * lanes) = sums[r][v];
    }

    /// The first rows_of(vectors) pixels, or the first one: sums as [pixel][vectors * lanes].
    [[gnu::always_inline]] static void multiply(const VnniPanel& panel, int vectors, bool single,
                                                std::int32_t* result) {
        if constexpr (lanes == 16) {
            if (vectors == 4) return single ? multiply<1, 4>(panel, result) : multiply<rows_of(4), 4>(panel, result);
            if (vectors == 3) return single ? multiply<1, 3>(panel, result) : multiply<rows_of(3), 3>(panel, result);
        }
        if (vectors == 2) return single ? multiply<1, 2>(panel, result) : multiply<rows_of(2), 2>(panel, result);
        return single ? multiply<1, 1>(panel, result) : multiply<rows_of(1), 1>(panel, result);
    }
};

#endif

}  // namespace igata::runtime
