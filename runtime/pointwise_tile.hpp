// The register tile of dense convolutions and matrix products: a few pixels times a few vectors of output channels,
// kept in registers over all input channels. Weights come in panels: [input channel][output channel].
//
// Or [pair of input channels][output channel][2] in bf16, if the processor has AVX512_BF16. Then each pixel holds
// pairs, too, and all counts and strides are in pairs: 32 bits, as a float is.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <utility>
#include <vector>

#include "runtime/isa.hpp"
#include "runtime/loop_arithmetic.hpp"
#include "runtime/needs.hpp"

namespace igata::runtime {

/// How results are stored.
struct TileStore {
    bool accumulate = false;  ///< add to what dst holds
    bool clamped = false;     ///< keep results within [low, high]
    float low = 0.0F;
    float high = 0.0F;

    /// The first `count` of a vector's channels. Vectors go by reference: passing them by value would need their
    /// registers in the ABI.
    template <int lanes, class V>
    [[gnu::always_inline]] void store(V& sum, float* dst, std::int64_t count) const {
        using Unaligned = typename VectorOf<lanes>::Unaligned;
        Unaligned* to = reinterpret_cast<Unaligned*>(dst);  // `auto` would lose the alignment
        if (accumulate) {
            V before = {};
            if (count == lanes) before = *to;
            else copy<lanes>(reinterpret_cast<float*>(&before), dst, count);
            sum += before;
        }
        if (clamped) clamp<lanes>(sum);
        if (count == lanes) {
            *to = sum;
        } else {
            const V buffer = sum;  // a copy, so that the sums themselves need no address
            copy<lanes>(dst, reinterpret_cast<const float*>(&buffer), count);
        }
    }

    template <int lanes, class V>
    [[gnu::always_inline]] void clamp(V& sum) const {
        const V lowest = V{} + low;
        const V highest = V{} + high;
        sum = sum < lowest ? lowest : sum;  // NaN stays
        sum = sum > highest ? highest : sum;
    }

private:
    /// `count` < lanes elements, in pieces of powers of two.
    template <int lanes>
    [[gnu::always_inline]] static void copy(float* to, const float* from, std::int64_t count) {
        if constexpr (lanes > 1) {
            constexpr int half = lanes / 2;
            const bool whole = (count & half) != 0;
            if (whole) std::memcpy(to, from, half * sizeof(float));
            copy<half>(to + (whole ? half : 0), from + (whole ? half : 0), count);
        }
    }
};

/// One tile's work. `rows` and `vectors` are the function's own; a vector holds `lanes` channels.
struct PointwiseTile {
    const float* const* pixels = nullptr;  ///< [rows]: where the input channels of each pixel start
    std::int64_t depth = 0;                ///< input channels, or pairs of them
    const float* weights = nullptr;        ///< [depth][vectors * lanes]
    const float* bias = nullptr;           ///< [vectors * lanes]
    const float* ahead = nullptr;          ///< memory to fetch meanwhile: [depth / 2] lines of the caches
    float* dst = nullptr;                  ///< `rows` pixels, dst_pixel elements apart
    std::int64_t dst_pixel = 0;
    std::int64_t channels = 0;  ///< how many of the last vector's channels there are
    TileStore how;
};

inline constexpr std::int64_t cache_line = 16;  ///< in floats

using PointwiseFunction = void (*)(const PointwiseTile&);

template <int rows, int vectors, bool bf16>
struct PointwiseBody {
    template <int lanes>
    [[gnu::always_inline]] static void run(const PointwiseTile& tile) {
        using V = typename VectorOf<lanes>::Register;
        using Unaligned = typename VectorOf<lanes>::Unaligned;
        V sums[rows][vectors];
#pragma GCC unroll 16
        for (int v = 0; v < vectors; ++v) {
            const V bias = *reinterpret_cast<const Unaligned*>(tile.bias + v * lanes);
#pragma GCC unroll 16
            for (int r = 0; r < rows; ++r) sums[r][v] = bias;
        }
        const float* weights = tile.weights;
        const float* ahead = tile.ahead;
        const float* pixels[rows];
#pragma GCC unroll 16
        for (int r = 0; r < rows; ++r) pixels[r] = tile.pixels[r];
        std::int64_t k = 0;
#pragma GCC unroll 1
        for (; k + 1 < tile.depth; k += 2, weights += 2 * vectors * lanes, ahead += cache_line) {
            __builtin_prefetch(ahead, 0, 2);
            add_products<lanes>(pixels, k, weights, sums);
            add_products<lanes>(pixels, k + 1, weights + vectors * lanes, sums);
        }
        if (k < tile.depth) add_products<lanes>(pixels, k, weights, sums);
        if (tile.channels == lanes) store_whole<lanes>(tile, sums);
        else store_part<lanes>(tile, sums);
    }

private:
    /// Branches once for all vectors of the tile, which matters where there are few input channels.
    template <int lanes, class Sums>
    [[gnu::always_inline]] static void store_whole(const PointwiseTile& tile, Sums& sums) {
        using Unaligned = typename VectorOf<lanes>::Unaligned;
        if (tile.how.accumulate) {
#pragma GCC unroll 16
            for (int r = 0; r < rows; ++r)
#pragma GCC unroll 16
                for (int v = 0; v < vectors; ++v)
                    sums[r][v] += *reinterpret_cast<const Unaligned*>(tile.dst + r * tile.dst_pixel + v * lanes);
        }
        if (tile.how.clamped) {
#pragma GCC unroll 16
            for (int r = 0; r < rows; ++r)
#pragma GCC unroll 16
                for (int v = 0; v < vectors; ++v) tile.how.clamp<lanes>(sums[r][v]);
        }
#pragma GCC unroll 16
        for (int r = 0; r < rows; ++r)
#pragma GCC unroll 16
            for (int v = 0; v < vectors; ++v)
                *reinterpret_cast<Unaligned*>(tile.dst + r * tile.dst_pixel + v * lanes) = sums[r][v];
    }

