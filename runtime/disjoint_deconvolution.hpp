// Transposed convolution whose kernel is as large as its stride, so that no two pixels of the source meet in one of the
// result: each row of the kernel is a 1x1 convolution to the channels of its taps, which lie side by side in the
// result.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "runtime/operation.hpp"
#include "runtime/pointwise.hpp"
#include "runtime/specs.hpp"
#include "runtime/tile_epilogue.hpp"

namespace igata::runtime {

class DisjointDeconvolution final : public Operation {
public:
    /// Only if `fits`.
    DisjointDeconvolution(const Builder& builder, const DeconvolutionSpec& spec) {
        const int width = spec.spatial - 1;  // its axis
        const std::int64_t row_count = spec.spatial == 1 ? 1 : spec.strides[0];
        const std::int64_t dst_row = spec.dst.strides[spec.spatial == 1 ? 0 : 2];
        row_bytes_ = static_cast<std::int64_t>(sizeof(float)) * dst_row;

        ConvolutionSpec row;
        row.spatial = 1;
        row.src = lines(spec.src, spec.spatial, 1, 1);
        row.dst = lines(spec.dst, spec.spatial, row_count, spec.strides[width]);
        row.weights = packed({row.dst.dims[1], row.src.dims[1], 1});
        row.bias = packed({row.dst.dims[1]});
        row.epilogue = spec.epilogue;
        for (std::int64_t r = 0; r < row_count; ++r) {
            const std::vector<float> constants = constants_of_row(builder, spec, r);
            StepSpec step = *builder.step;
            step.operands[1] = {Space::weights, 0, 0};
            step.operands[2] = {Space::weights, 0,
                                static_cast<std::int64_t>(sizeof(float)) * row.dst.dims[1] * row.src.dims[1]};
            const Builder own{builder.engine, &step, reinterpret_cast<const std::byte*>(constants.data()),
                              builder.packed};
            rows_.push_back(std::make_unique<PointwiseConvolution>(own, row, row.dst, row.epilogue.count));
        }
    }

    static bool fits(const Builder& builder, const DeconvolutionSpec& spec) {
        if (!builder.is_packable(spec) || spec.groups != 1 || spec.spatial > 2) return false;
        std::int64_t elements = 1;
        for (int i = 0; i < spec.src.rank; ++i) elements *= spec.src.dims[i];
        if (elements == 0 || TileEpilogue::takes(spec.epilogue) != spec.epilogue.count) return false;
        for (int i = 0; i < spec.spatial; ++i)
            if (spec.weights.dims[2 + i] != spec.strides[i] || spec.dilations[i] != 1 || spec.pads_begin[i] != 0 ||
                spec.dst.dims[2 + i] != spec.src.dims[2 + i] * spec.strides[i])
                return false;
        const bool channels_last = spec.src.strides[1] == 1 && spec.dst.strides[1] == 1 &&
                                   spec.dst.strides[spec.dst.rank - 1] == spec.dst.dims[1];
        return channels_last && (spec.spatial == 1 || (are_one(spec.src) && are_one(spec.dst)));
    }

    /// Whether it is measured to be faster than PhasedDeconvolution, which stores what it computes twice: where the
    /// taps of a row have enough channels for its vectors.
    static bool pays(const DeconvolutionSpec& spec) { return spec.strides[spec.spatial - 1] * spec.dst.dims[1] >= 16; }

    std::string implementation() const override { return rows_.front()->implementation() + " of rows"; }

    std::size_t scratch_bytes() const override { return rows_.front()->scratch_bytes(); }

    void run(const Frame& frame) const override {
        std::byte* operands[max_operands];
        std::copy(frame.operands, frame.operands + max_operands, operands);
        for (const auto& row : rows_) {
            row->run({operands, frame.scratch, frame.calls, frame.stream});
            operands[3] += row_bytes_;
        }
    }

private:
    /// Images and rows of pixels are one axis.
    static bool are_one(const MemorySpec& memory) {
        return memory.dims[0] == 1 || memory.strides[0] == memory.dims[2] * memory.strides[2];
    }

    static MemorySpec packed(std::initializer_list<std::int64_t> dims) {
        MemorySpec memory;
        memory.dtype = DataType::f32;
        std::copy(dims.begin(), dims.end(), memory.dims);
        std::int64_t stride = 1;
        memory.rank = static_cast<int>(dims.size());
        for (int i = memory.rank; i-- > 0; stride *= memory.dims[i]) memory.strides[i] = stride;
        return memory;
    }

    /// Every `every`-th row of pixels as an image of its own, `taps` neighbouring pixels as one.
    static MemorySpec lines(const MemorySpec& memory, int spatial, std::int64_t every, std::int64_t taps) {
        const std::int64_t row = memory.strides[spatial == 1 ? 0 : 2];
        const std::int64_t rows = memory.dims[0] * (spatial == 1 ? 1 : memory.dims[2]);
        MemorySpec result;
        result.dtype = memory.dtype;
        result.rank = 3;
        const std::int64_t dims[] = {rows / every, taps * memory.dims[1], memory.dims[1 + spatial] / taps};
        const std::int64_t strides[] = {every * row, 1, taps * memory.strides[1 + spatial]};
        std::copy(dims, dims + 3, result.dims);
        std::copy(strides, strides + 3, result.strides);
        return result;
    }

    /// Weights [tap, output channel][input channel] of one row of the kernel, then a bias for each of their channels.
    static std::vector<float> constants_of_row(const Builder& builder, const DeconvolutionSpec& spec,
                                               std::int64_t row) {
        const auto* weights = reinterpret_cast<const float*>(builder.constant(1));
        const auto* bias = reinterpret_cast<const float*>(builder.constant(2));
        const MemorySpec& w = spec.weights;
        const std::int64_t first = spec.spatial == 1 ? 0 : row * w.strides[2];
        std::vector<float> constants;
        for (std::int64_t tap = 0; tap < w.dims[1 + spec.spatial]; ++tap)
            for (std::int64_t to = 0; to < w.dims[1]; ++to)
                for (std::int64_t from = 0; from < w.dims[0]; ++from)
                    constants.push_back(
                        weights[first + tap * w.strides[1 + spec.spatial] + to * w.strides[1] + from * w.strides[0]]);
        for (std::int64_t tap = 0; tap < w.dims[1 + spec.spatial]; ++tap)
            for (std::int64_t to = 0; to < w.dims[1]; ++to)
                constants.push_back(bias != nullptr ? bias[to * spec.bias.strides[0]] : 0.0F);
        return constants;
    }

    std::vector<std::unique_ptr<PointwiseConvolution>> rows_;
    std::int64_t row_bytes_ = 0;
};

}  // namespace igata::runtime
