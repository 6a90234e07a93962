// Evaluating nodes at compile time.
#pragma once

#include <cstdint>
#include <limits>

#include "compiler/ir/graph.hpp"

namespace igata {

/// True if all inputs are constants and a run now gives what any later run gives.
bool is_foldable(const Graph& graph, const Node& node);

/// Evaluates the node if it is foldable, none of its inputs and outputs has more elements than `limit`, and the result
/// does not bloat the model; its outputs are then constants. Types must be known. True if it did.
bool fold_node(Graph& graph, Node& node, std::int64_t limit = std::numeric_limits<std::int64_t>::max());

/// Infers the types of the node and folds it if that is cheap. Throws BadInput or Unsupported that name the node.
void infer_and_fold(Graph& graph, Node& node);

}  // namespace igata
