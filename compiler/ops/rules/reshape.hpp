#pragma once

#include "compiler/ops/op.hpp"

namespace igata {

/// The rules by which Reshapes take their canonical form and merge.
void add_reshape_rules(std::vector<Rule>& rules);
/// Those by which they sink through elementwise operators.
void add_sink_reshape_rules(std::vector<Rule>& rules);

}  // namespace igata
