#include "compiler/passes/post_ops.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace igata {

namespace {

using runtime::Binary;
using runtime::Eltwise;
using runtime::PostOp;
using Terms = std::vector<PostOpTerm>;

/// How a composition is written; alpha, beta and the margin are expressions over the pattern's parameters. It holds
/// only where the margin is not negative. What the algorithm gives is then multiplied by `scale`.
struct Form {
    const char* pattern;
    Eltwise algorithm;
    const char* alpha = "0";
    const char* beta = "0";
    const char* margin = "1";
    const char* scale = "1";
};

// Wide patterns first: x0 * sigmoid(x0) is a swish before it is anything else.
constexpr Form forms[] = {
    {"x0 * sigmoid(x0)", Eltwise::swish, "1"},
    {"x0 * sigmoid(a * x0)", Eltwise::swish, "a"},
    {"x0 / (exp(-x0) + 1)", Eltwise::swish, "1"},
    {"x0 * tanh(log(exp(x0) + 1))", Eltwise::mish},
    {"x0 * tanh(log1p(exp(x0)))", Eltwise::mish},
    {"x0 * tanh(max(x0, 0) + log1p(exp(-abs(x0))))", Eltwise::mish},
    {"x0 * max(0, min(1, a * x0 + b))", Eltwise::hardswish, "a", "b"},
    {"x0 * min(1, max(0, a * x0 + b))", Eltwise::hardswish, "a", "b"},
    {"x0 * min(max(x0 + a, 0), b) / c", Eltwise::hardswish, "1 / c", "a / c", "-abs(b - c)"},
    {"x0 * (min(max(x0 + a, 0), b) / c)", Eltwise::hardswish, "1 / c", "a / c", "-abs(b - c)"},
    {"x0 * max(min(x0 + a, b), 0) / c", Eltwise::hardswish, "1 / c", "a / c", "-abs(b - c)"},
    {"x0 * (max(min(x0 + a, b), 0) / c)", Eltwise::hardswish, "1 / c", "a / c", "-abs(b - c)"},
    {"x0 * (min(max(x0 + a, 0), b) * c)", Eltwise::hardswish, "c", "a * c", "0.00001 - abs(b * c - 1.0)"},
    {"x0 * min(max(x0 + a, 0), b) * c", Eltwise::hardswish, "c", "a * c", "0.00001 - abs(b * c - 1.0)"},
    {"x0 * min(max(x0 + a, 0), b)", Eltwise::hardswish, "1 / b", "a / b", "b - 0.001", "b"},
    {"x0 * max(min(x0 + a, b), 0)", Eltwise::hardswish, "1 / b", "a / b", "b - 0.001", "b"},
    {"max(0, min(1, a * x0 + b))", Eltwise::hardsigmoid, "a", "b"},
    {"min(1, max(0, a * x0 + b))", Eltwise::hardsigmoid, "a", "b"},
    {"min(max(x0 + a, 0), b) / c", Eltwise::hardsigmoid, "1 / c", "a / c", "-abs(b - c)"},
    {"h * x0 * (erf(x0 * s) + 1)", Eltwise::gelu_erf, "0", "0", "0.0001 - abs(s * s - 0.5) - abs(h - 0.5)"},
    {"h * (x0 * (erf(x0 * s) + 1))", Eltwise::gelu_erf, "0", "0", "0.0001 - abs(s * s - 0.5) - abs(h - 0.5)"},
    {"x0 * (h * (erf(x0 * s) + 1))", Eltwise::gelu_erf, "0", "0", "0.0001 - abs(s * s - 0.5) - abs(h - 0.5)"},
    {"h * x0 * (erf(x0 / s) + 1)", Eltwise::gelu_erf, "0", "0", "0.0001 - abs(s * s - 2.0) - abs(h - 0.5)"},
    {"h * (x0 * (erf(x0 / s) + 1))", Eltwise::gelu_erf, "0", "0", "0.0001 - abs(s * s - 2.0) - abs(h - 0.5)"},
    {"x0 * (h * (erf(x0 / s) + 1))", Eltwise::gelu_erf, "0", "0", "0.0001 - abs(s * s - 2.0) - abs(h - 0.5)"},
    {"h * x0 * (tanh(s * (x0 + c * x0 * x0 * x0)) + 1)", Eltwise::gelu_tanh, "0", "0",
     "0.0001 - abs(s - 0.7978845) - abs(c - 0.044715) - abs(h - 0.5)"},
    {"h * x0 * (tanh(s * (x0 + c * pow(x0, 3))) + 1)", Eltwise::gelu_tanh, "0", "0",
     "0.0001 - abs(s - 0.7978845) - abs(c - 0.044715) - abs(h - 0.5)"},
    {"h * (x0 * (tanh(s * (x0 + c * pow(x0, 3))) + 1))", Eltwise::gelu_tanh, "0", "0",
     "0.0001 - abs(s - 0.7978845) - abs(c - 0.044715) - abs(h - 0.5)"},
    {"sigmoid(x0)", Eltwise::sigmoid},
    {"1 / (exp(-x0) + 1)", Eltwise::sigmoid},
    {"tanh(x0)", Eltwise::tanh},
    {"min(max(x0, a), b)", Eltwise::clip, "a", "b", "b - a"},
    {"max(min(x0, b), a)", Eltwise::clip, "a", "b", "b - a"},
    {"max(x0, 0)", Eltwise::relu},
    {"select(x0 < 0, 0, x0)", Eltwise::relu},
    {"select(x0 <= 0, 0, x0)", Eltwise::relu},
    {"select(x0 > 0, x0, 0)", Eltwise::relu},
    {"select(x0 >= 0, x0, 0)", Eltwise::relu},
    {"select(x0 < 0, a * x0, x0)", Eltwise::relu, "a"},
    {"select(x0 <= 0, a * x0, x0)", Eltwise::relu, "a"},
    {"select(x0 > 0, x0, a * x0)", Eltwise::relu, "a"},
    {"select(x0 >= 0, x0, a * x0)", Eltwise::relu, "a"},
    {"select(x0 < 0, a * (exp(x0) - 1), x0)", Eltwise::elu, "a"},
    {"select(x0 <= 0, a * (exp(x0) - 1), x0)", Eltwise::elu, "a"},
    {"select(x0 > 0, x0, a * (exp(x0) - 1))", Eltwise::elu, "a"},
    {"select(x0 >= 0, x0, a * (exp(x0) - 1))", Eltwise::elu, "a"},
    {"select(x0 < 0, exp(x0) - 1, x0)", Eltwise::elu, "1"},
    {"select(x0 > 0, x0, a * exp(x0) - a)", Eltwise::elu, "a"},
    {"max(x0, 0) + log1p(exp(-abs(x0)))", Eltwise::softplus},
    {"log(exp(x0) + 1)", Eltwise::softplus},
    {"log1p(exp(x0))", Eltwise::softplus},
    {"abs(x0)", Eltwise::abs},
    {"sqrt(x0)", Eltwise::sqrt},
    {"x0 * x0", Eltwise::square},
    {"pow(x0, 2)", Eltwise::square},
    {"exp(x0)", Eltwise::exp},
    {"log(x0)", Eltwise::log},
    {"a * x0 + b", Eltwise::linear, "a", "b"},
    {"a * x0 - b", Eltwise::linear, "a", "-b"},
    {"x0 / a + b", Eltwise::linear, "1 / a", "b"},
    {"a * x0", Eltwise::linear, "a"},
    {"x0 / a", Eltwise::linear, "1 / a"},
    {"x0 + b", Eltwise::linear, "1", "b"},
    {"x0 - b", Eltwise::linear, "1", "-b"},
    {"b - x0", Eltwise::linear, "-1", "b"},
    {"-x0", Eltwise::linear, "-1"},
};

struct ParsedForm {
    ExprPtr pattern, alpha, beta, margin, scale;
    Eltwise algorithm;
};

const std::vector<ParsedForm>& parsed_forms() {
    static const std::vector<ParsedForm> parsed = [] {
        std::vector<ParsedForm> all;
        for (const Form& form : forms)
            all.push_back({expr::parse(form.pattern), expr::parse(form.alpha), expr::parse(form.beta),
                           expr::parse(form.margin), expr::parse(form.scale), form.algorithm});
        return all;
    }();
    return parsed;
}

double value_of(const ExprPtr& e, const expr::Match& match) {
    const ExprPtr folded = expr::simplify(expr::substitute(e, match.parameters));
    return folded->op == ExprOp::constant ? folded->value : 0.0;
}

std::optional<Binary> binary_of(ExprOp op) {
    switch (op) {
        case ExprOp::add: return Binary::add;
        case ExprOp::sub: return Binary::sub;
        case ExprOp::mul: return Binary::mul;
        case ExprOp::div: return Binary::div;
        case ExprOp::min: return Binary::min;
        case ExprOp::max: return Binary::max;
        default: return std::nullopt;
    }
}

PostOpTerm eltwise_term(Eltwise algorithm, double alpha, double beta) {
    PostOpTerm term;
    term.op.kind = PostOp::Kind::eltwise;
    term.op.eltwise = algorithm;
    term.op.alpha = static_cast<float>(alpha);
    term.op.beta = static_cast<float>(beta);
    return term;
}

PostOpTerm binary_term(Binary algorithm, int operand) {
    PostOpTerm term;
    term.op.kind = PostOp::Kind::binary;
    term.op.binary = algorithm;
    term.operand = operand;
    return term;
}

class Derivation {
public:
    explicit Derivation(const std::function<bool(int)>& readable) : readable_(readable) {}