    /// The last vector of every pixel has tile.channels channels only.
    template <int lanes, class Sums>
    [[gnu::always_inline]] static void store_part(const PointwiseTile& tile, const Sums& sums) {
        typename VectorOf<lanes>::Register copies[rows][vectors];
#pragma GCC unroll 16
        for (int r = 0; r < rows; ++r)
#pragma GCC unroll 16
            for (int v = 0; v < vectors; ++v) copies[r][v] = sums[r][v];
#pragma GCC unroll 1
        for (int r = 0; r < rows; ++r)
#pragma GCC unroll 1
            for (int v = 0; v < vectors; ++v)
                tile.how.store<lanes>(copies[r][v], tile.dst + r * tile.dst_pixel + v * lanes,
                                      v + 1 < vectors ? lanes : tile.channels);
    }

    /// Adds input channel k of each pixel times its weights, or pair k times its.
    template <int lanes, class Sums>
    [[gnu::always_inline]] static void add_products(const float* const* pixels, std::int64_t k, const float* weights,
                                                    Sums& sums) {
        using V = typename VectorOf<lanes>::Register;
        using Unaligned = typename VectorOf<lanes>::Unaligned;
        V w[vectors];
#pragma GCC unroll 16
        for (int v = 0; v < vectors; ++v) w[v] = *reinterpret_cast<const Unaligned*>(weights + v * lanes);
#pragma GCC unroll 16
        for (int r = 0; r < rows; ++r) {
            if constexpr (bf16) {
                using Pairs [[gnu::vector_size(lanes * sizeof(std::int32_t))]] = std::int32_t;
                std::int32_t pair = 0;  // its bits: as a float it might be changed on the way
                std::memcpy(&pair, pixels[r] + k, sizeof pair);
                const Pairs x = Pairs{} + pair;
#pragma GCC unroll 16
                for (int v = 0; v < vectors; ++v) asm("vdpbf16ps %2, %1, %0" : "+v"(sums[r][v]) : "v"(w[v]), "v"(x));
            } else {
                const float x = pixels[r][k];
#pragma GCC unroll 16
                for (int v = 0; v < vectors; ++v) sums[r][v] += x * w[v];
            }
        }
    }
};

/// How many words of 32 bits a pixel takes as pairs of bf16, with room for whole vectors.
constexpr std::int64_t bf16_words(std::int64_t channels) { return (channels + 15) / 16 * 8; }

/// Pixels that are copied before they are multiplied.
struct PixelCopies {
    const float** pixels = nullptr;  ///< [count]: where the channels of each start; afterwards, where its copy does
    std::int64_t count = 0;
    std::int64_t channels = 0;
    const float* scale = nullptr;  ///< of the channels; null where they are only rounded
    float* to = nullptr;
    std::int64_t stride = 0;  ///< of the copies
};

/// Copies pixels, times their scale.
struct ScalePixels {
    template <int>
    [[gnu::always_inline]] static void run(const PixelCopies& copies) {
        float* to = copies.to;
        for (std::int64_t i = 0; i < copies.count; ++i, to += copies.stride) {
            multiply(copies.pixels[i], copies.scale, to, copies.channels);
            copies.pixels[i] = to;
        }
    }

private:
    [[gnu::always_inline]] static void multiply(const float* a, const float* b, float* product, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i) product[i] = a[i] * b[i];
    }
};

