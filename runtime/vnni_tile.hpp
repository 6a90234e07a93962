// The register tiles of quantized convolutions with VPDPBUSD: pixels times vectors of channels, kept in registers over
// all source channels of all taps. And how sums become bytes.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "runtime/specs.hpp"
#include "runtime/vnni.hpp"

namespace igata::runtime {

/// Sums times a multiplier, rounded half to even, moved by the zero point and saturated. Products stay within 32 bits.
struct ByteScaling {
    std::int32_t zero = 0;
    std::uint8_t flip = 0;  ///< 0x80 of u8, which is made as i8

    ByteScaling() = default;
    ByteScaling(DataType dtype, std::int32_t zero_point) : zero(zero_point), flip(dtype == DataType::u8 ? 0x80 : 0) {}

    /// Whether this holds for sums of `count` products and a bias.
    static bool fits(std::int64_t count, std::int32_t bias, float multiplier) {
        const double largest = 2.0 * 255 * 128 * static_cast<double>(count) + std::abs(static_cast<double>(bias));
        return largest * std::abs(static_cast<double>(multiplier)) < 0x1p30;
    }

#if defined(__x86_64__)
    /// Stores `count` sums, at most `lanes`. To be called on a copy: what is stored might be this object.
    template <int lanes>
    [[gnu::always_inline]] void store(const typename IntegersOf<lanes>::Register& sums,
                                      const typename VectorOf<lanes>::Register& multiplier, std::byte* to,
                                      std::int64_t count = lanes) const {
        using Bytes [[gnu::vector_size(16)]] = std::uint8_t;
        const auto scaled = __builtin_convertvector(sums, typename VectorOf<lanes>::Register) * multiplier;
        typename IntegersOf<lanes>::Register rounded;
        Bytes bytes;
        Vnni<lanes == 16>::round(scaled, rounded);
        rounded += zero - flip;
        Vnni<lanes == 16>::saturate(rounded, bytes);
        bytes ^= flip;
        if (count == lanes) {
            std::memcpy(to, &bytes, lanes);
            return;
        }
        using Eights [[gnu::vector_size(16)]] = std::uint64_t;
        auto rest = reinterpret_cast<Eights>(bytes);
        if ((count & 8) != 0) {
            std::memcpy(to, &rest, 8);
            rest[0] = rest[1];
            to += 8;
        }
        std::uint64_t few = rest[0];
        for (int size = 4; size > 0; size /= 2) {
            if ((count & size) == 0) continue;
            std::memcpy(to, &few, static_cast<std::size_t>(size));
            few >>= 8 * size;
            to += size;
        }
    }
#endif
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
    // Where bytes are stored, or null for sums:
    const std::int64_t* places = nullptr;  ///< per pixel, from `dst`
    std::byte* dst = nullptr;              ///< of the first channel
    std::int64_t last = 0;                 ///< of the last vector, from there
    const float* multiplier = nullptr;
    ByteScaling scaling;
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
        if (panel.places != nullptr) return store_bytes<rows, vectors>(panel, sums);
#pragma GCC unroll 16
        for (int r = 0; r < rows; ++r)
#pragma GCC unroll 16
            for (int v = 0; v < vectors; ++v)
                *reinterpret_cast<Unaligned*>(result + (r * vectors + v) * lanes) = sums[r][v];
    }

    template <int rows, int vectors>
    [[gnu::always_inline]] static void store_bytes(const VnniPanel& panel, const Register (&sums)[rows][vectors]) {
        using Floats = typename VectorOf<lanes>::Register;
        const ByteScaling scaling = panel.scaling;
        const std::int64_t* places = panel.places;
        std::byte* dst = panel.dst;
        const std::int64_t last = panel.last;
        Floats multipliers[vectors];
#pragma GCC unroll 16
        for (int v = 0; v < vectors; ++v)
            multipliers[v] =
                *reinterpret_cast<const typename VectorOf<lanes>::Unaligned*>(panel.multiplier + v * lanes);
#pragma GCC unroll 16
        for (int r = 0; r < rows; ++r) {
            std::byte* pixel = dst + places[r];
#pragma GCC unroll 16
            for (int v = 0; v < vectors; ++v)
                scaling.store<lanes>(sums[r][v], multipliers[v], pixel + (v + 1 < vectors ? v * lanes : last));
        }
    }

    /// The first rows_of(vectors) pixels, or the first one: bytes, or sums as [pixel][vectors * lanes].
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
