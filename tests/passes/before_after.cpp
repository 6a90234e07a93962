#include "tests/passes/before_after.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include <fmt/format.h>

#include "compiler/ir/text.hpp"
#include "compiler/ops/op.hpp"
#include "compiler/passes/passes.hpp"

namespace igata::test {

Tensor random_tensor(const ValueType& type, std::uint32_t seed) {
    std::minstd_rand random(seed);
    Tensor wide(DataType::f64, type.dims);
    for (double& value : wide.mutable_values<double>()) {
        value = static_cast<double>(random() % 2001) / 500.0 - 2.0;
        if (!is_floating(type.dtype)) value = std::floor(std::abs(value) * 2);
    }
    return wide.cast(type.dtype);
}

std::vector<Tensor> evaluate(const Graph& graph, std::uint32_t seed) {
    std::vector<Tensor> inputs;
    for (const Graph::Input& input : graph.inputs)
        inputs.push_back(random_tensor(graph.value(input.value).type, seed++));
    return evaluate(graph, inputs);
}

std::vector<Tensor> evaluate(const Graph& graph, const std::vector<Tensor>& graph_inputs) {
    std::map<ValueId, Tensor> values;
    for (std::size_t i = 0; i < graph.inputs.size(); ++i) values[graph.inputs[i].value] = graph_inputs.at(i);
    const auto find = [&](ValueId id) -> const Tensor* {
        if (id == no_value) return nullptr;
        return graph.is_constant(id) ? graph.constant(id) : &values.at(id);
    };
    for (const Node& node : graph.nodes) {
        std::vector<const Tensor*> inputs;
        for (const ValueId id : node.inputs) inputs.push_back(find(id));
        std::vector<Tensor> results = eval_node(graph, node, inputs);
        for (std::size_t i = 0; i < results.size(); ++i) values[node.outputs[i]] = std::move(results[i]);
    }
    std::vector<Tensor> outputs;
    for (const Graph::Output& output : graph.outputs) outputs.push_back(*find(output.value));
    return outputs;
}

Graph typed_graph(const std::string& text) {
    Remarks remarks;
    Graph graph = parse_graph(text);
    bind_dims(graph, {}, remarks);
    infer_types(graph, remarks);
    return graph;
}

std::string structure(const Graph& original) {
    Graph graph = clone(original);
    std::map<ValueId, std::string> names;
    for (const Graph::Input& input : graph.inputs) names[input.value] = graph.value(input.value).name;
    int constants = 0;
    int values = 0;
    for (Node& node : graph.nodes) {
        node.name.clear();
        node.version = 0;
        for (const ValueId id : node.inputs)
            if (graph.is_constant(id)) names.try_emplace(id, fmt::format("c{}", ++constants));
        for (const ValueId id : node.outputs) names.try_emplace(id, fmt::format("v{}", ++values));
    }
    for (const auto& [id, name] : names)
        if (id != no_value) graph.value(id).name = name;
    return print(graph);
}

double difference(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
    double most = a.size() == b.size() ? 0.0 : std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
        if (a[i].type() != b[i].type()) return std::numeric_limits<double>::infinity();
        const std::vector<double> x = a[i].to_f64();
        const std::vector<double> y = b[i].to_f64();
        for (std::size_t k = 0; k < x.size(); ++k) {
            if (std::isnan(x[k]) && std::isnan(y[k])) continue;
            if (x[k] == y[k]) continue;
            const double error = std::abs(x[k] - y[k]) / (1.0 + std::abs(y[k]));
            most = std::isnan(error) ? std::numeric_limits<double>::infinity() : std::max(most, error);
        }
    }
    return most;
}

std::string check_pass(const GraphPass& pass, const std::string& before, const std::string& after) {
    Graph graph = typed_graph(before);
    const std::vector<Tensor> expected = evaluate(graph, 1);
    Remarks remarks;
    pass(graph, remarks);
    verify(graph);
    Graph inferred = clone(graph);
    Remarks ignored;
    infer_types(inferred, ignored);
    CHECK(print(inferred) == print(graph));
    CHECK(difference(evaluate(graph, 1), expected) < 1e-4);
    CHECK(structure(graph) == structure(typed_graph(after)));
    std::string text;
    for (const Remark& remark : remarks.all())
        text += fmt::format("{}{}: {}\n", remark.refused ? "! " : "", remark.node, remark.message);
    return text;
}

}  // namespace igata::test
