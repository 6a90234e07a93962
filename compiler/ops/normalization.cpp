// InstanceNormalization, GroupNormalization and MeanVarianceNormalization.
#include "compiler/ops/carry_axis.hpp"
#include "compiler/ops/moments.hpp"

namespace igata {
namespace {

// InstanceNormalization, GroupNormalization ---------------------------------------------------------------------------

void infer_instance_normalization(InferContext& ctx) {
    require_floating(ctx);
    if (ctx.dims(0).size() < 3) ctx.fail("the input " + to_string(ctx.dims(0)) + " needs at least one spatial axis");
    require_vectors(ctx, 1, 3, ctx.dims(0)[1]);
    ctx.set_output(0, ctx.input(0));
}

/// Before opset 21, GroupNormalization had one scale and bias per group.
bool has_group_parameters(const Node& node) { return node.version < 21; }

void infer_group_normalization(InferContext& ctx) {
    require_floating(ctx);
    const std::int64_t groups = ctx.attrs().get_int("num_groups", 0);
    if (ctx.dims(0).size() < 2) ctx.fail("the input " + to_string(ctx.dims(0)) + " needs a channel axis");
    const std::int64_t channels = ctx.dims(0)[1];
    if (groups < 1 || channels % groups != 0)
        ctx.fail("num_groups " + std::to_string(groups) + " does not divide the " + std::to_string(channels) +
                 " channels");
    require_vectors(ctx, 1, 3, has_group_parameters(ctx.node()) ? groups : channels);
    ctx.set_output(0, ctx.input(0));
}

/// Normalises blocks of `channels` channels each; parameters are per channel or, if there are fewer, per block.
void normalize_channels(EvalContext& ctx, std::size_t channels) {
    const Tensor& x = ctx.input(0);
    const std::size_t image = image_size(x.dims());
    const std::size_t all = static_cast<std::size_t>(x.dims()[1]);
    const double epsilon = epsilon_of(ctx.attrs());
    const auto scale = ctx.input(1).to_f64();
    const auto bias = ctx.input(2).to_f64();
    Tensor& y = ctx.make_output(0);
    visit_wide(y.dtype(), [&]<class T>() {
        const auto values = x.values<T>();
        const auto result = y.mutable_values<T>();
        if (values.empty()) return;
        const auto block = [&](std::size_t i) { return i / (image * channels); };
        const auto moments = moments_of(values, values.size() / (image * channels), block);
        for (std::size_t i = 0; i < values.size(); ++i) {
            const Moments& m = moments[block(i)];
            const std::size_t c = i / image % all * scale.size() / all;
            const double centred = static_cast<double>(values[i]) - m.mean;
            result[i] = static_cast<T>(centred / std::sqrt(m.variance + epsilon) * scale[c] + bias[c]);
        }
    });
}

void eval_instance_normalization(EvalContext& ctx) { normalize_channels(ctx, 1); }

void eval_group_normalization(EvalContext& ctx) {
    normalize_channels(ctx, static_cast<std::size_t>(ctx.input(0).dims()[1] / ctx.attrs().get_int("num_groups", 1)));
}

void lower_instance_normalization(LowerContext& ctx) {
    const View x = ctx.input(0);
    const std::size_t rank = x.dims.size();
    add_normalization(ctx,
                      {x, ctx.output(0), axes_from(2, rank), along_channels(ctx, ctx.input(1), rank),
                       along_channels(ctx, ctx.input(2), rank), true, inverse_deviation(epsilon_of(ctx.node().attrs))});
}

/// The channel axis is split in two: blocks, and channels in a block.
void lower_group_normalization(LowerContext& ctx) {
    const std::int64_t groups = ctx.node().attrs.get_int("num_groups", 1);
    const auto split = [&](const Dims& dims, std::int64_t channels) {
        Dims result{dims[0], groups, channels / groups};
        result.insert(result.end(), dims.begin() + 2, dims.end());
        return result;
    };
    const View x = ctx.input(0);
    if (x.dims.size() == runtime::max_rank) ctx.unsupported("an input of " + std::to_string(x.dims.size()) + " axes");
    const View y = ctx.output(0);
    const Dims dims = split(x.dims, x.dims[1]);
    const auto parameter = [&](std::size_t i) {
        const View view = ctx.input(i);
        return ctx.reshaped(view, split(Dims(x.dims.size(), 1), view.dims[0]));
    };
    add_normalization(ctx, {ctx.reshaped(x, dims), ctx.reshaped(y, dims), axes_from(2, dims.size()), parameter(1),
                            parameter(2), true, inverse_deviation(epsilon_of(ctx.node().attrs))});
}

// MeanVarianceNormalization -------------------------------------------------------------------------------------------

std::vector<bool> reduced_axes(const Attrs& attrs, std::size_t rank) {
    std::vector<bool> reduced(rank);
    for (const std::int64_t axis : attrs.get_ints("axes", {0, 2, 3}))
        reduced[static_cast<std::size_t>(normalize_axis(axis, rank))] = true;
    return reduced;
}

void infer_mean_variance_normalization(InferContext& ctx) {
    require_floating(ctx);
    reduced_axes(ctx.attrs(), ctx.dims(0).size());
    ctx.set_output(0, ctx.input(0));
}

void eval_mean_variance_normalization(EvalContext& ctx) {
    const Tensor& x = ctx.input(0);
    const auto reduced = reduced_axes(ctx.attrs(), x.dims().size());
    const auto group = [&](std::size_t i) {
        std::size_t result = 0;
        std::size_t stride = 1;
        for (std::size_t axis = reduced.size(); axis-- > 0;) {
            const auto size = static_cast<std::size_t>(x.dims()[axis]);
            if (!reduced[axis]) {
                result += i % size * stride;
                stride *= size;
            }
            i /= size;
        }
        return result;
    };
    std::size_t groups = 1;
    for (std::size_t axis = 0; axis < reduced.size(); ++axis)
        if (!reduced[axis]) groups *= static_cast<std::size_t>(x.dims()[axis]);
    Tensor& y = ctx.make_output(0);
    visit_wide(y.dtype(), [&]<class T>() {
        const auto values = x.values<T>();
        const auto result = y.mutable_values<T>();
        const auto moments = moments_of(values, groups, group);
        for (std::size_t i = 0; i < values.size(); ++i) {
            const Moments& m = moments[group(i)];
            result[i] = static_cast<T>((static_cast<double>(values[i]) - m.mean) / (std::sqrt(m.variance) + 1e-9));
        }
    });
}

void lower_mean_variance_normalization(LowerContext& ctx) {
    const View x = ctx.input(0);
    const auto reduced = reduced_axes(ctx.node().attrs, x.dims.size());
    Dims axes;
    for (std::size_t i = 0; i < reduced.size(); ++i)
        if (reduced[i]) axes.push_back(static_cast<std::int64_t>(i));
    add_normalization(ctx, {x, ctx.output(0), axes, {}, {}, true, expr::parse("1 / (sqrt(x0) + 1e-9)")});
}

}  // namespace

void register_normalization(Registry& registry) {
    const AttrDef epsilon{"epsilon", AttrKind::real};
    OpDef instance =
        define_normalization("InstanceNormalization", 1, 22, 3, infer_instance_normalization,
                             widened<eval_instance_normalization>, lower_instance_normalization, {epsilon});
    OpDef group =
        define_normalization("GroupNormalization", 18, 21, 3, infer_group_normalization,
                             widened<eval_group_normalization>, lower_group_normalization,
                             {epsilon, {"num_groups", AttrKind::integer, true}, {"stash_type", AttrKind::integer}});
    for (OpDef* op : {&instance, &group}) {
        op->carry_axis = carry_batch;
        registry.add(std::move(*op));
    }
    registry.add(define_normalization("MeanVarianceNormalization", 9, 13, 1, infer_mean_variance_normalization,
                                      widened<eval_mean_variance_normalization>, lower_mean_variance_normalization,
                                      {{"axes", AttrKind::integers}}));
}

}  // namespace igata
