// Operands: src, values (or none), indices (i64, or none). ints: {axis, 1 = largest or 0 = smallest, k}. The results'
// dims are src.dims with k at axis. Best first, equals by their index; NaN is larger than any number.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/kernel.hpp"

namespace igata::runtime {

/// An order of the indices of a line by the elements there: true if a comes before b.
template <class T>
struct ComesBefore {
    const T* line;
    std::int64_t stride;
    bool largest;

    bool operator()(std::int64_t a, std::int64_t b) const {
        const auto x = Element<T>::load(line[a * stride]);
        const auto y = Element<T>::load(line[b * stride]);
        if (x < y || (y != y && x == x)) return !largest;
        if (y < x || (x != x && y == y)) return largest;
        return a < b;
    }
};

/// Fills best[0 .. k) from a line of `count` elements.
template <class T>
void select_best(const ComesBefore<T>& before, std::int64_t count, std::int64_t* best, std::int64_t k) {
    for (std::int64_t i = 0; i < k; ++i) best[i] = i;
    std::make_heap(best, best + k, before);  // its front is the worst of the best
    for (std::int64_t i = k; i < count; ++i) {
        if (!before(i, best[0])) continue;
        std::pop_heap(best, best + k, before);
        best[k - 1] = i;
        std::push_heap(best, best + k, before);
    }
    std::sort_heap(best, best + k, before);
}

inline void run_top_k(const KernelSpec& spec, std::byte* const* operands, std::byte* scratch) {
    const MemorySpec& src = spec.operands[0];
    const MemorySpec& values = spec.operands[1];
    const MemorySpec& indices = spec.operands[2];
    const auto axis = static_cast<int>(spec.ints[0]);
    const std::int64_t k = spec.ints[2];
    MemorySpec lines = src;
    lines.dims[axis] = 1;
    with_type(src.dtype, [&](auto type) {
        using T = decltype(type);
        parallel_for(k > 0 ? element_count(lines) : 0, 16, [&](std::int64_t begin, std::int64_t end) {
            std::int64_t index[max_rank] = {};
            for (std::int64_t i = begin; i < end; ++i) {
                unflatten(lines, i, index);
                const T* line = reinterpret_cast<const T*>(operands[0]) + offset_of(src, index);
                std::int64_t* best = reinterpret_cast<std::int64_t*>(scratch) + i * k;
                select_best<T>({line, src.strides[axis], spec.ints[1] != 0}, src.dims[axis], best, k);
                if (operands[1] != nullptr) {
                    T* to = reinterpret_cast<T*>(operands[1]) + offset_of(values, index);
                    for (std::int64_t j = 0; j < k; ++j)
                        to[j * values.strides[axis]] = line[best[j] * src.strides[axis]];
                }
                if (operands[2] != nullptr) {
                    auto* to = reinterpret_cast<std::int64_t*>(operands[2]) + offset_of(indices, index);
                    for (std::int64_t j = 0; j < k; ++j) to[j * indices.strides[axis]] = best[j];
                }
            }
        });
    });
}

inline std::unique_ptr<Operation> make_top_k(const Builder&, const KernelSpec& spec) {
    MemorySpec lines = spec.operands[0];
    lines.dims[spec.ints[0]] = 1;
    const auto selected = static_cast<std::size_t>(element_count(lines) * spec.ints[2]);
    return std::make_unique<KernelOperation>(spec, run_top_k, selected * sizeof(std::int64_t));
}

}  // namespace igata::runtime
