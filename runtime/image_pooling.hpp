// Pooling of f32 images whose channels lie together. oneDNN's takes several times as long where there is no AVX-512.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "runtime/image_shape.hpp"
#include "runtime/isa.hpp"
#include "runtime/operation.hpp"
#include "runtime/parallel.hpp"
#include "runtime/specs.hpp"

namespace igata::runtime {

/// A window and where it lies.
struct PoolingShape {
    ImageShape image;
    std::int64_t pad_bottom, pad_right;
    bool counts_padding;

    /// Of a window along one axis: taps [begin, end) are inside the image; an average divides by `counted` of them.
    struct Taps {
        std::int64_t begin, end, counted;
    };
    Taps rows(std::int64_t y) const {
        const ImageShape& s = image;
        return taps(y * s.stride_h - s.pad_top, s.dilation_h, s.kernel_h, s.src_h, pad_bottom);
    }
    Taps columns(std::int64_t x) const {
        const ImageShape& s = image;
        return taps(x * s.stride_w - s.pad_left, s.dilation_w, s.kernel_w, s.src_w, pad_right);
    }

private:
    Taps taps(std::int64_t first, std::int64_t dilation, std::int64_t kernel, std::int64_t size,
              std::int64_t pad_end) const {
        const auto before = [&](std::int64_t limit) {
            return std::clamp<std::int64_t>((limit - first + dilation - 1) / dilation, 0, kernel);
        };
        const std::int64_t begin = before(0);
        const std::int64_t end = before(size);
        return {begin, end, counts_padding ? before(size + pad_end) : end - begin};
    }
};

/// One row of results of one image.
template <bool maximum>
struct PoolingRow {
    template <int lanes>
    [[gnu::always_inline]] static void run(const PoolingShape& shape, const float* src, float* dst, std::int64_t y) {
        const ImageShape& s = shape.image;
        const PoolingShape::Taps rows = shape.rows(y);
        Window window;
        window.rows = rows.end - rows.begin;
        window.row_step = s.dilation_h * s.src_row;
        window.column_step = s.dilation_w * s.src_pixel;
        const float* line = src + (y * s.stride_h - s.pad_top + rows.begin * s.dilation_h) * s.src_row;
        for (std::int64_t x = 0; x < s.dst_w; ++x, dst += s.dst_pixel) {
            const PoolingShape::Taps columns = shape.columns(x);
            window.columns = columns.end - columns.begin;
            window.src = line + (x * s.stride_w - s.pad_left + columns.begin * s.dilation_w) * s.src_pixel;
            window.count = static_cast<float>(rows.counted * columns.counted);
            std::int64_t c = 0;
            for (; c + 4 * lanes <= s.dst_channels; c += 4 * lanes) window.template reduce<lanes, 4>(c, dst);
            for (; c + lanes <= s.dst_channels; c += lanes) window.template reduce<lanes, 1>(c, dst);
            for (; c < s.dst_channels; ++c) window.template reduce<1, 1>(c, dst);
        }
    }

private:
    struct Window {
        const float* src;
        std::int64_t rows, columns, row_step, column_step;
        float count;

        /// `n` vectors of channels from c on.
        template <int lanes, int n>
        [[gnu::always_inline]] void reduce(std::int64_t c, float* dst) const {
            using V = typename VectorOf<lanes>::Register;
            using Unaligned = typename VectorOf<lanes>::Unaligned;
            V result[n];
            for (int v = 0; v < n; ++v) result[v] = V{} + (maximum ? -std::numeric_limits<float>::infinity() : 0.0F);
            for (std::int64_t h = 0; h < rows; ++h) {
                const float* from = src + h * row_step + c;
                for (std::int64_t w = 0; w < columns; ++w, from += column_step) {
                    for (int v = 0; v < n; ++v) {
                        const V value = *reinterpret_cast<const Unaligned*>(from + v * lanes);
                        if (maximum) result[v] = value > result[v] ? value : result[v];  // a NaN never wins
                        else result[v] += value;
                    }
                }
            }
            for (int v = 0; v < n; ++v) {
                Unaligned* to = reinterpret_cast<Unaligned*>(dst + c + v * lanes);
                *to = maximum ? result[v] : result[v] / count;
            }
        }
    };
};

class ImagePooling final : public Operation {
public:
    explicit ImagePooling(const PoolingSpec& spec, Isa isa = detect_isa())
        : isa_(isa), run_row_(spec.algorithm == Pooling::max ? get<true>(isa) : get<false>(isa)) {
        ConvolutionSpec window;
        window.spatial = spec.spatial;
        window.src = spec.src;
        const int last = spec.spatial - 1;
        for (int i = 0; i < spec.spatial; ++i) {
            window.weights.dims[2 + i] = spec.kernel[i];
            window.strides[i] = spec.strides[i];
            window.dilations[i] = spec.dilations[i];
            window.pads_begin[i] = spec.pads_begin[i];
        }
        shape_ = {image_shape(window, spec.dst), spec.spatial == 1 ? 0 : spec.pads_end[0], spec.pads_end[last],
                  spec.algorithm == Pooling::average_include_padding};
    }

    static bool fits(const PoolingSpec& spec) {
        return spec.spatial <= 2 && spec.src.dtype == DataType::f32 && spec.dst.dtype == DataType::f32 &&
               spec.src.strides[1] == 1 && spec.dst.strides[1] == 1;
    }

    std::string implementation() const override { return std::string("igata:pooling:") + name_of(isa_); }

    void run(const Frame& frame) const override {
        const ImageShape& s = shape_.image;
        const auto* src = reinterpret_cast<const float*>(frame.operands[0]);
        auto* dst = reinterpret_cast<float*>(frame.operands[1]);
        const std::int64_t work = s.dst_w * s.dst_channels * s.kernel_h * s.kernel_w;
        parallel_for(s.images * s.dst_h, 65536 / std::max<std::int64_t>(work, 1) + 1,
                     [&](std::int64_t begin, std::int64_t end) {
                         for (std::int64_t i = begin; i < end; ++i) {
                             const std::int64_t image = i / s.dst_h;
                             const std::int64_t y = i % s.dst_h;
                             run_row_(shape_, src + image * s.src_image, dst + image * s.dst_image + y * s.dst_row, y);
                         }
                     });
    }

private:
    using Function = void (*)(const PoolingShape&, const float*, float*, std::int64_t);

    template <bool maximum>
    static Function get(Isa isa) {
        return Versions<PoolingRow<maximum>, const PoolingShape&, const float*, float*, std::int64_t>::get(isa);
    }

    Isa isa_;
    Function run_row_;
    PoolingShape shape_ = {};
};

}  // namespace igata::runtime
