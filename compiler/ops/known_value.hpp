// Operators whose result is known at compile time, and what they read.
#pragma once

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
