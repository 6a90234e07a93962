// What `igata tune` has measured on some machine, and its text form.
//
//     igata-tuned 1
//     ; a comment
//     winograd2 convolution src=f32[1,64,40,40]@nhwc weights=f32[64,64,3,3] ...
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "compiler/ir/plan.hpp"

namespace igata {

/// What runs a step fastest, by the step's geometry (print_geometry); for those steps only where that is not the
/// runtime's own choice.
using Tuning = std::map<std::string, runtime::Implementation>;

/// Inverse of print. Throws BadInput with the number of the line.
Tuning parse_tuning(std::string_view text);
/// `comments` go above the choices, a line each.
std::string print(const Tuning& tuning, const std::string& comments);

}  // namespace igata
