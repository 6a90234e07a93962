// Nodes whose inputs are all constants are evaluated and removed.
//
//     s = Sqrt(v)  w = Mul(k, s)  y = Conv(x, w)        v, k constant
//     y = Conv(x, w)                                    w constant
//
// Random operators stay, and so do nodes whose result would bloat the model: much larger than their inputs together.
// DequantizeLinear stays until fuse_quantized has seen it.
#include "compiler/passes/fold.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "compiler/ir/subgraphs.hpp"
#include "compiler/ops/known_value.hpp"
#include "compiler/ops/op.hpp"
#include "compiler/passes/expand_control.hpp"
#include "compiler/passes/passes.hpp"

namespace igata {

namespace {

constexpr std::int64_t small_elements = 4096;  // shape arithmetic, found while inferring

std::int64_t elements(const Graph& graph, ValueId id) {
    return id == no_value ? 0 : element_count(graph.value(id).type.dims);
}

/// A run with the same inputs gives the same results, and can be had now (a Loop may never end).
bool is_determined(const Node& node) {
    const OpDef* op = Registry::instance().find(node.op);
    if (op == nullptr || node.op == "Loop" || op->is_random || (!op->eval && !op->expression)) return false;
    const auto graphs = subgraphs(node);
    return std::all_of(graphs.begin(), graphs.end(), [](const Graph* graph) {
        return std::all_of(graph->nodes.begin(), graph->nodes.end(), is_determined);
    });
}

bool is_bloat(const Graph& graph, const Node& node) {
    std::size_t source = 0;
    for (const ValueId id : node.inputs)
        if (id != no_value) source += graph.constant(id)->byte_size();
    return std::any_of(node.outputs.begin(), node.outputs.end(),
                       [&](ValueId id) { return id != no_value && bloats(graph.value(id).type, source); });
}

}  // namespace

bool is_foldable(const Graph& graph, const Node& node) {
    if (!std::all_of(node.inputs.begin(), node.inputs.end(),
                     [&](ValueId id) { return id == no_value || graph.is_constant(id); }))
        return false;
    const OpDef* op = Registry::instance().find(node.op);
    return op != nullptr && !op->folds_late && is_determined(node);
}

bool fold_node(Graph& graph, Node& node, std::int64_t limit) {
    if (!is_foldable(graph, node)) return false;
    const auto fits = [&](ValueId id) { return elements(graph, id) <= limit; };
    if (!std::all_of(node.inputs.begin(), node.inputs.end(), fits)) return false;
    if (!std::all_of(node.outputs.begin(), node.outputs.end(), fits) || is_bloat(graph, node)) return false;
    std::vector<const Tensor*> inputs;
    for (const ValueId id : node.inputs) inputs.push_back(graph.constant(id));
    std::vector<Tensor> results = eval_node(graph, node, inputs);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
        if (node.outputs[i] == no_value) continue;
        Value& value = graph.value(node.outputs[i]);
        value.type = results[i].type();
        value.constant = std::move(results[i]);
    }
    return true;
}

void fold_constants(Graph& graph, Remarks& remarks) {
    int folded = 0;
    expand_control(graph, remarks);
    for_each_subgraph(graph, [&](Graph& subgraph) { fold_constants(subgraph, remarks); });
    for (auto node = graph.nodes.begin(); node != graph.nodes.end();) {
        bool done = std::all_of(node->outputs.begin(), node->outputs.end(),
                                [&](ValueId id) { return id == no_value || graph.is_constant(id); });
        if (!done && is_foldable(graph, *node)) {
            done = fold_node(graph, *node);
            if (!done)
                remarks.refused(
                    "fold_constants", node->name,
                    fmt::format("{} is left to run time: its constant result would be large", describe(*node)));
        }
        folded += done ? 1 : 0;
        node = done ? graph.nodes.erase(node) : std::next(node);
    }
    graph.remove_dead_nodes();
    if (folded > 0) remarks.done("fold_constants", "", fmt::format("{} nodes folded", folded));
}

void infer_and_fold(Graph& graph, Node& node) {
    name_in_errors(node, [&] {
        infer_node(graph, node);
        fold_node(graph, node, small_elements);
    });
}

}  // namespace igata
