#include "compiler/emit/loop_vectors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "compiler/emit/rows.hpp"

namespace igata {

namespace {

constexpr std::int64_t widest = 16;  // elements in a register

bool is_byte(DataType dtype) { return dtype == DataType::u8 || dtype == DataType::i8; }

/// Thrown by the writer at what registers are not asked to do.
struct NotInVectors {};

class VectorWriter {
public:
    explicit VectorWriter(const std::vector<std::string>& operands) : operands_(operands) {}

    std::vector<std::string> statements;

    /// `whole`: the value is a byte in all 32 bits, not only in those that are stored.
    std::string value(const ExprPtr& e, bool whole = true) {
        if (const auto found = done_.find(e.get()); found != done_.end()) return found->second;
        if (e->op == ExprOp::operand) return operands_.at(static_cast<std::size_t>(e->index));
        if (e->op == ExprOp::cast) return done_[e.get()] = cast(*e, whole);
        return done_[e.get()] = name(*e, operation(*e));
    }

private:
    const std::vector<std::string>& operands_;
    int next_ = 0;
    std::unordered_map<const Expr*, std::string> done_;

    std::string name(const Expr& e, const std::string& text) {
        const std::string_view type = register_type(e.dtype);
        if (type.empty()) throw NotInVectors{};
        const std::string result = fmt::format("t{}", next_++);
        const std::string_view then = e.op == ExprOp::round                             ? "round"
                                      : e.op == ExprOp::mul && e.dtype == DataType::f32 ? "keep_rounded"
                                                                                        : "";
        statements.push_back(fmt::format("{}{} {} = {};", then.empty() ? "const " : "", type, result, text));
        if (!then.empty()) statements.push_back(fmt::format("vectors::{}({});", then, result));
        return result;
    }

    /// The number that a constant is, behind casts as well.
    static std::optional<double> number(const ExprPtr& e) {
        if (e->op == ExprOp::cast) return number(e->args[0]);
        if (e->op != ExprOp::constant) return std::nullopt;
        return e->is_integer ? static_cast<double>(e->integer) : e->value;
    }

    /// An argument of an operation in f32 or i32.
    std::string argument(const ExprPtr& e, DataType dtype) {
        const auto constant = number(e);
        if (!constant) return value(e);
        if (dtype == DataType::f32) {
            const std::string text = float_literal(*constant, true);
            return text.front() == '-' ? "(" + text + ")" : text;
        }
        return fmt::format("{}", static_cast<std::int32_t>(*constant));
    }

    std::string operation(const Expr& e) {
        const bool real = e.dtype == DataType::f32;
        if (!real && e.dtype != DataType::i32) throw NotInVectors{};
        switch (e.op) {
            case ExprOp::neg:
                if (real) return "-" + value(e.args[0]);
                throw NotInVectors{};
            case ExprOp::round:
                if (real) return value(e.args[0]);
                throw NotInVectors{};
            case ExprOp::add: return infix(e, '+');
            case ExprOp::sub: return infix(e, '-');
            case ExprOp::mul: return infix(e, '*');
            case ExprOp::div:
                if (real) return infix(e, '/');
                throw NotInVectors{};
            case ExprOp::min: return bounded(e, ">=");
            case ExprOp::max: return bounded(e, "<=");
            default: throw NotInVectors{};
        }
    }

    std::string infix(const Expr& e, char op) {
        if (number(e.args[0]) && number(e.args[1])) throw NotInVectors{};
        if (e.dtype == DataType::i32 && !(is_small_integer(e.args[0]) && is_small_integer(e.args[1])))
            throw NotInVectors{};
        return fmt::format("{} {} {}", argument(e.args[0], e.dtype), op, argument(e.args[1], e.dtype));
    }

    /// What sums and products of two do not overflow with.
    static bool is_small_integer(const ExprPtr& e) {
        constexpr double limit = 1 << 16;
        if (const auto constant = number(e)) return *constant == std::trunc(*constant) && std::abs(*constant) <= limit;
        return is_byte(e->dtype) || (e->op == ExprOp::cast && is_byte(e->args[0]->dtype));
    }

