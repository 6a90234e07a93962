// Elementwise operators whose expression depends on more than float attributes: on other attributes (BitShift, Gelu,
// IsInf, Mod), on the element types (Cast, CastLike, Pow), on which inputs are there (Clip) or on their number (Max,
// Mean, Min, Sum).
#include <fmt/format.h>

#include "compiler/ops/elementwise.hpp"
#include "compiler/ops/onnx_type.hpp"

namespace igata {

namespace {

using Expression = std::function<ExprPtr(const Graph&, const Node&)>;

OpDef make_op(std::string name, int since, int newest, int inputs, Expression expression) {
    OpDef op;
    op.name = std::move(name);
    op.since = since;
    op.newest = newest;
    op.min_inputs = op.max_inputs = inputs;
    op.expression = std::move(expression);
    return op;
}

DataType input_type(const Graph& graph, const Node& node, std::size_t i) {
    return graph.value(node.input(i)).type.dtype;
}

ExprPtr bit_shift(const Graph&, const Node& node) {
    const std::string direction = node.attrs.get_string("direction", "");
    if (direction == "LEFT") return expr::parse("shift_left(x0, x1)");
    if (direction == "RIGHT") return expr::parse("shift_right(x0, x1)");
    throw std::invalid_argument(fmt::format("direction must be LEFT or RIGHT, got '{}'", direction));
}

ExprPtr gelu(const Graph&, const Node& node) {
    const std::string approximate = node.attrs.get_string("approximate", "none");
    if (approximate == "none") return expr::parse("0.5 * x0 * (1 + erf(x0 * 0.7071067811865476))");
    if (approximate == "tanh")
        return expr::parse("0.5 * x0 * (1 + tanh(0.7978845608028654 * (x0 + 0.044715 * x0 * x0 * x0)))");
    throw std::invalid_argument(fmt::format("approximate must be none or tanh, got '{}'", approximate));
}

ExprPtr is_inf(const Graph&, const Node& node) {
    const bool negative = node.attrs.get_int("detect_negative", 1) != 0;
    const bool positive = node.attrs.get_int("detect_positive", 1) != 0;
    if (negative && positive) return expr::parse("isinf(x0)");
    if (negative) return expr::parse("x0 == -inf");
    if (positive) return expr::parse("x0 == inf");
    return expr::parse("logical_and(isinf(x0), 0)");
}

ExprPtr mod(const Graph&, const Node& node) {
    return expr::parse(node.attrs.get_int("fmod", 0) != 0 ? "fmod(x0, x1)" : "mod(x0, x1)");
}

/// The result has the base's type, whatever the exponent's is.
ExprPtr pow(const Graph& graph, const Node& node) {
    const DataType base = input_type(graph, node, 0);
    const DataType exponent = input_type(graph, node, 1);
    if (base == DataType::boolean || exponent == DataType::boolean)
        throw std::invalid_argument("takes numbers, got bool");
    if (base == exponent) return expr::parse("pow(x0, x1)");
    DataType common = base;
    if (is_integer(base) && is_integer(exponent)) common = DataType::i64;
    else if (is_integer(base) || exponent == DataType::f64) common = DataType::f64;
    const auto as_common = [&](int i) { return expr::cast(common, expr::operand(i)); };
    const ExprPtr power = expr::make(ExprOp::pow, {as_common(0), as_common(1)});
    return common == base ? power : expr::cast(base, power);
}

/// A bound is an attribute before opset 11, an optional input since.
ExprPtr clip(const Graph& graph, const Node& node) {
    ExprPtr e = expr::operand(0);
    const auto bound = [&](ExprOp op, const char* name, int i) {
        const ValueId id = node.input(static_cast<std::size_t>(i));
        if (node.attrs.has(name)) e = expr::make(op, {e, expr::constant(double{node.attrs.get_float(name, 0)})});
        else if (id != no_value) e = expr::make(op, {e, expr::operand(i)});
        if (id != no_value && element_count(graph.value(id).type.dims) != 1)
            throw std::invalid_argument(
                fmt::format("{} must be one element, not {}", name, to_string(graph.value(id).type)));
    };
    bound(ExprOp::max, "min", 1);
    bound(ExprOp::min, "max", 2);
    return e;
}

/// To a power of two, of which the cast takes the one below: moved up to the next one, or if it is at least as near.
ExprPtr to_power_of_two(const ExprPtr& x, const Node& node) {
    const ExprPtr wide = expr::cast(DataType::f64, x);
    const std::string mode = node.attrs.get_string("round_mode", "up");
    if (mode == "up") return expr::make(ExprOp::mul, {wide, expr::constant(2 - 0x1p-23)});
    if (mode == "nearest") return expr::make(ExprOp::mul, {wide, expr::constant(4.0 / 3 + 0x1p-28)});
    if (mode == "down") return wide;
    throw std::invalid_argument(fmt::format("round_mode must be up, down or nearest, got '{}'", mode));
}

/// The cast to a float of 8 bits overflows; to saturate is to clamp before it.
ExprPtr converted(DataType from, DataType to, const Node& node) {
    ExprPtr x = expr::operand(0);
    if (from == to) return x;
    if (!is_small(to) || !is_floating(to)) return expr::cast(to, x);
    if (to == DataType::f8e8m0) x = to_power_of_two(x, node);
    else if (from != DataType::f64) x = expr::cast(DataType::f32, x);
    if (node.attrs.get_int("saturate", 1) != 0 && to != DataType::f4e2m1) x = clamped_to(to, x);
    return expr::cast(to, x);
}

ExprPtr cast(const Graph& graph, const Node& node) {
    return converted(input_type(graph, node, 0), data_type_of_onnx(node.attrs.get_int("to", 0), node), node);
}

ExprPtr cast_like(const Graph& graph, const Node& node) {
    return converted(input_type(graph, node, 0), input_type(graph, node, 1), node);
}

/// Opset 1 gave the type by name.
void raise_cast(Graph&, NodeIt node) {
    const auto to = node->attrs.find("to");
    if (to == node->attrs.end() || !std::holds_alternative<std::string>(to->second)) return;
    constexpr const char* names[] = {"UNDEFINED", "FLOAT",  "UINT8", "INT8",    "UINT16", "INT16",  "INT32",
                                     "INT64",     "STRING", "BOOL",  "FLOAT16", "DOUBLE", "UINT32", "UINT64"};
    const std::string name = std::get<std::string>(to->second);
    for (std::int64_t code = 0; code < static_cast<std::int64_t>(std::size(names)); ++code)
        if (name == names[code]) to->second = code;
}

/// x0 op x1 op x2 ...
ExprPtr chain(ExprOp op, const Node& node) {
    ExprPtr e = expr::operand(0);
    for (int i = 1; i < static_cast<int>(node.inputs.size()); ++i) e = expr::make(op, {e, expr::operand(i)});
    return e;
}

ExprPtr mean(const Graph&, const Node& node) {
    const auto count = static_cast<std::int64_t>(node.inputs.size());
    return expr::make(ExprOp::div, {chain(ExprOp::add, node), expr::constant(count)});
}

OpDef variadic_op(const char* name, Expression expression) {
    OpDef op = make_op(name, 1, 13, 1, std::move(expression));
    op.max_inputs = -1;
    return op;
}

Expression chained(ExprOp op) {
    return [op](const Graph&, const Node& node) { return chain(op, node); };
}

}  // namespace

void register_elementwise_special(Registry& registry) {
    OpDef op = make_op("BitShift", 11, 28, 2, bit_shift);
    op.attrs = {{"direction", AttrKind::string, true}};
    registry.add(op);
    op = make_op("Gelu", 20, 20, 1, gelu);
    op.attrs = {{"approximate", AttrKind::string}};
    registry.add(op);
    op = make_op("IsInf", 10, 20, 1, is_inf);
    op.attrs = {{"detect_negative", AttrKind::integer}, {"detect_positive", AttrKind::integer}};
    registry.add(op);
    op = make_op("Mod", 10, 13, 2, mod);
    op.attrs = {{"fmod", AttrKind::integer}};
    registry.add(op);
    op = make_op("Pow", 1, 15, 2, pow);
    op.raise = raise_axis;
    registry.add(op);
    op = make_op("Clip", 1, 13, 1, clip);
    op.max_inputs = 3;
    op.attrs = {{"min", AttrKind::real}, {"max", AttrKind::real}};
    registry.add(op);
    op = make_op("Cast", 1, 25, 1, cast);
    op.attrs = {{"to", AttrKind::integer, true}, {"saturate", AttrKind::integer}, {"round_mode", AttrKind::string}};
    op.raise = raise_cast;
    op.takes_small_types = true;
    op.note = "no strings";
    registry.add(op);
    op = make_op("CastLike", 15, 25, 2, cast_like);
    op.attrs = {{"saturate", AttrKind::integer}, {"round_mode", AttrKind::string}};
    op.takes_small_types = true;
    op.note = "no strings";
    registry.add(op);
    registry.add(variadic_op("Max", chained(ExprOp::max)));
    registry.add(variadic_op("Min", chained(ExprOp::min)));
    registry.add(variadic_op("Sum", chained(ExprOp::add)));
    registry.add(variadic_op("Mean", mean));
}

}  // namespace igata
