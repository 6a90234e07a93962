// What the caller of a predictor sees: its inputs and outputs, as template slots of the C and C++ headers.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "compiler/ir/plan.hpp"

namespace igata {

using Slots = std::vector<std::pair<std::string, std::string>>;

/// Slots of predictor.h.in and predictor.hpp.in that depend on inputs and outputs, for a predictor of this name.
Slots interface_slots(std::span<const Plan> plans, const std::string& name);

/// Definition of `plans`, the metadata that the C interface gives.
std::string port_rows(std::span<const Plan> plans, const std::string& name, bool weights_in_file);

}  // namespace igata