    /// Written so that NaN stays, and equal zeros of two signs give the bound, as in scalar::min and scalar::max.
    std::string bounded(const Expr& e, const char* beyond) {
        const auto bound = number(e.args[1]);
        if (e.dtype != DataType::f32 || !bound || std::isnan(*bound) || number(e.args[0])) throw NotInVectors{};
        const std::string x = value(e.args[0]);
        const std::string limit = argument(e.args[1], e.dtype);
        return fmt::format("{0} {1} {2} ? Floats{{}} + {2} : {0}", x, beyond, limit);
    }

    std::string cast(const Expr& e, bool whole) {
        const DataType from = e.args[0]->dtype;
        if (number(e.args[0]) || register_type(from).empty()) throw NotInVectors{};
        std::string x = value(e.args[0]);
        if (e.dtype == DataType::f32)
            return from == DataType::f32 ? x : name(e, fmt::format("__builtin_convertvector({}, Floats)", x));
        if (from == DataType::f32) {
            x = fmt::format("__builtin_convertvector({}, Integers)", x);
            if (!is_byte(e.dtype) || !whole) return name(e, x);
        } else if (e.dtype == DataType::i32 || e.dtype == from || !whole) {
            return x;
        }
        return name(e, e.dtype == DataType::u8 ? x + " & 255" : fmt::format("{} << 24 >> 24", x));
    }
};

}  // namespace

std::string_view register_type(DataType dtype) {
    if (dtype == DataType::f32) return "Floats";
    return is_byte(dtype) || dtype == DataType::i32 ? "Integers" : "";
}

std::optional<ScalarCode> vector_code(const ExprPtr& e, const std::vector<DataType>& types,
                                      const std::vector<std::string>& operands, DataType result) {
    const ExprPtr typed = expr::typed(e, types, result);
    if (typed->dtype != result) return std::nullopt;
    VectorWriter writer(operands);
    try {
        std::string value = writer.value(typed, false);
        return ScalarCode{std::move(writer.statements), std::move(value)};
    } catch (const NotInVectors&) {
        return std::nullopt;
    }
}

std::int64_t vector_rows_at_once(const Loop& loop, const std::vector<Axis>& axes) {
    constexpr std::int64_t longest = 256, least = 4 * widest;
    if (axes.size() < 2) return 0;
    const Axis& outer = axes[axes.size() - 2];
    const Axis& inner = axes.back();
    if (inner.extent % widest == 0 || inner.extent > longest || !rows_join(loop, outer, inner)) return 0;
    std::int64_t rows = widest / std::gcd(widest, inner.extent);
    while (rows * inner.extent < least) rows *= 2;
    return outer.extent < 4 * rows ? 0 : rows;
}

bool is_vectorised(const Loop& loop) {
    const Nest nest = nest_of(loop);
    if (nest.kept.empty() || loop.body->op == ExprOp::operand) return false;  // copies need no registers
    const DataType result = loop.reduce ? loop.accumulator : loop.output.dtype;
    const Axis& inner = nest.kept.back();
    const auto dense = [&](std::size_t i) { return inner.strides[i] == 1; };
    std::vector<DataType> types;
    std::vector<std::string> names;
    bool bytes = is_byte(result);
    bool moves = false;
    for (std::size_t i = 0; i < loop.inputs.size(); ++i) {
        types.push_back(loop.inputs[i].dtype);
        names.push_back(fmt::format("v{}", i));
        if (!expr::uses(loop.body, static_cast<int>(i))) continue;
        if (register_type(types[i]).empty() || (!dense(i) && inner.strides[i] != 0)) return false;
        bytes = bytes || is_byte(types[i]);
        moves = moves || dense(i);
    }
    if (!bytes || !moves || register_type(result).empty()) return false;
    if (loop.reduce) {
        const bool sums = *loop.reduce == Reduce::sum && result == DataType::f32;
        if (!sums || !rows_are_kept(loop, nest) || inner.extent < widest) return false;
    } else {
        if (!dense(loop.inputs.size())) return false;
        if (inner.extent < widest && vector_rows_at_once(loop, nest.kept) == 0) return false;
    }
    return vector_code(loop.body, types, names, result).has_value();
}

}  // namespace igata