    /// The terms that compute all of e from x0, or nothing.
    std::optional<Terms> cover(const ExprPtr& e) const {
        if (e->op == ExprOp::operand && e->index == 0) return Terms{};
        if (!expr::uses(e, 0)) return std::nullopt;
        for (const ParsedForm& form : parsed_forms()) {
            const auto match = expr::match(form.pattern, e);
            if (!match || value_of(form.margin, *match) < 0.0) continue;
            if (auto terms = cover(match->operands.at(0))) {
                terms->push_back(
                    eltwise_term(form.algorithm, value_of(form.alpha, *match), value_of(form.beta, *match)));
                if (const double scale = value_of(form.scale, *match); scale != 1.0)
                    terms->push_back(eltwise_term(Eltwise::linear, scale, 0.0));
                return terms;
            }
        }
        return cover_binary(e);
    }

private:
    bool is_readable(const ExprPtr& e) const { return e->op == ExprOp::operand && e->index > 0 && readable_(e->index); }

    std::optional<Terms> cover_binary(const ExprPtr& e) const {
        const auto algorithm = binary_of(e->op);
        if (!algorithm) return std::nullopt;
        if (is_readable(e->args[1])) {
            auto terms = cover(e->args[0]);
            if (terms) terms->push_back(binary_term(*algorithm, e->args[1]->index));
            return terms;
        }
        if (!is_readable(e->args[0]) || *algorithm == Binary::div) return std::nullopt;
        auto terms = cover(e->args[1]);
        if (!terms) return std::nullopt;
        const bool reversed = *algorithm == Binary::sub;
        if (reversed) terms->push_back(eltwise_term(Eltwise::linear, -1.0, 0.0));
        terms->push_back(binary_term(reversed ? Binary::add : *algorithm, e->args[0]->index));
        return terms;
    }

