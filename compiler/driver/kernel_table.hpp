#pragma once

#include <string_view>

#include "runtime/specs.hpp"

namespace igata {

/// make_<name> of runtime/kernels/<name>.hpp.
runtime::MakeKernel kernel_maker(std::string_view name);

}  // namespace igata
