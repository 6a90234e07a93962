// The iteration box of a loop, in the order in which generated code walks it.
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/ir/plan.hpp"

namespace igata {

/// One dim of the iteration box with the step of every operand, the output last.
struct Axis {
    std::int64_t extent = 1;
    std::vector<std::int64_t> strides;
    bool reduced = false;
};

/// The dims of more than one element.
std::vector<Axis> axes_of(const Loop& loop);

/// Ordered by the size of their steps, outermost first (the output's steps for kept axes, the inputs' for reduced
/// ones), then neighbours that one loop can run over merged.
std::vector<Axis> merged(std::vector<Axis> axes);

std::int64_t product(const std::vector<Axis>& axes);

}  // namespace igata
