// What the gathers share: for every element of the result, where it lies in the data.
#pragma once

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

/// Operands: data, indices, dst. `offset_of_source(spec, index, indices)`: where, in data, the element at `index` of
/// dst is.
template <class OffsetOfSource>
void run_gather(const KernelSpec& spec, std::byte* const* operands, const OffsetOfSource& offset_of_source) {
    const MemorySpec& dst = spec.operands[2];
    with_size(dst.dtype, [&](auto type) {
        using T = decltype(type);
        const auto* from = reinterpret_cast<const T*>(operands[0]);
        auto* to = reinterpret_cast<T*>(operands[2]);
        parallel_for(element_count(dst), 4096, [&](std::int64_t begin, std::int64_t end) {
            std::int64_t index[max_rank + 1] = {};
            for (std::int64_t i = begin; i < end; ++i) {
                unflatten(dst, i, index);
                to[offset_of(dst, index)] = from[offset_of_source(spec, index, operands[1])];
            }
        });
    });
}

}  // namespace igata::runtime
