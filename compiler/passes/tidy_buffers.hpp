// What is left of a plan's buffers once steps were made or removed.
#pragma once

#include <cstddef>

#include "compiler/ir/plan.hpp"

namespace igata {

/// Buffers that no step and no port mentions are removed; the rest is put in groups and numbered: in0, out0, b1, w1,
/// ...
void tidy_buffers(Plan& plan);

/// Removes the steps for which absorb(i) is true: another step now does what they did. Then tidies the buffers.
template <class Absorb>
void absorb_steps(Plan& plan, const Absorb& absorb) {
    for (std::size_t i = 0; i < plan.steps.size();) {
        if (absorb(i)) plan.steps.erase(plan.steps.begin() + static_cast<std::ptrdiff_t>(i));
        else ++i;
    }
    tidy_buffers(plan);
}

}  // namespace igata
