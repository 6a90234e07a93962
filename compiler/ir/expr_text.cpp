// The text form of expressions: infix where C has an operator, calls elsewhere.
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "compiler/ir/expr.hpp"

namespace igata::expr {

namespace {

struct Infix {
    std::string_view symbol;
    ExprOp op;
    int precedence;
};

// Longer symbols first, so that the scanner may take the first that fits.
constexpr std::array<Infix, 10> infixes{{
    {"<=", ExprOp::le, 1},
    {">=", ExprOp::ge, 1},
    {"==", ExprOp::eq, 1},
    {"!=", ExprOp::ne, 1},
    {"<", ExprOp::lt, 1},
    {">", ExprOp::gt, 1},
    {"+", ExprOp::add, 2},
    {"-", ExprOp::sub, 2},
    {"*", ExprOp::mul, 3},
    {"/", ExprOp::div, 3},
}};
constexpr int unary_precedence = 4;

const Infix* infix_of(ExprOp op) {
    const auto found = std::find_if(infixes.begin(), infixes.end(), [&](const Infix& infix) { return infix.op == op; });
    return found == infixes.end() ? nullptr : &*found;
}

class Parser {
public:
    explicit Parser(std::string_view text) : text_(text) {}

    ExprPtr parse() {
        ExprPtr e = binary(1);
        skip_space();
        if (at_ < text_.size()) fail(fmt::format("unexpected '{}'", text_[at_]));
        return share(e);
    }

private:
    [[noreturn]] void fail(const std::string& message) const {
        throw std::invalid_argument(fmt::format("expression column {}: {}", at_ + 1, message));
    }
    void skip_space() {
        while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
    }
    bool accept(std::string_view token) {
        skip_space();
        if (!text_.substr(at_).starts_with(token)) return false;
        at_ += token.size();
        return true;
    }
    void expect(std::string_view token) {
        if (!accept(token)) fail(fmt::format("expected '{}'", token));
    }

    ExprPtr binary(int precedence) {
        if (precedence == unary_precedence) return unary();
        ExprPtr left = binary(precedence + 1);
        for (;;) {
            const auto next = std::find_if(infixes.begin(), infixes.end(), [&](const Infix& infix) {
                return infix.precedence == precedence && accept(infix.symbol);
            });
            if (next == infixes.end()) return left;
            left = make(next->op, {left, binary(precedence + 1)});
        }
    }

    ExprPtr unary() {
        if (!accept("-")) return primary();
        if (starts_number()) {
            --at_;  // the minus belongs to the number
            return number();
        }
        if (word_ahead() != "inf") return make(ExprOp::neg, {unary()});
        at_ += 3;
        return constant(-std::numeric_limits<double>::infinity());
    }

    bool starts_number() const {
        return at_ < text_.size() && (std::isdigit(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '.');
    }

    std::string_view word_ahead() const {
        std::size_t end = at_;
        while (end < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[end])) != 0 || text_[end] == '_'))
            ++end;
        return text_.substr(at_, end - at_);
    }

    ExprPtr number() {
        const char* begin = text_.data() + at_;
        const char* end = text_.data() + text_.size();
        std::int64_t integer = 0;
        const auto whole = std::from_chars(begin, end, integer);
        double value = 0.0;
        const auto real = std::from_chars(begin, end, value);
        if (real.ec == std::errc::invalid_argument) fail("expected a number");
        at_ += static_cast<std::size_t>(real.ptr - begin);
        const bool is_integer = whole.ec == std::errc() && whole.ptr == real.ptr && !(integer == 0 && *begin == '-');
        return is_integer ? constant(integer) : constant(value);
    }

    ExprPtr primary() {
        skip_space();
        if (accept("(")) {
            ExprPtr inner = binary(1);
            expect(")");
            return inner;
        }
        if (starts_number()) return number();
        const std::string_view word = word_ahead();
        if (word.empty()) fail(at_ < text_.size() ? fmt::format("unexpected '{}'", text_[at_]) : "unexpected end");
        const std::size_t start = at_;
        at_ += word.size();
        if (word == "cast") return cast_call();
        if (accept("(")) return call(word, start);
        if (word == "inf") return constant(std::numeric_limits<double>::infinity());
        if (word == "nan") return constant(std::numeric_limits<double>::quiet_NaN());
        int index = 0;
        const auto [rest, error] = std::from_chars(word.data() + 1, word.data() + word.size(), index);
        if (word[0] == 'x' && word.size() > 1 && error == std::errc() && rest == word.data() + word.size())
            return operand(index);
        return parameter(std::string(word));
    }

    ExprPtr cast_call() {
        expect("<");
        skip_space();
        const std::string_view name = word_ahead();
        const DataType dtype = data_type_from_name(name);
        if (dtype == DataType::undefined) fail(fmt::format("unknown type '{}'", name));
        at_ += name.size();
        expect(">");
        expect("(");
        ExprPtr arg = binary(1);
        expect(")");
        return cast(dtype, std::move(arg));
    }

    ExprPtr call(std::string_view name, std::size_t start) {
        std::vector<ExprPtr> args;
        do args.push_back(binary(1));
        while (accept(","));
        expect(")");
        for (auto op = ExprOp::neg; op <= ExprOp::select; op = static_cast<ExprOp>(static_cast<int>(op) + 1)) {
            if (op == ExprOp::cast || name != name_of(op)) continue;
            if (args.size() != arity(op)) {
                at_ = start;
                fail(fmt::format("{} takes {} arguments, got {}", name, arity(op), args.size()));
            }
            return make(op, std::move(args));
        }
        at_ = start;
        fail(fmt::format("unknown function '{}'", name));
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

std::string print_constant(const Expr& e) {
    if (e.is_integer) return fmt::format("{}", e.integer);
    if (std::isnan(e.value)) return "nan";
    std::string text = fmt::format("{}", e.value);
    if (text.find_first_of(".ein") == std::string::npos) text += ".0";
    return text;
}

std::string print(const Expr& e, int context) {
    if (e.op == ExprOp::constant) return print_constant(e);
    if (e.op == ExprOp::operand) return fmt::format("x{}", e.index);
    if (e.op == ExprOp::parameter) return e.name;
    if (const Infix* infix = infix_of(e.op)) {
        const std::string left = print(*e.args[0], infix->precedence);
        const std::string right = print(*e.args[1], infix->precedence + 1);
        const std::string text = fmt::format("{} {} {}", left, infix->symbol, right);
        return infix->precedence < context ? fmt::format("({})", text) : text;
    }
    // The minus of a number is the number's own: the call keeps them apart.
    if (e.op == ExprOp::neg && e.args[0]->op != ExprOp::constant)
        return fmt::format("-{}", print(*e.args[0], unary_precedence));
    std::string text = e.op == ExprOp::cast ? fmt::format("cast<{}>", name_of(e.dtype)) : std::string(name_of(e.op));
    for (std::size_t i = 0; i < e.args.size(); ++i) text.append(i == 0 ? "(" : ", ").append(print(*e.args[i], 0));
    return text + ")";
}

}  // namespace

ExprPtr parse(std::string_view text) { return Parser(text).parse(); }

std::string print(const ExprPtr& e) { return print(*e, 0); }

}  // namespace igata::expr
