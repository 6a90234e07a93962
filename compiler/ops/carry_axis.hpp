// OpDef::carry_axis of the usual kinds of operators: where the elements along an axis of an input go.
#pragma once

#include <algorithm>
#include <cstddef>

#include "compiler/ops/op.hpp"

namespace igata {

/// What an operator's carry_axis returns that takes only what is there and makes results of fixed size of it: the true
/// size becomes one more input.
inline constexpr int takes_size = -2;
/// Likewise, where what lies beyond the true size is part of the results: they are as large as the types say.
inline constexpr int closes = -3;

/// Inputs are broadcast against each other.
inline int carry_elementwise(const InferContext& c, std::size_t input, int axis) {
    const Graph& graph = c.graph();
    const auto rank_of = [](const ValueType& type) { return static_cast<int>(type.dims.size()); };
    const int rank = rank_of(graph.value(c.node().outputs.at(0)).type);
    const int carried = axis + rank - rank_of(c.input(input));
    for (std::size_t i = 0; i < c.input_count(); ++i) {
        if (!c.has_input(i) || graph.value(c.node().input(i)).true_size) continue;
        const int own = carried - (rank - rank_of(c.input(i)));
        if (own >= 0 && c.dims(i)[static_cast<std::size_t>(own)] != 1) return -1;  // fits the largest size only
    }
    return carried;
}

/// The same elements in the same order under other dims, which must have the axis whole.
inline int carry_reshape(const InferContext& c, std::size_t input, int axis) {
    const Dims& from = c.dims(input);
    const Dims& to = c.graph().value(c.node().outputs.at(0)).type.dims;
    if (input != 0) return -1;
    if (from == to) return axis;
    const auto product = [](const Dims& dims, std::size_t end) {
        return element_count({dims.begin(), dims.begin() + static_cast<std::ptrdiff_t>(end)});
    };
    const auto at = static_cast<std::size_t>(axis);
    if (from[at] == 1) return -1;  // it could be any axis of one element
    for (std::size_t i = 0; i < to.size(); ++i)
        if (to[i] == from[at] && product(to, i) == product(from, at)) return static_cast<int>(i);
    return -1;
}

/// Items of a batch are treated alike, each on its own.
inline int carry_batch(const InferContext&, std::size_t input, int axis) { return input == 0 && axis == 0 ? 0 : -1; }

/// The operator combines elements along `own` only, and keeps that axis.
inline int carry_unless(std::size_t own, int axis) { return static_cast<int>(own) == axis ? -1 : axis; }

/// Axes that are combined go, or stay with one element.
inline int carry_reduced(const Dims& axes, bool keep, int axis) {
    if (std::count(axes.begin(), axes.end(), axis) > 0) return -1;
    if (keep) return axis;
    return axis - static_cast<int>(std::count_if(axes.begin(), axes.end(), [&](auto own) { return own < axis; }));
}

}  // namespace igata
