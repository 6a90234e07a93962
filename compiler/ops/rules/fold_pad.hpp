#pragma once

#include "compiler/ops/op.hpp"

namespace igata {

/// The rules by which a Pad before a Conv or a pooling operator becomes its own padding.
void add_conv_pad_rules(std::vector<Rule>& rules);
void add_pooling_pad_rules(std::vector<Rule>& rules);

}  // namespace igata
