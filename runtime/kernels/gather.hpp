// Operands: data, indices (i32 or i64), dst. ints: {axis}. dst.dims = data.dims with dims[axis] replaced by all of
// indices.dims. In the gathers a negative index counts from the end; one out of range is clamped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/gather.hpp"

namespace igata::runtime {

/// Where, in data, the element that goes to `index` of dst is.
inline std::int64_t gather_offset(const KernelSpec& spec, const std::int64_t* index, const std::byte* indices) {
    const MemorySpec& data = spec.operands[0];
    const MemorySpec& places = spec.operands[1];
    const auto axis = static_cast<int>(spec.ints[0]);
    const std::int64_t chosen = read_index(places.dtype, indices, offset_of(places, index + axis), data.dims[axis]);
    std::int64_t source[max_rank] = {};
    for (int i = 0; i < data.rank; ++i)
        source[i] = i < axis ? index[i] : i == axis ? chosen : index[i - 1 + places.rank];
    return offset_of(data, source);
}

inline std::unique_ptr<Operation> make_gather(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(spec, [](const KernelSpec& s, std::byte* const* operands, std::byte*) {
        run_gather(s, operands, gather_offset, s.operands[0].rank - 1 - static_cast<int>(s.ints[0]));
    });
}

}  // namespace igata::runtime
