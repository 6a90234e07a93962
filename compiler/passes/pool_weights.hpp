// One pool of constants for several plans of a model.
#pragma once

#include <span>

#include "compiler/ir/plan.hpp"

namespace igata {

/// As pool_weights(Plan&), over all plans: what they have in common is stored once. Sets each plan's weight_bytes to
/// the whole pool's.
void pool_weights(std::span<Plan> plans);

}  // namespace igata
