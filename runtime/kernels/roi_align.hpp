// Operands: src [n, c, h, w], rois [count, 4] (left, top, right, bottom), images (i64 [count]), dst [count, c, h, w];
// all but the images f32 or all f64. ints: {1 = maximum or 0 = average, 1 = half a pixel off the coordinates, samples
// along a bin (0: as many as pixels)}. floats: {scale of the rois}. The maximum is that of the weighted elements
// (ONNX). An image out of range is clamped.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/kernel.hpp"
#include "runtime/sample_taps.hpp"

namespace igata::runtime {

/// A region along one axis, divided into bins.
template <class T>
struct RoiAxis {
    T start, bin;
    std::int64_t samples, extent;

    RoiAxis(const KernelSpec& spec, T from, T to, std::int64_t bins, std::int64_t image_extent) : extent(image_extent) {
        const T scale = static_cast<T>(spec.floats[0]);
        const bool half_pixel = spec.ints[1] != 0;
        const T shift = half_pixel ? T(0.5) : T(0);
        start = bounded_coordinate(from * scale - shift);
        T size = bounded_coordinate(to * scale - shift) - start;
        if (!half_pixel) size = std::max(size, T(1));
        bin = size / static_cast<T>(bins);
        constexpr T most = 1 << 12;
        samples =
            spec.ints[2] > 0 ? spec.ints[2] : static_cast<std::int64_t>(std::min(std::max(std::ceil(bin), T(0)), most));
    }

    /// False outside of the image by more than a pixel.
    bool taps(std::int64_t index, std::int64_t sample, AxisTaps<T>& result) const {
        T x = start + static_cast<T>(index) * bin + (static_cast<T>(sample) + T(0.5)) * bin / static_cast<T>(samples);
        if (x < -1 || x > static_cast<T>(extent)) return false;
        x = std::min(std::max(x, T(0)), static_cast<T>(extent - 1));
        const auto low = static_cast<std::int64_t>(x);
        result.count = 0;
        result.add(low, 1 - (x - static_cast<T>(low)));
        result.add(std::min(low + 1, extent - 1), x - static_cast<T>(low));
        return true;
    }
};

template <class T>
struct RoiAlign {
    const KernelSpec& spec;
    std::byte* const* operands;

    /// One bin of one region, for all channels.
    void run(std::int64_t roi, std::int64_t row, std::int64_t column) const {
        const MemorySpec& src = spec.operands[0];
        const MemorySpec& rois = spec.operands[1];
        const MemorySpec& dst = spec.operands[3];
        const T* box = reinterpret_cast<const T*>(operands[1]) + roi * rois.strides[0];
        const auto corner = [&](int i) { return box[i * rois.strides[1]]; };
        const RoiAxis<T> y(spec, corner(1), corner(3), dst.dims[2], src.dims[2]);
        const RoiAxis<T> x(spec, corner(0), corner(2), dst.dims[3], src.dims[3]);
        const std::int64_t given =
            reinterpret_cast<const std::int64_t*>(operands[2])[roi * spec.operands[2].strides[0]];
        const std::int64_t image = std::min(std::max<std::int64_t>(given, 0), src.dims[0] - 1);
        const T* from = reinterpret_cast<const T*>(operands[0]) + image * src.strides[0];
        T* to =
            reinterpret_cast<T*>(operands[3]) + roi * dst.strides[0] + row * dst.strides[2] + column * dst.strides[3];
        const std::int64_t channels = src.dims[1];
        const bool maximum = spec.ints[0] != 0;
        for (std::int64_t c = 0; c < channels; ++c) to[c * dst.strides[1]] = 0;
        SampleTaps<T> taps;
        AxisTaps<T> axes[2];
        for (std::int64_t i = 0; i < y.samples * x.samples; ++i) {
            taps.count = 0;
            if (y.taps(row, i / x.samples, axes[0]) && x.taps(column, i % x.samples, axes[1]))
                taps.combine(axes, 2, src.strides + 2);
            for (std::int64_t c = 0; c < channels; ++c) {
                T& result = to[c * dst.strides[1]];
                const T* channel = from + c * src.strides[1];
                if (!maximum) result += taps.sum(channel);
                else result = i == 0 ? highest(taps, channel) : std::max(result, highest(taps, channel));
            }
        }
        const auto count = static_cast<T>(std::max<std::int64_t>(y.samples * x.samples, 1));
        for (std::int64_t c = 0; c < channels && !maximum; ++c) to[c * dst.strides[1]] /= count;
    }

private:
    static T highest(const SampleTaps<T>& taps, const T* channel) {
        if (taps.count == 0) return 0;
        T result = taps.weights[0] * channel[taps.offsets[0]];
        for (int i = 1; i < taps.count; ++i) result = std::max(result, taps.weights[i] * channel[taps.offsets[i]]);
        return result;
    }
};

template <class T>
void run_roi_align(const KernelSpec& spec, std::byte* const* operands) {
    const RoiAlign<T> align{spec, operands};
    const MemorySpec& dst = spec.operands[3];
    parallel_for(dst.dims[0] * dst.dims[2] * dst.dims[3], 4, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i)
            align.run(i / dst.dims[3] / dst.dims[2], i / dst.dims[3] % dst.dims[2], i % dst.dims[3]);
    });
}

inline std::unique_ptr<Operation> make_roi_align(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(spec, [](const KernelSpec& s, std::byte* const* operands, std::byte*) {
        if (s.operands[3].dtype == DataType::f64) run_roi_align<double>(s, operands);
        else run_roi_align<float>(s, operands);
    });
}

}  // namespace igata::runtime
