// Runs a Graph by the operators' reference semantics.
#pragma once

#include <utility>
#include <vector>

#include "compiler/ops/op.hpp"

namespace igata {

/// How often each value is still to be read.
inline std::vector<int> count_reads(const Graph& graph) {
    std::vector<int> reads(graph.value_count());
    for (const Node& node : graph.nodes)
        for (const ValueId id : node.inputs)
            if (id != no_value) ++reads[static_cast<std::size_t>(id)];
    for (const Graph::Output& output : graph.outputs) ++reads[static_cast<std::size_t>(output.value)];
    return reads;
}

/// The graph's outputs for its inputs, both in the graph's order. All types are inferred. A value is freed after its
/// last use. Throws BadInput from an operator that its inputs do not suit.
inline std::vector<Tensor> interpret(const Graph& graph, const std::vector<Tensor>& inputs) {
    std::vector<Tensor> values(graph.value_count());
    std::vector<int> reads = count_reads(graph);
    for (std::size_t i = 0; i < graph.inputs.size(); ++i)
        values[static_cast<std::size_t>(graph.inputs[i].value)] = inputs.at(i);
    const auto tensor = [&](ValueId id) -> const Tensor* {
        if (id == no_value) return nullptr;
        const Tensor* constant = graph.constant(id);
        return constant != nullptr ? constant : &values[static_cast<std::size_t>(id)];
    };
    for (const Node& node : graph.nodes) {
        std::vector<const Tensor*> arguments;
        for (const ValueId id : node.inputs) arguments.push_back(tensor(id));
        std::vector<Tensor> results = eval_node(graph, node, arguments);
        for (std::size_t i = 0; i < node.outputs.size(); ++i)
            if (node.outputs[i] != no_value)
                values[static_cast<std::size_t>(node.outputs[i])] = std::move(results.at(i));
        for (const ValueId id : node.inputs)
            if (id != no_value && --reads[static_cast<std::size_t>(id)] == 0) values[static_cast<std::size_t>(id)] = {};
    }
    std::vector<Tensor> outputs;
    for (const Graph::Output& output : graph.outputs) outputs.push_back(*tensor(output.value));
    return outputs;
}

}  // namespace igata
