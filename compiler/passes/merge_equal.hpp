// Common subexpressions; a part of simplify.
#pragma once

#include "compiler/passes/passes.hpp"

namespace igata {

/// Readers of a node whose operator, inputs and attributes are those of an earlier node read the earlier one instead.
/// Small constants count as equal if their elements are. Leaves dead nodes behind. True if anything changed.
bool merge_equal_nodes(Graph& graph, Remarks& remarks, Budget budget);

}  // namespace igata
