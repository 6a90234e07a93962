// Operands: data, indices (i64), dst. ints: {batch_dims}. The last dim of indices holds k coordinates:
// dst.dims = indices.dims without the last + data.dims[batch_dims + k:].
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/gather.hpp"

namespace igata::runtime {

/// Where, in data, the element that goes to `index` of dst is.
inline std::int64_t gather_nd_offset(const KernelSpec& spec, const std::int64_t* index, const std::byte* indices) {
    const MemorySpec& data = spec.operands[0];
    const MemorySpec& places = spec.operands[1];
    const auto batch_dims = static_cast<int>(spec.ints[0]);
    const int last = places.rank - 1;
    const auto coordinates = static_cast<int>(places.dims[last]);
    const std::int64_t start =
        offset_of(places, index) - (spec.operands[2].rank > last ? index[last] * places.strides[last] : 0);
    std::int64_t source[max_rank] = {};
    for (int i = 0; i < data.rank; ++i) {
        const int coordinate = i - batch_dims;
        if (coordinate < 0) source[i] = index[i];
        else if (coordinate < coordinates)
            source[i] = read_index(places.dtype, indices, start + coordinate * places.strides[last], data.dims[i]);
        else source[i] = index[last + coordinate - coordinates];
    }
    return offset_of(data, source);
}

inline std::unique_ptr<Operation> make_gather_nd(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(spec, [](const KernelSpec& s, std::byte* const* operands, std::byte*) {
        const MemorySpec& places = s.operands[1];
        const std::int64_t coordinates = places.dims[places.rank - 1];
        run_gather(s, operands, gather_nd_offset, s.operands[0].rank - static_cast<int>(s.ints[0] + coordinates));
    });
}

}  // namespace igata::runtime
