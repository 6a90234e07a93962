// Runs a graph in the text form: with the operators' reference semantics, or as a plan.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "compiler/driver/plan_engine.hpp"
#include "compiler/ir/text.hpp"
#include "compiler/ops/op.hpp"
#include "compiler/passes/passes.hpp"

namespace igata {

/// Small multiples of 1/4 of both signs, none of which follows from its neighbour: every test input.
inline Tensor ramp(DataType dtype, const Dims& dims) {
    std::vector<float> values(static_cast<std::size_t>(element_count(dims)));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>((i * 7 + i / 11) % 13) / 4 - 1.5F;
    return Tensor::of(dims, values).cast(dtype);
}

/// Evaluates a graph whose types are known, on the given inputs.
inline std::vector<Tensor> evaluate(const Graph& graph, const std::vector<Tensor>& inputs) {
    std::vector<Tensor> values(graph.value_count());
    for (std::size_t i = 0; i < inputs.size(); ++i)
        values.at(static_cast<std::size_t>(graph.inputs.at(i).value)) = inputs[i];
    for (std::size_t i = 0; i < values.size(); ++i)
        if (const Tensor* constant = graph.constant(static_cast<ValueId>(i))) values[i] = *constant;
    for (const Node& node : graph.nodes) {
        std::vector<const Tensor*> arguments;
        for (const ValueId id : node.inputs)
            arguments.push_back(id == no_value ? nullptr : &values.at(static_cast<std::size_t>(id)));
        const std::vector<Tensor> results = eval_node(graph, node, arguments);
        for (std::size_t i = 0; i < node.outputs.size(); ++i)
            if (node.outputs[i] != no_value) values.at(static_cast<std::size_t>(node.outputs[i])) = results.at(i);
    }
    std::vector<Tensor> outputs;
    for (const Graph::Output& output : graph.outputs)
        outputs.push_back(values.at(static_cast<std::size_t>(output.value)));
    return outputs;
}

/// A graph ready to be evaluated, its nodes raised to the newest form as the importer does.
inline Graph typed_graph(const std::string& text) {
    Graph graph = parse_graph(text);
    for (auto node = graph.nodes.begin(); node != graph.nodes.end();) {
        const auto current = node++;
        const OpDef* op = Registry::instance().find(current->op);
        if (op != nullptr && op->raise && current->version > 0 && current->version < op->newest)
            op->raise(graph, current);
    }
    Remarks remarks;
    bind_dims(graph, {}, remarks);
    infer_types(graph, remarks);
    return graph;
}

inline std::vector<Tensor> ramps(const Graph& graph) {
    std::vector<Tensor> inputs;
    for (const Graph::Input& input : graph.inputs) {
        const ValueType& type = graph.value(input.value).type;
        inputs.push_back(ramp(type.dtype, type.dims));
    }
    return inputs;
}

/// Every node lowered by its operator, nothing fused.
inline std::vector<Tensor> run_plan(const Graph& graph, const std::vector<Tensor>& inputs) {
    Remarks remarks;
    Plan plan = lower(graph, assign_layouts(graph), remarks);
    schedule(plan);
    plan_memory(plan);
    pool_weights(plan);
    verify(plan);
    return PlanEngine(plan).run(inputs);
}

}  // namespace igata
