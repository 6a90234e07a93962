// A convolution that also averages its result over the spatial axes: a pass over the result for those implementations
// that do not add it up while they make it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/isa.hpp"
#include "runtime/operation.hpp"
#include "runtime/parallel.hpp"
#include "runtime/specs.hpp"

namespace igata::runtime {

/// Up to three spatial axes, outermost first; strides in elements.
struct SpatialShape {
    std::int64_t dims[max_spatial] = {1, 1, 1};
    std::int64_t strides[max_spatial] = {};

    explicit SpatialShape(const MemorySpec& tensor) {
        const int unused = max_spatial - (tensor.rank - 2);
        for (int axis = 2; axis < tensor.rank; ++axis) {
            dims[axis - 2 + unused] = tensor.dims[axis];
            strides[axis - 2 + unused] = tensor.strides[axis];
        }
    }
    std::int64_t count() const { return dims[0] * dims[1] * dims[2]; }
};

/// Sums over all positions of up to `channel_block` channels of one image. Each line along the innermost axis is summed
/// on its own first, which keeps the rounding error small.
struct SpatialSum {
    static constexpr std::int64_t channel_block = 64;

    template <int>
    [[gnu::always_inline]] static void run(const SpatialShape& s, const float* x, std::int64_t channel_stride,
                                           std::int64_t channels, float* sums) {
        for (std::int64_t c = 0; c < channels; ++c) sums[c] = 0.0F;
        for (std::int64_t outer = 0; outer < s.dims[0] * s.dims[1]; ++outer) {
            const float* line = x + outer / s.dims[1] * s.strides[0] + outer % s.dims[1] * s.strides[1];
            if (channel_stride == 1) {
                float of_line[channel_block] = {};
                for (std::int64_t i = 0; i < s.dims[2]; ++i) {
                    const float* pixel = line + i * s.strides[2];
                    for (std::int64_t c = 0; c < channels; ++c) of_line[c] += pixel[c];
                }
                for (std::int64_t c = 0; c < channels; ++c) sums[c] += of_line[c];
            } else {
                for (std::int64_t c = 0; c < channels; ++c) {
                    float of_line = 0.0F;
                    for (std::int64_t i = 0; i < s.dims[2]; ++i) of_line += line[c * channel_stride + i * s.strides[2]];
                    sums[c] += of_line;
                }
            }
        }
    }
};

class ConvolutionMean final : public Operation {
public:
    /// The pass after `operation`.
    ConvolutionMean(const ConvolutionSpec& spec, std::unique_ptr<Operation> operation)
        : operation_(std::move(operation)),
          dst_(spec.dst),
          mean_(spec.mean.memory),
          mean_operand_(spec.mean.operand_index),
          space_(spec.dst),
          sum_(Versions<SpatialSum, const SpatialShape&, const float*, std::int64_t, std::int64_t, float*>::get()) {}

    std::size_t scratch_bytes() const override { return operation_->scratch_bytes(); }
    std::vector<Call> calls() const override { return operation_->calls(); }

    void run(const Frame& frame) const override {
        operation_->run(frame);
        const auto* dst = reinterpret_cast<const float*>(frame.operands[3]);
        auto* mean = reinterpret_cast<float*>(frame.operands[mean_operand_]);
        const std::int64_t count = space_.count();
        constexpr std::int64_t width = SpatialSum::channel_block;
        const std::int64_t blocks = (dst_.dims[1] + width - 1) / width;
        parallel_for(dst_.dims[0] * blocks, 16384 / (width * count) + 1, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i) {
                const std::int64_t image = i / blocks;
                const std::int64_t first = i % blocks * width;
                const std::int64_t channels = std::min(width, dst_.dims[1] - first);
                float sums[width];
                sum_(space_, dst + image * dst_.strides[0] + first * dst_.strides[1], dst_.strides[1], channels, sums);
                float* to = mean + image * mean_.strides[0] + first * mean_.strides[1];
                for (std::int64_t c = 0; c < channels; ++c)
                    to[c * mean_.strides[1]] = sums[c] / static_cast<float>(count);
            }
        });
    }

    std::string implementation() const override { return operation_->implementation() + " + mean"; }

private:
    std::unique_ptr<Operation> operation_;
    MemorySpec dst_, mean_;
    int mean_operand_;
    SpatialShape space_;
    decltype(Versions<SpatialSum, const SpatialShape&, const float*, std::int64_t, std::int64_t, float*>::get()) sum_;
};

}  // namespace igata::runtime
