// Runs one operator on tensors: raised from an older opset if need be, inferred, evaluated by its definition; and as a
// plan, which must agree.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "compiler/ir/graph.hpp"
#include "compiler/ops/op.hpp"
#include "tests/ops/evaluate.hpp"

namespace igata::test {

struct OpCase {
    std::string op;
    std::vector<Tensor> inputs;  ///< a tensor without type stands for an absent input
    Attrs attrs = {};
    int version = 0;  ///< opset; 0: the newest
    std::size_t outputs = 1;
};

/// The operator in a graph, raised and inferred; input i is a graph input where `given[i]`, else a constant.
inline Graph graph_of(const OpCase& test, const std::vector<bool>& given) {
    Graph graph;
    Node node;
    node.op = test.op;
    node.name = "node";
    node.version = test.version;
    node.attrs = test.attrs;
    for (std::size_t i = 0; i < test.inputs.size(); ++i) {
        const Tensor& input = test.inputs[i];
        if (input.empty()) node.inputs.push_back(no_value);
        else if (!given[i]) node.inputs.push_back(graph.add_constant("x", input));
        else {
            node.inputs.push_back(graph.add_value("x", input.type()));
            Graph::Input declared{node.inputs.back(), input.dtype(), {}};
            for (const std::int64_t dim : input.dims()) declared.dims.push_back({dim, ""});
            graph.inputs.push_back(declared);
        }
    }
    for (std::size_t i = 0; i < test.outputs; ++i) {
        node.outputs.push_back(graph.add_value("y"));
        graph.outputs.push_back({node.outputs.back(), "y" + std::to_string(i), {}});
    }
    graph.nodes.push_back(node);
    const OpDef& op = op_of(graph.nodes.front());
    if (test.version > 0 && test.version < op.newest && op.raise) op.raise(graph, graph.nodes.begin());
    for (auto each = graph.nodes.begin(); each != graph.nodes.end();) {
        if (op_of(*each).expand) {
            each = expand_node(graph, each);
        } else {
            infer_node(graph, *each);
            ++each;
        }
    }
    return graph;
}

/// The inputs that need not be known at compile time.
inline std::vector<bool> free_inputs(const OpCase& test) {
    std::vector<bool> given(test.inputs.size(), false);
    for (std::size_t i = 0; i < given.size(); ++i) {
        given[i] = !test.inputs[i].empty();
        try {
            graph_of(test, given);
        } catch (const Unsupported&) {
            given[i] = false;
        }
    }
    return given;
}

inline void check_same(const Tensor& actual, const Tensor& expected) {
    REQUIRE(to_string(actual.type()) == to_string(expected.type()));
    const auto a = actual.to_f64();
    const auto b = expected.to_f64();
    for (std::size_t i = 0; i < a.size(); ++i) {
        CAPTURE(a[i]);
        CAPTURE(b[i]);
        const bool same = a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]));
        CHECK((same || std::abs(a[i] - b[i]) <= 1e-5 * (1 + std::abs(b[i]))));
    }
}

inline std::vector<Tensor> run_op(const OpCase& test) {
    CAPTURE(test.op);
    const Graph reference = graph_of(test, std::vector<bool>(test.inputs.size(), false));
    const std::vector<Tensor> results = evaluate(reference, {});
    for (std::size_t i = 0; i < results.size(); ++i)
        CHECK(to_string(results[i].type()) == to_string(reference.value(reference.outputs[i].value).type));
    const std::vector<bool> given = free_inputs(test);
    std::vector<Tensor> inputs;
    for (std::size_t i = 0; i < given.size(); ++i)
        if (given[i]) inputs.push_back(test.inputs[i]);
    const std::vector<Tensor> planned = run_plan(graph_of(test, given), inputs);
    for (std::size_t i = 0; i < results.size(); ++i) check_same(planned.at(i), results[i]);
    return results;
}

inline Tensor run_single(const OpCase& test) { return run_op(test).at(0); }

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

inline Tensor floats(const Dims& dims, const std::vector<float>& values) { return Tensor::of<float>(dims, values); }
inline Tensor i64s(const Dims& dims, const Dims& values) { return Tensor::of<std::int64_t>(dims, values); }
/// Of one axis.
inline Tensor ints(const Dims& values) { return Tensor::of_dims(values); }
inline Tensor bools(const std::vector<bool>& values) {
    return Tensor::of<bool>({static_cast<std::int64_t>(values.size())}, values);
}

inline Attr attr(std::int64_t value) { return value; }
inline Attr list(const Dims& values) { return values; }
inline Attr text(const char* value) { return std::string(value); }

/// 0, 1, 2, ... as f32.
inline Tensor counted(const Dims& dims) {
    Tensor tensor(DataType::f32, dims);
    float next = 0;
    for (float& value : tensor.mutable_values<float>()) value = next++;
    return tensor;
}

/// The first elements, as they were worked out elsewhere.
inline void check_near(const Tensor& actual, const Dims& dims, const std::vector<double>& expected) {
    REQUIRE(actual.dims() == dims);
    const auto values = actual.to_f64();
    for (std::size_t i = 0; i < expected.size(); ++i) {
        CAPTURE(i);
        CHECK(std::abs(values[i] - expected[i]) <= 2e-5 * (1 + std::abs(expected[i])));
    }
}

}  // namespace igata::test
