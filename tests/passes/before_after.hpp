// A pass's test in the text form: a graph before, and what it must be after.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "compiler/diagnostics.hpp"
#include "compiler/ir/graph.hpp"

namespace igata::test {

/// Uniform values, of whole numbers for integers; the same for the same seed.
Tensor random_tensor(const ValueType& type, std::uint32_t seed);
/// The graph's outputs, node by node. Types must be known.
std::vector<Tensor> evaluate(const Graph& graph, const std::vector<Tensor>& inputs);
/// For random inputs made of `seed`.
std::vector<Tensor> evaluate(const Graph& graph, std::uint32_t seed);
/// Parsed, with all types.
Graph typed_graph(const std::string& text);
/// The text form with values numbered in order, so that only the structure counts; node names are left out.
std::string structure(const Graph& graph);
/// The largest |a - b| / (1 + |b|) over all elements; infinite if types differ.
double difference(const std::vector<Tensor>& a, const std::vector<Tensor>& b);

using GraphPass = std::function<void(Graph&, Remarks&)>;

/// Runs the pass on `before` and checks that the result is valid, has the types that inference gives, computes the
/// same, and is structured like `after`. Returns the remarks, one `node: message` a line, refusals with a `!` in front.
std::string check_pass(const GraphPass& pass, const std::string& before, const std::string& after);

}  // namespace igata::test