/// Copies pixels, times their scale if there is one, as pairs of bf16; what is left of `bf16_words` is zero.
struct RoundPixels {
    template <int lanes>
    [[gnu::always_inline]] static void run(const PixelCopies& copies) {
        float* to = copies.to;
#pragma GCC unroll 1
        for (std::int64_t i = 0; i < copies.count; ++i, to += copies.stride) {
            const float* pixel = copies.pixels[i];
#pragma GCC unroll 1
            for (std::int64_t c = 0; c < copies.channels; c += lanes) {
                const std::int64_t left = copies.channels - c;
                const auto mask =
                    static_cast<std::uint16_t>(left < lanes ? (1U << static_cast<unsigned>(left)) - 1 : ~0U);
                typename VectorOf<lanes>::Register x;
                load<lanes>(x, pixel + c, mask);
                if (copies.scale != nullptr) {
                    typename VectorOf<lanes>::Register scale;
                    load<lanes>(scale, copies.scale + c, mask);
                    x *= scale;
                }
                typename VectorOf<lanes / 2>::Register pairs;
                asm("vcvtneps2bf16 %1, %0" : "=v"(pairs) : "v"(x));
                *reinterpret_cast<typename VectorOf<lanes / 2>::Unaligned*>(to + c / 2) = pairs;
            }
            copies.pixels[i] = to;
        }
    }

private:
    /// Zero where the mask is.
    template <int lanes, class V>
    [[gnu::always_inline]] static void load(V& x, const float* from, std::uint16_t mask) {
        asm("vmovups %1, %0%{%2%}%{z%}"
            : "=v"(x)
            : "m"(*reinterpret_cast<const typename VectorOf<lanes>::Unaligned*>(from)), "Yk"(mask));
    }
};

/// Two bf16 in the bits of a float.
inline float bf16_pair(float first, float second) {
    const std::uint16_t halves[] = {scalar::to_bf16(first).bits, scalar::to_bf16(second).bits};
    float pair = 0;
    std::memcpy(&pair, halves, sizeof pair);
    return pair;
}

/// What suits the registers of an instruction set: the largest tile, and the width of its vectors.
struct TileLimits {
    int rows, vectors, lanes;
};

constexpr TileLimits tile_limits(Isa isa) {
    switch (isa) {
        case Isa::v4: return {9, 3, 16};
        case Isa::v3: return {6, 2, 8};
        case Isa::baseline: break;
    }
    return {4, 2, 4};
}

