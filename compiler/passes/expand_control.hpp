// Bodies of If, Loop and Scan in the node's place, where what runs is known at compile time.
#pragma once

#include "compiler/diagnostics.hpp"
#include "compiler/ir/graph.hpp"

namespace igata {

/// Types of the nodes in [begin, end) and of the bodies that they hold; see infer_types. Nodes may be put in or taken
/// out on the way.
void infer_nodes(Graph& graph, NodeIt begin, NodeIt end, Remarks& remarks);

/// Puts every body in the node's place whose condition, or few iterations, have become known. Types are known.
void expand_control(Graph& graph, Remarks& remarks);

}  // namespace igata
