// Operands: src, dst (i64). ints: {axis, 1 = maximum or 0 = minimum, 1 = the last index among equals or 0 = the first}.
// dst.dims = src.dims with 1 at axis.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/kernel.hpp"

namespace igata::runtime {

inline void run_arg_extremum(const KernelSpec& spec, std::byte* const* operands) {
    const MemorySpec& src = spec.operands[0];
    const MemorySpec& dst = spec.operands[1];
    const auto axis = static_cast<int>(spec.ints[0]);
    const bool maximum = spec.ints[1] != 0;
    const bool last = spec.ints[2] != 0;
    with_type(src.dtype, [&](auto type) {
        using T = decltype(type);
        parallel_for(element_count(dst), 256, [&](std::int64_t begin, std::int64_t end) {
            std::int64_t index[max_rank] = {};
            for (std::int64_t i = begin; i < end; ++i) {
                unflatten(dst, i, index);
                const T* line = reinterpret_cast<const T*>(operands[0]) + offset_of(src, index);
                std::int64_t best = 0;
                auto best_value = Element<T>::load(line[0]);
                for (std::int64_t k = 1; k < src.dims[axis]; ++k) {
                    const auto value = Element<T>::load(line[k * src.strides[axis]]);
                    const bool better = maximum ? value > best_value : value < best_value;
                    if (!better && !(last && value == best_value)) continue;
                    best = k;
                    best_value = value;
                }
                reinterpret_cast<std::int64_t*>(operands[1])[offset_of(dst, index)] = best;
            }
        });
    });
}

inline std::unique_ptr<Operation> make_arg_extremum(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(
        spec, [](const KernelSpec& s, std::byte* const* operands, std::byte*) { run_arg_extremum(s, operands); });
}

}  // namespace igata::runtime