/// Output channels [channel, channel + channels), whose weights lie together.
struct Panel {
    std::int64_t channel, channels;
    int vectors;
};

/// Vectors are spread evenly over as few panels as there can be.
inline std::vector<Panel> even_panels(std::int64_t channels, const TileLimits& limits) {
    std::vector<Panel> panels;
    const std::int64_t vectors = (channels + limits.lanes - 1) / limits.lanes;
    const std::int64_t count = (vectors + limits.vectors - 1) / limits.vectors;
    for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t begin = vectors * i / count;
        const std::int64_t end = vectors * (i + 1) / count;
        const std::int64_t channel = begin * limits.lanes;
        panels.push_back({channel, std::min(end * limits.lanes, channels) - channel, static_cast<int>(end - begin)});
    }
    return panels;
}

/// The height of tiles that leave little over of so many pixels.
inline std::int64_t even_rows(std::int64_t pixels, const TileLimits& limits) {
    double best = 0;
    std::int64_t chosen = 1;
    for (std::int64_t rows = limits.rows; rows > limits.rows / 2; --rows) {
        const std::int64_t tiles = (pixels + rows - 1) / rows;
        const double used = static_cast<double>(pixels) / static_cast<double>(tiles * rows) -
                            0.02 * static_cast<double>(limits.rows - rows);
        if (used <= best) continue;
        best = used;
        chosen = rows;
    }
    return std::min(chosen, pixels);
}

template <Isa isa, int rows, int vectors>
constexpr PointwiseFunction pointwise_function() {
    using Tile = Versions<PointwiseBody<rows, vectors, false>, const PointwiseTile&>;
#if defined(__x86_64__)
    if constexpr (isa == Isa::v4) return Tile::v4;
    if constexpr (isa == Isa::v3) return Tile::v3;
#endif
    return Tile::baseline;
}

template <Isa isa, int... index>
PointwiseFunction pointwise_function(int rows, int vectors, std::integer_sequence<int, index...>) {
    constexpr int most = tile_limits(isa).vectors;
    static constexpr PointwiseFunction functions[] = {pointwise_function<isa, index / most + 1, index % most + 1>()...};
    return functions[(rows - 1) * most + vectors - 1];
}

template <int... index>
PointwiseFunction pointwise_bf16_function(int rows, int vectors, std::integer_sequence<int, index...>) {
    constexpr int most = tile_limits(Isa::v4).vectors;
    static constexpr PointwiseFunction functions[] = {
        Versions<PointwiseBody<index / most + 1, index % most + 1, true>, const PointwiseTile&>::v4...};
    return functions[(rows - 1) * most + vectors - 1];
}

/// The same over pairs of bf16. Throws std::logic_error if the program was not made for it.
inline PointwiseFunction pointwise_bf16_function(int rows, int vectors) {
#if defined(__x86_64__)
    constexpr TileLimits limits = tile_limits(Isa::v4);
    if constexpr (needs.has(Implementation::pointwise_bf16))
        return pointwise_bf16_function(rows, vectors, std::make_integer_sequence<int, limits.rows * limits.vectors>());
#endif
    static_cast<void>(rows), static_cast<void>(vectors);
    throw std::logic_error("a product of bf16 that the program was not made for");
}

/// The tile of `rows` x `vectors`, both from 1 to the limits of `isa`.
inline PointwiseFunction pointwise_function(Isa isa, int rows, int vectors) {
#define IGATA_TILES(level)                   \
    pointwise_function<level>(rows, vectors, \
                              std::make_integer_sequence<int, tile_limits(level).rows * tile_limits(level).vectors>())
    if (isa == Isa::v4) return IGATA_TILES(Isa::v4);
    if (isa == Isa::v3) return IGATA_TILES(Isa::v3);
    return IGATA_TILES(Isa::baseline);
#undef IGATA_TILES
}

}  // namespace igata::runtime
