// What the rules about Transpose share with the operator.
#pragma once

#include "compiler/ops/op.hpp"

namespace igata {

/// The node's perm, by default the axes in reverse. Throws std::invalid_argument if it is not a permutation of `rank`
/// axes.
Dims transpose_perm(const Node& node, std::size_t rank);

/// The permutation moves only axes of one element, so that it leaves the elements in their order.
bool is_mere_reshape(const Dims& dims, const Dims& perm);

/// The rules by which Transposes merge, cancel, or become Reshapes.
void add_transpose_rules(std::vector<Rule>& rules);
/// Those by which they sink through other operators.
void add_sink_transpose_rules(std::vector<Rule>& rules);

}  // namespace igata
