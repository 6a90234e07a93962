// LayerNormalization and RMSNormalization: statistics over the trailing axes.
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/carry_axis.hpp"
#include "compiler/ops/moments.hpp"

namespace igata {
namespace {

std::size_t axis_of(const Attrs& attrs, const Dims& x) {
    return static_cast<std::size_t>(normalize_axis(attrs.get_int("axis", -1), x.size()));
}

/// Checks scale and bias against the input, and gives the dims of the statistics.
Dims layer_statistics(InferContext& ctx) {
    require_floating(ctx);
    const Dims& x = ctx.dims(0);
    for (std::size_t i = 1; i < 3; ++i)
        if (ctx.has_input(i) && broadcast(ctx.dims(i), x) != x)
            ctx.fail("input " + std::to_string(i) + " " + to_string(ctx.dims(i)) + " does not broadcast to " +
                     to_string(x));
    Dims statistics = x;
    for (std::size_t i = axis_of(ctx.attrs(), x); i < x.size(); ++i) statistics[i] = 1;
    return statistics;
}

void infer_layer_normalization(InferContext& ctx) {
    const Dims statistics = layer_statistics(ctx);
    ctx.set_output(0, ctx.input(0));
    const std::int64_t stash = ctx.attrs().get_int("stash_type", 1);
    if (stash != 1 && stash != 16) ctx.fail("stash_type must be 1 (float) or 16 (bfloat16)");
    for (std::size_t i = 1; i < ctx.output_count(); ++i)
        if (ctx.has_output(i)) ctx.set_output(i, {stash == 1 ? DataType::f32 : DataType::bf16, statistics});
}

void infer_rms_normalization(InferContext& ctx) {
    layer_statistics(ctx);
    ctx.set_output(0, ctx.input(0));
}

/// The parameter's element for each of the first elements of x until it repeats, as f64.
std::vector<double> spread(const Tensor& parameter, const Dims& x) {
    const std::vector<double> values = parameter.to_f64();
    const Dims strides = broadcast_strides(parameter.dims(), row_major_strides(parameter.dims()), x);
    std::vector<std::int64_t> places{0};
    for (std::size_t i = 0; i < x.size(); ++i) {
        std::vector<std::int64_t> next;
        for (const std::int64_t place : places)
            for (std::int64_t at = 0; at < x[i]; ++at) next.push_back(place + at * strides[i]);
        places = std::move(next);
    }
    std::vector<double> result;
    for (const std::int64_t place : places) result.push_back(values[static_cast<std::size_t>(place)]);
    return result;
}

void normalize_layers(EvalContext& ctx, bool centre) {
    const Tensor& x = ctx.input(0);
    const Dims& dims = x.dims();
    const auto axis = static_cast<std::ptrdiff_t>(axis_of(ctx.attrs(), dims));
    const auto layers = static_cast<std::size_t>(element_count(Dims(dims.begin(), dims.begin() + axis)));
    const auto layer = static_cast<std::size_t>(element_count(Dims(dims.begin() + axis, dims.end())));
    const double epsilon = epsilon_of(ctx.attrs());
    const auto scale = spread(ctx.input(1), dims);
    const auto bias = ctx.has_input(2) ? spread(ctx.input(2), dims) : std::vector<double>(scale.size(), 0.0);
    std::vector<double> means;
    std::vector<double> deviations;
    Tensor& y = ctx.make_output(0);
    visit_wide(y.dtype(), [&]<class T>() {
        const auto values = x.values<T>();
        const auto result = y.mutable_values<T>();
        const auto moments = moments_of(values, layers, [&](std::size_t i) { return i / layer; });
        for (const Moments& m : moments) {
            means.push_back(centre ? m.mean : 0.0);
            deviations.push_back(1 / std::sqrt(m.variance + (centre ? 0.0 : m.mean * m.mean) + epsilon));
        }
        for (std::size_t i = 0; i < values.size(); ++i) {
            const double centred = static_cast<double>(values[i]) - means[i / layer];
            result[i] = static_cast<T>(centred * deviations[i / layer] * scale[i] + bias[i]);
        }
    });
    const auto report = [&](std::size_t i, const std::vector<double>& statistics) {
        if (ctx.has_output(i))
            ctx.set_output(i, Tensor::of(ctx.output_type(i).dims, statistics).cast(ctx.output_type(i).dtype));
    };
    report(1, means);
    report(2, deviations);
}

void eval_layer_normalization(EvalContext& ctx) { normalize_layers(ctx, true); }
void eval_rms_normalization(EvalContext& ctx) { normalize_layers(ctx, false); }

void lower_layers(LowerContext& ctx, bool centre) {
    const View x = ctx.input(0);
    const std::size_t rank = x.dims.size();
    const Attrs& attrs = ctx.node().attrs;
    const View bias = ctx.node().input(2) == no_value ? View{} : ctx.input(2);
    const LoweredMoments moments =
        add_normalization(ctx, {x, ctx.output(0), axes_from(axis_of(attrs, x.dims), rank), ctx.input(1), bias, centre,
                                inverse_deviation(epsilon_of(attrs))});
    const View statistics[] = {moments.mean, moments.inverse};
    for (std::size_t i = 0; i < 2; ++i)
        if (ctx.node().output(i + 1) != no_value)
            add_wide_map(ctx, expr::operand(0), {statistics[i]}, ctx.output(i + 1), statistics[i].dtype);
}

void lower_layer_normalization(LowerContext& ctx) { lower_layers(ctx, true); }
void lower_rms_normalization(LowerContext& ctx) { lower_layers(ctx, false); }

}  // namespace

void register_layer_normalization(Registry& registry) {
    const std::vector<AttrDef> attrs{
        {"axis", AttrKind::integer}, {"epsilon", AttrKind::real}, {"stash_type", AttrKind::integer}};
    OpDef layer = define_normalization("LayerNormalization", 17, 17, 3, infer_layer_normalization,
                                       widened<eval_layer_normalization>, lower_layer_normalization, attrs);
    layer.min_inputs = 2;
    layer.max_outputs = 3;
    OpDef rms = define_normalization("RMSNormalization", 23, 23, 2, infer_rms_normalization,
                                     widened<eval_rms_normalization>, lower_rms_normalization, attrs);
    for (OpDef* op : {&layer, &rms}) {
        op->carry_axis = [](const InferContext& c, std::size_t input, int axis) {
            return input == 0 && as_index(axis) < axis_of(c.attrs(), c.dims(0)) ? axis : -1;
        };
        registry.add(std::move(*op));
    }
}

}  // namespace igata
