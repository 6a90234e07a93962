// The inner kernel of the depthwise convolution: a few rows of results over some of the channels.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "runtime/eltwise.hpp"
#include "runtime/image_shape.hpp"
#include "runtime/isa.hpp"
#include "runtime/needs.hpp"
#include "runtime/specs.hpp"

namespace igata::runtime {

/// Rows [row_begin, row_end) and channels [channel_begin, channel_end) of one image. The sums of the results after
/// activation are stored to `sums`, unless it is null.
struct DepthwisePart {
    const float *src, *weights, *bias;  ///< weights are packed as [kernel_h][kernel_w][channels]
    float *dst, *sums;
    const Activations& activations;
    std::int64_t row_begin, row_end, channel_begin, channel_end;
};

struct DepthwiseStrip {
    static constexpr std::int64_t most_rows = 4;

    /// What one row of results reads: source and weights of the first tap inside the image, column 0, and how many rows
    /// of taps are inside.
    struct Row {
        const float* src;
        const float* weights;
        std::int64_t taps;
    };
    /// Neighbouring results of a row, from column `first`, for which taps [tap_begin, tap_end) are inside the image.
    struct Columns {
        std::int64_t first, tap_begin, tap_end;
    };

    template <int lanes, int pixels, int vectors>
    [[gnu::always_inline]] static void tile(const ImageShape& s, const Row& row, const Columns& columns,
                                            const float* bias, std::int64_t c, float* values) {
        using V = typename VectorOf<lanes>::Register;
        using Unaligned = typename VectorOf<lanes>::Unaligned;
        V results[pixels][vectors];
        for (int v = 0; v < vectors; ++v)
            for (int p = 0; p < pixels; ++p) results[p][v] = *reinterpret_cast<const Unaligned*>(bias + c + v * lanes);
        const std::int64_t step = s.stride_w * s.src_pixel;
        const std::int64_t column = columns.first * s.stride_w + columns.tap_begin * s.dilation_w - s.pad_left;
        for (std::int64_t h = 0; h < row.taps; ++h) {
            const float* src = row.src + h * s.dilation_h * s.src_row + column * s.src_pixel + c;
            const float* weights = row.weights + (h * s.kernel_w + columns.tap_begin) * s.dst_channels + c;
            for (std::int64_t w = columns.tap_begin; w < columns.tap_end; ++w) {
                for (int v = 0; v < vectors; ++v) {
                    const V weight = *reinterpret_cast<const Unaligned*>(weights + v * lanes);
                    for (int p = 0; p < pixels; ++p)
                        results[p][v] += *reinterpret_cast<const Unaligned*>(src + p * step + v * lanes) * weight;
                }
                src += s.dilation_w * s.src_pixel;
                weights += s.dst_channels;
            }
        }
        for (int p = 0; p < pixels; ++p)
            for (int v = 0; v < vectors; ++v)
                *reinterpret_cast<Unaligned*>(values + (p * vectors + v) * lanes) = results[p][v];
    }

    /// Activates `values`, `vectors` * `lanes` channels from `c` of `pixels` columns of every row, stores the first
    /// `count` columns and adds them up. The first `known` channels are those of the tile before, which has added them
    /// up.
    template <int lanes, int pixels, int vectors>
    [[gnu::always_inline]] static void finish(const ImageShape& s, const DepthwisePart& part, float* values,
                                              std::int64_t column, std::int64_t count, std::int64_t c,
                                              std::int64_t known) {
        using V = typename VectorOf<lanes>::Register;
        using Unaligned = typename VectorOf<lanes>::Unaligned;
        constexpr int size = pixels * vectors * lanes;
        const std::int64_t row_count = part.row_end - part.row_begin;
        part.activations.apply(values, row_count * size);
        V sums[vectors] = {};
#pragma GCC unroll 1
        for (std::int64_t r = 0; r < row_count; ++r) {
            const float* from = values + r * size;
            float* dst = part.dst + (part.row_begin + r) * s.dst_row + column * s.dst_pixel + c;
#pragma GCC unroll 1
            for (std::int64_t p = 0; p < count; ++p, dst += s.dst_pixel) {
                for (int v = 0; v < vectors; ++v, from += lanes) {
                    const V result = *reinterpret_cast<const Unaligned*>(from);
                    *reinterpret_cast<Unaligned*>(dst + v * lanes) = result;
                    sums[v] += result;
                }
            }
        }
        if (part.sums == nullptr) return;
        for (int v = 0; v < vectors; ++v) {
            float* total = part.sums + c + v * lanes;
            if (lanes == 1 || known == 0) {
                *reinterpret_cast<Unaligned*>(total) += sums[v];
            } else {
#pragma GCC unroll 1
                for (std::int64_t i = known; i < lanes; ++i) total[i] += sums[v][i];
            }
        }
    }

