#pragma once

#include "compiler/ops/op.hpp"

namespace igata {

/// The rules by which Conv takes constant factors and addends per channel, before and after it, into weights and bias.
void add_conv_affine_rules(std::vector<Rule>& rules);
/// Likewise for ConvTranspose, after it.
void add_conv_transpose_affine_rules(std::vector<Rule>& rules);
/// Likewise for MatMul and Gemm, after them and per column.
void add_matmul_affine_rules(std::vector<Rule>& rules);

}  // namespace igata
