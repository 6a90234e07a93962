// Operands: src [n, m], values [n, m] (or none), indices (i64 [n], or none), inverse (i64 [n], or none), counts (i64
// [n], or none), size (i64 scalar). ints: {1 = in ascending lexicographic order or 0 = in order of first occurrence,
// 1 = NaN equals NaN}. The distinct slices of src along its first axis, and how many they are; of each its first
// position and the number of its occurrences; of each slice of src, which of them it is. What lies beyond the size is
// zero. NaN is larger than any number.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/kernel.hpp"

namespace igata::runtime {

/// The slices of a matrix along its first axis.
template <class T>
struct Slices {
    const T* data;
    std::int64_t length, slice_stride, stride;

    Slices(const MemorySpec& spec, const std::byte* memory)
        : data(reinterpret_cast<const T*>(memory)),
          length(spec.dims[1]),
          slice_stride(spec.strides[0]),
          stride(spec.strides[1]) {}

    /// Negative if slice a comes before b, 0 if they are equal but for the kind of NaN.
    int compare(std::int64_t a, std::int64_t b) const {
        for (std::int64_t i = 0; i < length; ++i) {
            const auto x = Element<T>::load(data[a * slice_stride + i * stride]);
            const auto y = Element<T>::load(data[b * slice_stride + i * stride]);
            if (x < y || (y != y && x == x)) return -1;
            if (y < x || (x != x && y == y)) return 1;
        }
        return 0;
    }

    bool has_nan(std::int64_t a) const {
        for (std::int64_t i = 0; i < length; ++i) {
            const auto x = Element<T>::load(data[a * slice_stride + i * stride]);
            if (x != x) return true;
        }
        return false;
    }
};

/// Which slices are equal: arrays of n elements in the kernel's scratch memory. Equal slices form a group, groups are
/// numbered in ascending order.
struct SliceGroups {
    std::int64_t count = 0;
    std::int64_t* order;   ///< slices, a group after the other, each by position
    std::int64_t* group;   ///< by slice
    std::int64_t* begin;   ///< by group: where it starts in `order`
    std::int64_t* result;  ///< by group: which of the results it is

    SliceGroups(std::byte* scratch, std::int64_t n)
        : order(reinterpret_cast<std::int64_t*>(scratch)), group(order + n), begin(group + n), result(begin + n) {}

    template <class T>
    void find(const Slices<T>& slices, std::int64_t n, bool nan_equals_nan) {
        for (std::int64_t i = 0; i < n; ++i) order[i] = i;
        std::sort(order, order + n, [&](std::int64_t a, std::int64_t b) {
            const int sign = slices.compare(a, b);
            return sign != 0 ? sign < 0 : a < b;
        });
        for (std::int64_t i = 0; i < n; ++i) {
            const bool repeats =
                i > 0 && slices.compare(order[i - 1], order[i]) == 0 && (nan_equals_nan || !slices.has_nan(order[i]));
            if (!repeats) begin[count++] = i;
            group[order[i]] = count - 1;
        }
    }

    void number_results(std::int64_t n, bool ascending) {
        std::int64_t next = 0;
        if (ascending)
            for (; next < count; ++next) result[next] = next;
        else
            for (std::int64_t i = 0; i < n; ++i)
                if (order[begin[group[i]]] == i) result[group[i]] = next++;
    }
};

/// Calls f(group, its result) for each group.
template <class F>
void for_each_group(const SliceGroups& groups, const F& f) {
    for (std::int64_t g = 0; g < groups.count; ++g) f(g, groups.result[g]);
}

/// An optional vector of i64 among the operands, zero so far; null if it is absent.
inline std::int64_t* zeroed_vector(const KernelSpec& spec, std::byte* const* operands, int i) {
    auto* data = reinterpret_cast<std::int64_t*>(operands[i]);
    if (data != nullptr) std::fill(data, data + spec.operands[i].dims[0], 0);
    return data;
}

inline void run_unique(const KernelSpec& spec, std::byte* const* operands, std::byte* scratch) {
    const MemorySpec& src = spec.operands[0];
    const MemorySpec& values = spec.operands[1];
    const std::int64_t n = src.dims[0];
    SliceGroups groups(scratch, n);
    with_type(src.dtype, [&](auto type) {
        using T = decltype(type);
        const Slices<T> slices(src, operands[0]);
        groups.find(slices, n, spec.ints[1] != 0);
        groups.number_results(n, spec.ints[0] != 0);
        if (operands[1] == nullptr) return;
        T* to = reinterpret_cast<T*>(operands[1]);
        for_each_group(groups, [&](std::int64_t g, std::int64_t result) {
            const std::int64_t first = groups.order[groups.begin[g]];
            for (std::int64_t i = 0; i < slices.length; ++i)
                to[result * values.strides[0] + i * values.strides[1]] =
                    slices.data[first * slices.slice_stride + i * slices.stride];
        });
        for (std::int64_t k = groups.count; k < n; ++k)
            for (std::int64_t i = 0; i < slices.length; ++i) to[k * values.strides[0] + i * values.strides[1]] = T{};
    });
    if (std::int64_t* indices = zeroed_vector(spec, operands, 2))
        for_each_group(groups,
                       [&](std::int64_t g, std::int64_t result) { indices[result] = groups.order[groups.begin[g]]; });
    if (std::int64_t* inverse = zeroed_vector(spec, operands, 3))
        for (std::int64_t i = 0; i < n; ++i) inverse[i] = groups.result[groups.group[i]];
    if (std::int64_t* counts = zeroed_vector(spec, operands, 4))
        for_each_group(groups, [&](std::int64_t g, std::int64_t result) {
            counts[result] = (g + 1 < groups.count ? groups.begin[g + 1] : n) - groups.begin[g];
        });
    *reinterpret_cast<std::int64_t*>(operands[5]) = groups.count;
}

inline std::unique_ptr<Operation> make_unique(const Builder&, const KernelSpec& spec) {
    const auto n = static_cast<std::size_t>(spec.operands[0].dims[0]);
    return std::make_unique<KernelOperation>(spec, run_unique, 4 * n * sizeof(std::int64_t));
}

}  // namespace igata::runtime
