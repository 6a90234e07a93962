// Weights take constant factors and addends per channel.
//     c = Conv(x, w, b)  y = Mul(c, k)       =>  y = Conv(x, w*k, b*k)           Div, Add, Sub and both orders of Sub
//     likewise s = Mul(x, k)      y = Conv(s, w, b)   =>  y = Conv(x, w*k, b) s = Add(x, k)      y = Conv(s, w, b)   =>
//     y = Conv(x, w, b + sum of w*k)  not if padded: the border is zero, not k c = Gemm(x, w, b)  y = Mul(c, k) =>  y =
//     Gemm(x, w*k, b*k)           MatMul likewise, but for addends
// Not if anything else reads the value in between, or k varies along another axis.
#include "compiler/ops/rules/fold_affine.hpp"

#include <algorithm>
#include <cmath>

#include "compiler/ops/arguments.hpp"
#include "compiler/ops/rewriting.hpp"

namespace igata {

namespace {

constexpr const char* other_readers = "its operand has other readers";

/// x * scale + shift, an entry each per channel.
struct Affine {
    std::vector<double> scale, shift;

    bool has_shift() const {
        return std::ranges::any_of(shift, [](double s) { return s != 0; });
    }
};

/// One element per channel, if k broadcast to `type` varies along the channel axis alone and does not enlarge it.
std::optional<std::vector<double>> per_channel(const Tensor& k, const ValueType& type, std::size_t axis) {
    const std::size_t rank = type.dims.size();
    if (k.dims().size() > rank) return std::nullopt;
    const auto channels = as_index(type.dims[axis]);
    std::vector<double> values = k.to_f64();
    if (values.size() == 1) return std::vector<double>(channels, values[0]);
    const std::size_t lead = rank - k.dims().size();
    for (std::size_t i = lead; i < rank; ++i)
        if (k.dims()[i - lead] != (i == axis ? type.dims[i] : 1)) return std::nullopt;
    return values.size() == channels ? std::optional(values) : std::nullopt;
}

/// What the elementwise node `y` of `x` and the constant `k` does, or nothing if it is no such map.
std::optional<Affine> affine_of(RuleMatch& m, const std::string& y, const std::string& x, std::size_t axis) {
    const Node& node = m.node(y);
    const Tensor& k = *m.constant("k");
    if (!is_floating(k.dtype()) || m.type(x).dims.size() <= axis) return std::nullopt;
    const auto values = per_channel(k, m.type(x), axis);
    if (!values) return std::nullopt;
    const bool k_first = node.input(0) == m["k"];
    Affine affine{std::vector<double>(values->size(), 1), std::vector<double>(values->size(), 0)};
    for (std::size_t i = 0; i < values->size(); ++i) {
        const double value = (*values)[i];
        if (node.op == "Mul") affine.scale[i] = value;
        else if (node.op == "Div" && !k_first) affine.scale[i] = 1 / value;
        else if (node.op == "Add") affine.shift[i] = value;
        else if (node.op == "Sub" && !k_first) affine.shift[i] = -value;
        else if (node.op == "Sub") affine.scale[i] = -1, affine.shift[i] = value;
        else return std::nullopt;
        if (!std::isfinite(affine.scale[i]) || !std::isfinite(affine.shift[i])) return std::nullopt;
    }
    return affine;
}

/// The tensor times scale[channel(i)] for each element i.
template <class Channel>
Tensor scaled(const Tensor& tensor, const std::vector<double>& scale, Channel channel) {
    std::vector<double> values = tensor.to_f64();
    for (std::size_t i = 0; i < values.size(); ++i) values[i] *= scale[channel(i)];
    return Tensor::of(tensor.dims(), values).cast(tensor.dtype());
}

/// A constant in place of a node's input, which may be absent.
void set_constant(Graph& graph, Node& node, std::size_t i, const std::string& fallback_name, Tensor tensor) {
    if (node.inputs.size() <= i) node.inputs.resize(i + 1, no_value);
    const ValueId old = node.inputs[i];
    node.inputs[i] = graph.add_constant(old == no_value ? fallback_name : graph.value(old).name, std::move(tensor));
}

/// bias * scale + shift, where an absent bias is 0.
Tensor moved_bias(const Tensor* bias, const Affine& affine, DataType dtype) {
    std::vector<double> values = affine.shift;
    if (bias != nullptr) {
        const std::vector<double> old = bias->to_f64();
        for (std::size_t i = 0; i < values.size(); ++i) values[i] += old[old.size() == 1 ? 0 : i] * affine.scale[i];
    }
    return Tensor::of({static_cast<std::int64_t>(values.size())}, values).cast(dtype);
}

/// Which channel of the output a weight belongs to: those of a ConvTranspose are [ic, oc/groups, k...].
std::size_t output_channel(const Node& conv, const Dims& w, std::size_t i) {
    const auto taps = as_index(element_count(Dims(w.begin() + 2, w.end())));
    const auto columns = as_index(w[1]);
    if (conv.op == "Conv") return i / (taps * columns);
    const auto rows = as_index(w[0] / conv.attrs.get_int("group", 1));
    return i / (taps * columns * rows) * columns + i / taps % columns;
}

std::optional<std::string> fold_after_conv(RuleMatch& m) {
    const auto affine = affine_of(m, "y", "c", 1);
    const Tensor* weights = m.constant("w");
    if (!affine || m.type("y") != m.type("c")) return not_worth_it();
    if (weights == nullptr || (m["b"] != no_value && m.constant("b") == nullptr))
        return "the weights or the bias are not constant";
    if (!m.used_once("c")) return "the convolution's result has other readers";
    Node& conv = m.node("c");
    const Tensor new_weights =
        scaled(*weights, affine->scale, [&](std::size_t i) { return output_channel(conv, weights->dims(), i); });
    const Tensor new_bias = moved_bias(m.constant("b"), *affine, weights->dtype());
    set_constant(m.graph, conv, 1, "weights", new_weights);
    if (m["b"] != no_value || affine->has_shift()) set_constant(m.graph, conv, 2, "bias", new_bias);
    return replace(m, m["y"], m["c"]);
}

bool is_padded(const Attrs& attrs) {
    const std::string auto_pad = attrs.get_string("auto_pad", "NOTSET");
    if (auto_pad != "NOTSET") return auto_pad != "VALID";
    return std::ranges::any_of(attrs.get_ints("pads"), [](std::int64_t pad) { return pad != 0; });
}

/// Which channel of the input a weight reads.
struct InputChannel {
    std::size_t taps, in, out;

