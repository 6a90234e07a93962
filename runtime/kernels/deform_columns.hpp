// Operands: src [n, c, spatial...], offsets [n, groups * taps * spatial axes, out...], mask [n, groups * taps, out...]
// or none, dst [n, c, taps, out flattened]; all f32 or all f64. ints: {number of spatial axes, groups of offsets}, then
// three each of [2] kernel, [5] strides, [8] dilations, [11] pads_begin. What the taps of a deformable convolution
// meet, each moved by its offset and multiplied by its mask.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/kernel.hpp"
#include "runtime/sample_taps.hpp"

namespace igata::runtime {

template <class T>
struct DeformColumns {
    const KernelSpec& spec;
    std::byte* const* operands;
    int spatial = static_cast<int>(spec.ints[0]);
    std::int64_t groups = spec.ints[1];
    std::int64_t taps = spec.operands[3].dims[2];
    std::int64_t pixels = spec.operands[3].dims[3];

    const T* data(int i) const { return reinterpret_cast<const T*>(operands[i]); }

    /// Sample number `i` of [n, group, tap, pixel].
    void run(std::int64_t i) const {
        const MemorySpec& src = spec.operands[0];
        const MemorySpec& offsets = spec.operands[1];
        const MemorySpec& dst = spec.operands[3];
        const std::int64_t pixel = i % pixels;
        const std::int64_t tap = i / pixels % taps;
        const std::int64_t group = i / pixels / taps % groups;
        const std::int64_t n = i / pixels / taps / groups;
        std::int64_t index[max_rank] = {n};
        unflatten_spatial(offsets, pixel, index);
        std::int64_t kernel[max_spatial] = {};
        for (std::int64_t axis = spatial - 1, rest = tap; axis >= 0; --axis) {
            kernel[axis] = rest % spec.ints[2 + axis];
            rest /= spec.ints[2 + axis];
        }
        AxisTaps<T> axes[max_spatial];
        for (int axis = 0; axis < spatial; ++axis) {
            index[1] = (group * taps + tap) * spatial + axis;
            const std::int64_t start = index[axis + 2] * spec.ints[5 + axis] - spec.ints[11 + axis];
            const std::int64_t straight = start + kernel[axis] * spec.ints[8 + axis];
            const T x = bounded_coordinate(static_cast<T>(straight) + data(1)[offset_of(offsets, index)]);
            axes[axis] = linear_taps(x, src.dims[axis + 2]);
        }
        SampleTaps<T> sample;
        sample.combine(axes, spatial, src.strides + 2);
        index[1] = group * taps + tap;
        const T mask = spec.operands[2].rank > 0 ? data(2)[offset_of(spec.operands[2], index)] : T(1);
        const std::int64_t channels = src.dims[1] / groups;
        const T* from = data(0) + n * src.strides[0] + group * channels * src.strides[1];
        T* to = reinterpret_cast<T*>(operands[3]) + n * dst.strides[0] + group * channels * dst.strides[1] +
                tap * dst.strides[2] + pixel * dst.strides[3];
        for (std::int64_t c = 0; c < channels; ++c)
            to[c * dst.strides[1]] = mask * sample.sum(from + c * src.strides[1]);
    }

private:
    void unflatten_spatial(const MemorySpec& offsets, std::int64_t pixel, std::int64_t* index) const {
        for (int axis = spatial - 1; axis >= 0; --axis) {
            index[axis + 2] = pixel % offsets.dims[axis + 2];
            pixel /= offsets.dims[axis + 2];
        }
    }
};

template <class T>
void run_deform_columns(const KernelSpec& spec, std::byte* const* operands) {
    const DeformColumns<T> columns{spec, operands};
    const std::int64_t samples = spec.operands[3].dims[0] * columns.groups * columns.taps * columns.pixels;
    parallel_for(samples, 64, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) columns.run(i);
    });
}

inline std::unique_ptr<Operation> make_deform_columns(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(spec, [](const KernelSpec& s, std::byte* const* operands, std::byte*) {
        if (s.operands[3].dtype == DataType::f64) run_deform_columns<double>(s, operands);
        else run_deform_columns<float>(s, operands);
    });
}

}  // namespace igata::runtime
