// BatchNormalization, InstanceNormalization, GroupNormalization, LayerNormalization, RMSNormalization,
// MeanVarianceNormalization and LRN.
#include <cmath>

#include "compiler/ops/op.hpp"
#include "compiler/ops/widen.hpp"

namespace igata {
namespace {

struct Moments {
    double mean = 0;
    double variance = 0;
};

/// Mean and variance of the elements that share a group; `group(i)` is that of element i.
template <class T, class Group>
std::vector<Moments> moments_of(std::span<const T> values, std::size_t groups, Group group) {
    std::vector<Moments> result(groups);
    if (groups == 0) return result;
    const double count = static_cast<double>(values.size()) / static_cast<double>(groups);
    for (std::size_t i = 0; i < values.size(); ++i) result[group(i)].mean += static_cast<double>(values[i]) / count;
    for (std::size_t i = 0; i < values.size(); ++i) {
        Moments& m = result[group(i)];
        const double distance = static_cast<double>(values[i]) - m.mean;
        m.variance += distance * distance / count;
    }
    return result;
}

double epsilon_of(const Attrs& attrs, float fallback = 1e-5F) {
    return static_cast<double>(attrs.get_float("epsilon", fallback));
}

/// Elements per channel of an image [n, c, spatial...].
std::size_t image_size(const Dims& x) { return static_cast<std::size_t>(element_count(Dims(x.begin() + 2, x.end()))); }

void require_floating(InferContext& ctx) {
    if (!is_floating(ctx.dtype(0))) ctx.fail("the input may not be " + std::string(name_of(ctx.dtype(0))));
}

/// Inputs [first, last) are vectors of `size`.
void require_vectors(InferContext& ctx, std::size_t first, std::size_t last, std::int64_t size) {
    for (std::size_t i = first; i < last; ++i)
        if (ctx.dims(i) != Dims{size})
            ctx.fail("input " + std::to_string(i) + " is " + to_string(ctx.dims(i)) + ", but must be " + to_string(Dims{size}));
}

// BatchNormalization --------------------------------------------------------------------------------------------------

bool is_training(const Attrs& attrs) { return attrs.get_int("training_mode", 0) != 0; }

/// Dims [1, c, 1, ...] are written as n, c, image here; an input of rank 1 is a batch of scalars with one channel.
struct Channels {
    std::size_t count, image;

