// Scalar expressions: what one element of an elementwise result is.
//
// Text form, used in operator tables, fused nodes and loops:
//     max(x0 + x1, 0)    x0 * sigmoid(x0)    select(x0 < 0, 0.01 * x0, x0)    cast<i64>(x0)
// x0, x1, ... are the operands; a name (alpha) is a parameter that `substitute` replaces; numbers take the type of what
// they meet. Immutable and shared.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/ir/type.hpp"

namespace igata {

// clang-format off
enum class ExprOp : std::uint8_t {
    constant, operand, parameter,
    // unary
    neg, abs, sign, floor, ceil, round, sqrt, exp, log, log1p, sin, cos, tan, asin, acos, atan, sinh, cosh, tanh,
    asinh, acosh, atanh, erf, sigmoid, isnan, isinf, logical_not, bitwise_not, cast,
    // binary; mod takes the divisor's sign (Python), fmod the dividend's (C); min and max propagate NaN
    add, sub, mul, div, mod, fmod, pow, min, max, lt, le, gt, ge, eq, ne, logical_and, logical_or, logical_xor,
    bitwise_and, bitwise_or, bitwise_xor, shift_left, shift_right,
    // ternary: condition, then, else
    select,
};
// clang-format on

struct Expr;
using ExprPtr = std::shared_ptr<const Expr>;

struct Expr {
    ExprOp op = ExprOp::constant;
    double value = 0.0;                    ///< constant
    std::int64_t integer = 0;              ///< constant: exact value if written as an integer
    bool is_integer = false;               ///< constant: written without a point
    int index = 0;                         ///< operand
    std::string name;                      ///< parameter
    DataType dtype = DataType::undefined;  ///< cast: the target; after `typed`: the type of the value, on every node
    std::vector<ExprPtr> args;
};

/// `add`, `logical_not`, ...: the name in a call.
std::string_view name_of(ExprOp op);
/// Number of arguments: 0 for constant, operand and parameter.
std::size_t arity(ExprOp op);
bool is_commutative(ExprOp op);
/// Comparisons, logical operations, isnan and isinf: the value is boolean whatever the arguments are.
bool is_predicate(ExprOp op);

namespace expr {

ExprPtr constant(double value);
ExprPtr constant(std::int64_t value);
ExprPtr operand(int index);
ExprPtr parameter(std::string name);
ExprPtr cast(DataType dtype, ExprPtr arg);
ExprPtr make(ExprOp op, std::vector<ExprPtr> args);

/// Parses the text form. Throws std::invalid_argument with the column of the mistake.
ExprPtr parse(std::string_view text);
/// Inverse of parse: parse(print(e)) equals e.
std::string print(const ExprPtr& e);

bool equal(const ExprPtr& a, const ExprPtr& b);
/// One more than the highest operand index (0 if none).
int operand_count(const ExprPtr& e);
/// True if e mentions operand `index`.
bool uses(const ExprPtr& e, int index);
/// Number of operations, constants and operands excluded; equal subexpressions count once.
int cost(const ExprPtr& e);

/// Rebuilds e bottom-up: `f` gets every node, its arguments already rebuilt, once however often it is shared.
ExprPtr rewrite(const ExprPtr& e, const std::function<ExprPtr(const ExprPtr&)>& f);
/// Equal subexpressions become one object.
ExprPtr share(const ExprPtr& e);
/// Replaces operand i by replacement[i] (a null entry keeps it).
ExprPtr replace_operands(const ExprPtr& e, std::span<const ExprPtr> replacement);
/// Replaces parameters by constants; one that is missing stays.
ExprPtr substitute(const ExprPtr& e, const std::map<std::string, double>& parameters);

/// Element type of the result for operand types; comparisons and predicates give boolean. Throws std::invalid_argument
/// if the operands of an operation differ in type.
DataType type_of(const ExprPtr& e, std::span<const DataType> operands);

/// The same expression with the type of its value in every node's `dtype`. A constant or parameter takes the type of
/// what it meets, else `result`, else f32 (i64 if all are integers), and a constant of an integer type becomes one (as
/// by a cast). Equal subexpressions of one type become one object. Throws as type_of does.
ExprPtr typed(const ExprPtr& e, std::span<const DataType> operands, DataType result = DataType::undefined);

/// Folds constants and removes neutral elements where that cannot change a result (x*1, x+0 is kept for -0.0 only if
/// not floating, select of a constant, cast to the own type, min/max/neg of constants); a square becomes a product.
ExprPtr simplify(const ExprPtr& e);

/// Structural matching: `pattern` may hold parameters, which bind to constants, and operands x0, x1, ..., which bind to
/// any subexpression (the same one at each mention). Commutative operations match either way round.
struct Match {
    std::map<std::string, double> parameters;
    std::vector<ExprPtr> operands;
};
std::optional<Match> match(const ExprPtr& pattern, const ExprPtr& e);

}  // namespace expr
}  // namespace igata
