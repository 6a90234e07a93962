// Operators whose result is known at compile time, and what they read.
#pragma once

#include <iterator>
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

/// The type behind ONNX's number for it, as attributes give it. Throws std::invalid_argument for those not supported.
inline DataType data_type_of_onnx(std::int64_t code) {
    constexpr DataType types[] = {
        DataType::undefined, DataType::f32, DataType::u8,        DataType::i8,        DataType::u16, DataType::i16,
        DataType::i32,       DataType::i64, DataType::undefined, DataType::boolean,   DataType::f16, DataType::f64,
        DataType::u32,       DataType::u64, DataType::undefined, DataType::undefined, DataType::bf16};
    const bool known = code > 0 && code < as_dim(std::size(types));
    if (!known || types[code] == DataType::undefined)
        throw std::invalid_argument(fmt::format("data type {} is not supported", code));
    return types[code];
}

}  // namespace igata