    InputChannel(const Dims& w, std::int64_t groups)
        : taps(static_cast<std::size_t>(element_count(Dims(w.begin() + 2, w.end())))),
          in(as_index(w[1])),
          out(as_index(w[0] / groups)) {}
    std::size_t operator()(std::size_t i) const { return i / (taps * in * out) * in + i / taps % in; }
};

std::optional<std::string> fold_before_conv(RuleMatch& m) {
    const auto affine = affine_of(m, "s", "x", 1);
    const Tensor* weights = m.constant("w");
    if (!affine || m.type("s") != m.type("x")) return not_worth_it();
    if (weights == nullptr || (m["b"] != no_value && m.constant("b") == nullptr))
        return "the weights or the bias are not constant";
    if (!m.used_once("s")) return other_readers;
    Node& conv = m.node("y");
    if (affine->has_shift() && is_padded(conv.attrs))
        return "the convolution pads with zeros after the addition, so the border would change";
    const InputChannel channel(weights->dims(), conv.attrs.get_int("group", 1));
    if (affine->has_shift()) {
        const auto out = as_index(weights->dims()[0]);
        Affine moved{std::vector<double>(out, 1), std::vector<double>(out, 0)};
        const std::vector<double> values = weights->to_f64();
        for (std::size_t i = 0; i < values.size(); ++i)
            moved.shift[i * out / values.size()] += values[i] * affine->shift[channel(i)];
        set_constant(m.graph, conv, 2, "bias", moved_bias(m.constant("b"), moved, weights->dtype()));
    }
    set_constant(m.graph, conv, 1, "weights", scaled(*m.constant("w"), affine->scale, channel));
    conv.inputs[0] = m["x"];
    return std::nullopt;
}

std::optional<std::string> fold_after_matmul(RuleMatch& m) {
    const std::size_t rank = m.type("c").dims.size();
    const Tensor* weights = m.constant("w");
    if (rank < 2 || weights == nullptr || weights->dims().size() != 2 || m.type("y") != m.type("c"))
        return not_worth_it();
    const auto affine = affine_of(m, "y", "c", rank - 1);
    Node& product = m.node("c");
    const bool gemm = product.op == "Gemm";
    if (!affine || (!gemm && affine->has_shift())) return not_worth_it();
    const Tensor* bias = gemm ? m.constant("b") : nullptr;
    const auto columns = as_index(m.type("c").dims.back());
    if (gemm && m["b"] != no_value && (bias == nullptr || !per_channel(*bias, m.type("c"), rank - 1)))
        return not_worth_it();
    if (!m.used_once("c")) return "the product has other readers";
    const bool transposed = product.attrs.get_int("transB", 0) != 0;
    const auto rows = as_index(weights->count()) / std::max<std::size_t>(columns, 1);
    const auto column = [&](std::size_t i) { return transposed ? i / rows : i % columns; };
    const Tensor new_weights = scaled(*weights, affine->scale, column);
    if (bias != nullptr || affine->has_shift()) {
        const double beta = static_cast<double>(product.attrs.get_float("beta", 1));
        Tensor old;
        if (bias != nullptr) old = scaled(*bias, {beta}, [](std::size_t) { return 0U; });
        const Tensor new_bias = moved_bias(bias == nullptr ? nullptr : &old, *affine, weights->dtype());
        product.attrs.erase("beta");
        set_constant(m.graph, product, 2, "bias", new_bias);
    }
    set_constant(m.graph, product, 1, "weights", new_weights);
    return replace(m, m["y"], m["c"]);
}

}  // namespace

void add_conv_affine_rules(std::vector<Rule>& rules) {
    for (const std::string y : {"Mul|Add(c, k)", "Div|Sub(c, k)", "Sub(k, c)"})
        rules.push_back({"fold-affine-after-conv", "k = constant  c = Conv(x, w, b)  y = " + y, fold_after_conv});
    for (const std::string s : {"Mul|Add(x, k)", "Div|Sub(x, k)", "Sub(k, x)"})
        rules.push_back(
            {"fold-affine-before-conv", "k = constant  s = " + s + "  y = Conv(s, w, b)", fold_before_conv});
}

void add_conv_transpose_affine_rules(std::vector<Rule>& rules) {
    for (const std::string y : {"Mul|Add(c, k)", "Div|Sub(c, k)", "Sub(k, c)"})
        rules.push_back({"fold-affine-after-conv-transpose", "k = constant  c = ConvTranspose(x, w, b)  y = " + y,
                         fold_after_conv});
}

void add_matmul_affine_rules(std::vector<Rule>& rules) {
    for (const std::string y : {"Mul|Add(c, k)", "Div|Sub(c, k)", "Sub(k, c)"})
        rules.push_back({"fold-affine-after-gemm", "k = constant  c = Gemm(x, w, b)  y = " + y, fold_after_matmul});
    for (const std::string y : {"Mul(c, k)", "Div(c, k)"})
        rules.push_back({"fold-scale-after-matmul", "k = constant  c = MatMul(x, w)  y = " + y, fold_after_matmul});
}

}  // namespace igata
