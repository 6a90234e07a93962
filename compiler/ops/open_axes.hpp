// Building blocks for operators that meet an axis of which only the data decide how much there is (OpDef::close): what
// lies beyond the true size is replaced by something neutral, or not looked at, and the rest is ordinary nodes.
#pragma once

#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compiler/ops/composition.hpp"

namespace igata {

inline constexpr double lowest = -std::numeric_limits<double>::infinity();
inline constexpr double highest = std::numeric_limits<double>::infinity();

/// The axis along which an input is open, and how much there is.
inline std::optional<TrueSize> open_axis(const InferContext& c, std::size_t input) {
    return c.has_input(input) ? c.graph().value(c.node().input(input)).true_size : std::nullopt;
}

/// Open along `axis`, which is not negative.
inline bool is_open_along(const InferContext& c, std::size_t input, std::size_t axis) {
    const auto open = open_axis(c, input);
    return open && as_index(open->axis) == axis;
}

/// The value with all that it has room for: what lies beyond the true size is part of it.
inline ValueId bounded(ExpandContext& c, ValueId x) { return c.add("Bound", {x}); }

/// The first `size` elements along an axis.
inline ValueId opened(ExpandContext& c, ValueId x, std::size_t axis, ValueId size) {
    return c.add("Open", {x, size}, {{"axis", as_dim(axis)}});
}

/// The number as a scalar of the type; infinities become the extremes of types that have none.
inline Tensor saturated_scalar(DataType dtype, double value) {
    if (std::isfinite(value) || is_floating(dtype)) return Tensor::scalar(value).cast(dtype);
    Tensor result(dtype, {});
    visit_dtype(dtype, [&]<class T>() {
        using Limits = std::numeric_limits<T>;
        if constexpr (Limits::is_specialized)
            result.mutable_values<T>()[0] = value > 0 ? Limits::max() : Limits::lowest();
    });
    return result;
}

/// Input i with `value` beyond its true size, and open no longer. As it is if it is not open.
inline ValueId filled(ExpandContext& c, std::size_t i, double value) {
    const auto open = open_axis(c, i);
    if (!open) return c.value(i);
    const Dims& dims = c.dims(i);
    const auto axis = as_index(open->axis);
    return c.map("select(x0 < x1, x2, x3)",
                 {counting(c, dims[axis], dims.size(), axis), open->size, bounded(c, c.value(i)),
                  c.constant_value(saturated_scalar(c.dtype(i), value))});
}

/// The node's inputs, the first of them filled.
inline std::vector<ValueId> with_filled(ExpandContext& c, double value) {
    std::vector<ValueId> inputs = c.node().inputs;
    inputs[0] = filled(c, 0, value);
    return inputs;
}

/// OpDef::close of operators whose results are the same with `value` beyond the true size, and not open.
inline auto close_filled(double value) {
    return
        [value](ExpandContext& c) { return open_axis(c, 0) ? (c.finish_again(with_filled(c, value)), true) : false; };
}

/// OpDef::close of operators whose results are as open as their input, and the same with `value` beyond.
inline bool reopen_filled(ExpandContext& c, double value) {
    const auto open = open_axis(c, 0);
    if (!open) return false;
    const ValueId result = c.add(c.node().op, with_filled(c, value), c.attrs());
    c.finish(0, opened(c, result, as_index(open->axis), open->size));
    return true;
}

}  // namespace igata
