// Operands: src, dst (i64, row-major [rank of src, elements of src]), size (i64 scalar). The indices of the elements
// that are not zero, a column each, in row-major order, then zeros; and how many they are. NaN is not zero.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/kernel.hpp"

namespace igata::runtime {

/// Fills the columns of dst; returns how many.
template <class T>
std::int64_t find_non_zero(const MemorySpec& src, const T* from, std::int64_t* to, std::int64_t bound) {
    MemorySpec lines = src;  // all axes but the last
    lines.rank = std::max(src.rank - 1, 0);
    const std::int64_t length = src.rank > 0 ? src.dims[lines.rank] : 1;
    const std::int64_t stride = src.rank > 0 ? src.strides[lines.rank] : 0;
    const std::int64_t line_count = length > 0 ? element_count(lines) : 0;
    std::int64_t index[max_rank] = {};
    std::int64_t count = 0;
    for (std::int64_t i = 0; i < line_count; ++i) {
        unflatten(lines, i, index);
        const T* line = from + offset_of(lines, index);
        for (std::int64_t k = 0; k < length; ++k) {
            if (Element<T>::load(line[k * stride]) == 0) continue;
            index[lines.rank] = k;
            for (int axis = 0; axis < src.rank; ++axis) to[axis * bound + count] = index[axis];
            ++count;
        }
    }
    return count;
}

inline void run_non_zero(const KernelSpec& spec, std::byte* const* operands, std::byte*) {
    const MemorySpec& src = spec.operands[0];
    const std::int64_t bound = spec.operands[1].dims[1];
    auto* to = reinterpret_cast<std::int64_t*>(operands[1]);
    with_type(src.dtype, [&](auto type) {
        using T = decltype(type);
        const std::int64_t count = find_non_zero(src, reinterpret_cast<const T*>(operands[0]), to, bound);
        for (int axis = 0; axis < src.rank; ++axis) std::fill(to + axis * bound + count, to + (axis + 1) * bound, 0);
        *reinterpret_cast<std::int64_t*>(operands[2]) = count;
    });
}

inline std::unique_ptr<Operation> make_non_zero(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(spec, run_non_zero);
}

}  // namespace igata::runtime
