// Operands: data, indices (i32 or i64), dst. ints: {axis}. dst[i...] = data[i... with i[axis] = indices[i...]];
// dst.dims = indices.dims.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/kernel.hpp"

namespace igata::runtime {

/// Elements to[i * to_stride] = from[i * from_stride + axis_stride * indices[i * index_stride]], i < count.
template <class T, class Index>
void gather_line(const T* from, std::int64_t from_stride, std::int64_t axis_stride, std::int64_t extent,
                 const Index* indices, std::int64_t index_stride, T* to, std::int64_t to_stride, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
        std::int64_t index = indices[i * index_stride];
        if (index < 0) index += extent;
        index = std::min(std::max<std::int64_t>(index, 0), extent - 1);
        to[i * to_stride] = from[i * from_stride + axis_stride * index];
    }
}

/// A line of dst along its last axis at a time.
inline void gather_elements(const KernelSpec& spec, std::byte* const* operands, std::byte*) {
    const MemorySpec& data = spec.operands[0];
    const MemorySpec& places = spec.operands[1];
    const MemorySpec& dst = spec.operands[2];
    if (element_count(dst) == 0) return;
    const auto axis = static_cast<int>(spec.ints[0]);
    const int last = dst.rank - 1;
    const std::int64_t count = dst.dims[last];
    MemorySpec lines = dst;
    lines.dims[last] = 1;
    MemorySpec beside = data;  // where a line starts, whatever its indices
    beside.strides[axis] = 0;
    with_size(dst.dtype, [&](auto element) {
        using T = decltype(element);
        const auto run = [&](auto type) {
            using Index = decltype(type);
            parallel_for(element_count(lines), 1 + 4096 / count, [&](std::int64_t begin, std::int64_t end) {
                for (std::int64_t i = begin; i < end; ++i) {
                    std::int64_t index[max_rank + 1] = {};
                    unflatten(lines, i, index);
                    gather_line(reinterpret_cast<const T*>(operands[0]) + offset_of(beside, index),
                                beside.strides[last], data.strides[axis], data.dims[axis],
                                reinterpret_cast<const Index*>(operands[1]) + offset_of(places, index),
                                places.strides[last], reinterpret_cast<T*>(operands[2]) + offset_of(dst, index),
                                dst.strides[last], count);
                }
            });
        };
        if (places.dtype == DataType::i32) run(std::int32_t{});
        else run(std::int64_t{});
    });
}

inline std::unique_ptr<Operation> make_gather_elements(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(spec, gather_elements);
}

}  // namespace igata::runtime
