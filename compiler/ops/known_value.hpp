// Operators whose result is known at compile time, and what they read.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "compiler/ops/arguments.hpp"

namespace igata {

/// An operator that `value_of` computes from compile-time arguments, in whatever context it is asked.
template <class ValueOf>
OpDef known_value(std::string name, ValueOf value_of) {
    OpDef op;
    op.name = std::move(name);
    op.infer = [value_of](InferContext& c) { c.set_output_constant(0, value_of(c)); };
    op.eval = [value_of](EvalContext& c) { c.set_output(0, value_of(c)); };
    op.lower = [value_of](LowerContext& c) { c.set_output(0, c.constant(value_of(c))); };
    return op;
}

/// Whether a constant is better made at run time: it is large, and follows from much less than itself.
inline bool bloats(const ValueType& type, std::size_t source_bytes = 0) {
    constexpr std::size_t worth_having = 16 << 20;
    auto room = static_cast<std::int64_t>(std::max(worth_having, 2 * source_bytes) / size_of(type.dtype));
    for (const std::int64_t dim : type.dims) {
        if (dim <= 0) return false;
        room /= dim;
    }
    return room == 0;
}

/// Likewise, but a result that bloats is made by `lower`.
template <class TypeOf, class ValueOf>
OpDef known_value(std::string name, TypeOf type_of, ValueOf value_of, std::function<void(LowerContext&)> lower) {
    OpDef op = known_value(std::move(name), value_of);
    op.infer = [type_of, value_of](InferContext& c) {
        const ValueType type = type_of(c);
        c.set_output(0, type);
        const bool possible = std::ranges::all_of(type.dims, [](std::int64_t dim) { return dim >= 0; });
        if (possible && !bloats(type)) c.set_output_constant(0, value_of(c));
    };
    op.lower = std::move(lower);
    return op;
}

inline const Tensor* tensor_argument(const InferContext& c, std::size_t i, std::string_view what) {
    return &c.require_constant(i, what);
}
inline const Tensor* tensor_argument(const EvalContext& c, std::size_t i, std::string_view) { return &c.input(i); }
inline const Tensor* tensor_argument(const LowerContext& c, std::size_t i, std::string_view what) {
    const Tensor* constant = c.graph().constant(c.node().input(i));
    if (constant == nullptr) c.unsupported(fmt::format("{} must be known at compile time", what));
    return constant;
}

}  // namespace igata
