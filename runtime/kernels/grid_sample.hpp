// Operands: src [n, c, spatial...], grid [n, out..., coordinates] (f32 or f64), dst [n, c, out...]. ints: {0 = nearest,
// 1 = linear, 2 = cubic; outside src 0 = zeros, 1 = the border, 2 = its reflection; 1 = align_corners}. src and dst are
// of one type, which is f32 or f64 unless nearest. Coordinates of the grid run from -1 to 1, the innermost axis first.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "runtime/kernel.hpp"
#include "runtime/sample_taps.hpp"

namespace igata::runtime {

/// One axis of the source: which elements a coordinate of the grid stands for.
template <class T>
struct GridAxis {
    std::int64_t extent, mode, padding;
    bool align_corners;

    T lowest() const { return align_corners ? T(0) : T(-0.5); }
    T highest() const { return static_cast<T>(extent) - (align_corners ? T(1) : T(0.5)); }

    T reflected(T x) const {
        const T range = highest() - lowest();
        if (!(range > 0)) return 0;
        if (x >= lowest() && x <= highest()) return x;
        const T beyond = x < lowest() ? lowest() - x : x - highest();
        const T turns = std::floor(beyond / range);
        const T rest = beyond - turns * range;
        const bool from_lowest = (x < lowest()) == (std::fmod(turns, T(2)) == 0);
        return from_lowest ? lowest() + rest : highest() - rest;
    }

    std::int64_t place(std::int64_t i) const {
        if (i >= 0 && i < extent) return i;
        if (padding == 0) return -1;
        if (padding == 2) i = static_cast<std::int64_t>(reflected(static_cast<T>(i)));
        return std::min(std::max<std::int64_t>(i, 0), extent - 1);
    }

    AxisTaps<T> taps(T coordinate) const {
        const auto length = static_cast<T>(extent);
        T x = align_corners ? (coordinate + 1) / 2 * (length - 1) : ((coordinate + 1) * length - 1) / 2;
        x = bounded_coordinate(x);
        if (mode == 0) x = std::nearbyint(x);
        if (padding == 1 && (x < lowest() || x > highest())) x = std::min(std::max(x, T(0)), length - 1);
        if (padding == 2) x = reflected(x);
        AxisTaps<T> result;
        const T left = mode == 0 ? std::trunc(x) : std::floor(x);
        const auto first = static_cast<std::int64_t>(left);
        if (mode == 0) result.add(place(first), 1);
        for (std::int64_t i = mode == 2 ? -1 : 0; mode != 0 && i <= mode; ++i)
            result.add(place(first + i), weight(left + static_cast<T>(i) - x));
        return result;
    }

private:
    T weight(T distance) const {
        const T x = std::fabs(distance);
        if (mode == 1) return std::max(T(0), 1 - x);
        constexpr T a = T(-0.75);
        if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
        return x < 2 ? ((x - 5) * x + 8) * x * a - 4 * a : T(0);
    }
};

/// f(taps, offset of the image in src, offset of the first channel in dst) for every place of the result.
template <class T, class F>
void for_each_sample(const KernelSpec& spec, const T* grid, const F& f) {
    const MemorySpec& src = spec.operands[0];
    const MemorySpec& places = spec.operands[1];
    const MemorySpec& dst = spec.operands[2];
    const int spatial = src.rank - 2;
    MemorySpec points = places;
    points.rank -= 1;
    parallel_for(element_count(points), 64, [&](std::int64_t begin, std::int64_t end) {
        std::int64_t index[max_rank] = {};
        for (std::int64_t i = begin; i < end; ++i) {
            unflatten(points, i, index);
            const T* coordinates = grid + offset_of(points, index);
            AxisTaps<T> axes[max_spatial];
            for (int axis = 0; axis < spatial; ++axis) {
                const GridAxis<T> along{src.dims[axis + 2], spec.ints[0], spec.ints[1], spec.ints[2] != 0};
                axes[axis] = along.taps(coordinates[(spatial - 1 - axis) * places.strides[spatial + 1]]);
            }
            SampleTaps<T> taps;
            taps.combine(axes, spatial, src.strides + 2);
            std::int64_t to = index[0] * dst.strides[0];
            for (int axis = 0; axis < spatial; ++axis) to += index[axis + 1] * dst.strides[axis + 2];
            f(taps, index[0] * src.strides[0], to);
        }
    });
}

template <class Coordinate>
void run_grid_sample(const KernelSpec& spec, std::byte* const* operands) {
    const MemorySpec& src = spec.operands[0];
    const MemorySpec& dst = spec.operands[2];
    const auto* grid = reinterpret_cast<const Coordinate*>(operands[1]);
    const auto run = [&](auto type, const auto& sample) {
        using T = decltype(type);
        const auto* from = reinterpret_cast<const T*>(operands[0]);
        auto* to = reinterpret_cast<T*>(operands[2]);
        for_each_sample(spec, grid, [&](const SampleTaps<Coordinate>& taps, std::int64_t image, std::int64_t place) {
            for (std::int64_t c = 0; c < src.dims[1]; ++c)
                to[place + c * dst.strides[1]] = sample(taps, from + image + c * src.strides[1]);
        });
    };
    const auto blend = [](const SampleTaps<Coordinate>& taps, const auto* channel) {
        using T = std::remove_cv_t<std::remove_pointer_t<decltype(channel)>>;
        T sum = 0;
        for (int i = 0; i < taps.count; ++i) sum += static_cast<T>(taps.weights[i]) * channel[taps.offsets[i]];
        return sum;
    };
    if (spec.ints[0] != 0 && dst.dtype == DataType::f64) return run(double{}, blend);
    if (spec.ints[0] != 0) return run(float{}, blend);
    with_size(dst.dtype, [&](auto type) {
        using T = decltype(type);
        run(type, [](const SampleTaps<Coordinate>& taps, const T* channel) {
            return taps.count > 0 ? channel[taps.offsets[0]] : T{0};
        });
    });
}

inline std::unique_ptr<Operation> make_grid_sample(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(spec, [](const KernelSpec& s, std::byte* const* operands, std::byte*) {
        if (s.operands[1].dtype == DataType::f64) run_grid_sample<double>(s, operands);
        else run_grid_sample<float>(s, operands);
    });
}

}  // namespace igata::runtime
