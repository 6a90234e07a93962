// What a step of a plan costs on paper: the yardstick beside which measured times are read.
#pragma once

#include <cstdint>
#include <string>

#include "compiler/ir/plan.hpp"

namespace igata {

struct StepCost {
    /// Of convolutions and matrix products, a multiply-add counting as two, borders as if they were computed; 0 for
    /// others.
    std::int64_t flops = 0;
    /// Every element of every operand once for each direction in which the step moves it; repeated elements (stride 0)
    /// once.
    std::int64_t bytes = 0;
};

StepCost cost_of(const Step& step);

/// The shapes that decide what a step costs, in short: `3x3 s2 32x112x112 -> 64x56x56 swish`, `[1,1280] x [1280,1000]`.
std::string describe(const Step& step);

}  // namespace igata