    const std::function<bool(int)>& readable_;
};

void collect(const ExprPtr& e, std::vector<ExprPtr>& parts) {
    if (!expr::uses(e, 0)) return;
    parts.push_back(e);
    for (const ExprPtr& arg : e->args) collect(arg, parts);
}

/// e with every mention of `part` replaced by x0; null if x0 is mentioned outside of `part` too.
ExprPtr without(const ExprPtr& e, const ExprPtr& part) {
    if (expr::equal(e, part)) return expr::operand(0);
    if (e->op == ExprOp::operand && e->index == 0) return nullptr;
    if (e->args.empty()) return e;
    auto copy = std::make_shared<Expr>(*e);
    for (ExprPtr& arg : copy->args) {
        arg = without(arg, part);
        if (!arg) return nullptr;
    }
    return copy;
}

}  // namespace

PostOps derive_post_ops(const ExprPtr& epilogue, const std::function<bool(int)>& readable, std::size_t limit) {
    const Derivation derivation(readable);
    std::vector<ExprPtr> parts;
    collect(epilogue, parts);
    std::stable_sort(parts.begin(), parts.end(),
                     [](const ExprPtr& a, const ExprPtr& b) { return expr::cost(a) > expr::cost(b); });
    for (const ExprPtr& part : parts) {
        auto terms = derivation.cover(part);
        if (!terms || terms->empty() || terms->size() > limit) continue;
        if (part == epilogue) return {std::move(*terms), nullptr};
        if (const ExprPtr rest = without(epilogue, part)) return {std::move(*terms), rest};
    }
    return {{}, epilogue};
}

}  // namespace igata
