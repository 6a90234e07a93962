// BatchNormalization. With constant parameters it is an affine map per channel:
//     y = BatchNormalization(x, scale, bias, mean, variance)   =>  m = Mul(x, a)  y = Add(m, b)
#include "compiler/ops/carry_axis.hpp"
#include "compiler/ops/moments.hpp"
#include "compiler/ops/rewriting.hpp"

namespace igata {
namespace {

bool is_training(const Attrs& attrs) { return attrs.get_int("training_mode", 0) != 0; }

/// Dims [1, c, 1, ...] are written as n, c, image here; an input of rank 1 is a batch of scalars with one channel.
struct Channels {
    std::size_t count, image;

    explicit Channels(const Dims& x)
        : count(x.size() > 1 ? static_cast<std::size_t>(x[1]) : 1), image(x.size() > 1 ? image_size(x) : 1) {}
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
                if (ctx.has_output(i))
                    ctx.set_output(i, Tensor::of(ctx.output_type(i).dims, running).cast(ctx.output_type(i).dtype));
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

void lower_batch_normalization(LowerContext& ctx) {
    const View x = ctx.input(0);
    const std::size_t rank = x.dims.size();
    const Attrs& attrs = ctx.node().attrs;
    const DataType wide = wide_type(x.dtype);
    View parameters[4];
    for (std::size_t i = 0; i < 4; ++i) parameters[i] = along_channels(ctx, ctx.input(i + 1), rank);
    const View y = ctx.output(0);
    if (is_training(attrs)) {
        Dims axes = axes_from(rank > 1 ? 1 : 0, rank);
        if (rank > 1) axes[0] = 0;
        const Normalization n{x, y, axes, parameters[0], parameters[1], true, inverse_deviation(epsilon_of(attrs))};
        const LoweredMoments moments = add_normalization(ctx, n);
        const double momentum = static_cast<double>(attrs.get_float("momentum", 0.9F));
        Normalization plain = n;
        plain.inverse = expr::operand(0);
        const View batch[] = {moments.mean,
                              ctx.node().output(2) == no_value ? View{} : add_moments(ctx, plain).inverse};
        for (std::size_t i = 0; i < 2; ++i) {
            if (ctx.node().output(i + 1) == no_value) continue;
            const ExprPtr mix =
                expr::substitute(expr::parse("x0 * old + x1 * new"), {{"old", momentum}, {"new", 1 - momentum}});
            const View running = ctx.output(i + 1);
            add_wide_map(ctx, mix, {parameters[i + 2], batch[i]}, along_channels(ctx, running, rank), wide);
        }
        return;
    }
    const ExprPtr body =
        expr::substitute(expr::parse("(x0 - x3) / sqrt(x4 + epsilon) * x1 + x2"), {{"epsilon", epsilon_of(attrs)}});
    add_wide_map(ctx, body, {x, parameters[0], parameters[1], parameters[2], parameters[3]}, y, wide);
}

/// Attributes of opsets that told training from inference otherwise; a mode that only named itself so is inference
/// here.
void raise_batch_normalization(Graph&, NodeIt node) { node->attrs.erase("is_test"); }

std::optional<std::string> to_affine(RuleMatch& m) {
    const Node& node = m.node("y");
    if (is_training(node.attrs)) return "it is in training mode";
    for (const char* name : {"scale", "bias", "mean", "variance"})
        if (m.constant(name) == nullptr) return std::string("its ") + name + " is not constant";
    const ValueType type = m.type("x");
    std::vector<double> factor = m.constant("scale")->to_f64();
    std::vector<double> addend = m.constant("bias")->to_f64();
    const auto mean = m.constant("mean")->to_f64();
    const auto variance = m.constant("variance")->to_f64();
    for (std::size_t c = 0; c < factor.size(); ++c) {
        factor[c] /= std::sqrt(variance[c] + epsilon_of(node.attrs));
        addend[c] -= mean[c] * factor[c];
    }
    Dims dims(std::max<std::size_t>(type.dims.size() - 1, 1), 1);
    dims[0] = static_cast<std::int64_t>(factor.size());
    const auto parameter = [&](const char* name, const std::vector<double>& values) {
        return m.graph.add_constant(name, Tensor::of(dims, values).cast(type.dtype));
    };
    const ValueId scaled = insert_node(m.graph, m.at("y"), "Mul", {m["x"], parameter("factor", factor)});
    return replace(m, m["y"], insert_node(m.graph, m.at("y"), "Add", {scaled, parameter("addend", addend)}));
}

}  // namespace

void register_batch_normalization(Registry& registry) {
    OpDef batch = define_normalization("BatchNormalization", 1, 15, 5, infer_batch_normalization,
                                       widened<eval_batch_normalization>, lower_batch_normalization,
                                       {{"epsilon", AttrKind::real},
                                        {"is_test", AttrKind::integer},
                                        {"momentum", AttrKind::real},
                                        {"spatial", AttrKind::integer},
                                        {"training_mode", AttrKind::integer}});
    batch.max_outputs = 5;
    batch.carry_axis = [](const InferContext& c, std::size_t input, int axis) {
        return c.output_count() == 1 && c.attrs().get_int("training_mode", 0) == 0 ? carry_batch(c, input, axis) : -1;
    };
    batch.rules = {
        {"batch-normalization-to-affine", "y = BatchNormalization(x, scale, bias, mean, variance)", to_affine}};
    batch.raise = raise_batch_normalization;
    registry.add(std::move(batch));
}

}  // namespace igata
