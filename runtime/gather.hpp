// What the gathers share: for every element of the result, where it lies in the data.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/kernel.hpp"

namespace igata::runtime {

/// An element of an i32 or i64 index tensor, made non-negative and clamped to [0, extent).
inline std::int64_t read_index(DataType dtype, const std::byte* data, std::int64_t position, std::int64_t extent) {
    std::int64_t value = dtype == DataType::i32 ? reinterpret_cast<const std::int32_t*>(data)[position]
                                                : reinterpret_cast<const std::int64_t*>(data)[position];
    if (value < 0) value += extent;
    return std::min(std::max<std::int64_t>(value, 0), extent - 1);
}

/// How many elements lie side by side in both, where the last `axes` of them have the same elements in the same order.
inline std::int64_t shared_run(const MemorySpec& data, const MemorySpec& dst, int axes) {
    std::int64_t run = 1;
    for (int i = 1; i <= axes; ++i) {
        if (data.strides[data.rank - i] != run || dst.strides[dst.rank - i] != run) break;
        run *= dst.dims[dst.rank - i];
    }
    return run;
}

/// Operands: data, indices, dst. `offset_of_source(spec, index, indices)`: where, in data, the element at `index` of
/// dst is. `axes`: the last ones, along which every element of dst follows its neighbour in data.
template <class OffsetOfSource>
void run_gather(const KernelSpec& spec, std::byte* const* operands, const OffsetOfSource& offset_of_source,
                int axes = 0) {
    const MemorySpec& dst = spec.operands[2];
    if (element_count(dst) == 0) return;
    const std::int64_t run = shared_run(spec.operands[0], dst, axes);
    with_size(dst.dtype, [&](auto type) {
        using T = decltype(type);
        const auto* from = reinterpret_cast<const T*>(operands[0]);
        auto* to = reinterpret_cast<T*>(operands[2]);
        parallel_for(element_count(dst) / run, 4096 / run + 1, [&](std::int64_t begin, std::int64_t end) {
            std::int64_t index[max_rank + 1] = {};
            for (std::int64_t i = begin; i < end; ++i) {
                unflatten(dst, i * run, index);
                const T* source = from + offset_of_source(spec, index, operands[1]);
                T* target = to + offset_of(dst, index);
                if (run == 1) *target = *source;
                else std::copy(source, source + run, target);
            }
        });
    });
}

}  // namespace igata::runtime
