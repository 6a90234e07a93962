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

/// The axes of the box, ordered and merged.
struct Nest {
    std::vector<Axis> kept, reduced;
};
Nest nest_of(const Loop& loop);

/// True of a reduction whose memory runs along a kept axis: then whole rows are accumulated.
bool rows_are_kept(const Loop& loop, const Nest& nest);

/// Whether rows (along `inner`) lie end to end in every operand that the body uses, or are the same row of an input
/// again and again: then several can be written as one, with what repeats written out in tables.
bool rows_join(const Loop& loop, const Axis& outer, const Axis& inner);
/// The operand has one row for all.
bool repeats(const Axis& outer, const Axis& inner, std::size_t operand);

}  // namespace igata
