// Operands: indices (i64), updates, count (i64, may be absent), dst (dims of data, holding it). ints: {Combine}. The
// last dim of indices holds k coordinates of a slice of dst: updates.dims = indices.dims without the last +
// dst.dims[k:]. Slices are combined in the order of the indices, the first `count` of them if that is given; one whose
// coordinates are out of range is passed over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/scatter.hpp"

namespace igata::runtime {

/// The axes from `first` on.
inline MemorySpec axes_from(const MemorySpec& spec, int first) {
    MemorySpec rest;
    rest.dtype = spec.dtype;
    rest.rank = spec.rank - first;
    std::copy(spec.dims + first, spec.dims + spec.rank, rest.dims);
    std::copy(spec.strides + first, spec.strides + spec.rank, rest.strides);
    return rest;
}

inline bool is_row_major(const MemorySpec& spec) {
    std::int64_t stride = 1;
    for (int i = spec.rank - 1; i >= 0; --i) {
        if (spec.dims[i] != 1 && spec.strides[i] != stride) return false;
        stride *= spec.dims[i];
    }
    return true;
}

/// Where the slice that `index` (of the indices without their last axis) names starts in dst, or -1.
inline std::int64_t scatter_nd_offset(const KernelSpec& spec, const std::int64_t* index, const std::byte* data) {
    const MemorySpec& indices = spec.operands[0];
    const MemorySpec& dst = spec.operands[3];
    const int last = indices.rank - 1;
    std::int64_t place = 0;
    for (int i = 0; i < last; ++i) place += index[i] * indices.strides[i];
    std::int64_t offset = 0;
    for (int i = 0; i < indices.dims[last]; ++i) {
        const std::int64_t at = scatter_index(indices.dtype, data, place + i * indices.strides[last], dst.dims[i]);
        if (at < 0) return -1;
        offset += at * dst.strides[i];
    }
    return offset;
}

inline void run_scatter_nd(const KernelSpec& spec, std::byte* const* operands) {
    const MemorySpec& indices = spec.operands[0];
    const MemorySpec& updates = spec.operands[1];
    const auto kind = static_cast<Combine>(spec.ints[0]);
    MemorySpec tuples = indices;
    --tuples.rank;
    std::int64_t count = element_count(tuples);
    if (spec.operands[2].dtype != DataType::undefined)
        count = std::min(count, *reinterpret_cast<const std::int64_t*>(operands[2]));
    const MemorySpec slice = axes_from(spec.operands[3], static_cast<int>(indices.dims[tuples.rank]));
    const MemorySpec update_slice = axes_from(updates, tuples.rank);
    const bool dense = is_row_major(slice) && is_row_major(update_slice);
    with_type(slice.dtype, [&](auto type) {
        using T = decltype(type);
        // Every part does all tuples in their order, for its own piece of each slice.
        parallel_for(element_count(slice), 4096, [&](std::int64_t begin, std::int64_t end) {
            std::int64_t index[max_rank] = {};
            std::int64_t inside[max_rank] = {};
            for (std::int64_t tuple = 0; tuple < count; ++tuple) {
                unflatten(tuples, tuple, index);
                const std::int64_t start = scatter_nd_offset(spec, index, operands[0]);
                if (start < 0) continue;
                T* to = reinterpret_cast<T*>(operands[3]) + start;
                const T* from = reinterpret_cast<const T*>(operands[1]);
                for (int i = 0; i < tuples.rank; ++i) from += index[i] * updates.strides[i];
                for (std::int64_t i = begin; i < end; ++i) {
                    if (dense) {
                        combine_into(kind, to[i], from[i]);
                    } else {
                        unflatten(slice, i, inside);
                        combine_into(kind, to[offset_of(slice, inside)], from[offset_of(update_slice, inside)]);
                    }
                }
            }
        });
    });
}

inline std::unique_ptr<Operation> make_scatter_nd(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(
        spec, [](const KernelSpec& s, std::byte* const* operands, std::byte*) { run_scatter_nd(s, operands); });
}

}  // namespace igata::runtime
