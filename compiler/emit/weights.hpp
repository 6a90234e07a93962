// How the constant pool gets into generated code.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "compiler/ir/plan.hpp"

namespace igata {

/// The pool of all plans as pool_weights laid it out, zero between constants.
std::string pooled_weights(std::span<const Plan> plans);

/// String literals, one a line: the only form that g++ reads fast.
std::string literal_lines(std::span<const char> bytes);

}  // namespace igata
