// Sizes that depend on the data, followed from the operators that make them to the outputs.
#pragma once

#include "compiler/ops/op.hpp"

namespace igata {

/// Types the results of an operator with an OpDef::open_axis: of constants they become constants of their true size,
/// and the node is erased; else each is as large as it can get, and the node has one more output, the size. Returns the
/// next node.
NodeIt infer_open(Graph& graph, NodeIt node);

/// Throws Unsupported if an input's size depends on the data.
void check_sizes(const Graph& graph, const Node& node);
/// Types the node, and folds it if that is cheap; its outputs have the true sizes that its inputs have, or make. Where
/// it mixes elements that are there with others, its operator's `close` puts nodes in its place, or Unsupported is
/// thrown. Returns the node to be visited next.
NodeIt infer_sized(Graph& graph, NodeIt node);

/// The graph's outputs whose sizes depend on the data are marked, and the sizes become outputs after them.
void add_size_outputs(Graph& graph);

}  // namespace igata
