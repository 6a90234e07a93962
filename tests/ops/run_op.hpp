// Runs one operator on tensors by its definition alone: raised from an older opset if need be, inferred, evaluated.
#pragma once

#include <string>
#include <vector>

#include "compiler/ir/graph.hpp"
#include "compiler/ops/op.hpp"

namespace igata::test {

struct OpCase {
    std::string op;
    std::vector<Tensor> inputs;  ///< a tensor without type stands for an absent input
    Attrs attrs = {};
    int version = 0;             ///< opset; 0: the newest
    std::size_t outputs = 1;
};

inline std::vector<Tensor> run_op(const OpCase& test) {
    Graph graph;
    Node node;
    node.op = test.op;
    node.name = "node";
    node.version = test.version;
    node.attrs = test.attrs;
    for (const Tensor& input : test.inputs)
        node.inputs.push_back(input.empty() ? no_value : graph.add_constant("x", input));
    for (std::size_t i = 0; i < test.outputs; ++i) node.outputs.push_back(graph.add_value("y"));
    const std::vector<ValueId> wanted = node.outputs;
    graph.nodes.push_back(node);
    const OpDef& op = op_of(graph.nodes.front());
    if (test.version > 0 && test.version < op.newest && op.raise) op.raise(graph, graph.nodes.begin());
    for (Node& each : graph.nodes) {
        infer_node(graph, each);
        std::vector<const Tensor*> inputs;
        for (const ValueId id : each.inputs) inputs.push_back(graph.constant(id));
        const std::vector<Tensor> results = eval_node(graph, each, inputs);
        for (std::size_t i = 0; i < results.size(); ++i) {
            if (each.outputs[i] == no_value) continue;
            if (graph.value(each.outputs[i]).type != results[i].type())
                throw std::logic_error(test.op + ": inferred " + to_string(graph.value(each.outputs[i]).type) + ", evaluated " +
                                       to_string(results[i].type()));
            graph.value(each.outputs[i]).constant = results[i];
        }
    }
    std::vector<Tensor> results;
    for (const ValueId id : wanted) results.push_back(*graph.constant(id));
    return results;
}

inline Tensor run_single(const OpCase& test) { return run_op(test).at(0); }

/// 0, 1, 2, ... as f32.
inline Tensor counted(const Dims& dims) {
    Tensor tensor(DataType::f32, dims);
    float next = 0;
    for (float& value : tensor.mutable_values<float>()) value = next++;
    return tensor;
}

}  // namespace igata::test
