// Views without copies: what Transpose, Slice, Expand, ... do to the strides of a tensor. The reference semantics copy
// through these views, and `lower` hands the very same views to the plan.
#pragma once

#include <span>

#include "compiler/ir/plan.hpp"
#include "compiler/ir/tensor.hpp"

namespace igata {

/// A tensor as a row-major view (of buffer 0, for use with copy_elements).
View view_of(const Tensor& tensor);
/// A dense row-major view of buffer 0.
View row_major_view(DataType dtype, const Dims& dims);

/// Axes permuted as by ONNX Transpose.
View transposed(const View& view, std::span<const std::int64_t> perm);
/// `count` elements along `axis`, the first at `start`, each `step` (of either sign, or 0 to repeat one) after the
/// last.
View sliced(View view, std::size_t axis, std::int64_t start, std::int64_t count, std::int64_t step = 1);
/// Repeated to `dims` by ONNX broadcasting.
View expanded(const View& view, const Dims& dims);
/// An axis of one element more, before `axis`.
View with_axis(View view, std::size_t axis);
/// Without an axis of one element.
View without_axis(View view, std::size_t axis);
/// The axis divided in two, the outer one of `outer` elements, which must divide it.
View split_axis(View view, std::size_t axis, std::int64_t outer);
/// The axes from the largest stride to the smallest.
std::vector<int> memory_order(const View& view);
/// Whether both show the same elements under the same dims: strides of axes of one element do not count.
bool is_same_memory(const View& a, const View& b);

/// Calls f(offset in a, offset in b) for every element of two views of equal dims.
template <class F>
void for_each_element(const View& a, const View& b, const F& f, std::size_t axis = 0, std::int64_t in_a = 0,
                      std::int64_t in_b = 0) {
    if (axis == 0) {
        if (element_count(a.dims) == 0) return;  // at once, however long the other axes are
        in_a = a.offset;
        in_b = b.offset;
    }
    if (axis == a.dims.size()) return f(static_cast<std::size_t>(in_a), static_cast<std::size_t>(in_b));
    for (std::int64_t i = 0; i < a.dims[axis]; ++i)
        for_each_element(a, b, f, axis + 1, in_a + i * a.strides[axis], in_b + i * b.strides[axis]);
}

/// target = source, element by element; dims and types must be equal.
void copy_elements(const Tensor& from, const View& source, Tensor& to, const View& target);
/// What the view of `from` shows, as a row-major tensor.
Tensor copy_of(const Tensor& from, const View& view);

}  // namespace igata
