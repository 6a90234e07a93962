// Algebra on expressions that holds for every element type, NaN, infinities and signed zeros included.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "compiler/ir/expr.hpp"

namespace igata::expr {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

bool is_constant(const ExprPtr& e) { return e->op == ExprOp::constant; }
bool is_value(const ExprPtr& e, double value) { return is_constant(e) && e->value == value; }

ExprPtr truth(bool value) { return constant(std::int64_t{value ? 1 : 0}); }

template <class T>
ExprPtr fold_comparison(ExprOp op, T a, T b) {
    switch (op) {
        case ExprOp::lt: return truth(a < b);
        case ExprOp::le: return truth(a <= b);
        case ExprOp::gt: return truth(a > b);
        case ExprOp::ge: return truth(a >= b);
        case ExprOp::eq: return truth(a == b);
        case ExprOp::ne: return truth(a != b);
        default: return nullptr;
    }
}

/// Integers are folded exactly or not at all: whether 7 / 2 is 3 depends on the type they will meet.
ExprPtr fold_integers(ExprOp op, std::int64_t a, std::int64_t b) {
    std::int64_t result = 0;
    switch (op) {
        case ExprOp::add: return __builtin_add_overflow(a, b, &result) ? nullptr : constant(result);
        case ExprOp::sub: return __builtin_sub_overflow(a, b, &result) ? nullptr : constant(result);
        case ExprOp::mul: return __builtin_mul_overflow(a, b, &result) ? nullptr : constant(result);
        case ExprOp::min: return constant(std::min(a, b));
        case ExprOp::max: return constant(std::max(a, b));
        default: return fold_comparison(op, a, b);
    }
}

ExprPtr fold_reals(ExprOp op, double a, double b) {
    switch (op) {
        case ExprOp::add: return constant(a + b);
        case ExprOp::sub: return constant(a - b);
        case ExprOp::mul: return constant(a * b);
        case ExprOp::div: return constant(a / b);
        case ExprOp::min: return std::isnan(a) || std::isnan(b) ? nullptr : constant(std::min(a, b));
        case ExprOp::max: return std::isnan(a) || std::isnan(b) ? nullptr : constant(std::max(a, b));
        case ExprOp::pow: return constant(std::pow(a, b));
        default: return fold_comparison(op, a, b);
    }
}

ExprPtr fold_unary(const Expr& e) {
    const Expr& arg = *e.args[0];
    if (e.op == ExprOp::neg && arg.op == ExprOp::neg) return arg.args[0];
    if (e.op == ExprOp::logical_not && arg.op == ExprOp::logical_not) return arg.args[0];
    if (e.op == ExprOp::cast && arg.op == ExprOp::cast && e.dtype == arg.dtype) return e.args[0];
    if (arg.op != ExprOp::constant || e.op == ExprOp::cast) return nullptr;
    if (e.op == ExprOp::neg && arg.is_integer)
        return arg.integer == 0 || arg.integer == std::numeric_limits<std::int64_t>::min() ? nullptr
                                                                                           : constant(-arg.integer);
    if (arg.is_integer) return nullptr;
    switch (e.op) {
        case ExprOp::neg: return constant(-arg.value);
        case ExprOp::abs: return constant(std::abs(arg.value));
        case ExprOp::sqrt: return constant(std::sqrt(arg.value));
        case ExprOp::exp: return constant(std::exp(arg.value));
        case ExprOp::log: return constant(std::log(arg.value));
        default: return nullptr;
    }
}

/// min(min(x, 6), 4) is min(x, 4).
ExprPtr merge_bounds(const Expr& e) {
    const Expr& inner = *e.args[0];
    const bool same = (e.op == ExprOp::min || e.op == ExprOp::max) && inner.op == e.op;
    if (!same || !is_constant(e.args[1]) || !is_constant(inner.args[1])) return nullptr;
    const Expr& a = *inner.args[1];
    const Expr& b = *e.args[1];
    const ExprPtr bound =
        a.is_integer && b.is_integer ? fold_integers(e.op, a.integer, b.integer) : fold_reals(e.op, a.value, b.value);
    return bound == nullptr ? nullptr : make(e.op, {inner.args[0], bound});
}

ExprPtr fold_binary(const Expr& e) {
    const ExprPtr& a = e.args[0];
    const ExprPtr& b = e.args[1];
    if (is_constant(a) && is_constant(b))
        return a->is_integer && b->is_integer ? fold_integers(e.op, a->integer, b->integer)
                                              : fold_reals(e.op, a->value, b->value);
    switch (e.op) {
        case ExprOp::mul:
            if (is_value(a, 1)) return b;
            return is_value(b, 1) ? a : nullptr;
        case ExprOp::div: return is_value(b, 1) ? a : nullptr;
        case ExprOp::pow:
            if (is_value(b, 2)) return make(ExprOp::mul, {a, a});
            if (is_value(b, 3)) return make(ExprOp::mul, {make(ExprOp::mul, {a, a}), a});  // GELU by tanh
            return is_value(b, 1) ? a : nullptr;
        case ExprOp::sub: return is_value(b, 0) && !std::signbit(b->value) ? a : nullptr;
        case ExprOp::add: return is_value(b, 0) && std::signbit(b->value) ? a : nullptr;
        case ExprOp::min:
        case ExprOp::max:
            if (equal(a, b) || is_value(b, e.op == ExprOp::min ? infinity : -infinity)) return a;
            if (is_constant(a)) return make(e.op, {b, a});  // the constant last, so that bounds meet
            return merge_bounds(e);
        default: return nullptr;
    }
}

ExprPtr fold_select(const Expr& e) {
    if (is_constant(e.args[0])) return e.args[0]->value != 0 ? e.args[1] : e.args[2];
    return equal(e.args[1], e.args[2]) ? e.args[1] : nullptr;
}

ExprPtr step(const ExprPtr& e) {
    switch (e->args.size()) {
        case 1: return fold_unary(*e);
        case 2: return fold_binary(*e);
        case 3: return fold_select(*e);
        default: return nullptr;
    }
}

}  // namespace

ExprPtr simplify(const ExprPtr& e) {
    return share(rewrite(e, [](const ExprPtr& node) {
        ExprPtr current = node;
        while (ExprPtr next = step(current)) current = std::move(next);
        return current;
    }));
}

}  // namespace igata::expr
