#include "compiler/ir/view.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <stdexcept>

namespace igata {

namespace {

template <class Word>
void copy_words(const Word* source, const Dims& from, Word* target, const Dims& to, const Dims& dims,
                std::size_t axis) {
    const std::int64_t count = dims[axis];
    const std::int64_t source_step = from[axis];
    const std::int64_t target_step = to[axis];
    if (axis + 1 < dims.size()) {
        for (std::int64_t i = 0; i < count; ++i)
            copy_words(source + i * source_step, from, target + i * target_step, to, dims, axis + 1);
    } else if (source_step == 1 && target_step == 1) {
        std::memcpy(target, source, static_cast<std::size_t>(count) * sizeof(Word));
    } else {
        for (std::int64_t i = 0; i < count; ++i) target[i * target_step] = source[i * source_step];
    }
}

template <class Word>
void copy_as(const Tensor& from, View source, Tensor& to, View target) {
    if (source.dims.empty()) {  // a scalar is a row of one
        source = with_axis(source, 0);
        target = with_axis(target, 0);
    }
    const auto* read = reinterpret_cast<const Word*>(from.bytes().data());
    auto* write = reinterpret_cast<Word*>(to.mutable_bytes().data());
    copy_words(read + source.offset, source.strides, write + target.offset, target.strides, source.dims, 0);
}

}  // namespace

View row_major_view(DataType dtype, const Dims& dims) { return {0, 0, dtype, dims, row_major_strides(dims)}; }

View view_of(const Tensor& tensor) { return row_major_view(tensor.dtype(), tensor.dims()); }

View transposed(const View& view, std::span<const std::int64_t> perm) {
    View result = view;
    for (std::size_t i = 0; i < perm.size(); ++i) {
        result.dims[i] = view.dims.at(static_cast<std::size_t>(perm[i]));
        result.strides[i] = view.strides.at(static_cast<std::size_t>(perm[i]));
    }
    return result;
}

View sliced(View view, std::size_t axis, std::int64_t start, std::int64_t count, std::int64_t step) {
    if (count > 0) view.offset += start * view.strides.at(axis);  // an empty slice may start beyond the end
    view.dims.at(axis) = count;
    view.strides[axis] *= step;
    return view;
}

View expanded(const View& view, const Dims& dims) {
    View result = view;
    result.strides = broadcast_strides(view.dims, view.strides, dims);
    result.dims = dims;
    return result;
}

View with_axis(View view, std::size_t axis) {
    const auto at = static_cast<std::ptrdiff_t>(axis);
    view.dims.insert(view.dims.begin() + at, 1);
    view.strides.insert(view.strides.begin() + at, 0);
    return view;
}

View without_axis(View view, std::size_t axis) {
    view.dims.erase(view.dims.begin() + static_cast<std::ptrdiff_t>(axis));
    view.strides.erase(view.strides.begin() + static_cast<std::ptrdiff_t>(axis));
    return view;
}

View split_axis(View view, std::size_t axis, std::int64_t outer) {
    const std::int64_t inner = view.dims.at(axis) / outer;
    view = with_axis(std::move(view), axis);
    view.dims[axis] = outer;
    view.strides[axis] = view.strides[axis + 1] * inner;
    view.dims[axis + 1] = inner;
    return view;
}

std::vector<int> memory_order(const View& view) {
    std::vector<int> order(view.dims.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
        return std::abs(view.strides[static_cast<std::size_t>(a)]) >
               std::abs(view.strides[static_cast<std::size_t>(b)]);
    });
    return order;
}

bool is_same_memory(const View& a, const View& b) {
    if (a.buffer != b.buffer || a.offset != b.offset || a.advance != b.advance || a.dtype != b.dtype ||
        a.dims != b.dims)
        return false;
    for (std::size_t i = 0; i < a.dims.size(); ++i)
        if (a.dims[i] > 1 && a.strides[i] != b.strides[i]) return false;
    return true;
}

void copy_elements(const Tensor& from, const View& source, Tensor& to, const View& target) {
    if (source.dims != target.dims || from.dtype() != to.dtype())
        throw std::logic_error("copy between different types");
    if (element_count(source.dims) == 0) return;
    switch (size_of(from.dtype())) {
        case 1: return copy_as<std::uint8_t>(from, source, to, target);
        case 2: return copy_as<std::uint16_t>(from, source, to, target);
        case 4: return copy_as<std::uint32_t>(from, source, to, target);
        default: return copy_as<std::uint64_t>(from, source, to, target);
    }
}

Tensor copy_of(const Tensor& from, const View& view) {
    Tensor result(from.dtype(), view.dims);
    copy_elements(from, view, result, view_of(result));
    return result;
}

}  // namespace igata
