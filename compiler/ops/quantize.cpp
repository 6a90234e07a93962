// QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear: elementwise, with one scale and zero point for the whole
// tensor, one for each position along an axis, or one for each block along it.
//
//     y = QuantizeLinear(x, scale, zero)      cast<u8>(min(max(round(x0 / x1) + x2, 0), 255))
//     y = DequantizeLinear(x, scale, zero)    cast<f32>(cast<i32>(x0) - cast<i32>(x2)) * x1
#include <fmt/format.h>

#include "compiler/ir/interpret.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/carry_axis.hpp"
#include "compiler/ops/elementwise.hpp"
#include "compiler/ops/lowering.hpp"
#include "compiler/ops/quantize.hpp"

namespace igata {

namespace {

/// What shares a scale.
struct Granularity {
    enum { tensor, axis_position, block } kind = tensor;
    std::size_t axis = 0;
    std::int64_t block_size = 0;
};

Granularity granularity(const Attrs& attrs, const Dims& x, const Dims& scale) {
    const std::int64_t block = attrs.get_int("block_size", 0);
    if (block < 0) throw std::invalid_argument(fmt::format("block_size {} is negative", block));
    if (element_count(scale) == 1 && (block == 0 || scale.size() <= 1)) return {};
    const std::int64_t axis_attribute = x.size() == 1 && block == 0 ? 0 : attrs.get_int("axis", 1);
    const auto axis = as_index(normalize_axis(axis_attribute, x.size()));
    Dims wanted = x;
    if (block == 0) wanted = {x[axis]};
    else wanted[axis] = x[axis] / block + (x[axis] % block != 0 ? 1 : 0);
    if (scale != wanted)
        throw std::invalid_argument(fmt::format("the scale of {} along axis {}{} must be {}, not {}", to_string(x),
                                                axis, block == 0 ? "" : fmt::format(" in blocks of {}", block),
                                                to_string(wanted), to_string(scale)));
    return {block == 0 ? Granularity::axis_position : Granularity::block, axis, block};
}

DataType data_type_attribute(const Attrs& attrs, const char* name) {
    const std::int64_t code = attrs.get_int(name, 0);
    const DataType dtype = data_type_from_code(code);
    if (code != 0 && dtype == DataType::undefined)
        throw std::invalid_argument(fmt::format("{} {} is no type of numbers", name, code));
    return dtype;
}

bool is_quantized(DataType dtype) {
    return (is_small(dtype) && dtype != DataType::f8e8m0) || dtype == DataType::i8 || dtype == DataType::u8 ||
           dtype == DataType::i16 || dtype == DataType::u16;
}

bool is_real(DataType dtype) { return dtype == DataType::f32 || dtype == DataType::f16 || dtype == DataType::bf16; }

ExprPtr as(DataType dtype, int operand) { return expr::cast(dtype, expr::operand(operand)); }

/// x0 / x1 + x2, rounded and saturated. `zero`: there is a zero point.
ExprPtr quantization(const Attrs& attrs, DataType scale, DataType result, bool zero) {
    DataType precision = data_type_attribute(attrs, "precision");
    if (precision == DataType::undefined) precision = is_real(scale) ? scale : DataType::f32;
    ExprPtr y = expr::make(ExprOp::div, {as(DataType::f32, 0), as(DataType::f32, 1)});
    if (precision != DataType::f32) y = expr::cast(DataType::f32, expr::cast(precision, y));
    if (is_integer(result)) y = expr::make(ExprOp::round, {y});
    if (zero) y = expr::make(ExprOp::add, {y, as(DataType::f32, 2)});
    const bool saturate = attrs.get_int("saturate", 1) != 0 || is_integer(result);
    if (saturate) y = clamped_to(result, y);
    return expr::cast(result, y);
}

/// (x0 - x2) * x1
ExprPtr dequantization(DataType x, DataType result, bool zero) {
    const DataType wide = is_integer(x) ? DataType::i32 : DataType::f32;
    ExprPtr y = as(wide, 0);
    if (zero) y = expr::make(ExprOp::sub, {y, as(wide, 2)});
    y = expr::make(ExprOp::mul, {expr::cast(DataType::f32, y), as(DataType::f32, 1)});
    return expr::cast(result, y);
}

ExprPtr body_of(const Node& node, DataType x, DataType scale, DataType result) {
    const bool zero = node.input(2) != no_value;
    return node.op == "QuantizeLinear" ? quantization(node.attrs, scale, result, zero)
                                       : dequantization(x, result, zero);
}

/// Checks what both have in common.
void check_parameters(InferContext& c) {
    static_cast<void>(granularity(c.attrs(), c.dims(0), c.dims(1)));
    if (!is_real(c.dtype(1)) && c.dtype(1) != DataType::i32 && c.dtype(1) != DataType::f8e8m0)
        c.fail(fmt::format("the scale may not be {}", name_of(c.dtype(1))));
    if (!c.has_input(2)) return;
    const bool both_single = element_count(c.dims(1)) == 1 && element_count(c.dims(2)) == 1;
    if (c.dims(2) != c.dims(1) && !both_single)
        c.fail(fmt::format("the zero point {} must have the scale's shape, {}", to_string(c.dims(2)),
                           to_string(c.dims(1))));
}

void infer_quantize(InferContext& c) {
    if (!is_real(c.dtype(0)) && c.dtype(0) != DataType::i32)
        c.fail(fmt::format("the input may not be {}", name_of(c.dtype(0))));
    check_parameters(c);
    DataType result = data_type_attribute(c.attrs(), "output_dtype");
    if (c.has_input(2)) {
        if (result != DataType::undefined && result != c.dtype(2))
            c.fail(fmt::format("output_dtype is {}, but the zero point {}", name_of(result), name_of(c.dtype(2))));
        result = c.dtype(2);
    }
    if (result == DataType::undefined) result = DataType::u8;
    if (!is_quantized(result)) c.fail(fmt::format("the result may not be {}", name_of(result)));
    const DataType precision = data_type_attribute(c.attrs(), "precision");
    if (precision != DataType::undefined && !is_real(precision))
        c.fail(fmt::format("precision may not be {}", name_of(precision)));
    c.set_output(0, {result, c.dims(0)});
}

void infer_dequantize(InferContext& c) {
    if (!is_quantized(c.dtype(0)) && c.dtype(0) != DataType::i32)
        c.fail(fmt::format("the input may not be {}", name_of(c.dtype(0))));
    check_parameters(c);
    if (c.has_input(2) && c.dtype(2) != c.dtype(0))
        c.fail(fmt::format("the zero point is {}, the input {}", name_of(c.dtype(2)), name_of(c.dtype(0))));
    DataType result = data_type_attribute(c.attrs(), "output_dtype");
    if (result == DataType::undefined) result = c.dtype(1);
    if (!is_real(result)) c.fail(fmt::format("the result may not be {}", name_of(result)));
    c.set_output(0, {result, c.dims(0)});
}

/// A parameter that broadcasts to x.
Tensor spread(const Tensor& parameter, const Granularity& g, const Dims& x) {
    if (g.kind == Granularity::tensor) return parameter.reshaped({});
    Dims dims(x.size(), 1);
    dims[g.axis] = x[g.axis];
    if (g.kind == Granularity::axis_position) return parameter.reshaped(dims);
    Tensor result(parameter.dtype(), x);
    const View to = view_of(result);
    const View from = view_of(parameter);
    for (std::int64_t i = 0; i < x[g.axis]; ++i)
        copy_elements(parameter, sliced(from, g.axis, i / g.block_size, 1), result, sliced(to, g.axis, i, 1));
    return result;
}

void eval_linear(EvalContext& c) {
    const Tensor& x = c.input(0);
    const Granularity g = granularity(c.attrs(), x.dims(), c.input(1).dims());
    const Tensor scale = spread(c.input(1), g, x.dims());
    Tensor zero;
    std::vector<const Tensor*> inputs{&x, &scale};
    if (c.has_input(2)) {
        zero = spread(c.input(2), g, x.dims());
        inputs.push_back(&zero);
    }
    const ValueType type = c.output_type(0);
    c.set_output(0, eval_map(body_of(c.node(), x.dtype(), scale.dtype(), type.dtype), inputs, type));
}

/// A parameter that is not blocked as a view that broadcasts to x.
View spread(const View& parameter, const Granularity& g, std::size_t rank) {
    View view = parameter;
    view.dims.assign(g.kind == Granularity::tensor ? 0 : rank, 1);
    view.strides.assign(view.dims.size(), 0);
    if (g.kind == Granularity::tensor) return view;
    view.dims[g.axis] = parameter.dims[0];
    view.strides[g.axis] = parameter.strides[0];
    return view;
}

/// y = body(x, parameters...) in whole blocks; then what is left along the axis.
void add_blocked_maps(LowerContext& c, const ExprPtr& body, const std::vector<View>& views, const Granularity& g,
                      const View& y) {
    const std::int64_t extent = y.dims[g.axis];
    const std::int64_t whole = extent / g.block_size;
    const auto blocks = [&](const View& view) {
        return split_axis(sliced(view, g.axis, 0, whole * g.block_size), g.axis, whole);
    };
    const auto rest = [&](const View& view) {
        return sliced(view, g.axis, whole * g.block_size, extent - whole * g.block_size);
    };
    std::vector<View> in_blocks{views[0]};
    std::vector<View> in_rest{views[0]};
    for (std::size_t i = 1; i < views.size(); ++i) {
        in_blocks.push_back(whole > 0 ? with_axis(sliced(views[i], g.axis, 0, whole), g.axis + 1) : View{});
        in_rest.push_back(whole * g.block_size < extent ? sliced(views[i], g.axis, whole, 1) : View{});
    }
    if (whole > 0) {
        in_blocks[0] = blocks(views[0]);
        c.add_map(body, in_blocks, blocks(y));
    }
    if (whole * g.block_size < extent) {
        in_rest[0] = rest(views[0]);
        c.add_map(body, in_rest, rest(y));
    }
}

void lower_linear(LowerContext& c) {
    const View x = c.input(0);
    const View y = c.output(0);
    const Granularity g = granularity(c.node().attrs, x.dims, c.input(1).dims);
    std::vector<View> views{x};
    for (std::size_t i = 1; i < 3; ++i) {
        if (c.node().input(i) == no_value) continue;
        views.push_back(g.kind == Granularity::block ? c.input(i) : spread(c.input(i), g, x.dims.size()));
    }
    const ExprPtr body = body_of(c.node(), x.dtype, views[1].dtype, y.dtype);
    if (g.kind != Granularity::block) return c.add_map(body, views, y);
    if (x.dims.size() == runtime::max_rank) c.unsupported("blocks in a tensor of so many axes");
    add_blocked_maps(c, body, views, g, y);
}

OpDef linear_op(const char* name, void (*infer)(InferContext&)) {
    OpDef op;
    op.name = name;
    op.since = 10;
    op.newest = 25;
    op.min_inputs = 2;
    op.max_inputs = 3;
    op.attrs = {{"axis", AttrKind::integer}, {"block_size", AttrKind::integer}, {"output_dtype", AttrKind::integer}};
    op.infer = infer;
    op.carry_axis = [](const InferContext& c, std::size_t input, int axis) {
        return input == 0 && element_count(c.dims(1)) == 1 ? axis : -1;
    };
    op.eval = eval_linear;
    op.lower = lower_linear;
    op.takes_small_types = true;
    op.folds_late = op.name == "DequantizeLinear";
    return op;
}

// DynamicQuantizeLinear -----------------------------------------------------------------------------------------------

/// Of x0 = the maximum and x1 = the minimum of x and 0.
ExprPtr dynamic_scale() { return expr::parse("select(x0 == x1, 1, (x0 - x1) / 255)"); }
/// Of x0 = the minimum and x1 = the scale.
ExprPtr dynamic_zero() { return expr::parse("cast<u8>(round(min(max(0 - x0 / x1, 0), 255)))"); }
/// Of x, the scale and the zero point.
ExprPtr dynamic_quantization() { return quantization({}, DataType::f32, DataType::u8, true); }

void infer_dynamic(InferContext& c) {
    if (c.dtype(0) != DataType::f32) c.fail(fmt::format("takes f32, got {}", name_of(c.dtype(0))));
    c.set_output(0, {DataType::u8, c.dims(0)});
    if (c.output_count() > 1) c.set_output(1, {DataType::f32, {}});
    if (c.output_count() > 2) c.set_output(2, {DataType::u8, {}});
}

void eval_dynamic(EvalContext& c) {
    const auto values = c.input(0).values<float>();
    float least = 0;
    float greatest = 0;
    for (const float value : values) {
        least = std::min(least, value);
        greatest = std::max(greatest, value);
    }
    const Tensor minimum = Tensor::scalar(least);
    const Tensor maximum = Tensor::scalar(greatest);
    const Tensor scale = eval_map(dynamic_scale(), {&maximum, &minimum}, {DataType::f32, {}});
    const Tensor zero = eval_map(dynamic_zero(), {&minimum, &scale}, {DataType::u8, {}});
    c.set_output(0, eval_map(dynamic_quantization(), {&c.input(0), &scale, &zero}, c.output_type(0)));
    if (c.output_count() > 1) c.set_output(1, scale);
    if (c.output_count() > 2) c.set_output(2, zero);
}

/// A reduction of the whole tensor and 0 to one number.
View extremum(LowerContext& c, Reduce kind, View x) {
    if (x.dims.empty()) {
        x.dims = {1};
        x.strides = {1};
    }
    Dims axes;
    for (std::size_t i = 0; i < x.dims.size(); ++i) axes.push_back(as_dim(i));
    View result = c.temporary(DataType::f32, Dims(x.dims.size(), 1));
    c.add_reduce(kind, expr::operand(0), {x}, x.dims, axes, result, DataType::f32,
                 expr::parse(kind == Reduce::minimum ? "min(x0, 0)" : "max(x0, 0)"));
    result.dims.clear();
    result.strides.clear();
    return result;
}

void lower_dynamic(LowerContext& c) {
    const View x = c.input(0);
    const View minimum = extremum(c, Reduce::minimum, x);
    const View maximum = extremum(c, Reduce::maximum, x);
    const auto output = [&](std::size_t i, DataType dtype) {
        return c.node().output(i) == no_value ? c.temporary(dtype, {}) : c.output(i);
    };
    const View scale = output(1, DataType::f32);
    const View zero = output(2, DataType::u8);
    c.add_map(dynamic_scale(), {maximum, minimum}, scale);
    c.add_map(dynamic_zero(), {minimum, scale}, zero);
    c.add_map(dynamic_quantization(), {x, scale, zero}, c.output(0));
}

OpDef dynamic_op() {
    OpDef op;
    op.name = "DynamicQuantizeLinear";
    op.since = op.newest = 11;
    op.max_outputs = 3;
    op.infer = infer_dynamic;
    op.eval = eval_dynamic;
    op.lower = lower_dynamic;
    return op;
}

}  // namespace

ExprPtr clamped_to(DataType dtype, const ExprPtr& x) {
    const auto clamp = [&](double least, double greatest) {
        const ExprPtr below = expr::make(ExprOp::min, {x, expr::constant(greatest)});
        return expr::make(ExprOp::max, {below, expr::constant(least)});
    };
    switch (dtype) {
        case DataType::f8e4m3fn: return clamp(-448, 448);
        case DataType::f8e4m3fnuz: return clamp(-240, 240);
        case DataType::f8e5m2:
        case DataType::f8e5m2fnuz: return clamp(-57344, 57344);
        case DataType::f8e8m0: return clamp(0x1p-127, 0x1p127);
        case DataType::f4e2m1: return clamp(-6, 6);
        case DataType::i2: return clamp(-2, 1);
        case DataType::u2: return clamp(0, 3);
        case DataType::i4: return clamp(-8, 7);
        case DataType::u4: return clamp(0, 15);
        case DataType::i8: return clamp(-128, 127);
        case DataType::u8: return clamp(0, 255);
        case DataType::i16: return clamp(-32768, 32767);
        case DataType::u16: return clamp(0, 65535);
        default: throw std::logic_error("no range to saturate to");
    }
}

ExprPtr rounded_to(DataType dtype, const ExprPtr& x) {
    if (!is_integer(dtype)) return expr::cast(dtype, x);
    const ExprPtr rounded = expr::make(ExprOp::round, {x});
    return expr::cast(dtype, size_of(dtype) <= 2 ? clamped_to(dtype, rounded) : rounded);
}

Tensor quantized(const Node& quantize, const Tensor& real, const Tensor& scale, const Tensor* zero, DataType result) {
    const Tensor one_scale = scale.reshaped({});
    const Tensor one_zero = zero == nullptr ? Tensor() : zero->reshaped({});
    std::vector<const Tensor*> inputs{&real, &one_scale};
    if (zero != nullptr) inputs.push_back(&one_zero);
    return eval_map(body_of(quantize, real.dtype(), scale.dtype(), result), inputs, {result, real.dims()});
}

bool make_elementwise(Graph& graph, Node& node) {
    const ValueType x = graph.value(node.inputs.at(0)).type;
    const ValueType scale = graph.value(node.inputs.at(1)).type;
    const DataType result = graph.value(node.outputs.at(0)).type.dtype;
    const Granularity g = granularity(node.attrs, x.dims, scale.dims);
    if (g.kind == Granularity::block) return false;
    std::vector<ValueId> inputs{node.inputs[0]};
    for (std::size_t i = 1; i < node.inputs.size(); ++i) {
        const ValueId id = node.inputs[i];
        if (id == no_value) continue;
        if (const Tensor* constant = graph.constant(id))
            inputs.push_back(graph.add_constant(graph.value(id).name, spread(*constant, g, x.dims)));
        else if (graph.value(id).type.dims.empty()) inputs.push_back(id);
        else return false;
    }
    node.epilogue = body_of(node, x.dtype, scale.dtype, result);
    node.op = "Map";
    node.inputs = std::move(inputs);
    node.attrs.clear();
    return true;
}

void register_quantize(Registry& registry) {
    OpDef quantize = linear_op("QuantizeLinear", infer_quantize);
    quantize.attrs.push_back({"saturate", AttrKind::integer});
    quantize.attrs.push_back({"precision", AttrKind::integer});
    registry.add(std::move(quantize));
    registry.add(linear_op("DequantizeLinear", infer_dequantize));
    registry.add(dynamic_op());
}

}  // namespace igata
