// A 1x1 convolution and the depthwise one that alone reads its result, in turns over strips of rows: what lies between
// them is a few rows that stay in the second cache.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/depthwise.hpp"
#include "runtime/image_shape.hpp"
#include "runtime/operation.hpp"
#include "runtime/parallel.hpp"
#include "runtime/pointwise.hpp"
#include "runtime/specs.hpp"
#include "runtime/wide_weights.hpp"

namespace igata::runtime {

/// Runs in the place of the first step; the second step's operands follow the first's in the frame.
class ConvolutionStrips final : public Operation {
public:
    /// Only if `fits`; weights are f32.
    ConvolutionStrips(const Builder& wide, const ConvolutionSpec& wide_spec, const Builder& deep,
                      const ConvolutionSpec& deep_spec)
        : between_(image_shape(deep_spec, deep_spec.dst)),
          wide_(wide, wide_kernel(wide_spec), wide_spec.dst, wide_spec.epilogue.count),
          deep_(deep, deep_spec, deep_spec.dst, deep_spec.epilogue.count) {
        const std::int64_t row = between_.src_w * between_.src_pixel;
        const std::int64_t step = DepthwiseStrip::most_rows * between_.stride_h;
        const std::int64_t needed = step - between_.stride_h + (between_.kernel_h - 1) * between_.dilation_h + 1;
        rows_ = std::clamp<std::int64_t>(cached_floats / row, needed, needed + 4 * step);
        rows_ = std::max(needed, std::min(rows_, between_.src_h));
    }

    /// Whether the first row's result is read by the second alone, and kernels of ours do all of both.
    static bool fits(const Builder& wide, const Builder& deep) {
        if (wide.step->kind != StepKind::convolution || deep.step->kind != StepKind::convolution) return false;
        const auto& wide_spec = *static_cast<const ConvolutionSpec*>(wide.step->spec);
        const auto& deep_spec = *static_cast<const ConvolutionSpec*>(deep.step->spec);
        const bool activates_only =
            DepthwiseConvolution::eltwise_count(wide_spec.epilogue) == wide_spec.epilogue.count &&
            DepthwiseConvolution::eltwise_count(deep_spec.epilogue) == deep_spec.epilogue.count;
        return wide_spec.streamed && activates_only && PointwiseConvolution::fits(wide, wide_spec) &&
               DepthwiseConvolution::fits(deep, deep_spec) && overlaps_little(image_shape(deep_spec, deep_spec.dst));
    }

    /// The first convolution, in bf16 if that pays. `bf16`: the processor multiplies those.
    static ConvolutionSpec wide_kernel(ConvolutionSpec wide, bool bf16 = onednn::has_bf16()) {
        wide.bf16 = wide.bf16 && bf16 && PointwiseConvolution::pays_in_bf16(wide);
        return wide;
    }

    std::string implementation() const override { return wide_.implementation() + " in strips"; }

    std::size_t scratch_bytes() const override {
        return aligned(deep_.scratch_bytes()) + static_cast<std::size_t>(max_threads()) * slot_bytes();
    }

    void run(const Frame& frame) const override {
        std::byte* const* deep = frame.operands + max_operands;
        std::byte* slots = frame.scratch + aligned(deep_.scratch_bytes());
        const std::int64_t strips = deep_.strips();
        parallel_parts(between_.images * strips, 1, [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
            Window window;
            window.rows = reinterpret_cast<float*>(slots + static_cast<std::size_t>(part) * slot_bytes());
            for (std::int64_t i = begin; i < end; ++i) {
                const std::int64_t image = i / strips;
                if (i == begin || i % strips == 0) window.first = window.end = 0;
                provide(frame, image, i % strips, window);
                const float* top = window.rows - window.first * between_.src_row;
                deep_.run_strip(image, i % strips, top, deep, frame.scratch);
            }
        });
        deep_.finish(deep, frame.scratch);
    }

    std::vector<Constants> first_reads() const override { return wide_.first_reads(); }
    bool fetch_ahead(const std::vector<Constants>& later) override { return wide_.fetch_ahead(later); }

private:
    static constexpr std::int64_t cached_floats = 96 * 1024;

    /// Where one thread's strips end and the next one's begin, both compute the rows that their strips share.
    static bool overlaps_little(const ImageShape& s) {
        const std::int64_t shared = (s.kernel_h - 1) * s.dilation_h + 1 - s.stride_h;
        return (max_threads() - 1) * shared * 10 <= s.images * s.src_h;
    }

    /// Rows [first, end) of the tensor between the two.
    struct Window {
        float* rows = nullptr;
        std::int64_t first = 0;
        std::int64_t end = 0;
    };

    std::size_t window_bytes() const {
        return aligned(sizeof(float) * static_cast<std::size_t>(rows_ * between_.src_row));
    }
    std::size_t slot_bytes() const { return window_bytes() + wide_.slot_bytes(); }

    /// Computes those rows that the strip reads and the window does not have yet.
    void provide(const Frame& frame, std::int64_t image, std::int64_t strip, Window& window) const {
        const std::int64_t top = deep_.first_row(strip) * between_.stride_h - between_.pad_top;
        const std::int64_t last = (deep_.first_row(strip + 1) - 1) * between_.stride_h - between_.pad_top +
                                  (between_.kernel_h - 1) * between_.dilation_h;
        const std::int64_t begin = std::clamp<std::int64_t>(top, 0, between_.src_h);
        const std::int64_t end = std::clamp<std::int64_t>(last + 1, begin, between_.src_h);
        if (begin >= window.end) {
            window.first = window.end = begin;
        } else if (end > window.first + rows_) {
            std::memmove(window.rows, window.rows + (begin - window.first) * between_.src_row,
                         sizeof(float) * static_cast<std::size_t>((window.end - begin) * between_.src_row));
            window.first = begin;
        }
        if (end <= window.end) return;
        auto* scratch = reinterpret_cast<std::byte*>(window.rows) + window_bytes();
        wide_.run_pixels(frame.operands, image, window.end * between_.src_w, end * between_.src_w,
                         window.rows - window.first * between_.src_row, scratch);
        window.end = end;
    }

    ImageShape between_;  ///< its source is the tensor between the two
    PointwiseConvolution wide_;
    DepthwiseConvolution deep_;
    std::int64_t rows_ = 0;  ///< that a window holds
};

/// A step whose work is done by the one before it.
class DoneBefore final : public Operation {
public:
    void run(const Frame&) const override {}
    std::string implementation() const override { return "with the step before"; }
};

/// Throws std::runtime_error if a kernel cannot be made.
inline std::unique_ptr<Operation> make_strips(const Builder& wide, const Builder& deep) {
    ConvolutionSpec wide_spec = *static_cast<const ConvolutionSpec*>(wide.step->spec);
    ConvolutionSpec deep_spec = *static_cast<const ConvolutionSpec*>(deep.step->spec);
    const WideWeights of_wide(wide, wide_spec.weights, wide_spec.src);
    const WideWeights of_deep(deep, deep_spec.weights, deep_spec.src);
    return std::make_unique<ConvolutionStrips>(of_wide.builder(), wide_spec, of_deep.builder(), deep_spec);
}

}  // namespace igata::runtime
