// Operands: indices (i32 or i64), updates (dims of indices), dst (dims of data, holding it). ints: {axis, Combine}.
// dst[i... with i[axis] = indices[i...]] is combined with updates[i...], in the order of i[axis]; an index that is out
// of range is passed over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/scatter.hpp"

namespace igata::runtime {

inline void run_scatter_elements(const KernelSpec& spec, std::byte* const* operands) {
    const MemorySpec& indices = spec.operands[0];
    const MemorySpec& updates = spec.operands[1];
    const MemorySpec& dst = spec.operands[2];
    const auto axis = static_cast<int>(spec.ints[0]);
    const auto kind = static_cast<Combine>(spec.ints[1]);
    const std::int64_t count = indices.dims[axis];
    MemorySpec lines = indices;
    lines.dims[axis] = 1;
    with_type(dst.dtype, [&](auto type) {
        using T = decltype(type);
        parallel_for(count > 0 ? element_count(lines) : 0, 64, [&](std::int64_t begin, std::int64_t end) {
            std::int64_t index[max_rank] = {};
            for (std::int64_t i = begin; i < end; ++i) {
                unflatten(lines, i, index);
                const std::int64_t place = offset_of(indices, index);
                const T* from = reinterpret_cast<const T*>(operands[1]) + offset_of(updates, index);
                T* to = reinterpret_cast<T*>(operands[2]) + offset_of(dst, index);
                for (std::int64_t k = 0; k < count; ++k) {
                    const std::int64_t at =
                        scatter_index(indices.dtype, operands[0], place + k * indices.strides[axis], dst.dims[axis]);
                    if (at >= 0) combine_into(kind, to[at * dst.strides[axis]], from[k * updates.strides[axis]]);
                }
            }
        });
    });
}

inline std::unique_ptr<Operation> make_scatter_elements(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(
        spec, [](const KernelSpec& s, std::byte* const* operands, std::byte*) { run_scatter_elements(s, operands); });
}

}  // namespace igata::runtime
