#include "compiler/ir/expr.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <stdexcept>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

namespace igata {

namespace {

constexpr std::array<std::string_view, 56> op_names{
    "constant",    "operand",     "parameter",   "neg",         "abs",        "sign",        "floor",
    "ceil",        "round",       "sqrt",        "exp",         "log",        "log1p",       "sin",
    "cos",         "tan",         "asin",        "acos",        "atan",       "sinh",        "cosh",
    "tanh",        "asinh",       "acosh",       "atanh",       "erf",        "sigmoid",     "isnan",
    "isinf",       "logical_not", "bitwise_not", "cast",        "add",        "sub",         "mul",
    "div",         "mod",         "fmod",        "pow",         "min",        "max",         "lt",
    "le",          "gt",          "ge",          "eq",          "ne",         "logical_and", "logical_or",
    "logical_xor", "bitwise_and", "bitwise_or",  "bitwise_xor", "shift_left", "shift_right", "select",
};
static_assert(op_names.size() == static_cast<std::size_t>(ExprOp::select) + 1);

/// What tells two nodes with the same arguments apart.
auto leaf_key(const Expr& e) {
    return std::tuple(e.op, std::isnan(e.value) ? ~std::uint64_t{0} : std::bit_cast<std::uint64_t>(e.value), e.integer,
                      e.is_integer, e.index, e.name, e.dtype);
}

using Memo = std::unordered_map<const Expr*, ExprPtr>;

ExprPtr rewrite(const ExprPtr& e, const std::function<ExprPtr(const ExprPtr&)>& f, Memo& memo) {
    if (const auto found = memo.find(e.get()); found != memo.end()) return found->second;
    std::vector<ExprPtr> args(e->args.size());
    std::transform(e->args.begin(), e->args.end(), args.begin(),
                   [&](const ExprPtr& arg) { return rewrite(arg, f, memo); });
    ExprPtr rebuilt = e;
    if (args != e->args) {
        Expr node = *e;
        node.args = std::move(args);
        rebuilt = std::make_shared<const Expr>(std::move(node));
    }
    return memo[e.get()] = f(rebuilt);
}

/// Calls `f` on every node once.
template <class F>
void visit(const ExprPtr& e, F&& f, std::unordered_set<const Expr*>& seen) {
    if (!seen.insert(e.get()).second) return;
    f(*e);
    for (const ExprPtr& arg : e->args) visit(arg, f, seen);
}

template <class F>
void visit(const ExprPtr& e, F&& f) {
    std::unordered_set<const Expr*> seen;
    visit(e, f, seen);
}

}  // namespace

std::string_view name_of(ExprOp op) { return op_names.at(static_cast<std::size_t>(op)); }

std::size_t arity(ExprOp op) {
    if (op <= ExprOp::parameter) return 0;
    if (op <= ExprOp::cast) return 1;
    return op == ExprOp::select ? 3 : 2;
}

bool is_commutative(ExprOp op) {
    switch (op) {
        case ExprOp::add:
        case ExprOp::mul:
        case ExprOp::min:
        case ExprOp::max:
        case ExprOp::eq:
        case ExprOp::ne:
        case ExprOp::logical_and:
        case ExprOp::logical_or:
        case ExprOp::logical_xor:
        case ExprOp::bitwise_and:
        case ExprOp::bitwise_or:
        case ExprOp::bitwise_xor: return true;
        default: return false;
    }
}

bool is_predicate(ExprOp op) {
    return (op >= ExprOp::lt && op <= ExprOp::logical_xor) || op == ExprOp::isnan || op == ExprOp::isinf ||
           op == ExprOp::logical_not;
}

namespace expr {

ExprPtr constant(double value) {
    Expr e;
    e.value = value;
    return std::make_shared<const Expr>(std::move(e));
}

ExprPtr constant(std::int64_t value) {
    Expr e;
    e.value = static_cast<double>(value);
    e.integer = value;
    e.is_integer = true;
    return std::make_shared<const Expr>(std::move(e));
}

ExprPtr operand(int index) {
    Expr e;
    e.op = ExprOp::operand;
    e.index = index;
    return std::make_shared<const Expr>(std::move(e));
}

ExprPtr parameter(std::string name) {
    Expr e;
    e.op = ExprOp::parameter;
    e.name = std::move(name);
    return std::make_shared<const Expr>(std::move(e));
}

ExprPtr cast(DataType dtype, ExprPtr arg) {
    Expr e;
    e.op = ExprOp::cast;
    e.dtype = dtype;
    e.args = {std::move(arg)};
    return std::make_shared<const Expr>(std::move(e));
}

ExprPtr make(ExprOp op, std::vector<ExprPtr> args) {
    if (args.size() != arity(op))
        throw std::invalid_argument(fmt::format("{} takes {} argument{}, got {}", name_of(op), arity(op),
                                                arity(op) == 1 ? "" : "s", args.size()));
    Expr e;
    e.op = op;
    e.args = std::move(args);
    return std::make_shared<const Expr>(std::move(e));
}

bool equal(const ExprPtr& a, const ExprPtr& b) {
    if (a == b) return true;
    return leaf_key(*a) == leaf_key(*b) &&
           std::equal(a->args.begin(), a->args.end(), b->args.begin(), b->args.end(), equal);
}

int operand_count(const ExprPtr& e) {
    int count = 0;
    visit(e, [&](const Expr& node) {
        if (node.op == ExprOp::operand) count = std::max(count, node.index + 1);
    });
    return count;
}

bool uses(const ExprPtr& e, int index) {
    bool found = false;
    visit(e, [&](const Expr& node) { found = found || (node.op == ExprOp::operand && node.index == index); });
    return found;
}

int cost(const ExprPtr& e) {
    int operations = 0;
    visit(share(e), [&](const Expr& node) { operations += node.args.empty() ? 0 : 1; });
    return operations;
}

ExprPtr rewrite(const ExprPtr& e, const std::function<ExprPtr(const ExprPtr&)>& f) {
    Memo memo;
    return igata::rewrite(e, f, memo);
}

ExprPtr share(const ExprPtr& e) {
    using Key = decltype(std::pair(leaf_key(*e), e->args));
    std::map<Key, ExprPtr> known;
    return rewrite(
        e, [&](const ExprPtr& node) { return known.emplace(Key(leaf_key(*node), node->args), node).first->second; });
}

ExprPtr replace_operands(const ExprPtr& e, std::span<const ExprPtr> replacement) {
    return rewrite(e, [&](const ExprPtr& node) {
        const auto index = static_cast<std::size_t>(node->index);
        const bool replaced =
            node->op == ExprOp::operand && index < replacement.size() && replacement[index] != nullptr;
        return replaced ? replacement[index] : node;
    });
}

ExprPtr substitute(const ExprPtr& e, const std::map<std::string, double>& parameters) {
    return rewrite(e, [&](const ExprPtr& node) {
        if (node->op != ExprOp::parameter) return node;
        const auto found = parameters.find(node->name);
        return found == parameters.end() ? node : constant(found->second);
    });
}

}  // namespace expr
}  // namespace igata
