// Operands: data, indices (i32 or i64), dst. ints: {axis}. dst[i...] = data[i... with i[axis] = indices[i...]];
// dst.dims = indices.dims.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/gather.hpp"

namespace igata::runtime {

/// Where, in data, the element that goes to `index` of dst is.
inline std::int64_t gather_elements_offset(const KernelSpec& spec, const std::int64_t* index,
                                           const std::byte* indices) {
    const MemorySpec& data = spec.operands[0];
    const MemorySpec& places = spec.operands[1];
    const auto axis = static_cast<int>(spec.ints[0]);
    std::int64_t source[max_rank] = {};
    std::copy(index, index + data.rank, source);
    source[axis] = read_index(places.dtype, indices, offset_of(places, index), data.dims[axis]);
    return offset_of(data, source);
}

inline std::unique_ptr<Operation> make_gather_elements(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(spec, [](const KernelSpec& s, std::byte* const* operands, std::byte*) {
        run_gather(s, operands, gather_elements_offset);
    });
}

}  // namespace igata::runtime
