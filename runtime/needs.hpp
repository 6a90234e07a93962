// What the program in this translation unit needs of the runtime: all of it, where programs are made from any plan.
// Generated code has its own version of this file.
#pragma once

#include "runtime/specs.hpp"

namespace igata::runtime {

inline constexpr Needs needs{~0U, ~0U, ~0U};

}  // namespace igata::runtime
