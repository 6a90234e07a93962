#pragma once

#include "compiler/ops/op.hpp"

namespace igata {

/// The rule by which a Conv loses the outer taps of its kernel that see nothing but padding.
void add_crop_kernel_rule(std::vector<Rule>& rules);

}  // namespace igata
