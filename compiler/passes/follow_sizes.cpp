// Results whose size depends on the data have room for the largest there can be, and their true size is a value:
//
//     graph (x: bool[2,3]) -> (z) { y = NonZero(x)  z = Transpose(y) }
//     graph (x: bool[2,3]) -> (z, z.size) { y, z.size = NonZero(x)  z = Transpose(y) }      z: i64[6,2], z.size: i64
//
// An operator that makes each element from one of the open axis computes what lies beyond the true size, too, and
// nobody looks at it. Others are refused.
#include "compiler/passes/follow_sizes.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "compiler/ir/view.hpp"
#include "compiler/passes/fold.hpp"

namespace igata {

namespace {

[[noreturn]] void refuse(const Graph& graph, const Node& node, ValueId input) {
    throw Unsupported(
        fmt::format("{}: the size of its input '{}' depends on the data", describe(node), graph.value(input).name));
}

/// Sets the results of a node whose inputs are constants.
void fold_open(Graph& graph, const Node& node) {
    const OpDef& op = op_of(node);
    std::vector<const Tensor*> inputs;
    for (const ValueId id : node.inputs) inputs.push_back(graph.constant(id));
    std::vector<Tensor> results = eval_node(graph, node, inputs);
    const std::int64_t size = results.back().to_i64().front();
    const InferContext context(graph, node);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
        if (node.outputs[i] == no_value) continue;
        Value& value = graph.value(node.outputs[i]);
        const int axis = i + 1 < node.outputs.size() ? op.open_axis(context, i) : -1;
        value.constant =
            axis < 0 ? std::move(results[i])
                     : copy_of(results[i], sliced(view_of(results[i]), static_cast<std::size_t>(axis), 0, size));
        value.type = value.constant->type();
    }
}

}  // namespace

NodeIt infer_open(Graph& graph, NodeIt node) {
    const OpDef& op = op_of(*node);
    check_sizes(graph, *node);
    const auto size_output = static_cast<std::size_t>(op.max_outputs) - 1;
    if (node->outputs.size() <= size_output) {
        node->outputs.resize(size_output, no_value);
        node->outputs.push_back(graph.add_value("size"));
    }
    infer_node(graph, *node);
    if (is_foldable(graph, *node)) {
        fold_open(graph, *node);
        return graph.nodes.erase(node);
    }
    const InferContext context(graph, *node);
    for (std::size_t i = 0; i < size_output; ++i)
        if (const int axis = op.open_axis(context, i); node->outputs[i] != no_value && axis >= 0)
            graph.value(node->outputs[i]).true_size = {axis, node->outputs[size_output]};
    return std::next(node);
}

void check_sizes(const Graph& graph, const Node& node) {
    if (op_of(node).carry_axis) return;
    for (const ValueId id : node.inputs)
        if (id != no_value && graph.value(id).true_size) refuse(graph, node, id);
}

void carry_sizes(Graph& graph, const Node& node) {
    std::optional<TrueSize> carried;
    const InferContext context(graph, node);
    for (std::size_t i = 0; i < context.input_count(); ++i) {
        const std::optional<TrueSize> own = context.has_input(i) ? graph.value(node.input(i)).true_size : std::nullopt;
        if (!own) continue;
        const int axis = op_of(node).carry_axis(context, i, own->axis);
        const bool agrees = !carried || (carried->axis == axis && carried->size == own->size);
        if (axis < 0 || !agrees) refuse(graph, node, node.input(i));
        carried = {axis, own->size};
    }
    if (!carried) return;
    for (const ValueId id : node.outputs)
        if (id != no_value) graph.value(id).true_size = carried;
}

void add_size_outputs(Graph& graph) {
    const std::size_t own = graph.outputs.size();
    for (std::size_t i = 0; i < own; ++i) {
        const std::optional<TrueSize> size = graph.value(graph.outputs[i].value).true_size;
        if (!size || graph.outputs[i].open.axis >= 0) continue;
        const auto is_size = [&](const Graph::Output& output) { return output.value == size->size; };
        const auto after = graph.outputs.begin() + static_cast<std::ptrdiff_t>(own);
        auto found = std::find_if(after, graph.outputs.end(), is_size);
        const auto number = static_cast<std::size_t>(found - graph.outputs.begin());
        if (found == graph.outputs.end())
            graph.outputs.push_back({size->size, graph.outputs[i].name + ".size", {}, {}});
        graph.outputs[i].open = {size->axis, number};
    }
}

}  // namespace igata