    explicit Channels(const Dims& x) : count(x.size() > 1 ? static_cast<std::size_t>(x[1]) : 1), image(x.size() > 1 ? image_size(x) : 1) {}
    std::size_t operator()(std::size_t i) const { return i / image % count; }
};

void infer_batch_normalization(InferContext& ctx) {
    require_floating(ctx);
    if (ctx.dims(0).empty()) ctx.fail("the input may not be a scalar");
    if (ctx.attrs().get_int("spatial", 1) == 0) ctx.unsupported("spatial=0 (a mean and variance for every pixel)");
    require_vectors(ctx, 1, 5, static_cast<std::int64_t>(Channels(ctx.dims(0)).count));
    ctx.set_output(0, ctx.input(0));
    for (std::size_t i = 1; i < ctx.output_count(); ++i) {
        if (!ctx.has_output(i)) continue;
        if (!is_training(ctx.attrs()) || i > 2) ctx.unsupported("training outputs outside training_mode");
        ctx.set_output(i, ctx.input(i + 2));
    }
}

void eval_batch_normalization(EvalContext& ctx) {
    const Tensor& x = ctx.input(0);
    const Channels channel(x.dims());
    const double epsilon = epsilon_of(ctx.attrs());
    const auto scale = ctx.input(1).to_f64();
    const auto bias = ctx.input(2).to_f64();
    auto mean = ctx.input(3).to_f64();
    auto variance = ctx.input(4).to_f64();
    Tensor& y = ctx.make_output(0);
    const bool training = is_training(ctx.attrs());
    visit_wide(y.dtype(), [&]<class T>() {
        const auto values = x.values<T>();
        const auto result = y.mutable_values<T>();
        if (training) {
            const double momentum = static_cast<double>(ctx.attrs().get_float("momentum", 0.9F));
            const auto batch = moments_of(values, channel.count, channel);
            std::vector<double> running_mean = mean;
            std::vector<double> running_variance = variance;
            for (std::size_t c = 0; c < batch.size(); ++c) {
                running_mean[c] = running_mean[c] * momentum + batch[c].mean * (1 - momentum);
                running_variance[c] = running_variance[c] * momentum + batch[c].variance * (1 - momentum);
                mean[c] = batch[c].mean;
                variance[c] = batch[c].variance;
            }
            const auto report = [&](std::size_t i, const std::vector<double>& running) {
                if (ctx.has_output(i)) ctx.set_output(i, Tensor::of(ctx.output_type(i).dims, running).cast(ctx.output_type(i).dtype));
            };
            report(1, running_mean);
            report(2, running_variance);
        }
        for (std::size_t i = 0; i < values.size(); ++i) {
            const std::size_t c = channel(i);
            const double centred = static_cast<double>(values[i]) - mean[c];
            result[i] = static_cast<T>(centred / std::sqrt(variance[c] + epsilon) * scale[c] + bias[c]);
        }
    });
}

/// Attributes of opsets that told training from inference otherwise; a mode that only named itself so is inference here.
void raise_batch_normalization(Graph&, NodeIt node) {
    node->attrs.erase("consumed_inputs");
    node->attrs.erase("is_test");
}

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
        ctx.fail("num_groups " + std::to_string(groups) + " does not divide the " + std::to_string(channels) + " channels");
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

// LayerNormalization, RMSNormalization --------------------------------------------------------------------------------

std::size_t axis_of(const Attrs& attrs, const Dims& x) {
    return static_cast<std::size_t>(normalize_axis(attrs.get_int("axis", -1), x.size()));
}

/// Checks scale and bias against the input, and gives the dims of the statistics.
Dims layer_statistics(InferContext& ctx) {
    require_floating(ctx);
    const Dims& x = ctx.dims(0);
    for (std::size_t i = 1; i < 3; ++i)
        if (ctx.has_input(i) && broadcast(ctx.dims(i), x) != x)
            ctx.fail("input " + std::to_string(i) + " " + to_string(ctx.dims(i)) + " does not broadcast to " + to_string(x));
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
        const auto moments = moments_of(values, values.size() / layer, [&](std::size_t i) { return i / layer; });
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
        if (ctx.has_output(i)) ctx.set_output(i, Tensor::of(ctx.output_type(i).dims, statistics).cast(ctx.output_type(i).dtype));
    };
    report(1, means);
    report(2, deviations);
}

void eval_layer_normalization(EvalContext& ctx) { normalize_layers(ctx, true); }
void eval_rms_normalization(EvalContext& ctx) { normalize_layers(ctx, false); }

// MeanVarianceNormalization, LRN --------------------------------------------------------------------------------------

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

void infer_lrn(InferContext& ctx) {
    require_floating(ctx);
    if (ctx.dims(0).size() < 2) ctx.fail("the input " + to_string(ctx.dims(0)) + " needs a channel axis");
    if (ctx.attrs().get_int("size", 0) < 1) ctx.fail("size must be positive");
    ctx.set_output(0, ctx.input(0));
}

void eval_lrn(EvalContext& ctx) {
    const Tensor& x = ctx.input(0);
    const std::int64_t channels = x.dims()[1];
    const auto image = static_cast<std::int64_t>(image_size(x.dims()));
    const std::int64_t size = ctx.attrs().get_int("size", 1);
    const double alpha = static_cast<double>(ctx.attrs().get_float("alpha", 1e-4F));
    const double beta = static_cast<double>(ctx.attrs().get_float("beta", 0.75F));
    const double bias = static_cast<double>(ctx.attrs().get_float("bias", 1.0F));
    Tensor& y = ctx.make_output(0);
    visit_wide(y.dtype(), [&]<class T>() {
        const auto values = x.values<T>();
        const auto result = y.mutable_values<T>();
        for (std::int64_t i = 0; i < x.count(); ++i) {
            const std::int64_t c = i / image % channels;
            double squares = 0;
            for (std::int64_t at = std::max<std::int64_t>(0, c - (size - 1) / 2); at <= std::min(channels - 1, c + size / 2); ++at) {
                const auto value = static_cast<double>(values[static_cast<std::size_t>(i + (at - c) * image)]);
                squares += value * value;
            }
            const auto place = static_cast<std::size_t>(i);
            result[place] = static_cast<T>(static_cast<double>(values[place]) /
                                           std::pow(bias + alpha / static_cast<double>(size) * squares, beta));
        }
    });
}

OpDef define(std::string name, int since, int newest, int inputs, void (*infer)(InferContext&), void (*eval)(EvalContext&),
             std::vector<AttrDef> attrs) {
    OpDef op;
    op.name = std::move(name);
    op.since = since;
    op.newest = newest;
    op.min_inputs = op.max_inputs = inputs;
    op.infer = infer;
    op.eval = eval;
    op.attrs = std::move(attrs);
    return op;
}

}  // namespace

void register_normalization(Registry& registry) {
    const AttrDef epsilon{"epsilon", AttrKind::real};
    const AttrDef stash_type{"stash_type", AttrKind::integer};
    const AttrDef axis{"axis", AttrKind::integer};
    const AttrDef consumed_inputs{"consumed_inputs", AttrKind::integers};

    OpDef batch = define("BatchNormalization", 1, 15, 5, infer_batch_normalization, widened<eval_batch_normalization>,
                         {epsilon, consumed_inputs, {"is_test", AttrKind::integer}, {"momentum", AttrKind::real},
                          {"spatial", AttrKind::integer}, {"training_mode", AttrKind::integer}});
    batch.max_outputs = 5;
    batch.raise = raise_batch_normalization;
    registry.add(std::move(batch));

    OpDef instance = define("InstanceNormalization", 1, 22, 3, infer_instance_normalization,
                            widened<eval_instance_normalization>, {epsilon, consumed_inputs});
    instance.raise = raise_batch_normalization;
    registry.add(std::move(instance));

    registry.add(define("GroupNormalization", 18, 21, 3, infer_group_normalization, widened<eval_group_normalization>,
                        {epsilon, {"num_groups", AttrKind::integer, true}, stash_type}));

    OpDef layer = define("LayerNormalization", 17, 17, 3, infer_layer_normalization, widened<eval_layer_normalization>,
                         {axis, epsilon, stash_type});
    layer.min_inputs = 2;
    layer.max_outputs = 3;
    registry.add(std::move(layer));

    registry.add(define("RMSNormalization", 23, 23, 2, infer_rms_normalization, widened<eval_rms_normalization>,
                        {axis, epsilon, stash_type}));
    registry.add(define("MeanVarianceNormalization", 9, 13, 1, infer_mean_variance_normalization,
                        widened<eval_mean_variance_normalization>, {{"axes", AttrKind::integers}}));
    registry.add(define("LRN", 1, 13, 1, infer_lrn, widened<eval_lrn>,
                        {{"alpha", AttrKind::real}, {"beta", AttrKind::real}, {"bias", AttrKind::real},
                         {"size", AttrKind::integer, true}}));
}

}  // namespace igata
