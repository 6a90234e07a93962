// What is left of a plan's buffers once steps were made or removed.
#pragma once

#include "compiler/ir/plan.hpp"

namespace igata {

/// Buffers that no step and no port mentions are removed; the rest is put in groups and numbered: in0, out0, b1, w1,
/// ...
void tidy_buffers(Plan& plan);

}  // namespace igata
