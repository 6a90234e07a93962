// Operators whose result is known at compile time: Constant, ConstantOfShape, Range, EyeLike.
#include <cmath>

#include <fmt/format.h>

#include "compiler/ops/arguments.hpp"
#include "compiler/ops/known_value.hpp"
#include "compiler/ops/lowering.hpp"
#include "compiler/ops/onnx_type.hpp"

namespace igata {

namespace {

const Tensor* tensor_attribute(const Attrs& attrs, const std::string& name) {
    const auto found = attrs.find(name);
    return found == attrs.end() ? nullptr : std::get_if<Tensor>(&found->second);
}

Tensor constant_value(const Node& node) {
    const Attrs& attrs = node.attrs;
    if (const Tensor* value = tensor_attribute(attrs, "value")) return *value;
    if (attrs.has("value_float")) return Tensor::scalar(attrs.get_float("value_float", 0));
    if (attrs.has("value_int")) return Tensor::scalar(attrs.get_int("value_int", 0));
    if (attrs.has("value_ints")) return Tensor::of_dims(attrs.get_ints("value_ints"));
    if (attrs.has("value_floats")) {
        const auto values = attrs.get_floats("value_floats");
        return Tensor::of<float>({as_dim(values.size())}, values);
    }
    if (attrs.has("value_string") || attrs.has("value_strings"))
        throw Unsupported(fmt::format("{}: strings are not supported", describe(node)));
    if (attrs.has("sparse_value"))
        throw Unsupported(fmt::format("{}: sparse tensors are not supported", describe(node)));
    throw BadInput(fmt::format("{}: has no value", describe(node)));
}

OpDef constant_op() {
    OpDef op = known_value("Constant", [](const auto& c) { return constant_value(c.node()); });
    op.newest = 21;
    op.min_inputs = op.max_inputs = 0;
    op.attrs = {{"value", AttrKind::tensor},          {"value_float", AttrKind::real},
                {"value_floats", AttrKind::reals},    {"value_int", AttrKind::integer},
                {"value_ints", AttrKind::integers},   {"value_string", AttrKind::string},
                {"value_strings", AttrKind::strings}, {"sparse_value", AttrKind::tensor}};
    op.note = "no strings, no sparse tensors";
    return op;
}

/// The element that ConstantOfShape repeats.
Tensor fill_of(const Node& node) {
    const Tensor* value = tensor_attribute(node.attrs, "value");
    if (value == nullptr) return Tensor::scalar(0.0F);
    if (value->count() != 1)
        throw std::invalid_argument(fmt::format("value must be one element, not {}", to_string(value->type())));
    return value->reshaped({});
}

Tensor filled(const Tensor& fill, const Dims& dims) {
    Tensor result(fill.dtype(), dims);
    visit_any_dtype(fill.dtype(),
                    [&]<class T>() { std::ranges::fill(result.mutable_values<T>(), fill.values<T>()[0]); });
    return result;
}

/// A result that is worth having as a constant is folded like any; a larger one is a view of its one element.
OpDef constant_of_shape_op() {
    OpDef op;
    op.name = "ConstantOfShape";
    op.since = 9;
    op.newest = 21;
    op.attrs = {{"value", AttrKind::tensor}};
    op.infer = [](InferContext& c) { c.set_output(0, {fill_of(c.node()).dtype(), integers(c, 0, "shape").value()}); };
    op.eval = [](EvalContext& c) { c.set_output(0, filled(fill_of(c.node()), integers(c, 0, "shape").value())); };
    op.lower = [](LowerContext& c) {
        c.set_output(0, expanded(c.constant(fill_of(c.node())), integers(c, 0, "shape").value()));
    };
    return op;
}

template <class T>
Tensor range(T start, T limit, T delta) {
    if (delta == T{}) throw std::invalid_argument("delta is zero");
    const double steps = std::ceil(static_cast<double>(limit - start) / static_cast<double>(delta));
    Tensor result(data_type_of<T>(), {static_cast<std::int64_t>(std::max(steps, 0.0))});
    T next = 0;
    for (T& value : result.mutable_values<T>()) value = start + next++ * delta;
    return result;
}

OpDef range_op() {
    OpDef op = known_value("Range", [](const auto& c) {
        const Tensor* start = tensor_argument(c, 0, "start");
        const Tensor* limit = tensor_argument(c, 1, "limit");
        const Tensor* delta = tensor_argument(c, 2, "delta");
        if (start->count() != 1 || limit->count() != 1 || delta->count() != 1)
            throw std::invalid_argument("start, limit and delta must be scalars");
        const Tensor result = is_floating(start->dtype())
                                  ? range(start->scalar_f64(), limit->scalar_f64(), delta->scalar_f64())
                                  : range(start->to_i64()[0], limit->to_i64()[0], delta->to_i64()[0]);
        return result.cast(start->dtype());
    });
    op.since = 11;
    op.newest = 11;
    op.min_inputs = op.max_inputs = 3;
    return op;
}

OpDef eye_like_op() {
    OpDef op = known_value("EyeLike", [](const auto& c) {
        const Dims& dims = input_dims(c, 0);
        if (dims.size() != 2) throw std::invalid_argument(fmt::format("needs a matrix, not {}", to_string(dims)));
        const Attrs& attrs = c.node().attrs;
        const DataType dtype =
            attrs.has("dtype") ? data_type_of_onnx(attrs.get_int("dtype", 1), c.node()) : input_dtype(c, 0);
        const std::int64_t k = attrs.get_int("k", 0);
        Tensor eye(DataType::u8, dims);
        for (std::int64_t row = std::max<std::int64_t>(0, -k); row < dims[0] && row + k < dims[1]; ++row)
            eye.mutable_values<std::uint8_t>()[as_index(row * dims[1] + row + k)] = 1;
        return eye.cast(dtype);
    });
    op.since = 9;
    op.newest = 22;
    op.attrs = {{"dtype", AttrKind::integer}, {"k", AttrKind::integer}};
    return op;
}

}  // namespace

void register_constant(Registry& registry) {
    for (OpDef op : {constant_op(), constant_of_shape_op(), range_op(), eye_like_op()}) registry.add(std::move(op));
}

}  // namespace igata
