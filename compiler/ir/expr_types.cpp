// The types of subexpressions: operands and casts have one of their own, constants take that of what they meet.
#include <algorithm>
#include <limits>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "compiler/ir/expr.hpp"
#include "compiler/ir/scalar.hpp"

namespace igata::expr {

namespace {

class Typing {
public:
    explicit Typing(std::span<const DataType> operands) : operands_(operands) {}

    /// The type of e's value; undefined if it holds constants only.
    DataType own_type(const ExprPtr& e) {
        if (const auto found = own_.find(e.get()); found != own_.end()) return found->second;
        const DataType type = derive(*e);
        own_[e.get()] = type;
        return type;
    }

    ExprPtr build(const ExprPtr& e, DataType wanted) {
        const DataType own = own_type(e);
        const DataType type = own != DataType::undefined ? own : wanted != DataType::undefined ? wanted : fallback(*e);
        ExprPtr& built = built_[{e.get(), type}];
        if (built != nullptr) return built;
        Expr node = *e;
        node.dtype = type;
        if (node.op == ExprOp::constant && !is_floating(type)) make_integer(node);
        for (std::size_t i = 0; i < node.args.size(); ++i) node.args[i] = build(e->args[i], argument_type(*e, i, type));
        return built = std::make_shared<const Expr>(std::move(node));
    }

private:
    DataType derive(const Expr& e) {
        switch (e.op) {
            case ExprOp::constant:
            case ExprOp::parameter: return DataType::undefined;
            case ExprOp::operand:
                if (static_cast<std::size_t>(e.index) >= operands_.size())
                    throw std::invalid_argument(
                        fmt::format("x{} is used but there are {} operands", e.index, operands_.size()));
                return operands_[static_cast<std::size_t>(e.index)];
            case ExprOp::cast: own_type(e.args[0]); return e.dtype;
            case ExprOp::select: require_boolean(e, e.args[0]); return unify(e, 1);
            case ExprOp::logical_and:
            case ExprOp::logical_or:
            case ExprOp::logical_xor:
            case ExprOp::logical_not:
                for (const ExprPtr& arg : e.args) require_boolean(e, arg);
                return DataType::boolean;
            default: {
                const DataType type = unify(e, 0);
                return is_predicate(e.op) ? DataType::boolean : type;
            }
        }
    }

    void require_boolean(const Expr& e, const ExprPtr& arg) {
        const DataType type = own_type(arg);
        if (type != DataType::boolean && type != DataType::undefined)
            throw std::invalid_argument(fmt::format("{} needs a bool, got {}", name_of(e.op), name_of(type)));
    }

    /// The common type of the arguments from `first` on.
    DataType unify(const Expr& e, std::size_t first) {
        DataType type = DataType::undefined;
        for (std::size_t i = first; i < e.args.size(); ++i) {
            const DataType next = own_type(e.args[i]);
            if (type != DataType::undefined && next != DataType::undefined && next != type)
                throw std::invalid_argument(
                    fmt::format("{} of {} and {}", name_of(e.op), name_of(type), name_of(next)));
            if (next != DataType::undefined) type = next;
        }
        return type;
    }

    /// The type in which argument i is wanted where e's value has type `type`; undefined: its own affair.
    DataType argument_type(const Expr& e, std::size_t i, DataType type) {
        if (e.op == ExprOp::cast) return DataType::undefined;
        if (e.op == ExprOp::select) return i == 0 ? DataType::boolean : type;
        if (!is_predicate(e.op)) return type;
        if (e.op == ExprOp::logical_not || (e.op >= ExprOp::logical_and && e.op <= ExprOp::logical_xor))
            return DataType::boolean;
        const DataType common = unify(e, 0);
        return common != DataType::undefined ? common : fallback(e);
    }

    /// The nearest number that an integer type holds; bounds may be infinite.
    template <class T>
    static T nearest(double value) {
        using Limits = std::numeric_limits<T>;
        if (value >= static_cast<double>(Limits::max())) return Limits::max();
        if (value <= static_cast<double>(Limits::min())) return Limits::min();
        return scalar::convert<T>(value);
    }

    /// The constant as its integer type holds it.
    static void make_integer(Expr& node) {
        const bool written_as_integer = std::exchange(node.is_integer, true);
        node.integer = visit_any_dtype(node.dtype, [&]<class T>() -> std::int64_t {
            if constexpr (std::is_same_v<T, bool>) return node.value != 0 ? 1 : 0;
            else if constexpr (is_small_type<T>)
                return static_cast<std::int64_t>(
                    (written_as_integer ? T::of(node.integer) : T::of(node.value)).value());
            else if constexpr (std::is_integral_v<T>)
                return static_cast<std::int64_t>(written_as_integer ? scalar::convert<T>(node.integer)
                                                                    : nearest<T>(node.value));
            else return 0;
        });
        node.value = static_cast<double>(node.integer);
    }

    static DataType fallback(const Expr& e) { return all_integer(e) ? DataType::i64 : DataType::f32; }
    static bool all_integer(const Expr& e) {
        if (e.op == ExprOp::constant) return e.is_integer;
        return e.op != ExprOp::parameter &&
               std::all_of(e.args.begin(), e.args.end(), [](const ExprPtr& arg) { return all_integer(*arg); });
    }

    struct Hash {
        std::size_t operator()(const std::pair<const Expr*, DataType>& key) const {
            return std::hash<const Expr*>()(key.first) * 31 + static_cast<std::size_t>(key.second);
        }
    };

    std::span<const DataType> operands_;
    std::unordered_map<const Expr*, DataType> own_;
    std::unordered_map<std::pair<const Expr*, DataType>, ExprPtr, Hash> built_;
};

}  // namespace

ExprPtr typed(const ExprPtr& e, std::span<const DataType> operands, DataType result) {
    return share(Typing(operands).build(e, result));
}

DataType type_of(const ExprPtr& e, std::span<const DataType> operands) { return typed(e, operands)->dtype; }

}  // namespace igata::expr
