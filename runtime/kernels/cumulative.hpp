// Operands: src, dst (equal dims and types). ints: {axis, exclusive, reverse} as in ONNX CumSum, {1 = products}.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/combine.hpp"
#include "runtime/kernel.hpp"

namespace igata::runtime {

inline void run_cumulative(const KernelSpec& spec, std::byte* const* operands) {
    const MemorySpec& src = spec.operands[0];
    const MemorySpec& dst = spec.operands[1];
    const auto axis = static_cast<int>(spec.ints[0]);
    const bool exclusive = spec.ints[1] != 0;
    const bool reverse = spec.ints[2] != 0;
    const Combine kind = spec.ints[3] != 0 ? Combine::multiply : Combine::add;
    MemorySpec lines = src;
    lines.dims[axis] = 1;
    with_type(src.dtype, [&](auto type) {
        using T = decltype(type);
        using Value = typename Element<T>::Value;
        parallel_for(src.dims[axis] > 0 ? element_count(lines) : 0, 256, [&](std::int64_t begin, std::int64_t end) {
            std::int64_t index[max_rank] = {};
            for (std::int64_t i = begin; i < end; ++i) {
                unflatten(lines, i, index);
                const T* from = reinterpret_cast<const T*>(operands[0]) + offset_of(src, index);
                T* to = reinterpret_cast<T*>(operands[1]) + offset_of(dst, index);
                Value total = kind == Combine::multiply ? Value{1} : Value{0};
                for (std::int64_t k = 0; k < src.dims[axis]; ++k) {
                    const std::int64_t at = reverse ? src.dims[axis] - 1 - k : k;
                    const auto before = total;
                    total = combine(kind, total, Element<T>::load(from[at * src.strides[axis]]));
                    to[at * dst.strides[axis]] = Element<T>::store(exclusive ? before : total);
                }
            }
        });
    });
}

inline std::unique_ptr<Operation> make_cumulative(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(
        spec, [](const KernelSpec& s, std::byte* const* operands, std::byte*) { run_cumulative(s, operands); });
}

}  // namespace igata::runtime
