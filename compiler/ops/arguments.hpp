// How operators read arguments that are inputs (shape, axes, starts, ...): constants at compile time, tensors in
// `eval`.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "compiler/ops/op.hpp"

namespace igata {

/// The integers, within what arithmetic on dims survives; beyond any dim, all mean the same (ends of Slice, for one).
inline Dims bounded_integers(const Tensor& tensor) {
    constexpr std::int64_t most = std::int64_t{1} << 60;
    Dims values = tensor.to_i64();
    for (std::int64_t& value : values) value = std::clamp(value, -most, most);
    return values;
}

/// Input i as integers, or nothing if it is absent. Throws Unsupported if the value is not known at compile time.
inline std::optional<Dims> integers(const InferContext& context, std::size_t i, std::string_view what) {
    if (!context.has_input(i)) return std::nullopt;
    return bounded_integers(context.require_constant(i, what));
}
inline std::optional<Dims> integers(const EvalContext& context, std::size_t i, std::string_view) {
    if (!context.has_input(i)) return std::nullopt;
    return bounded_integers(context.input(i));
}
inline std::optional<Dims> integers(const LowerContext& context, std::size_t i, std::string_view what) {
    const ValueId id = context.node().input(i);
    if (id == no_value) return std::nullopt;
    const Tensor* constant = context.graph().constant(id);
    if (constant == nullptr) context.unsupported(std::string(what) + " must be known at compile time");
    return bounded_integers(*constant);
}

inline const Dims& input_dims(const InferContext& context, std::size_t i) { return context.dims(i); }
inline const Dims& input_dims(const EvalContext& context, std::size_t i) { return context.input(i).dims(); }
inline const Dims& input_dims(const LowerContext& context, std::size_t i) {
    return context.graph().value(context.node().input(i)).type.dims;
}

inline DataType input_dtype(const InferContext& context, std::size_t i) { return context.dtype(i); }
inline DataType input_dtype(const EvalContext& context, std::size_t i) { return context.input(i).dtype(); }
inline DataType input_dtype(const LowerContext& context, std::size_t i) {
    return context.graph().value(context.node().input(i)).type.dtype;
}

/// Non-negative axes in the given order. Throws std::invalid_argument if one is out of range or named twice.
inline Dims normalize_axes(const Dims& axes, std::size_t rank) {
    Dims result;
    for (const std::int64_t axis : axes) {
        result.push_back(normalize_axis(axis, rank));
        if (std::count(result.begin(), result.end(), result.back()) > 1)
            throw std::invalid_argument("axis " + std::to_string(axis) + " is named twice");
    }
    return result;
}

/// The node stems from a model of an opset before `version`.
inline bool before(const Node& node, int version) { return node.version > 0 && node.version < version; }

/// For `raise`: an attribute of integers that became input `index`.
inline void attribute_to_input(Graph& graph, Node& node, const std::string& name, std::size_t index) {
    if (!node.attrs.has(name)) return;
    if (node.inputs.size() <= index) node.inputs.resize(index + 1, no_value);
    node.inputs[index] = graph.add_constant(name, Tensor::of_dims(node.attrs.get_ints(name)));
    node.attrs.erase(name);
}

inline std::size_t as_index(std::int64_t value) { return static_cast<std::size_t>(value); }
inline std::int64_t as_dim(std::size_t value) { return static_cast<std::int64_t>(value); }

}  // namespace igata
