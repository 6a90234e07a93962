#include "compiler/driver/bf16_error.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#include "compiler/driver/data_set.hpp"
#include "compiler/ir/expr.hpp"
#include "compiler/ir/subgraphs.hpp"
#include "compiler/passes/passes.hpp"

namespace igata {

namespace {

/// The value, rounded, before `reader`.
ValueId round(Graph& graph, NodeIt reader, ValueId value) {
    const ExprPtr body = expr::cast(DataType::f32, expr::cast(DataType::bf16, expr::operand(0)));
    return graph.insert(reader, make_map(reader->name, body, {value}), "rounded", graph.value(value).type);
}

bool multiplies(const Graph& graph, const Node& node) {
    constexpr std::string_view products[] = {"Conv", "Gemm", "MatMul"};
    return std::find(std::begin(products), std::end(products), node.op) != std::end(products) &&
           graph.is_constant(node.inputs[1]) && graph.value(node.outputs[0]).type.dtype == DataType::f32;
}

Graph rounded(const Graph& graph, const Bindings& bindings) {
    Remarks remarks;
    Graph result = clone(graph);
    bind_dims(result, bindings, remarks);
    infer_types(result, remarks);
    fold_constants(result, remarks);
    round_factors(result);
    return result;
}

void add_error(Bf16Error& error, const Tensor& result, const Tensor& exact) {
    const std::vector<double> actual = result.to_f64();
    const std::vector<double> expected = exact.to_f64();
    for (std::size_t i = 0; i < expected.size(); ++i) {
        error.absolute = std::max(error.absolute, std::abs(actual[i] - expected[i]));
        error.largest = std::max(error.largest, std::abs(expected[i]));
    }
}

}  // namespace

void round_factors(Graph& graph) {
    for_each_subgraph(graph, [](Graph& body) { round_factors(body); });
    for (auto node = graph.nodes.begin(); node != graph.nodes.end(); ++node) {
        if (!multiplies(graph, *node)) continue;
        for (std::size_t i = 0; i < 2; ++i) node->inputs[i] = round(graph, node, node->inputs[i]);
    }
}

std::vector<Bf16Error> measure_bf16_error(const Graph& graph, const std::filesystem::path& data) {
    std::vector<Bf16Error> errors;
    for (const Graph::Output& output : graph.outputs) errors.push_back({output.name});
    Replay replay(EngineKind::plan, graph);
    std::unique_ptr<Engine> narrow;
    for (const auto& folder : require_data_sets(data)) {
        const std::vector<Tensor> inputs = read_data_set(folder, graph).inputs;
        if (narrow == nullptr || !narrow->accepts(inputs))
            narrow = make_engine(EngineKind::plan, rounded(graph, bindings_of(graph, inputs)), Bindings{});
        const std::vector<Tensor> exact = replay.run(inputs);
        const std::vector<Tensor> results = narrow->run(inputs);
        for (std::size_t i = 0; i < errors.size(); ++i)
            if (is_floating(exact[i].dtype()) && exact[i].dims() == results[i].dims())
                add_error(errors[i], results[i], exact[i]);
    }
    return errors;
}

}  // namespace igata
