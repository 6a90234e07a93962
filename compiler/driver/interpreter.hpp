// Runs a Graph by the operators' reference semantics.
#pragma once

#include <vector>

#include "compiler/ir/graph.hpp"

namespace igata {

/// The graph's outputs for its inputs, both in the graph's order. All types are inferred. A value is freed after its
/// last use. Throws BadInput from an operator that its inputs do not suit.
std::vector<Tensor> interpret(const Graph& graph, const std::vector<Tensor>& inputs);

}  // namespace igata
