// A typed scalar expression as C++ statements.
#pragma once

#include <string>
#include <vector>

#include "compiler/ir/expr.hpp"

namespace igata {

/// The C++ type in which values of `dtype` are stored: float, F16, std::int64_t, ...
std::string storage_type(DataType dtype);
/// The C++ type in which they are computed with: float for halves.
std::string compute_type(DataType dtype);

/// Statements that compute an expression, and the expression's value as a name or literal.
struct ScalarCode {
    std::vector<std::string> statements;  ///< `const float t0 = x0 * x1;`
    std::string value;
};

/// `operands[i]`: C++ for the loaded value of x_i; temporaries are `prefix`0, `prefix`1, ... The value has the compute
/// type of `result` (an expression of another type is converted).
ScalarCode scalar_code(const ExprPtr& e, const std::vector<DataType>& types, const std::vector<std::string>& operands,
                       DataType result, const std::string& prefix);

}  // namespace igata
