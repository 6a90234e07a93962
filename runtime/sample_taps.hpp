// What the kernels that sample images between elements share: which elements a sample is made of.
#pragma once

#include <cmath>
#include <cstdint>

#include "runtime/specs.hpp"

namespace igata::runtime {

/// The elements along one axis, and their weights. A place of -1 is outside and counts as zero.
template <class T>
struct AxisTaps {
    int count = 0;
    std::int64_t places[4] = {};
    T weights[4] = {};

    void add(std::int64_t place, T weight) {
        places[count] = place;
        weights[count++] = weight;
    }
};

/// The elements along all axes: offsets from the first element of a channel, with the products of the weights.
template <class T>
struct SampleTaps {
    int count = 0;
    std::int64_t offsets[64] = {};
    T weights[64] = {};

    void combine(const AxisTaps<T>* axes, int rank, const std::int64_t* strides) {
        int total = 1;
        for (int axis = 0; axis < rank; ++axis) total *= axes[axis].count;
        count = 0;
        for (int i = 0; i < total; ++i) {
            std::int64_t offset = 0;
            T weight = 1;
            bool inside = true;
            for (int axis = rank - 1, rest = i; axis >= 0; --axis) {
                const int tap = rest % axes[axis].count;
                rest /= axes[axis].count;
                inside = inside && axes[axis].places[tap] >= 0;
                offset += axes[axis].places[tap] * strides[axis];
                weight *= axes[axis].weights[tap];
            }
            if (!inside) continue;
            offsets[count] = offset;
            weights[count++] = weight;
        }
    }

    T sum(const T* channel) const {
        T result = 0;
        for (int i = 0; i < count; ++i) result += weights[i] * channel[offsets[i]];
        return result;
    }
};

/// A coordinate within what integers can hold; NaN is far outside.
template <class T>
T bounded_coordinate(T x) {
    constexpr T far = 1e9F;
    if (x != x) return -far;
    return x < -far ? -far : x > far ? far : x;
}

/// Linear interpolation at `x` of an axis with zeros beyond its ends.
template <class T>
AxisTaps<T> linear_taps(T x, std::int64_t extent) {
    AxisTaps<T> taps;
    const T left = std::floor(x);
    const auto place = static_cast<std::int64_t>(left);
    const auto inside = [&](std::int64_t i) { return i >= 0 && i < extent ? i : -1; };
    taps.add(inside(place), 1 - (x - left));
    taps.add(inside(place + 1), x - left);
    return taps;
}

}  // namespace igata::runtime
