// Whether a plan may run once per part of a larger batch.
#pragma once

#include "compiler/diagnostics.hpp"
#include "compiler/ir/graph.hpp"

namespace igata {

/// True if the model left axis 0 of every input and output open, it has one extent everywhere, and no node mixes the
/// items along it: each part of a larger batch may then be computed on its own. A node that mixes them, or might, is
/// remarked upon.
bool is_batched(const Graph& graph, Remarks& remarks);

}  // namespace igata
