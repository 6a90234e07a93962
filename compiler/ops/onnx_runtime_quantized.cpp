// What ONNX Runtime's quantizer writes in its operator format beyond ONNX's QLinearConv and QLinearMatMul: operators of
// its own domain between bytes.
//     y = com.microsoft.QLinearAdd(a, as, az, b, bs, bz, ys, yz)
//     p = DequantizeLinear(a, as, az)  q = DequantizeLinear(b, bs, bz)  r = Add(p, q)  y = QuantizeLinear(r, ys, yz)
// This is the other format of quantized models, whose layers fuse_quantized makes layers of integers.
#include <utility>

#include <fmt/format.h>

#include "compiler/ops/composition.hpp"

namespace igata {

namespace {

using Expand = std::function<void(ExpandContext&)>;

OpDef define(const std::string& name, int min_inputs, int max_inputs, std::vector<AttrDef> attrs, Expand expand) {
    OpDef op;
    op.name = "com.microsoft." + name;
    op.min_inputs = min_inputs;
    op.max_inputs = max_inputs;
    op.attrs = std::move(attrs);
    op.expand = std::move(expand);
    return op;
}

/// A scale or zero point: one element is a scalar.
ValueId parameter(ExpandContext& c, std::size_t i) {
    if (!c.has_input(i)) return no_value;
    return c.dims(i) == Dims{1} ? reshape(c, c.value(i), {}) : c.value(i);
}

/// What input i stands for by the scale and the zero point after it.
ValueId real(ExpandContext& c, std::size_t i, std::int64_t axis = 1) {
    return c.add("DequantizeLinear", {c.value(i), parameter(c, i + 1), parameter(c, i + 2)}, {{"axis", axis}});
}

/// The bytes that stand for `x` by the scale and the zero point at inputs i and i + 1; without that, as many bits as
/// input 0 has.
ValueId bytes(ExpandContext& c, ValueId x, std::size_t i) {
    const bool has_zero = c.has_input(i + 1);
    const ValueId zero = has_zero ? parameter(c, i + 1) : c.constant_value(Tensor(c.dtype(0), {}));
    return c.add("QuantizeLinear", {x, parameter(c, i), zero});
}

/// One of two quantized tensors.
Expand of_two(const char* op) {
    return [op](ExpandContext& c) { c.finish(0, bytes(c, c.add(op, {real(c, 0), real(c, 3)}), 6)); };
}

/// One of a quantized tensor; the attributes are the operator's.
Expand of_one(const char* op) {
    return [op](ExpandContext& c) { c.finish(0, bytes(c, c.add(op, {real(c, 0)}, c.attrs()), 3)); };
}

/// A pooling whose channels may be the last axis.
Expand pooling(const char* op) {
    return [op](ExpandContext& c) {
        Attrs attrs = c.attrs();
        attrs.erase("channels_last");
        const auto rank = as_dim(c.dims(0).size());
        Dims first{0, rank - 1};
        Dims last{0};
        for (std::int64_t axis = 1; axis + 1 < rank; ++axis) first.push_back(axis);
        for (std::int64_t axis = 2; axis < rank; ++axis) last.push_back(axis);
        last.push_back(1);
        const bool moves = c.attrs().get_int("channels_last", 0) != 0;
        const ValueId x = real(c, 0);
        const ValueId y = c.add(op, {moves ? transpose(c, x, first) : x}, std::move(attrs));
        c.finish(0, bytes(c, moves ? transpose(c, y, last) : y, 3));
    };
}

/// Before opset 13, all axes from the given one on are one.
void expand_softmax(ExpandContext& c) {
    const Dims& dims = c.dims(0);
    const bool flattens = c.attrs().get_int("opset", 13) < 13;
    const std::int64_t axis = normalize_axis(c.attrs().get_int("axis", flattens ? 1 : -1), dims.size());
    const auto middle = dims.begin() + static_cast<std::ptrdiff_t>(axis);
    const Dims flat{element_count({dims.begin(), middle}), element_count({middle, dims.end()})};
    const ValueId x = flattens ? reshape(c, real(c, 0), flat) : real(c, 0);
    const ValueId y = c.add("Softmax", {x}, {{"axis", flattens ? std::int64_t{1} : axis}});
    c.finish(0, bytes(c, flattens ? reshape(c, y, dims) : y, 3));
}

/// Inputs: the result's scale and zero point, then three for each part, which are brought to the result's scale.
void expand_concat(ExpandContext& c) {
    if (c.input_count() % 3 != 2) c.fail(fmt::format("{} inputs are no parts of three", c.input_count()));
    std::vector<ValueId> parts;
    for (std::size_t i = 2; i < c.input_count(); i += 3)
        parts.push_back(c.add("QuantizeLinear", {real(c, i), parameter(c, 0), parameter(c, 1)}));
    c.finish(0, concat(c, std::move(parts), c.attrs().get_int("axis", 0)));
}

/// Inputs: a, b and three each, integers to be added, scale and zero point of the result, which is real without them.
void expand_gemm(ExpandContext& c) {
    const bool transposed = c.attrs().get_int("transB", 0) != 0;
    const float alpha = c.attrs().get_float("alpha", 1);
    std::vector<ValueId> inputs{real(c, 0), real(c, 3, transposed ? 0 : 1)};
    if (c.has_input(6)) {
        const ValueId scale = c.map(fmt::format("{} * x0 * x1", double{alpha}), {parameter(c, 1), parameter(c, 4)});
        const ValueId zero = no_value;
        inputs.push_back(c.add("DequantizeLinear", {c.value(6), scale, zero}, {{"axis", std::int64_t{-1}}}));
    }
    const ValueId y = c.add(
        "Gemm", inputs,
        {{"alpha", alpha}, {"transA", c.attrs().get_int("transA", 0)}, {"transB", c.attrs().get_int("transB", 0)}});
    c.finish(0, c.has_input(7) ? bytes(c, y, 7) : y);
}

/// Inputs: a, b, a's scale, b's scale, a's zero point, b's zero point, bias.
void expand_mat_mul_integer_to_float(ExpandContext& c) {
    const ValueId product = c.add("MatMulInteger", {c.value(0), c.value(1), parameter(c, 4), parameter(c, 5)});
    const ValueId y = c.map("cast<f32>(x0) * (x1 * x2)", {product, parameter(c, 2), parameter(c, 3)});
    c.finish(0, c.has_input(6) ? c.map("x0 + x1", {y, c.value(6)}) : y);
}

}  // namespace

void register_onnx_runtime_quantized(Registry& registry) {
    const AttrDef alpha{"alpha", AttrKind::real};
    const AttrDef axis{"axis", AttrKind::integer};
    const AttrDef channels_last{"channels_last", AttrKind::integer};
    const AttrDef trans_a{"transA", AttrKind::integer};
    const AttrDef trans_b{"transB", AttrKind::integer};
    registry.add(define("QLinearAdd", 7, 8, {}, of_two("Add")));
    registry.add(define("QLinearMul", 7, 8, {}, of_two("Mul")));
    registry.add(define("QLinearSigmoid", 4, 5, {}, of_one("Sigmoid")));
    registry.add(define("QLinearLeakyRelu", 4, 5, {alpha}, of_one("LeakyRelu")));
    registry.add(define("QLinearGlobalAveragePool", 4, 5, {channels_last}, pooling("GlobalAveragePool")));
    registry.add(define("QLinearAveragePool", 4, 5,
                        {{"auto_pad", AttrKind::string},
                         {"ceil_mode", AttrKind::integer},
                         channels_last,
                         {"count_include_pad", AttrKind::integer},
                         {"kernel_shape", AttrKind::integers, true},
                         {"pads", AttrKind::integers},
                         {"strides", AttrKind::integers}},
                        pooling("AveragePool")));
    registry.add(define("QLinearSoftmax", 4, 5, {axis, {"opset", AttrKind::integer}}, expand_softmax));
    registry.add(define("QLinearConcat", 5, -1, {{"axis", AttrKind::integer, true}}, expand_concat));
    registry.add(define("QGemm", 6, 9, {alpha, trans_a, trans_b}, expand_gemm));
    registry.add(define("MatMulIntegerToFloat", 4, 7, {}, expand_mat_mul_integer_to_float));
}

}  // namespace igata