    template <int lanes, int pixels, int vectors>
    [[gnu::always_inline]] static void tiles(const ImageShape& s, const DepthwisePart& part, const Row* rows,
                                             const Columns& columns, std::int64_t c, std::int64_t known) {
        constexpr int size = pixels * vectors * lanes;
        alignas(64) float values[most_rows * size];
        for (std::int64_t r = 0; r < part.row_end - part.row_begin; ++r)
            tile<lanes, pixels, vectors>(s, rows[r], columns, part.bias, c, values + r * size);
        finish<lanes, pixels, vectors>(s, part, values, columns.first, pixels, c, known);
    }

    static constexpr std::int64_t most_channels = 512;  ///< of a part
    static constexpr std::int64_t most_stride = 2;      ///< of the rows of a kernel of the usual widths

    /// `pixels` neighbouring results of a row, one vector of channels from c. x: where the source pixels of each of the
    /// `count` rows of taps are, each of which is loaded once.
    template <int lanes, int taps, int stride, int pixels>
    [[gnu::always_inline]] static void usual_tile(const float* const* x, std::int64_t count, const float* weights,
                                                  const float* bias, std::int64_t channels, std::int64_t c,
                                                  float* values) {
        using V = typename VectorOf<lanes>::Register;
        using Unaligned = typename VectorOf<lanes>::Unaligned;
        constexpr int span = (pixels - 1) * stride + taps;
        V results[pixels];
        for (int p = 0; p < pixels; ++p) results[p] = *reinterpret_cast<const Unaligned*>(bias);
#pragma GCC unroll 1
        for (std::int64_t h = 0; h < count; ++h, x += span) {
            V w[taps];
            for (int t = 0; t < taps; ++t, weights += channels) w[t] = *reinterpret_cast<const Unaligned*>(weights);
#pragma GCC unroll 32
            for (int q = 0; q < span; ++q) {
                const V pixel = *reinterpret_cast<const Unaligned*>(x[q] + c);
#pragma GCC unroll 8
                for (int p = 0; p < pixels; ++p)
                    if (const int t = q - p * stride; t >= 0 && t < taps) results[p] += pixel * w[t];
            }
        }
        for (int p = 0; p < pixels; ++p) *reinterpret_cast<Unaligned*>(values + p * lanes) = results[p];
    }

    /// Where the `span` pixels from column `left` of rows [top, bottom) are, beyond the sides of the image in zeros.
    template <int span>
    [[gnu::always_inline]] static void find_pixels(const ImageShape& s, const DepthwisePart& part, std::int64_t top,
                                                   std::int64_t bottom, std::int64_t left, const float** x) {
        static constexpr float zeros[most_channels] = {};
        const std::int64_t begin_row = std::clamp<std::int64_t>(0, top, bottom);
        const std::int64_t end_row = std::min(bottom, s.src_h);
        x += (begin_row - top) * span;
#pragma GCC unroll 1
        for (std::int64_t y = begin_row; y < end_row; ++y) {
            const float* line = part.src + y * s.src_row + part.channel_begin;
#pragma GCC unroll 1
            for (std::int64_t q = left; q < left + span; ++q)
                *x++ = q < 0 || q >= s.src_w ? zeros : line + q * s.src_pixel;
        }
    }

