// Structural matching of expressions against patterns.
#include <algorithm>
#include <cmath>
#include <utility>

#include "compiler/ir/expr.hpp"

namespace igata::expr {

namespace {

using Goals = std::vector<std::pair<ExprPtr, ExprPtr>>;  // pattern, subject

/// Constants come as f32 or f64, rounded or not: a few units in the last place of f32 count as equal.
bool close(double a, double b) { return a == b || std::abs(a - b) <= 5e-7 * std::max(std::abs(a), std::abs(b)); }

bool bind_parameter(Match& found, const std::string& name, const ExprPtr& e) {
    if (e->op != ExprOp::constant) return false;
    const auto [bound, is_new] = found.parameters.emplace(name, e->value);
    return is_new || close(bound->second, e->value);
}

bool bind_operand(Match& found, int index, const ExprPtr& e) {
    const auto i = static_cast<std::size_t>(index);
    if (found.operands.size() <= i) found.operands.resize(i + 1);
    if (found.operands[i] == nullptr) found.operands[i] = e;
    return equal(found.operands[i], e);
}

/// `a > b` is `b < a`.
ExprOp mirrored(ExprOp op) {
    switch (op) {
        case ExprOp::lt: return ExprOp::gt;
        case ExprOp::gt: return ExprOp::lt;
        case ExprOp::le: return ExprOp::ge;
        case ExprOp::ge: return ExprOp::le;
        default: return op;
    }
}

/// Reaches every goal, with backtracking over the order of the arguments of commutative operations.
std::optional<Match> solve(Goals goals, Match found) {
    while (!goals.empty()) {
        const auto [pattern, e] = goals.back();
        goals.pop_back();
        if (pattern->op == ExprOp::parameter) {
            if (!bind_parameter(found, pattern->name, e)) return std::nullopt;
            continue;
        }
        if (pattern->op == ExprOp::operand) {
            if (!bind_operand(found, pattern->index, e)) return std::nullopt;
            continue;
        }
        if (pattern->op == ExprOp::constant) {
            if (e->op != ExprOp::constant || !close(pattern->value, e->value)) return std::nullopt;
            continue;
        }
        if (pattern->args.size() != e->args.size()) return std::nullopt;
        const bool swappable = e->args.size() == 2 && mirrored(pattern->op) == e->op &&
                               (is_commutative(e->op) || mirrored(e->op) != e->op);
        if (swappable) {
            Goals swapped = goals;
            swapped.emplace_back(pattern->args[0], e->args[1]);
            swapped.emplace_back(pattern->args[1], e->args[0]);
            if (auto solution = solve(std::move(swapped), found)) return solution;
        }
        if (pattern->op != e->op || (e->op == ExprOp::cast && pattern->dtype != e->dtype)) return std::nullopt;
        for (std::size_t i = 0; i < e->args.size(); ++i) goals.emplace_back(pattern->args[i], e->args[i]);
    }
    return found;
}

}  // namespace

std::optional<Match> match(const ExprPtr& pattern, const ExprPtr& e) { return solve({{pattern, e}}, {}); }

}  // namespace igata::expr
