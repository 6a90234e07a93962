// What the scatters share: where an update goes, and what it does there.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/combine.hpp"
#include "runtime/kernel.hpp"

namespace igata::runtime {

/// An element of an i32 or i64 index tensor, counted from the start; -1 if it is out of range.
inline std::int64_t scatter_index(DataType dtype, const std::byte* data, std::int64_t position, std::int64_t extent) {
    std::int64_t value = dtype == DataType::i32 ? reinterpret_cast<const std::int32_t*>(data)[position]
                                                : reinterpret_cast<const std::int64_t*>(data)[position];
    if (value < 0) value += extent;
    return value >= 0 && value < extent ? value : -1;
}

template <class T>
void combine_into(Combine kind, T& target, T update) {
    if (kind == Combine::replace) target = update;
    else target = Element<T>::store(combine(kind, Element<T>::load(target), Element<T>::load(update)));
}

}  // namespace igata::runtime
