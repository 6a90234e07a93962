// What RNN, GRU and LSTM have in common: their dims, activations and switches, read from a node.
#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "compiler/ops/arguments.hpp"

namespace igata {

/// ONNX's activation functions, numbered as the kernel `recurrence` has them.
struct ActivationDef {
    std::string_view name;
    bool takes_alpha;
    bool takes_beta;
    float alpha;
    float beta;
};
inline constexpr std::array<ActivationDef, 11> activation_defs{{{"Relu", false, false, 0, 0},
                                                                {"Tanh", false, false, 0, 0},
                                                                {"Sigmoid", false, false, 0, 0},
                                                                {"Affine", true, true, 1, 0},
                                                                {"LeakyRelu", true, false, 0.01F, 0},
                                                                {"ThresholdedRelu", true, false, 1, 0},
                                                                {"ScaledTanh", true, true, 1, 1},
                                                                {"HardSigmoid", true, true, 0.2F, 0.5F},
                                                                {"Elu", true, false, 1, 0},
                                                                {"Softsign", false, false, 0, 0},
                                                                {"Softplus", false, false, 0, 0}}};

struct Activation {
    std::size_t kind = 0;  ///< index in activation_defs
    float alpha = 0;
    float beta = 0;

    double operator()(double x) const {
        const auto a = static_cast<double>(alpha);
        const auto b = static_cast<double>(beta);
        switch (kind) {
            case 0: return x < 0 ? 0 : x;
            case 1: return std::tanh(x);
            case 2: return 1 / (1 + std::exp(-x));
            case 3: return a * x + b;
            case 4: return x < 0 ? a * x : x;
            case 5: return x < a ? 0 : x;
            case 6: return a * std::tanh(b * x);
            case 7: return std::clamp(a * x + b, 0.0, 1.0);
            case 8: return x < 0 ? a * std::expm1(x) : x;
            case 9: return x / (1 + std::abs(x));
            default: return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
        }
    }
};

/// The gates in the order in which ONNX stacks them: RNN i; GRU z, r, h; LSTM i, o, f, c.
struct Recurrence {
    std::int64_t gates = 1;  ///< 1 RNN, 3 GRU, 4 LSTM
    std::int64_t steps = 0, batch = 0, input = 0, hidden = 0, directions = 1;
    bool batch_first = false;             ///< layout 1
    bool first_is_reverse = false;        ///< the second direction, if any, always is
    std::vector<Activation> activations;  ///< f, g, h as far as the operator has them, for each direction
    float clip = 0;                       ///< 0: none
    bool input_forget = false;
    bool linear_before_reset = false;

    bool is_reverse(std::int64_t direction) const { return first_is_reverse || direction == 1; }
    std::size_t functions() const { return gates == 1 ? 1 : gates == 3 ? 2 : 3; }
    const Activation& activation(std::int64_t direction, std::size_t function) const {
        return activations[as_index(direction) * functions() + function];
    }
    Dims y_dims() const {
        return batch_first ? Dims{batch, steps, directions, hidden} : Dims{steps, directions, batch, hidden};
    }
    Dims state_dims() const { return batch_first ? Dims{batch, directions, hidden} : Dims{directions, batch, hidden}; }
};

/// Names are compared without regard to case. Values of alpha and beta go to those functions that take them, in turn.
inline std::vector<Activation> read_activations(const Attrs& attrs, const std::vector<std::string>& usual,
                                                std::size_t count) {
    std::vector<std::string> names;
    if (const auto found = attrs.find("activations"); found != attrs.end())
        if (const auto* given = std::get_if<std::vector<std::string>>(&found->second)) names = *given;
    if (names.empty())
        for (std::size_t i = 0; i < count; ++i) names.push_back(usual[i % usual.size()]);
    if (names.size() != count)
        throw std::invalid_argument(fmt::format("{} activations are given, not {}", names.size(), count));
    const std::vector<float> alphas = attrs.get_floats("activation_alpha");
    const std::vector<float> betas = attrs.get_floats("activation_beta");
    auto alpha = alphas.begin();
    auto beta = betas.begin();
    const auto same = [](std::string_view a, std::string_view b) {
        return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                          [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
    };
    std::vector<Activation> result;
    for (const std::string& name : names) {
        const auto def = std::find_if(activation_defs.begin(), activation_defs.end(),
                                      [&](const ActivationDef& each) { return same(each.name, name); });
        if (def == activation_defs.end()) throw std::invalid_argument(fmt::format("no activation is named '{}'", name));
        Activation& each = result.emplace_back();
        each.kind = static_cast<std::size_t>(def - activation_defs.begin());
        each.alpha = def->takes_alpha && alpha != alphas.end() ? *alpha++ : def->alpha;
        each.beta = def->takes_beta && beta != betas.end() ? *beta++ : def->beta;
    }
    return result;
}

/// Throws std::invalid_argument if attributes make no sense. The inputs' dims must have been checked.
template <class Context>
Recurrence read_recurrence(const Context& c) {
    const Node& node = c.node();
    const Attrs& attrs = node.attrs;
    Recurrence r;
    r.gates = node.op == "RNN" ? 1 : node.op == "GRU" ? 3 : 4;
    const std::string direction = attrs.get_string("direction", "forward");
    if (direction != "forward" && direction != "reverse" && direction != "bidirectional")
        throw std::invalid_argument(fmt::format("there is no direction '{}'", direction));
    r.directions = direction == "bidirectional" ? 2 : 1;
    r.first_is_reverse = direction == "reverse";
    const std::int64_t layout = attrs.get_int("layout", 0);
    if (layout != 0 && layout != 1) throw std::invalid_argument(fmt::format("there is no layout {}", layout));
    r.batch_first = layout == 1;
    const Dims& x = input_dims(c, 0);
    r.steps = x[r.batch_first ? 1 : 0];
    r.batch = x[r.batch_first ? 0 : 1];
    r.input = x[2];
    r.hidden = input_dims(c, 2)[2];
    if (attrs.get_int("hidden_size", r.hidden) != r.hidden)
        throw std::invalid_argument(
            fmt::format("hidden_size is {}, but R has {} units", attrs.get_int("hidden_size", r.hidden), r.hidden));
    const std::vector<std::string> usual = r.gates == 1   ? std::vector<std::string>{"Tanh"}
                                           : r.gates == 3 ? std::vector<std::string>{"Sigmoid", "Tanh"}
                                                          : std::vector<std::string>{"Sigmoid", "Tanh", "Tanh"};
    r.activations = read_activations(attrs, usual, r.functions() * as_index(r.directions));
    r.clip = attrs.get_float("clip", 0);
    if (!(r.clip >= 0)) throw std::invalid_argument("clip must not be negative");
    r.input_forget = attrs.get_int("input_forget", 0) != 0;
    r.linear_before_reset = attrs.get_int("linear_before_reset", 0) != 0;
    return r;
}

}  // namespace igata
