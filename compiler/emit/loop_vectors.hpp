// A typed scalar expression between bytes as C++ statements on registers of elements (runtime/loop_vectors.hpp).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compiler/emit/loop_axes.hpp"
#include "compiler/emit/loop_expr.hpp"
#include "compiler/ir/plan.hpp"

namespace igata {

/// `Floats` or `Integers`, the register type in which values of `dtype` are computed with; nothing if there is none.
std::string_view register_type(DataType dtype);

/// As scalar_code, but the operands are registers and so is the value. Nothing unless the expression is of what
/// quantization is made of: conversions, sums, products, rounding, bounds.
std::optional<ScalarCode> vector_code(const ExprPtr& e, const std::vector<DataType>& types,
                                      const std::vector<std::string>& operands, DataType result);

/// Whether the loop is written in registers: an elementwise one over bytes and dense rows, or a sum of such rows.
bool is_vectorised(const Loop& loop);

/// The fewest rows that fill registers of any width, at least a few; 0 where rows are written one by one: they fill
/// registers themselves, do not join, or are too few.
std::int64_t vector_rows_at_once(const Loop& loop, const std::vector<Axis>& axes);

}  // namespace igata
