// The reference semantics, executed: the oracle of tests, the constant folder, and how loops run without a C++
// compiler.
#pragma once

#include <cstddef>
#include <vector>

#include "compiler/ir/graph.hpp"
#include "compiler/ir/plan.hpp"

namespace igata {

/// Runs iterations [begin, end) of the loop's outermost dim (a loop of rank 0 has one) on raw memory: `operands` point
/// to the first elements of the inputs, then of the output. Any strides, any type.
void run_loop(const Loop& loop, std::byte* const* operands, std::int64_t begin, std::int64_t end);

/// The expression over broadcast tensors, as one tensor of type `dtype` and shape `dims`.
Tensor eval_map(const ExprPtr& body, const std::vector<const Tensor*>& inputs, const ValueType& result);

}  // namespace igata
