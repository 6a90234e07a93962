// Operands: src [..., n, n], dst [...], of one floating-point type. By elimination with partial pivoting, in f64.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "runtime/kernel.hpp"

namespace igata::runtime {

/// Of the row-major matrix, which is lost.
inline double eliminate(double* matrix, std::int64_t n) {
    double determinant = 1;
    for (std::int64_t step = 0; step < n; ++step) {
        double* const pivot = matrix + step * n;
        std::int64_t best = step;
        for (std::int64_t row = step + 1; row < n; ++row)
            if (std::fabs(matrix[row * n + step]) > std::fabs(matrix[best * n + step])) best = row;
        if (best != step) {
            std::swap_ranges(pivot, pivot + n, matrix + best * n);
            determinant = -determinant;
        }
        determinant *= pivot[step];
        if (pivot[step] == 0) return determinant;
        for (std::int64_t row = step + 1; row < n; ++row) {
            double* const target = matrix + row * n;
            const double factor = target[step] / pivot[step];
            for (std::int64_t i = step + 1; i < n; ++i) target[i] -= factor * pivot[i];
        }
    }
    return determinant;
}

inline void run_determinant(const KernelSpec& spec, std::byte* const* operands, std::byte* scratch) {
    const MemorySpec& src = spec.operands[0];
    const MemorySpec& dst = spec.operands[1];
    const std::int64_t n = src.dims[src.rank - 1];
    const std::int64_t* const strides = src.strides + src.rank - 2;
    with_type(src.dtype, [&](auto type) {
        using T = decltype(type);
        parallel_for(element_count(dst), 1 + 16384 / (1 + n * n * n), [&](std::int64_t begin, std::int64_t end) {
            std::int64_t index[max_rank] = {};
            for (std::int64_t i = begin; i < end; ++i) {
                unflatten(dst, i, index);
                index[dst.rank] = index[dst.rank + 1] = 0;
                const T* from = reinterpret_cast<const T*>(operands[0]) + offset_of(src, index);
                double* matrix = reinterpret_cast<double*>(scratch) + i * n * n;
                for (std::int64_t row = 0; row < n; ++row)
                    for (std::int64_t column = 0; column < n; ++column)
                        matrix[row * n + column] =
                            static_cast<double>(Element<T>::load(from[row * strides[0] + column * strides[1]]));
                using Value = typename Element<T>::Value;
                reinterpret_cast<T*>(operands[1])[offset_of(dst, index)] =
                    Element<T>::store(static_cast<Value>(eliminate(matrix, n)));
            }
        });
    });
}

inline std::unique_ptr<Operation> make_determinant(const Builder&, const KernelSpec& spec) {
    const auto elements = static_cast<std::size_t>(element_count(spec.operands[0]));
    return std::make_unique<KernelOperation>(spec, run_determinant, elements * sizeof(double));
}

}  // namespace igata::runtime
