// Operands: cache, update (as the cache, but for a dim at the axis that is not larger), write positions (i64, one a
// sample, which is axis 0) or none, dst (as the cache). ints: {axis, circular}. dst is the cache with the update
// written at each sample's position along the axis; what does not fit is left out, or goes round to the start.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/kernel.hpp"

namespace igata::runtime {

inline void run_tensor_scatter(const KernelSpec& spec, std::byte* const* operands, std::byte*) {
    const MemorySpec& cache = spec.operands[0];
    const MemorySpec& update = spec.operands[1];
    const MemorySpec& start = spec.operands[2];
    const MemorySpec& dst = spec.operands[3];
    const auto axis = static_cast<int>(spec.ints[0]);
    const bool circular = spec.ints[1] != 0;
    const std::int64_t length = cache.dims[axis];
    const int last = cache.rank - 1;
    MemorySpec lines = dst;  // one element along the last axis
    lines.dims[last] = 1;
    with_size(cache.dtype, [&](auto type) {
        using T = decltype(type);
        parallel_for(element_count(dst) == 0 ? 0 : element_count(lines), 64, [&](std::int64_t begin, std::int64_t end) {
            std::int64_t index[max_rank] = {};
            for (std::int64_t i = begin; i < end; ++i) {
                unflatten(lines, i, index);
                std::int64_t first = 0;
                if (start.rank > 0)
                    first = reinterpret_cast<const std::int64_t*>(operands[2])[index[0] * start.strides[0]];
                T* to = reinterpret_cast<T*>(operands[3]) + offset_of(dst, index);
                const T* kept = reinterpret_cast<const T*>(operands[0]) + offset_of(cache, index);
                for (std::int64_t k = 0; k < dst.dims[last]; ++k) {
                    const std::int64_t at = axis == last ? k : index[axis];
                    std::int64_t place = first >= 0 && first <= at ? at - first : -1;  // in the update
                    if (circular) place = ((at - first % length) % length + length) % length;
                    const T* from = kept + k * cache.strides[last];
                    if (place >= 0 && place < update.dims[axis]) {
                        std::int64_t source[max_rank] = {};
                        std::copy(index, index + cache.rank, source);
                        source[last] = k;
                        source[axis] = place;
                        from = reinterpret_cast<const T*>(operands[1]) + offset_of(update, source);
                    }
                    to[k * dst.strides[last]] = *from;
                }
            }
        });
    });
}

inline std::unique_ptr<Operation> make_tensor_scatter(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(spec, run_tensor_scatter);
}

}  // namespace igata::runtime
