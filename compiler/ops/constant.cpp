// Operators whose result is known at compile time: Constant, ConstantOfShape, Range, EyeLike.
#include <cmath>

#include <fmt/format.h>

#include "compiler/ir/scalar.hpp"
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
    for (const char* name : {"value", "sparse_value"})  // sparse tensors are made dense on import
        if (const Tensor* value = tensor_attribute(attrs, name)) return *value;
    if (attrs.has("value_float")) return Tensor::scalar(attrs.get_float("value_float", 0));
    if (attrs.has("value_int")) return Tensor::scalar(attrs.get_int("value_int", 0));
    if (attrs.has("value_ints")) return Tensor::of_dims(attrs.get_ints("value_ints"));
    if (attrs.has("value_floats")) {
        const auto values = attrs.get_floats("value_floats");
        return Tensor::of<float>({as_dim(values.size())}, values);
    }
    if (attrs.has("value_string") || attrs.has("value_strings"))
        throw Unsupported(fmt::format("{}: strings are not supported", describe(node)));
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
    op.note = "no strings";
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

OpDef constant_of_shape_op() {
    OpDef op = known_value(
        "ConstantOfShape",
        [](const auto& c) {
            return ValueType{fill_of(c.node()).dtype(), integers(c, 0, "shape").value()};
        },
        [](const auto& c) { return filled(fill_of(c.node()), integers(c, 0, "shape").value()); },
        [](LowerContext& c) {
            c.set_output(0, expanded(c.constant(fill_of(c.node())), integers(c, 0, "shape").value()));
        });
    op.since = 9;
    op.newest = 21;
    op.attrs = {{"value", AttrKind::tensor}};
    op.carry_axis = [](const InferContext&, std::size_t, int axis) { return axis; };
    return op;
}

// Range --------------------------------------------------------------------------------------------------------------

/// start + i * delta for i < count, in f64 or i64.
struct Progression {
    Tensor start, delta;
    std::int64_t count;
};

template <class T>
Progression progression(T start, T limit, T delta) {
    if (delta == T{}) throw std::invalid_argument("delta is zero");
    const double steps = std::ceil(static_cast<double>(scalar::subtract(limit, start)) / static_cast<double>(delta));
    return {Tensor::scalar(start), Tensor::scalar(delta), steps > 0 ? scalar::convert<std::int64_t>(steps) : 0};
}

template <class Context>
Progression progression_of(const Context& c) {
    const Tensor* start = tensor_argument(c, 0, "start");
    const Tensor* limit = tensor_argument(c, 1, "limit");
    const Tensor* delta = tensor_argument(c, 2, "delta");
    if (start->count() != 1 || limit->count() != 1 || delta->count() != 1)
        throw std::invalid_argument("start, limit and delta must be scalars");
    return is_floating(start->dtype()) ? progression(start->scalar_f64(), limit->scalar_f64(), delta->scalar_f64())
                                       : progression(start->to_i64()[0], limit->to_i64()[0], delta->to_i64()[0]);
}

template <class T>
Tensor elements_of(const Progression& range) {
    Tensor result(data_type_of<T>(), {range.count});
    const T start = range.start.values<T>()[0];
    const T delta = range.delta.values<T>()[0];
    T next = 0;
    for (T& value : result.mutable_values<T>()) value = scalar::add(start, scalar::multiply(next++, delta));
    return result;
}

/// In lines of 4096 elements and a last one that is shorter: an index is what the number of its line and its place in
/// the line make it, so that the indices need not lie in the weights.
void lower_range(LowerContext& c) {
    const Progression range = progression_of(c);
    const View out = c.output(0);
    const DataType dtype = range.start.dtype();
    const ExprPtr element =
        expr::parse(dtype == DataType::f64 ? "x2 + cast<f64>(x0 * 4096 + x1) * x3" : "x2 + (x0 * 4096 + x1) * x3");
    const auto add = [&](const View& line, const View& part) {
        if (element_count(part.dims) == 0) return;
        c.add_map(out.dtype == dtype ? element : expr::cast(out.dtype, element),
                  {line, positions(c, part.dims, 1), c.constant(range.start), c.constant(range.delta)}, part);
    };
    const std::int64_t lines = range.count / 4096;
    const std::int64_t begun = lines * 4096;
    if (lines > 0) add(positions(c, {lines, 4096}, 0), split_axis(sliced(out, 0, 0, begun), 0, lines));
    add(c.constant(Tensor::scalar(lines)), split_axis(sliced(out, 0, begun, range.count - begun), 0, 1));
}

OpDef range_op() {
    OpDef op = known_value(
        "Range",
        [](const auto& c) {
            return ValueType{input_dtype(c, 0), {progression_of(c).count}};
        },
        [](const auto& c) {
            const Progression range = progression_of(c);
            const Tensor elements =
                range.start.dtype() == DataType::f64 ? elements_of<double>(range) : elements_of<std::int64_t>(range);
            return elements.cast(input_dtype(c, 0));
        },
        lower_range);
    op.since = 11;
    op.newest = 11;
    op.min_inputs = op.max_inputs = 3;
    op.carry_axis = [](const InferContext& c, std::size_t input, int) {
        const bool counts = input == 1 && c.constant(0) != nullptr && c.constant(0)->scalar_f64() == 0 &&
                            c.constant(2) != nullptr && c.constant(2)->scalar_f64() == 1;
        return counts ? 0 : -1;
    };
    return op;
}

// EyeLike ------------------------------------------------------------------------------------------------------------

template <class Context>
ValueType eye_type(const Context& c) {
    const Dims& dims = input_dims(c, 0);
    if (dims.size() != 2) throw std::invalid_argument(fmt::format("needs a matrix, not {}", to_string(dims)));
    const Attrs& attrs = c.node().attrs;
    return {attrs.has("dtype") ? data_type_of_onnx(attrs.get_int("dtype", 1), c.node()) : input_dtype(c, 0), dims};
}

template <class Context>
Tensor eye(const Context& c) {
    const ValueType type = eye_type(c);
    const Dims& dims = type.dims;
    const std::int64_t k = c.node().attrs.get_int("k", 0);
    Tensor eye(DataType::u8, dims);
    for (std::int64_t row = std::max<std::int64_t>(0, -k); row < dims[0] && row + k < dims[1]; ++row)
        eye.mutable_values<std::uint8_t>()[as_index(row * dims[1] + row + k)] = 1;
    return eye.cast(type.dtype);
}

OpDef eye_like_op() {
    OpDef op = known_value(
        "EyeLike", [](const auto& c) { return eye_type(c); }, [](const auto& c) { return eye(c); },
        [](LowerContext& c) {
            const View out = c.output(0);
            const View k = c.constant(Tensor::scalar(c.node().attrs.get_int("k", 0)));
            c.add_map(expr::cast(out.dtype, expr::parse("x0 + x2 == x1")),
                      {positions(c, out.dims, 0), positions(c, out.dims, 1), k}, out);
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
