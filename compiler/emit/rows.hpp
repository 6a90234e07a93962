// Specs as constexpr rows.
#pragma once

#include <string>

#include "compiler/ir/plan.hpp"

namespace igata {

/// `constexpr ConvolutionSpec stem{...};` with one field a line; empty for a loop.
std::string spec_row(const std::string& identifier, const Step& step);

/// `{StepKind::convolution, &stem, "stem", 3, {{Space::input, 0, 0}, ...}},`
std::string step_row(const std::string& identifier, const Plan& plan, const Step& step);

/// `DataType::f32`
std::string row(runtime::DataType dtype);

/// A float or double literal that reads back to the same bits; infinities and NaN as numeric_limits.
std::string float_literal(double value, bool single);

}  // namespace igata