    /// All channels of the part, columns [first, end) of every row, `pixels` at a time, less those beyond the result.
    /// `stride` is that of the columns.
    template <int lanes, int taps, int stride, int pixels>
    [[gnu::always_inline]] static void usual_tiles(const ImageShape& s, const DepthwisePart& part, std::int64_t first,
                                                   std::int64_t end) {
        constexpr int span = (pixels - 1) * stride + taps;
        const float* x[((most_rows - 1) * most_stride + taps) * span];
        std::int64_t inside = -1;  // if not negative, the column that x was found for, within the image
        const std::int64_t rows = part.row_end - part.row_begin;
        const std::int64_t top = part.row_begin * s.stride_h - s.pad_top;
#pragma GCC unroll 1
        for (; first < end; first += pixels) {
            const std::int64_t left = first * stride - s.pad_left;
            std::int64_t further = 0;
            if (inside >= 0 && left + span <= s.src_w) {
                further = (left - inside) * s.src_pixel;
            } else {
                find_pixels<span>(s, part, top, top + (rows - 1) * s.stride_h + s.kernel_h, left, x);
                inside = left;
            }
            const std::int64_t count = std::min<std::int64_t>(pixels, s.dst_w - first);
            alignas(64) float values[most_rows * pixels * lanes];
#pragma GCC unroll 1
            for (std::int64_t begin = part.channel_begin; begin < part.channel_end; begin += lanes) {
                const std::int64_t c = std::min(begin, part.channel_end - lanes);
#pragma GCC unroll 1
                for (std::int64_t r = 0; r < rows; ++r) {
                    const std::int64_t first_tap = std::clamp<std::int64_t>(-top - r * s.stride_h, 0, s.kernel_h);
                    const std::int64_t end_tap = std::min<std::int64_t>(s.kernel_h, s.src_h - top - r * s.stride_h);
                    usual_tile<lanes, taps, stride, pixels>(
                        x + (r * s.stride_h + first_tap) * span, end_tap - first_tap,
                        part.weights + first_tap * taps * s.dst_channels + c, part.bias + c, s.dst_channels,
                        c - part.channel_begin + further, values + r * pixels * lanes);
                }
                finish<lanes, pixels, 1>(s, part, values, first, count, c, begin - c);
            }
        }
    }

    /// Kernels of the usual widths, no higher than wide, in tiles of 7 and 8 columns: as many sums at once as two
    /// multipliers need, each of which takes four cycles.
    template <int lanes, int taps, int stride>
    [[gnu::always_inline]] static void usual_strip(const ImageShape& s, const DepthwisePart& part) {
        const std::int64_t tiles = (s.dst_w + 7) / 8;
        const std::int64_t wide = 8 * std::max<std::int64_t>(0, s.dst_w - 7 * tiles);
        usual_tiles<lanes, taps, stride, 8>(s, part, 0, wide);
        usual_tiles<lanes, taps, stride, 7>(s, part, wide, s.dst_w);
    }

    template <int lanes, int pixels, int vectors>
    [[gnu::always_inline]] static void all_channels(const ImageShape& s, const DepthwisePart& part, const Row* rows,
                                                    const Columns& columns) {
        std::int64_t begin = part.channel_begin;
        if constexpr (vectors > 1) {
#pragma GCC unroll 1
            for (; begin + vectors * lanes <= part.channel_end; begin += vectors * lanes)
                tiles<lanes, pixels, vectors>(s, part, rows, columns, begin, 0);
        }
#pragma GCC unroll 1
        for (; begin < part.channel_end; begin += lanes) {
            const std::int64_t c = std::min(begin, part.channel_end - lanes);
            tiles<lanes, pixels, 1>(s, part, rows, columns, c, begin - c);
        }
    }

    /// Columns at an edge one by one, with the taps that are inside; the rest `wide` at a time. Of single columns
    /// `vectors` at a time.
    template <int lanes, int wide, int vectors>
    [[gnu::always_inline]] static void strip(const ImageShape& s, const DepthwisePart& part, const Row* rows) {
        const std::int64_t reach = (s.kernel_w - 1) * s.dilation_w - s.pad_left;  // of the last tap of column 0
        const std::int64_t left = std::min(s.dst_w, (s.pad_left + s.stride_w - 1) / s.stride_w);
        const std::int64_t inside = s.src_w > reach ? (s.src_w - 1 - reach) / s.stride_w + 1 : 0;
        const std::int64_t right = std::max(left, std::min(s.dst_w, inside));
        for (std::int64_t x = 0; x < s.dst_w;) {
            const bool at_edge = x < left || x >= right;
            Columns columns{x, 0, s.kernel_w};
            const std::int64_t column = x * s.stride_w - s.pad_left;
            while (at_edge && columns.tap_begin < s.kernel_w && column + columns.tap_begin * s.dilation_w < 0)
                ++columns.tap_begin;
            while (at_edge && columns.tap_end > columns.tap_begin &&
                   column + (columns.tap_end - 1) * s.dilation_w >= s.src_w)
                --columns.tap_end;
            if (wide > 1 && !at_edge && x + wide <= right) {
                all_channels<lanes, wide, 1>(s, part, rows, columns);
                x += wide;
            } else {
                all_channels<lanes, 1, vectors>(s, part, rows, columns);
                ++x;
            }
        }
    }

