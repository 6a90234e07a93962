// Operands: src (i32 or i64, [rows, columns]), tree (i64, row-major [nodes, 4]), weights (f32, dense [columns of dst]),
// dst (f32, row-major [rows, coordinates]). ints: {least length, greatest length, greatest distance, 1 = a coordinate
// counts once}. A node of the tree is {token, first child, number of children, coordinate or -1}; the root is node 0,
// and children stand side by side, sorted by token. As in ONNX TfIdfVectorizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/kernel.hpp"

namespace igata::runtime {

/// One row: the tokens of an n-gram lie `distance` apart.
template <class T>
void count_ngrams_of_row(const KernelSpec& spec, const T* row, const std::int64_t* tree, float* counts) {
    const MemorySpec& src = spec.operands[0];
    const std::int64_t columns = src.dims[1];
    const std::int64_t greatest = spec.ints[1];
    std::int64_t least = spec.ints[0];
    for (std::int64_t distance = 1; distance <= std::min(spec.ints[2], columns); ++distance) {
        for (std::int64_t start = 0; start < columns; ++start) {
            const std::int64_t* node = tree;
            std::int64_t length = 1;
            for (std::int64_t at = start; at < columns && length <= greatest; at += distance, ++length) {
                const auto token = static_cast<std::int64_t>(row[at * src.strides[1]]);
                std::int64_t low = node[1];
                std::int64_t high = node[1] + node[2];
                while (low < high) {
                    const std::int64_t middle = low + (high - low) / 2;
                    if (tree[4 * middle] < token) low = middle + 1;
                    else high = middle;
                }
                if (low == node[1] + node[2] || tree[4 * low] != token) break;
                node = tree + 4 * low;
                if (length >= least && node[3] >= 0) counts[node[3]] += 1;
            }
        }
        if (least == 1 && ++least > greatest) break;  // distance means nothing to single tokens
    }
}

inline void run_count_ngrams(const KernelSpec& spec, std::byte* const* operands, std::byte*) {
    const MemorySpec& src = spec.operands[0];
    const std::int64_t coordinates = spec.operands[3].dims[1];
    const auto* weights = reinterpret_cast<const float*>(operands[2]);
    with_type(src.dtype, [&](auto type) {
        using T = decltype(type);
        if constexpr (std::is_integral_v<T>)
            parallel_for(src.dims[0], 16, [&](std::int64_t begin, std::int64_t end) {
                for (std::int64_t i = begin; i < end; ++i) {
                    float* counts = reinterpret_cast<float*>(operands[3]) + i * coordinates;
                    std::fill(counts, counts + coordinates, 0.0F);
                    count_ngrams_of_row(spec, reinterpret_cast<const T*>(operands[0]) + i * src.strides[0],
                                        reinterpret_cast<const std::int64_t*>(operands[1]), counts);
                    for (std::int64_t k = 0; k < coordinates; ++k)
                        counts[k] = weights[k] * (spec.ints[3] != 0 ? std::min(counts[k], 1.0F) : counts[k]);
                }
            });
    });
}

inline std::unique_ptr<Operation> make_count_ngrams(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(spec, run_count_ngrams);
}

}  // namespace igata::runtime
