// Nodes that hold graphs (If, Loop, Scan). Their graphs are closed: what a body reads of the graph around it enters as
// inputs of the node, after ONNX's own, and as inputs of the body, last; the attribute `captures` has their number.
//
//     y = If(c) {then_branch=graph () -> (t) { t = Neg(x) }, ...}
//     y = If(c, x) {captures=1, then_branch=graph (x) -> (t) { t = Neg(x) }, ...}
//
// So passes need not look into a body to know what a node reads, and treat a body like any other graph.
#pragma once

#include <memory>
#include <variant>
#include <vector>

#include "compiler/ir/graph.hpp"

namespace igata {

/// The graphs that the node holds, in the order of its attributes.
std::vector<Graph*> subgraphs(const Node& node);
bool has_subgraphs(const Node& node);

/// How many of the node's last inputs are captured.
std::size_t capture_count(const Node& node);

/// Closes the node's graphs. A value that `graph` does not know either becomes one that nothing makes, for the node
/// around `graph` to capture in turn.
void close_subgraphs(Graph& graph, Node& node);

/// Takes away the captured inputs that no graph of the node reads.
void prune_captures(Node& node);

/// Appends a copy of what `body` does before `before`, its inputs bound to `inputs`; returns its outputs. New values
/// have no types yet.
std::vector<ValueId> inline_graph(Graph& graph, NodeIt before, const Graph& body, const std::vector<ValueId>& inputs);

/// f for the graphs that the nodes of `graph` hold.
template <class F>
void for_each_subgraph(Graph& graph, const F& f) {
    for (Node& node : graph.nodes)
        for (Graph* subgraph : subgraphs(node)) f(*subgraph);
}

}  // namespace igata
