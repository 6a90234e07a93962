// Operands: src (floats, logarithms of weights, [batch, classes]), dst (i32 or i64, [batch, samples]). ints: {seed}.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "runtime/kernel.hpp"
#include "runtime/random.hpp"

namespace igata::runtime {

template <class T>
void run_multinomial_row(const KernelSpec& spec, std::byte* const* operands, std::int64_t row, double* sums) {
    const MemorySpec& src = spec.operands[0];
    const MemorySpec& dst = spec.operands[1];
    const std::int64_t classes = src.dims[1];
    const T* from = reinterpret_cast<const T*>(operands[0]) + row * src.strides[0];
    const auto load = [&](std::int64_t i) { return static_cast<double>(Element<T>::load(from[i * src.strides[1]])); };
    double largest = load(0);
    for (std::int64_t i = 1; i < classes; ++i) largest = std::max(largest, load(i));
    double sum = 0;
    for (std::int64_t i = 0; i < classes; ++i) sums[i] = sum += std::exp(load(i) - largest);
    for (std::int64_t k = 0; k < dst.dims[1]; ++k) {
        const auto counter = static_cast<std::uint64_t>(row * dst.dims[1] + k);
        const double wanted = sum * random_uniform(static_cast<std::uint64_t>(spec.ints[0]), counter);
        const std::int64_t found = std::min(std::upper_bound(sums, sums + classes, wanted) - sums, classes - 1);
        const std::int64_t to = row * dst.strides[0] + k * dst.strides[1];
        if (dst.dtype == DataType::i64) reinterpret_cast<std::int64_t*>(operands[1])[to] = found;
        else reinterpret_cast<std::int32_t*>(operands[1])[to] = static_cast<std::int32_t>(found);
    }
}

inline void run_multinomial(const KernelSpec& spec, std::byte* const* operands, std::byte* scratch) {
    const MemorySpec& src = spec.operands[0];
    with_type(src.dtype, [&](auto type) {
        using T = decltype(type);
        if constexpr (!std::is_integral_v<T>)
            parallel_parts(src.dims[0], 1024 / src.dims[1] + 1,
                           [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
                               double* sums = reinterpret_cast<double*>(scratch) + part * src.dims[1];
                               for (std::int64_t row = begin; row < end; ++row)
                                   run_multinomial_row<T>(spec, operands, row, sums);
                           });
    });
}

inline std::unique_ptr<Operation> make_multinomial(const Builder&, const KernelSpec& spec) {
    const std::int64_t sums = max_threads() * spec.operands[0].dims[1];
    return std::make_unique<KernelOperation>(spec, run_multinomial, static_cast<std::size_t>(sums) * sizeof(double));
}

}  // namespace igata::runtime