    /// Any kernel, and any number of channels.
    template <int lanes>
    [[gnu::always_inline]] static void any_strip(const ImageShape& s, const DepthwisePart& part) {
        Row rows[most_rows];
        for (std::int64_t r = 0; r < part.row_end - part.row_begin; ++r) {
            const std::int64_t top = (part.row_begin + r) * s.stride_h - s.pad_top;
            std::int64_t begin = 0;
            while (begin < s.kernel_h && top + begin * s.dilation_h < 0) ++begin;
            std::int64_t end = s.kernel_h;
            while (end > begin && top + (end - 1) * s.dilation_h >= s.src_h) --end;
            rows[r] = {part.src + (top + begin * s.dilation_h) * s.src_row,
                       part.weights + begin * s.kernel_w * s.dst_channels, end - begin};
        }
        const std::int64_t channels = part.channel_end - part.channel_begin;
        if (channels >= lanes) strip<lanes, 4, 4>(s, part, rows);
        else if (lanes > 8 && channels >= 8) strip<8, 8, 1>(s, part, rows);
        else if (lanes > 4 && channels >= 4) strip<4, 1, 1>(s, part, rows);
        else strip<1, 1, 1>(s, part, rows);
    }

    /// Kernels of the usual widths, no higher than wide, have code of their own for each stride of the columns, for
    /// vectors that a part has enough channels for.
    static Implementation kernel(const ImageShape& s) {
        const bool usual = s.kernel_h <= s.kernel_w && s.stride_h <= most_stride && s.dilation_h == 1 &&
                           s.dilation_w == 1 && s.dst_channels >= 16;
        if (usual && s.kernel_w == 3 && s.stride_w == 1) return Implementation::depthwise_3x3;
        if (usual && s.kernel_w == 3 && s.stride_w == 2) return Implementation::depthwise_3x3_stride2;
        if (usual && s.kernel_w == 5 && s.stride_w == 1) return Implementation::depthwise_5x5;
        if (usual && s.kernel_w == 5 && s.stride_w == 2) return Implementation::depthwise_5x5_stride2;
        return Implementation::depthwise;
    }

    static constexpr bool is_needed() {
        using Kernel = Implementation;
        return needs.has(Kernel::depthwise_3x3) || needs.has(Kernel::depthwise_3x3_stride2) ||
               needs.has(Kernel::depthwise_5x5) || needs.has(Kernel::depthwise_5x5_stride2) ||
               needs.has(Kernel::depthwise);
    }

    template <int lanes>
    [[gnu::always_inline]] static void run(const ImageShape& s, const DepthwisePart& part) {
        using Kernel = Implementation;
        if (part.sums != nullptr) std::fill(part.sums + part.channel_begin, part.sums + part.channel_end, 0.0F);
        if constexpr (lanes >= 8) {
            const Kernel own = kernel(s);
            if constexpr (needs.has(Kernel::depthwise_3x3))
                if (own == Kernel::depthwise_3x3) return usual_strip<lanes, 3, 1>(s, part);
            if constexpr (needs.has(Kernel::depthwise_3x3_stride2))
                if (own == Kernel::depthwise_3x3_stride2) return usual_strip<lanes, 3, 2>(s, part);
            if constexpr (needs.has(Kernel::depthwise_5x5))
                if (own == Kernel::depthwise_5x5) return usual_strip<lanes, 5, 1>(s, part);
            if constexpr (needs.has(Kernel::depthwise_5x5_stride2))
                if (own == Kernel::depthwise_5x5_stride2) return usual_strip<lanes, 5, 2>(s, part);
        }
        if constexpr (lanes < 8 || needs.has(Kernel::depthwise)) any_strip<lanes>(s, part);
    }
};

}  // namespace igata::runtime
