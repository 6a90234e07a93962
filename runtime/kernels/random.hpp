// Operands: dst (floats, row-major). ints: {seed, 1 = normal or 0 = uniform}. floats: {low, high} or {mean, scale}.
// Element i follows from seed and i alone: a run repeats the numbers of the last one.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "runtime/kernel.hpp"
#include "runtime/random.hpp"

namespace igata::runtime {

/// Number i of the normal distribution (Box and Muller).
inline double random_normal(std::uint64_t seed, std::uint64_t i) {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - random_uniform(seed, 2 * i)));
    return radius * std::cos(2.0 * 3.14159265358979323846 * random_uniform(seed, 2 * i + 1));
}

inline void run_random(const KernelSpec& spec, std::byte* const* operands, std::byte*) {
    const MemorySpec& dst = spec.operands[0];
    const auto seed = static_cast<std::uint64_t>(spec.ints[0]);
    const auto first = static_cast<double>(spec.floats[0]);
    const auto second = static_cast<double>(spec.floats[1]);
    with_type(dst.dtype, [&](auto type) {
        using T = decltype(type);
        if constexpr (!std::is_integral_v<T>)
            parallel_for(element_count(dst), 1024, [&](std::int64_t begin, std::int64_t end) {
                for (std::int64_t i = begin; i < end; ++i) {
                    const auto counter = static_cast<std::uint64_t>(i);
                    const double x = spec.ints[1] != 0 ? first + second * random_normal(seed, counter)
                                                       : first + (second - first) * random_uniform(seed, counter);
                    reinterpret_cast<T*>(operands[0])[i] =
                        Element<T>::store(static_cast<typename Element<T>::Value>(x));
                }
            });
    });
}

inline std::unique_ptr<Operation> make_random(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(spec, run_random);
}

}  // namespace igata::runtime
