// Normalisations along one axis: Softmax, LogSoftmax, Hardmax, LpNormalization.
//
// Before opset 13 the first three saw their input as a matrix, split at `axis`; raised to
//     s = Shape(x)  m = Flatten(x) {axis=1}  n = Softmax(m) {axis=-1}  y = Reshape(n, s)
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "compiler/ir/interpret.hpp"
#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/carry_axis.hpp"
#include "compiler/ops/lowering.hpp"
#include "compiler/ops/open_axes.hpp"
#include "compiler/ops/rewriting.hpp"

namespace igata {

namespace {

std::size_t softmax_axis(const Node& node, std::size_t rank) {
    return as_index(normalize_axis(node.attrs.get_int("axis", -1), rank));
}

void raise_to_matrix(Graph& graph, NodeIt node) {
    if (!before(*node, 13)) return;
    const ValueId x = node->inputs.at(0);
    const ValueId y = node->outputs.at(0);
    const std::int64_t axis = node->attrs.get_int("axis", 1);
    const ValueId shape = insert_node(graph, node, "Shape", {x});
    node->inputs = {insert_node(graph, node, "Flatten", {x}, {{"axis", axis}})};
    node->attrs = {{"axis", std::int64_t{-1}}};
    node->outputs = {graph.add_value(graph.value(y).name)};
    Node back;
    back.op = "Reshape";
    back.name = node->name;
    back.inputs = {node->outputs[0], shape};
    back.outputs = {y};
    graph.nodes.insert(std::next(node), std::move(back));
}

/// The lines along the axis: calls f(values of one line as doubles), which changes them in place.
template <class F>
void for_each_line(const Tensor& source, Tensor& result, std::size_t axis, const F& f) {
    Tensor wide = source.cast(DataType::f64);
    const auto values = wide.mutable_values<double>();
    View lines = view_of(wide);
    const std::int64_t count = std::exchange(lines.dims[axis], 1);
    const auto stride = as_index(lines.strides[axis]);
    std::vector<double> line(as_index(count));
    for_each_element(lines, lines, [&](std::size_t start, std::size_t) {
        for (std::size_t i = 0; i < line.size(); ++i) line[i] = values[start + i * stride];
        f(line);
        for (std::size_t i = 0; i < line.size(); ++i) values[start + i * stride] = line[i];
    });
    result = wide.cast(source.dtype());
}

void softmax_line(std::vector<double>& line) {
    if (line.empty()) return;
    const double largest = *std::ranges::max_element(line);
    double sum = 0;
    for (double& x : line) sum += x = std::exp(x - largest);
    for (double& x : line) x /= sum;
}

void log_softmax_line(std::vector<double>& line) {
    if (line.empty()) return;
    const double largest = *std::ranges::max_element(line);
    double sum = 0;
    for (const double x : line) sum += std::exp(x - largest);
    for (double& x : line) x = x - largest - std::log(sum);
}

void hardmax_line(std::vector<double>& line) {
    const auto largest = std::ranges::max_element(line) - line.begin();
    for (std::size_t i = 0; i < line.size(); ++i) line[i] = as_dim(i) == largest ? 1.0 : 0.0;
}

/// An operator on the lines of one floating tensor.
template <class LineOp>
OpDef line_op(std::string name, int newest, double neutral, LineOp line) {
    OpDef op;
    op.name = std::move(name);
    op.newest = newest;
    op.attrs = {{"axis", AttrKind::integer}};
    op.infer = [](InferContext& c) {
        static_cast<void>(softmax_axis(c.node(), c.dims(0).size()));
        if (!is_floating(c.dtype(0))) c.fail(fmt::format("needs floats, not {}", name_of(c.dtype(0))));
        c.set_output(0, c.input(0));
    };
    op.eval = [line](EvalContext& c) {
        for_each_line(c.input(0), c.make_output(0), softmax_axis(c.node(), c.input(0).dims().size()),
                      [&](std::vector<double>& values) { line(c.node(), values); });
    };
    op.carry_axis = [](const InferContext& c, std::size_t, int axis) {
        return carry_unless(softmax_axis(c.node(), c.dims(0).size()), axis);
    };
    op.close = [neutral](ExpandContext& c) { return reopen_filled(c, neutral); };
    return op;
}

// Lowering -----------------------------------------------------------------------------------------------------------

/// The expression with x0 widened to the type in which it is computed.
ExprPtr of_wide(const char* text, DataType dtype) {
    const DataType wide = widened(dtype);
    const ExprPtr x = wide == dtype ? expr::operand(0) : expr::cast(wide, expr::operand(0));
    return expr::replace_operands(expr::parse(text), std::vector<ExprPtr>{x});
}

/// Appends out = text(x, inputs...), computed in the wide type.
void add_wide_map(LowerContext& c, const char* text, const std::vector<View>& inputs, const View& out) {
    const ExprPtr body = of_wide(text, inputs[0].dtype);
    c.add_map(widened(out.dtype) == out.dtype ? body : expr::cast(out.dtype, body), inputs, out);
}

/// One value a line: `text` of the line's elements, reduced, then `finish`.
View reduce_lines(LowerContext& c, Reduce kind, const char* text, const std::vector<View>& inputs, std::size_t axis,
                  const char* finish = nullptr) {
    Dims kept = inputs[0].dims;
    kept[axis] = 1;
    const DataType wide = widened(inputs[0].dtype);
    const View result = c.temporary(wide, kept);
    c.add_reduce(kind, of_wide(text, inputs[0].dtype), inputs, inputs[0].dims, {as_dim(axis)}, result, wide,
                 finish == nullptr ? nullptr : expr::parse(finish));
    return result;
}

void lower_softmax(LowerContext& c) {
    const bool logarithm = c.node().op == "LogSoftmax";
    const View x = c.input(0);
    const std::size_t axis = softmax_axis(c.node(), x.dims.size());
    if (x.dtype == DataType::f32 && element_count(x.dims) > 0) {
        View source = x.is_dense() ? x : c.row_major(x);
        const View out = c.output_in_order(0, memory_order(source));
        source.strides = out.strides;  // the same but for axes of one element
        runtime::SoftmaxSpec spec;
        spec.src = memory_spec(source);
        spec.dst = memory_spec(out);
        spec.axis = static_cast<int>(axis);
        spec.logarithm = logarithm;
        return c.add(spec, {source, out});
    }
    const View out = c.output(0);
    if (element_count(x.dims) == 0) return;
    const View largest = reduce_lines(c, Reduce::maximum, "x0", {x}, axis);
    const View sum = reduce_lines(c, Reduce::sum, "exp(x0 - x1)", {x, largest}, axis, logarithm ? "log(x0)" : nullptr);
    add_wide_map(c, logarithm ? "x0 - x1 - x2" : "exp(x0 - x1) / x2", {x, largest, sum}, out);
}

void lower_hardmax(LowerContext& c) {
    const View x = c.input(0);
    const View out = c.output(0);
    if (element_count(x.dims) == 0) return;
    const std::size_t axis = softmax_axis(c.node(), x.dims.size());
    Dims kept = x.dims;
    kept[axis] = 1;
    const View largest = c.temporary(DataType::i64, kept);
    add_kernel(c, "arg_extremum", {as_dim(axis), 1, 0}, {x, largest});
    c.add_map(expr::cast(x.dtype, expr::parse("x0 == x1")), {largest, positions(c, x.dims, axis)}, out);
}

// LpNormalization ----------------------------------------------------------------------------------------------------

std::int64_t norm_order(const Node& node) {
    const std::int64_t p = node.attrs.get_int("p", 2);
    if (p != 1 && p != 2) throw std::invalid_argument(fmt::format("p is {}, must be 1 or 2", p));
    return p;
}

void lp_line(const Node& node, std::vector<double>& line) {
    const bool euclidean = norm_order(node) == 2;
    double norm = 0;
    for (const double x : line) norm += euclidean ? x * x : std::abs(x);
    if (euclidean) norm = std::sqrt(norm);
    for (double& x : line) x = norm == 0.0 ? 0.0 : x / norm;
}

void lower_lp(LowerContext& c) {
    const View x = c.input(0);
    const View out = c.output(0);
    if (element_count(x.dims) == 0) return;
    const std::size_t axis = softmax_axis(c.node(), x.dims.size());
    const View norm = norm_order(c.node()) == 2 ? reduce_lines(c, Reduce::sum, "x0 * x0", {x}, axis, "sqrt(x0)")
                                                : reduce_lines(c, Reduce::sum, "abs(x0)", {x}, axis);
    add_wide_map(c, "select(x1 == 0, 0 * x1, x0 / x1)", {x, norm}, out);
}

}  // namespace

void register_softmax(Registry& registry) {
    OpDef softmax = line_op("Softmax", 13, lowest, [](const Node&, auto& line) { softmax_line(line); });
    softmax.lower = lower_softmax;
    OpDef log_softmax = line_op("LogSoftmax", 13, lowest, [](const Node&, auto& line) { log_softmax_line(line); });
    log_softmax.lower = lower_softmax;
    softmax.widens_halves = log_softmax.widens_halves = true;
    OpDef hardmax = line_op("Hardmax", 13, lowest, [](const Node&, auto& line) { hardmax_line(line); });
    hardmax.lower = lower_hardmax;
    for (OpDef* op : {&softmax, &log_softmax, &hardmax}) {
        op->raise = raise_to_matrix;
        registry.add(std::move(*op));
    }
    OpDef lp = line_op("LpNormalization", 22, 0, lp_line);
    lp.attrs.push_back({"p", AttrKind::integer});
    lp.lower = lower_lp;
    registry.add(std::move(lp));
}

}  // namespace igata
