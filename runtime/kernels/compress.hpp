// Operands: src [outer, n, inner], condition (bool, 1-D), dst [outer, bound, inner], size (i64 scalar). The slices of
// src along its second axis at which the condition holds, then zeros; and how many slices they are. The bound is the
// lesser of n and the condition's length: what one has more than the other is not looked at.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/kernel.hpp"

namespace igata::runtime {

inline void run_compress(const KernelSpec& spec, std::byte* const* operands, std::byte* scratch) {
    const MemorySpec& src = spec.operands[0];
    const MemorySpec& condition = spec.operands[1];
    const MemorySpec& dst = spec.operands[2];
    const std::int64_t bound = dst.dims[1];
    const std::int64_t inner = dst.dims[2];
    const auto* holds = reinterpret_cast<const std::uint8_t*>(operands[1]);
    auto* chosen = reinterpret_cast<std::int64_t*>(scratch);
    std::int64_t count = 0;
    for (std::int64_t i = 0; i < bound; ++i) {
        chosen[count] = i;  // to be written over unless it is: no branch to mispredict
        count += holds[i * condition.strides[0]] != 0 ? 1 : 0;
    }
    *reinterpret_cast<std::int64_t*>(operands[3]) = count;
    const bool dense = src.strides[2] == 1 && dst.strides[2] == 1;
    with_size(src.dtype, [&](auto type) {
        using T = decltype(type);
        const std::int64_t grain = 4096 / std::max<std::int64_t>(inner, 1) + 1;
        parallel_for(dst.dims[0] * bound, grain, [&](std::int64_t begin, std::int64_t end) {
            std::int64_t outer = begin / bound;
            std::int64_t i = begin % bound;
            for (std::int64_t row = begin; row < end; ++row, ++i) {
                if (i == bound) {
                    i = 0;
                    ++outer;
                }
                T* to = reinterpret_cast<T*>(operands[2]) + outer * dst.strides[0] + i * dst.strides[1];
                if (i >= count) {
                    for (std::int64_t k = 0; k < inner; ++k) to[k * dst.strides[2]] = 0;
                    continue;
                }
                const T* from =
                    reinterpret_cast<const T*>(operands[0]) + outer * src.strides[0] + chosen[i] * src.strides[1];
                if (dense) std::copy(from, from + inner, to);
                else
                    for (std::int64_t k = 0; k < inner; ++k) to[k * dst.strides[2]] = from[k * src.strides[2]];
            }
        });
    });
}

inline std::unique_ptr<Operation> make_compress(const Builder&, const KernelSpec& spec) {
    const auto bound = static_cast<std::size_t>(spec.operands[2].dims[1]);
    return std::make_unique<KernelOperation>(spec, run_compress, bound * sizeof(std::int64_t));
}

}  // namespace igata::runtime
