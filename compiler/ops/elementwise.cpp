// The elementwise operators: a row each, holding the expression of one element. x0, x1, x2 are the inputs, names are
// attributes.
#include <algorithm>
#include <array>
#include <random>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "compiler/ops/elementwise.hpp"

namespace igata {

namespace {

/// What the first operand (of Where: the second) may be.
enum class Accepts : std::uint8_t { floats, numbers, integers, booleans, any };

struct Parameter {
    const char* name = nullptr;  ///< a float attribute
    float fallback = 0;
};

struct Row {
    const char* name;
    int since;
    int newest;
    Accepts accepts;
    const char* body;
    std::array<Parameter, 2> parameters = {};
};

constexpr Row rows[] = {
    {"Abs", 1, 13, Accepts::numbers, "abs(x0)"},
    {"Acos", 7, 22, Accepts::floats, "acos(x0)"},
    {"Acosh", 9, 22, Accepts::floats, "acosh(x0)"},
    {"Add", 1, 14, Accepts::numbers, "x0 + x1"},
    {"And", 1, 7, Accepts::booleans, "logical_and(x0, x1)"},
    {"Asin", 7, 22, Accepts::floats, "asin(x0)"},
    {"Asinh", 9, 22, Accepts::floats, "asinh(x0)"},
    {"Atan", 7, 22, Accepts::floats, "atan(x0)"},
    {"Atanh", 9, 22, Accepts::floats, "atanh(x0)"},
    {"BitwiseAnd", 18, 18, Accepts::integers, "bitwise_and(x0, x1)"},
    {"BitwiseNot", 18, 18, Accepts::integers, "bitwise_not(x0)"},
    {"BitwiseOr", 18, 18, Accepts::integers, "bitwise_or(x0, x1)"},
    {"BitwiseXor", 18, 18, Accepts::integers, "bitwise_xor(x0, x1)"},
    {"Ceil", 1, 13, Accepts::floats, "ceil(x0)"},
    {"Celu", 12, 12, Accepts::floats, "max(x0, 0) + min(alpha * (exp(x0 / alpha) - 1), 0)", {{{"alpha", 1.0F}}}},
    {"Cos", 7, 22, Accepts::floats, "cos(x0)"},
    {"Cosh", 9, 22, Accepts::floats, "cosh(x0)"},
    {"Div", 1, 14, Accepts::numbers, "x0 / x1"},
    {"Elu", 1, 22, Accepts::floats, "select(x0 < 0, alpha * (exp(x0) - 1), x0)", {{{"alpha", 1.0F}}}},
    {"Equal", 1, 19, Accepts::any, "x0 == x1"},
    {"Erf", 9, 13, Accepts::numbers, "erf(x0)"},
    {"Exp", 1, 13, Accepts::floats, "exp(x0)"},
    {"Floor", 1, 13, Accepts::floats, "floor(x0)"},
    {"Greater", 1, 13, Accepts::numbers, "x0 > x1"},
    {"GreaterOrEqual", 12, 16, Accepts::numbers, "x0 >= x1"},
    {"HardSigmoid", 1, 22, Accepts::floats, "min(max(alpha * x0 + beta, 0), 1)", {{{"alpha", 0.2F}, {"beta", 0.5F}}}},
    {"HardSwish", 14, 22, Accepts::floats, "x0 * min(max(0.16666666666666666 * x0 + 0.5, 0), 1)"},
    {"IsNaN", 9, 20, Accepts::floats, "isnan(x0)"},
    {"LeakyRelu", 1, 16, Accepts::floats, "select(x0 < 0, alpha * x0, x0)", {{{"alpha", 0.01F}}}},
    {"Less", 1, 13, Accepts::numbers, "x0 < x1"},
    {"LessOrEqual", 12, 16, Accepts::numbers, "x0 <= x1"},
    {"Log", 1, 13, Accepts::floats, "log(x0)"},
    {"Mish", 18, 22, Accepts::floats, "x0 * tanh(max(x0, 0) + log1p(exp(-abs(x0))))"},
    {"Mul", 1, 14, Accepts::numbers, "x0 * x1"},
    {"Neg", 1, 13, Accepts::numbers, "-x0"},
    {"Not", 1, 1, Accepts::booleans, "logical_not(x0)"},
    {"Or", 1, 7, Accepts::booleans, "logical_or(x0, x1)"},
    {"PRelu", 1, 16, Accepts::numbers, "select(x0 < 0, x1 * x0, x0)"},
    {"Reciprocal", 1, 13, Accepts::floats, "1 / x0"},
    {"Relu", 1, 14, Accepts::numbers, "max(x0, 0)"},
    {"Round", 11, 22, Accepts::floats, "round(x0)"},
    {"Selu",
     1,
     22,
     Accepts::floats,
     "gamma * select(x0 > 0, x0, alpha * exp(x0) - alpha)",
     {{{"alpha", 1.67326319217681884765625F}, {"gamma", 1.05070102214813232421875F}}}},
    {"Shrink",
     9,
     9,
     Accepts::numbers,
     "select(x0 < -lambd, x0 + bias, select(x0 > lambd, x0 - bias, 0))",
     {{{"bias", 0.0F}, {"lambd", 0.5F}}}},
    {"Sigmoid", 1, 13, Accepts::floats, "sigmoid(x0)"},
    {"Sign", 9, 13, Accepts::numbers, "sign(x0)"},
    {"Sin", 7, 22, Accepts::floats, "sin(x0)"},
    {"Sinh", 9, 22, Accepts::floats, "sinh(x0)"},
    {"Softplus", 1, 22, Accepts::floats, "max(x0, 0) + log1p(exp(-abs(x0)))"},
    {"Softsign", 1, 22, Accepts::floats, "x0 / (1 + abs(x0))"},
    {"Sqrt", 1, 13, Accepts::floats, "sqrt(x0)"},
    {"Sub", 1, 14, Accepts::numbers, "x0 - x1"},
    {"SwiGLU", 28, 28, Accepts::floats, "x0 * sigmoid(alpha * x0) * x1", {{{"alpha", 1.0F}}}},
    {"Swish", 24, 24, Accepts::floats, "x0 * sigmoid(alpha * x0)", {{{"alpha", 1.0F}}}},
    {"Tan", 7, 22, Accepts::floats, "tan(x0)"},
    {"Tanh", 1, 13, Accepts::floats, "tanh(x0)"},
    {"ThresholdedRelu", 10, 22, Accepts::floats, "select(x0 > alpha, x0, 0)", {{{"alpha", 1.0F}}}},
    {"Where", 9, 16, Accepts::any, "select(x0, x1, x2)"},
    {"Xor", 1, 7, Accepts::booleans, "logical_xor(x0, x1)"},
};

bool accepts(Accepts what, DataType dtype) {
    switch (what) {
        case Accepts::floats: return is_floating(dtype);
        case Accepts::numbers: return dtype != DataType::boolean;
        case Accepts::integers: return is_integer(dtype);
        case Accepts::booleans: return dtype == DataType::boolean;
        case Accepts::any: return true;
    }
    return false;
}

constexpr const char* kind_names[] = {"floating-point numbers", "numbers", "integers", "bool", "any type"};

/// The expression of a row's node. Attributes are real numbers: where integers meet them, the sum is done in f64.
ExprPtr row_expression(const ExprPtr& body, const Row& row, const Graph& graph, const Node& node) {
    if (row.parameters[0].name == nullptr) return body;
    std::map<std::string, double> values;
    for (const auto& [name, fallback] : row.parameters)
        if (name != nullptr) values[name] = node.attrs.get_float(name, fallback);
    const ExprPtr e = expr::simplify(expr::substitute(body, values));
    const DataType dtype = graph.value(node.input(0)).type.dtype;
    if (!is_integer(dtype)) return e;
    return expr::cast(dtype,
                      expr::replace_operands(e, std::vector<ExprPtr>{expr::cast(DataType::f64, expr::operand(0))}));
}

/// AlignAxis(b, a) {axis}: b with dims of one element appended, so that its first axis meets `axis` of a.
OpDef align_axis_op() {
    OpDef op;
    op.name = "AlignAxis";
    op.newest = 6;
    op.min_inputs = op.max_inputs = 2;
    op.attrs = {{"axis", AttrKind::integer, true}};
    op.is_reshape = true;
    op.infer = [](InferContext& c) {
        const auto rank = static_cast<std::int64_t>(c.dims(1).size());
        std::int64_t axis = c.attrs().get_int("axis", 0);
        if (axis < -rank || axis > rank) c.fail(fmt::format("axis {} is out of range for rank {}", axis, rank));
        if (axis < 0) axis += rank;
        Dims dims = c.dims(0);
        dims.resize(std::max(dims.size(), static_cast<std::size_t>(rank - axis)), 1);
        if (const Tensor* known = c.constant(0)) c.set_output_constant(0, known->reshaped(dims));
        else c.set_output(0, {c.dtype(0), dims});
    };
    op.eval = [](EvalContext& c) { c.set_output(0, c.input(0).reshaped(c.output_type(0).dims)); };
    op.is_internal = true;
    return op;
}

std::string random_dims(std::mt19937& random, const Dims& dims) {
    Dims part = dims;
    for (std::int64_t& dim : part)
        if (random() % 4 == 0) dim = 1;
    part.erase(part.begin(), part.begin() + static_cast<std::ptrdiff_t>(random() % (part.size() + 1)));
    return to_string(part);
}

/// A call with random shapes that broadcast, element types that the operator takes, and attributes at times.
std::string sample(const Row& row, int operands, std::uint32_t seed) {
    std::mt19937 random(seed);
    constexpr std::array dtypes{DataType::f32, DataType::f32, DataType::f64, DataType::f16,
                                DataType::i32, DataType::i64, DataType::u8,  DataType::boolean};
    DataType dtype = dtypes[random() % dtypes.size()];
    while (!accepts(row.accepts, dtype)) dtype = dtypes[random() % dtypes.size()];
    Dims dims(random() % 5);
    for (std::int64_t& dim : dims) dim = 1 + static_cast<std::int64_t>(random() % 6);
    const bool unidirectional = row.name == std::string("PRelu");
    std::vector<std::string> inputs, names;
    for (int i = 0; i < operands; ++i) {
        const bool condition = i == 0 && row.name == std::string("Where");
        const std::string shape = unidirectional && i == 0 ? to_string(dims) : random_dims(random, dims);
        inputs.push_back(fmt::format("x{}: {}{}", i, name_of(condition ? DataType::boolean : dtype), shape));
        names.push_back(fmt::format("x{}", i));
    }
    std::vector<std::string> attrs;
    for (const Parameter& parameter : row.parameters)
        if (parameter.name != nullptr && random() % 2 == 0)
            attrs.push_back(fmt::format("{}={:.2f}", parameter.name, 0.25 + 0.25 * static_cast<double>(random() % 8)));
    const std::string with = attrs.empty() ? "" : fmt::format(" {{{}}}", fmt::join(attrs, ", "));
    return fmt::format("graph ({}) -> (y) {{\n  y = {}:{}({}){}\n}}\n", fmt::join(inputs, ", "), row.name, row.newest,
                       fmt::join(names, ", "), with);
}

OpDef row_op(const Row& row) {
    const ExprPtr body = expr::parse(row.body);
    OpDef op;
    op.name = row.name;
    op.since = row.since;
    op.newest = row.newest;
    op.min_inputs = op.max_inputs = expr::operand_count(body);
    for (const Parameter& parameter : row.parameters)
        if (parameter.name != nullptr) op.attrs.push_back({parameter.name, AttrKind::real});
    if (row.since < 7 && op.max_inputs == 2) op.raise = raise_axis;
    op.expression = [body, row](const Graph& graph, const Node& node) {
        return row_expression(body, row, graph, node);
    };
    op.infer = [row](InferContext& c) {
        const DataType dtype = c.dtype(c.input_count() == 3 ? 1 : 0);
        if (!accepts(row.accepts, dtype))
            c.fail(fmt::format("takes {}, got {}", kind_names[static_cast<std::size_t>(row.accepts)], name_of(dtype)));
        infer_elementwise(c);
    };
    op.sample = [row, count = op.max_inputs](std::uint32_t seed) { return sample(row, count, seed); };
    return op;
}

}  // namespace

void raise_axis(Graph& graph, NodeIt node) {
    if (node->version >= 7) return;
    const bool channels = node->op == "PRelu";
    if ((node->attrs.has("axis") || channels) && node->inputs.size() == 2) {
        Node align;
        align.op = "AlignAxis";
        align.name = node->name;
        align.inputs = {node->inputs[1], node->inputs[0]};
        align.attrs["axis"] = node->attrs.get_int("axis", 1);
        const std::string name = graph.value(node->inputs[1]).name + "_aligned";
        node->inputs[1] = graph.insert(node, std::move(align), name);
    }
    for (const char* legacy : {"axis", "broadcast"}) node->attrs.erase(legacy);
}

void register_elementwise(Registry& registry) {
    for (const Row& row : rows) registry.add(row_op(row));
    registry.add(align_axis_op());
}

}  // namespace igata
