// LRN: x / (bias + alpha / size * sum of squares of neighbouring channels) ^ beta.
#include <algorithm>

#include "compiler/ops/carry_axis.hpp"
#include "compiler/ops/moments.hpp"

namespace igata {
namespace {

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
            for (std::int64_t at = std::max<std::int64_t>(0, c - (size - 1) / 2);
                 at <= std::min(channels - 1, c + size / 2); ++at) {
                const auto value = static_cast<double>(values[static_cast<std::size_t>(i + (at - c) * image)]);
                squares += value * value;
            }
            const auto place = static_cast<std::size_t>(i);
            result[place] = static_cast<T>(static_cast<double>(values[place]) /
                                           std::pow(bias + alpha / static_cast<double>(size) * squares, beta));
        }
    });
}

/// Squares padded along the channels, whose windows then are views; for types and window sizes that oneDNN lacks.
void lower_to_loops(LowerContext& ctx, std::int64_t size, float alpha, float beta, float bias) {
    const View x = ctx.input(0);
    const View y = ctx.output(0);
    const std::size_t rank = x.dims.size();
    const View squares = ctx.temporary(x.dtype, x.dims);
    ctx.add_map(expr::parse("x0 * x0"), {x}, squares);
    Dims begin(rank, 0);
    Dims end(rank, 0);
    begin[1] = (size - 1) / 2;
    end[1] = size / 2;
    View windows = padded(ctx, squares, begin, end);
    Dims box = x.dims;
    box.push_back(size);
    windows.dims = box;
    windows.strides.push_back(windows.strides[1]);
    View sum = ctx.temporary(x.dtype, x.dims);
    View reduced = sum;
    reduced.dims.push_back(1);
    reduced.strides.push_back(0);
    ctx.add_reduce(Reduce::sum, expr::operand(0), {windows}, box, {static_cast<std::int64_t>(rank)}, reduced, x.dtype,
                   nullptr);
    const ExprPtr body = expr::substitute(expr::parse("x0 / pow(bias + scale * x1, beta)"),
                                          {{"bias", static_cast<double>(bias)},
                                           {"beta", static_cast<double>(beta)},
                                           {"scale", static_cast<double>(alpha) / static_cast<double>(size)}});
    ctx.add_map(body, {x, sum}, y);
}

void lower_lrn(LowerContext& ctx) {
    const Attrs& attrs = ctx.node().attrs;
    const View x = ctx.input(0);
    const std::int64_t size = attrs.get_int("size", 1);
    const float alpha = attrs.get_float("alpha", 1e-4F);
    const float beta = attrs.get_float("beta", 0.75F);
    const float bias = attrs.get_float("bias", 1.0F);
    if (x.dtype != DataType::f32 || size % 2 == 0 || x.dims.size() != 4)
        return lower_to_loops(ctx, size, alpha, beta, bias);
    const auto order = channels_last_order(x.dims.size());
    const View src = ctx.in_order(x, order);
    const View dst = ctx.output_in_order(0, order);
    ctx.add(runtime::LrnSpec{memory_spec(src), memory_spec(dst), size, alpha, beta, bias}, {src, dst});
}

}  // namespace

void register_lrn(Registry& registry) {
    OpDef lrn = define_normalization("LRN", 1, 13, 1, infer_lrn, widened<eval_lrn>, lower_lrn,
                                     {{"alpha", AttrKind::real},
                                      {"beta", AttrKind::real},
                                      {"bias", AttrKind::real},
                                      {"size", AttrKind::integer, true}});
    lrn.widens_halves = true;
    lrn.carry_axis = carry_batch;
    registry.add(std::move(lrn));
}

}  // namespace igata
