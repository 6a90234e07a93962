#include "compiler/emit/loop_expr.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <unordered_map>

#include "compiler/emit/rows.hpp"

namespace igata {

std::string storage_type(DataType dtype) {
    if (is_small(dtype)) return fmt::format("Small<DataType::{}>", name_of(dtype));
    switch (dtype) {
        case DataType::f32: return "float";
        case DataType::f64: return "double";
        case DataType::f16: return "F16";
        case DataType::bf16: return "BF16";
        case DataType::boolean: return "bool";
        case DataType::undefined: fail_undefined_dtype();
        default: return fmt::format("std::{}int{}_t", is_signed(dtype) ? "" : "u", 8 * size_of(dtype));
    }
}

std::string compute_type(DataType dtype) {
    if (is_small(dtype)) return is_floating(dtype) ? "float" : is_signed(dtype) ? "std::int8_t" : "std::uint8_t";
    return dtype == DataType::f16 || dtype == DataType::bf16 ? "float" : storage_type(dtype);
}

namespace {

/// Stored otherwise than computed with.
bool is_narrow(DataType dtype) { return compute_type(dtype) != storage_type(dtype); }

/// C++ operators that mean the same for these operands, or nothing.
std::string_view infix(ExprOp op, DataType dtype) {
    switch (op) {
        case ExprOp::add: return is_floating(dtype) ? "+" : "";
        case ExprOp::sub: return is_floating(dtype) ? "-" : "";
        case ExprOp::mul: return is_floating(dtype) ? "*" : "";
        case ExprOp::div: return is_floating(dtype) ? "/" : "";
        case ExprOp::lt: return "<";
        case ExprOp::le: return "<=";
        case ExprOp::gt: return ">";
        case ExprOp::ge: return ">=";
        case ExprOp::eq: return "==";
        case ExprOp::ne:
        case ExprOp::logical_xor: return "!=";
        case ExprOp::logical_and: return "&&";
        case ExprOp::logical_or: return "||";
        default: return "";
    }
}

class Writer {
public:
    Writer(const std::vector<std::string>& operands, const std::string& prefix)
        : operands_(operands), prefix_(prefix) {}

    std::vector<std::string> statements;

    std::string value(const ExprPtr& e) {
        if (const auto found = done_.find(e.get()); found != done_.end()) return found->second;
        return done_[e.get()] = is_leaf(*e) ? leaf(*e) : temporary(*e);
    }

    std::string name_result(DataType type, const std::string& text) {
        const std::string name = fmt::format("{}{}", prefix_, next_++);
        statements.push_back(fmt::format("const {} {} = {};", compute_type(type), name, text));
        return name;
    }

private:
    const std::vector<std::string>& operands_;
    std::string prefix_;
    int next_ = 0;
    std::unordered_map<const Expr*, std::string> done_;

    static bool is_leaf(const Expr& e) { return e.op == ExprOp::constant || e.op == ExprOp::operand; }

    std::string leaf(const Expr& e) {
        if (e.op == ExprOp::operand) return operands_.at(static_cast<std::size_t>(e.index));
        return literal(e);
    }

    static std::string literal(const Expr& e) {
        const double real = e.is_integer ? static_cast<double>(e.integer) : e.value;
        if (is_floating(e.dtype)) {
            const std::string text = float_literal(real, e.dtype != DataType::f64);
            return text.front() == '-' ? "(" + text + ")" : text;
        }
        if (e.dtype == DataType::boolean) return real != 0.0 ? "true" : "false";
        const std::int64_t integer = e.is_integer ? e.integer : static_cast<std::int64_t>(e.value);
        if (integer == std::numeric_limits<std::int64_t>::min()) return "std::numeric_limits<std::int64_t>::min()";
        if (e.dtype == DataType::u64) return fmt::format("std::uint64_t{{{}U}}", static_cast<std::uint64_t>(integer));
        return fmt::format("{}{{{}}}", compute_type(e.dtype), integer);
    }

    std::string temporary(const Expr& e) {
        std::vector<std::string> args;
        for (const ExprPtr& arg : e.args) args.push_back(value(arg));
        if (e.op == ExprOp::cast) return cast(e, args[0]);
        const DataType in = e.args.back()->dtype;
        if (e.op == ExprOp::select) return name_result(e.dtype, fmt::format("{} ? {} : {}", args[0], args[1], args[2]));
        if (e.op == ExprOp::logical_not) return name_result(e.dtype, "!" + args[0]);
        if (e.op == ExprOp::neg && is_floating(in)) return name_result(e.dtype, "-" + args[0]);
        if (const std::string_view op = infix(e.op, in); !op.empty())
            return name_result(e.dtype, fmt::format("{} {} {}", args[0], op, args[1]));
        return name_result(e.dtype, fmt::format("scalar::{}({})", name_of(e.op), fmt::join(args, ", ")));
    }

    /// A narrow type is rounded to at once, so that the value is one.
    std::string cast(const Expr& e, const std::string& arg) {
        const DataType from = e.args[0]->dtype;
        if (from == e.dtype || (is_narrow(from) && is_floating(from) && e.dtype == DataType::f32)) return arg;
        const std::string converted = fmt::format("scalar::cast<{}>({})", storage_type(e.dtype), arg);
        return name_result(e.dtype, is_narrow(e.dtype) ? fmt::format("scalar::load({})", converted) : converted);
    }
};

}  // namespace

ScalarCode scalar_code(const ExprPtr& e, const std::vector<DataType>& types, const std::vector<std::string>& operands,
                       DataType result, const std::string& prefix) {
    const ExprPtr typed = expr::typed(e, types, result);
    Writer writer(operands, prefix);
    std::string value = writer.value(typed);
    if (compute_type(typed->dtype) != compute_type(result))
        value = writer.name_result(result, fmt::format("scalar::cast<{}>({})", compute_type(result), value));
    return {std::move(writer.statements), std::move(value)};
}

}  // namespace igata
