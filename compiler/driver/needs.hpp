// Which parts of the runtime a program keeps.
#pragma once

#include <span>

#include "compiler/ir/plan.hpp"

namespace igata {

/// What the steps of any of the plans, whose buffers have their offsets, may run with.
runtime::Needs needs_of(std::span<const Plan> plans);

}  // namespace igata
