// CausalConvWithState: a convolution of each channel over its past, of which the last elements are kept for the next
// call.
//     padded = past_state (or zeros), then the input
//     output = a sum over the taps (+ bias, silu)    a loop
//     present_state = the end of padded              a view
#include <cmath>

#include <fmt/format.h>

#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/lowering.hpp"
#include "compiler/ops/widen.hpp"

namespace igata {

namespace {

bool activates(const Attrs& attrs) {
    const std::string activation = attrs.get_string("activation", "none");
    if (activation != "none" && activation != "silu" && activation != "swish")
        throw std::invalid_argument("activation '" + activation + "' is none of silu, swish, none");
    return activation != "none";
}

void infer_causal_conv(InferContext& c) {
    static_cast<void>(activates(c.attrs()));
    const Dims& x = c.dims(0);
    const Dims& w = c.dims(1);
    if (!is_floating(c.dtype(0))) c.fail("the input must be floating-point");
    for (std::size_t i = 1; i < c.input_count(); ++i)
        if (c.has_input(i) && c.dtype(i) != c.dtype(0)) c.fail("the inputs differ in type");
    if (x.size() != 3) c.fail("the input " + to_string(x) + " must be [batch, channels, length]");
    if (w.size() != 3 || w[0] != x[1] || w[1] != 1 || w[2] < 1)
        c.fail(fmt::format("weights {} do not fit the input {}", to_string(w), to_string(x)));
    const Dims state{x[0], x[1], w[2] - 1};
    if (c.has_input(2) && c.dims(2) != Dims{x[1]}) c.fail("the bias " + to_string(c.dims(2)) + " does not fit");
    if (c.has_input(3) && c.dims(3) != state)
        c.fail(fmt::format("the past_state {} must be {}", to_string(c.dims(3)), to_string(state)));
    c.set_output(0, {c.dtype(0), x});
    if (c.has_output(1)) c.set_output(1, {c.dtype(0), state});
}

void eval_causal_conv(EvalContext& c) {
    const Tensor& x = c.input(0);
    const std::int64_t length = x.dims()[2];
    const std::int64_t taps = c.input(1).dims()[2];
    Tensor padded(x.dtype(), {x.dims()[0], x.dims()[1], length + taps - 1});
    if (c.has_input(3)) copy_elements(c.input(3), view_of(c.input(3)), padded, sliced(view_of(padded), 2, 0, taps - 1));
    copy_elements(x, view_of(x), padded, sliced(view_of(padded), 2, taps - 1, length));
    if (c.has_output(1)) c.set_output(1, copy_of(padded, sliced(view_of(padded), 2, length, taps - 1)));

    const std::vector<double> read = padded.to_f64();
    const std::vector<double> weights = c.input(1).to_f64();
    const std::vector<double> bias = c.has_input(2) ? c.input(2).to_f64() : std::vector<double>();
    Tensor result(DataType::f64, x.dims());
    const auto write = result.mutable_values<double>();
    for (std::size_t i = 0; i < write.size(); ++i) {
        const std::int64_t line = as_dim(i) / length;
        const std::int64_t channel = line % x.dims()[1];
        if (!bias.empty()) write[i] = bias[as_index(channel)];
        for (std::int64_t k = 0; k < taps; ++k)
            write[i] += weights[as_index(channel * taps + k)] *
                        read[as_index(line * (length + taps - 1) + as_dim(i) % length + k)];
    }
    if (activates(c.attrs())) {
        result = result.cast(x.dtype()).cast(DataType::f64);
        for (double& value : result.mutable_values<double>()) value /= 1 + std::exp(-value);
    }
    c.set_output(0, result.cast(x.dtype()));
}

void lower_causal_conv(LowerContext& c) {
    const View x = c.input(0);
    const View weights = c.input(1);
    const std::int64_t length = x.dims[2];
    const std::int64_t taps = weights.dims[2];
    const DataType wide = wide_type(x.dtype);
    const View padded = c.temporary(x.dtype, {x.dims[0], x.dims[1], length + taps - 1});
    const View past = sliced(padded, 2, 0, taps - 1);
    if (c.node().input(3) != no_value) c.add_map(expr::operand(0), {c.input(3)}, past);
    else c.add_map(expr::constant(0.0), {}, past);
    c.add_map(expr::operand(0), {x}, sliced(padded, 2, taps - 1, length));
    if (c.node().output(1) != no_value) c.set_output(1, sliced(padded, 2, length, taps - 1));

    const View y = c.output(0);
    const bool is_sum = wide == y.dtype;
    View sums = is_sum ? y : c.temporary(wide, y.dims);
    const Dims box{x.dims[0], x.dims[1], length, taps};
    View window = with_axis(sliced(padded, 2, 0, length), 3);
    window.dims[3] = taps;
    window.strides[3] = window.strides[2];
    const View kernel = with_axis(c.reshaped(weights, {1, x.dims[1], taps}), 2);
    c.add_reduce(Reduce::sum, widen(expr::parse("x0 * x1"), {window, kernel}, wide), {window, kernel}, box, {3},
                 with_axis(sums, 3), wide, nullptr);

    ExprPtr value = expr::operand(0);
    std::vector<View> operands{sums};
    if (c.node().input(2) != no_value) {
        operands.push_back(c.reshaped(c.input(2), {1, x.dims[1], 1}));
        value = widen(expr::parse("x0 + x1"), operands, wide);
    }
    if (activates(c.node().attrs)) {
        if (!is_sum) value = expr::cast(wide, expr::cast(y.dtype, value));
        value = expr::make(ExprOp::mul, {value, expr::make(ExprOp::sigmoid, {value})});
    }
    if (!is_sum) value = expr::cast(y.dtype, value);
    if (value->op != ExprOp::operand) c.add_map(value, operands, y);
}

}  // namespace

void register_causal_conv(Registry& registry) {
    OpDef op;
    op.name = "CausalConvWithState";
    op.since = op.newest = 27;
    op.min_inputs = 2;
    op.max_inputs = 4;
    op.min_outputs = 1;
    op.max_outputs = 2;
    op.attrs = {{"activation", AttrKind::string}};
    op.infer = infer_causal_conv;
    op.eval = eval_causal_conv;
    op.lower = lower_causal_conv;
    registry.add(std::move(op));
}

}  // namespace igata
