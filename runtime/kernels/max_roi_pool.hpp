// Operands: src [n, c, h, w], rois [count, 5] (image, left, top, right, bottom), dst [count, c, h, w]; all f32 or all
// f64. floats: {scale of the rois}. Corners are rounded to pixels, bins outwards; a bin without pixels gives 0. An
// image out of range is clamped.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/kernel.hpp"
#include "runtime/sample_taps.hpp"

namespace igata::runtime {

struct PixelRange {
    std::int64_t begin, end;
};

/// The pixels of bin `index` of `bins` between two corners.
template <class T>
PixelRange bin_pixels(T from, T to, std::int64_t index, std::int64_t bins, std::int64_t extent) {
    const T start = std::round(bounded_coordinate(from));
    const T size = std::max(std::round(bounded_coordinate(to)) - start + 1, T(1)) / static_cast<T>(bins);
    const auto pixel = [&](T x) {
        const auto place = static_cast<std::int64_t>(bounded_coordinate(x + start));
        return std::min(std::max<std::int64_t>(place, 0), extent);
    };
    return {pixel(std::floor(static_cast<T>(index) * size)), pixel(std::ceil(static_cast<T>(index + 1) * size))};
}

template <class T>
void run_max_roi_pool(const KernelSpec& spec, std::byte* const* operands) {
    const MemorySpec& src = spec.operands[0];
    const MemorySpec& rois = spec.operands[1];
    const MemorySpec& dst = spec.operands[2];
    const auto scale = static_cast<T>(spec.floats[0]);
    parallel_for(element_count(dst), 16, [&](std::int64_t begin, std::int64_t end) {
        std::int64_t index[max_rank] = {};
        for (std::int64_t i = begin; i < end; ++i) {
            unflatten(dst, i, index);
            const T* roi = reinterpret_cast<const T*>(operands[1]) + index[0] * rois.strides[0];
            const auto corner = [&](int k) { return roi[k * rois.strides[1]] * scale; };
            const PixelRange y = bin_pixels(corner(2), corner(4), index[2], dst.dims[2], src.dims[2]);
            const PixelRange x = bin_pixels(corner(1), corner(3), index[3], dst.dims[3], src.dims[3]);
            const auto given = static_cast<std::int64_t>(bounded_coordinate(roi[0]));
            const std::int64_t image = std::min(std::max<std::int64_t>(given, 0), src.dims[0] - 1);
            const T* channel =
                reinterpret_cast<const T*>(operands[0]) + image * src.strides[0] + index[1] * src.strides[1];
            const bool empty = y.end <= y.begin || x.end <= x.begin;
            T best = empty ? T(0) : Element<T>::lowest();
            for (std::int64_t row = y.begin; row < y.end; ++row)
                for (std::int64_t column = x.begin; column < x.end; ++column)
                    best = std::max(best, channel[row * src.strides[2] + column * src.strides[3]]);
            reinterpret_cast<T*>(operands[2])[offset_of(dst, index)] = best;
        }
    });
}

inline std::unique_ptr<Operation> make_max_roi_pool(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(spec, [](const KernelSpec& s, std::byte* const* operands, std::byte*) {
        if (s.operands[2].dtype == DataType::f64) run_max_roi_pool<double>(s, operands);
        else run_max_roi_pool<float>(s, operands);
    });
}

}  // namespace igata::runtime
