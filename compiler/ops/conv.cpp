// Conv: 1 to 3 spatial axes, groups, dilations, any padding.
#include <Eigen/Core>

#include "compiler/ops/carry_axis.hpp"
#include "compiler/ops/lower_convolution.hpp"
#include "compiler/ops/op.hpp"
#include "compiler/ops/rules/crop_kernel.hpp"
#include "compiler/ops/rules/fold_affine.hpp"
#include "compiler/ops/rules/fold_pad.hpp"
#include "compiler/ops/widen.hpp"
#include "compiler/ops/window.hpp"

namespace igata {
namespace {

Window window_of(const Attrs& attrs, const Dims& x, const Dims& weights) {
    return make_window(attrs, Dims(x.begin() + 2, x.end()), Dims(weights.begin() + 2, weights.end()));
}

void infer_conv(InferContext& ctx) {
    const Dims& x = ctx.dims(0);
    const Dims& w = ctx.dims(1);
    const std::int64_t groups = ctx.attrs().get_int("group", 1);
    if (!is_floating(ctx.dtype(0))) ctx.fail("the input must be floating-point");
    if (ctx.dtype(1) != ctx.dtype(0)) ctx.fail("input and weights differ in type");
    if (x.size() < 3) ctx.fail("the input " + to_string(x) + " needs at least one spatial axis");
    if (x.size() > 2 + runtime::max_spatial) ctx.unsupported("more than three spatial axes");
    if (w.size() != x.size()) ctx.fail("weights " + to_string(w) + " do not fit the input " + to_string(x));
    if (groups < 1 || x[1] != w[1] * groups || w[0] % groups != 0)
        ctx.fail("weights " + to_string(w) + " in " + std::to_string(groups) + " groups do not fit the input " +
                 to_string(x));
    const Dims kernel(w.begin() + 2, w.end());
    if (ctx.attrs().get_ints("kernel_shape", kernel) != kernel)
        ctx.fail("kernel_shape does not agree with the weights " + to_string(w));
    if (ctx.has_input(2) && ctx.dims(2) != Dims{w[0]})
        ctx.fail("the bias " + to_string(ctx.dims(2)) + " must be " + to_string(Dims{w[0]}));
    const Window window = window_of(ctx.attrs(), x, w);
    Dims y{x[0], w[0]};
    y.insert(y.end(), window.output.begin(), window.output.end());
    ctx.set_output(0, {ctx.dtype(0), y});
}

/// Unrolls the windows of each group into columns and multiplies by the weights.
template <class T>
void convolve(const Tensor& x, const Tensor& w, const Tensor* bias, const Window& window, std::int64_t groups,
              Tensor& y) {
    using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const std::vector<std::int64_t> places = window_taps(window);
    const std::int64_t pixels = element_count(window.output);
    const std::int64_t taps = element_count(window.kernel);
    const std::int64_t image = element_count(window.image);
    const std::int64_t in = w.dims()[1];
    const std::int64_t out = w.dims()[0] / groups;
    Matrix columns(in * taps, pixels);
    for (std::int64_t block = 0; block < x.dims()[0] * groups; ++block) {
        const T* source = x.values<T>().data() + block * in * image;
        for (std::int64_t row = 0; row < in * taps; ++row)
            for (std::int64_t p = 0; p < pixels; ++p) {
                const std::int64_t place = places[static_cast<std::size_t>(p * taps + row % taps)];
                columns(row, p) = place < 0 ? T(0) : source[row / taps * image + place];
            }
        const std::int64_t first = block % groups * out;
        Eigen::Map<const Matrix> kernel(w.values<T>().data() + first * in * taps, out, in * taps);
        Eigen::Map<Matrix> result(y.mutable_values<T>().data() + block * out * pixels, out, pixels);
        result.noalias() = kernel * columns;
        if (bias != nullptr)
            result.colwise() +=
                Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>(bias->values<T>().data() + first, out);
    }
}

void eval_conv(EvalContext& ctx) {
    const Window window = window_of(ctx.attrs(), ctx.input(0).dims(), ctx.input(1).dims());
    Tensor& y = ctx.make_output(0);
    visit_wide(y.dtype(), [&]<class T>() {
        convolve<T>(ctx.input(0), ctx.input(1), ctx.has_input(2) ? &ctx.input(2) : nullptr, window,
                    ctx.attrs().get_int("group", 1), y);
    });
}

/// A reduction over the box [n, group, oc/group, image..., ic/group, kernel...].
void lower_to_loop(LowerContext& ctx, const Window& window) {
    const View weights = ctx.input(1);
    const std::int64_t groups = ctx.node().attrs.get_int("group", 1);
    const std::int64_t out = weights.dims[0] / groups;
    const std::int64_t in = weights.dims[1];
    Dims begin{0, 0};
    Dims end{0, 0};
    begin.insert(begin.end(), window.pads_begin.begin(), window.pads_begin.end());
    end.insert(end.end(), window.pads_end.begin(), window.pads_end.end());
    const View x = padded(ctx, ctx.input(0), begin, end);
    const View y = ctx.output(0);

    Dims box{x.dims[0], groups, out};
    View source{x.buffer, x.offset, x.dtype, {}, {x.strides[0], in * x.strides[1], 0}};
    View kernel{weights.buffer, weights.offset, weights.dtype, {}, {0, out * weights.strides[0], weights.strides[0]}};
    View result{y.buffer, y.offset, y.dtype, {}, {y.strides[0], out * y.strides[1], y.strides[1]}};
    const auto extend = [&](std::int64_t size, std::int64_t source_stride, std::int64_t kernel_stride,
                            std::int64_t result_stride) {
        box.push_back(size);
        source.strides.push_back(source_stride);
        kernel.strides.push_back(kernel_stride);
        result.strides.push_back(result_stride);
    };
    for (std::size_t i = 0; i < window.rank(); ++i)
        extend(window.output[i], window.strides[i] * x.strides[i + 2], 0, y.strides[i + 2]);
    Dims axes;
    for (std::size_t i = 0; i <= window.rank(); ++i) axes.push_back(static_cast<std::int64_t>(box.size() + i));
    extend(in, x.strides[1], weights.strides[1], 0);
    for (std::size_t i = 0; i < window.rank(); ++i)
        extend(window.kernel[i], window.dilations[i] * x.strides[i + 2], weights.strides[i + 2], 0);
    source.dims = kernel.dims = result.dims = box;
    for (const std::int64_t axis : axes) result.dims[static_cast<std::size_t>(axis)] = 1;
    ctx.add_reduce(Reduce::sum, expr::parse("x0 * x1"), {source, kernel}, box, axes, result, y.dtype, nullptr);
    if (ctx.node().input(2) == no_value) return;
    Dims channels(y.dims.size(), 1);
    channels[1] = y.dims[1];
    ctx.add_map(expr::parse("x0 + x1"), {y, ctx.reshaped(ctx.input(2), channels)}, y);
}

void lower_conv(LowerContext& ctx) {
    const View x = ctx.input(0);
    const Window window = window_of(ctx.node().attrs, x.dims, ctx.input(1).dims);
    const bool has_weights = element_count(ctx.input(1).dims) > 0;  // oneDNN has no convolutions without
    if (x.dtype == DataType::f32 && has_weights) return lower_to_primitive<runtime::ConvolutionSpec>(ctx, window);
    if (x.dims.size() > 4) ctx.unsupported("three spatial axes in " + std::string(name_of(x.dtype)));
    lower_to_loop(ctx, window);
}

}  // namespace

void register_conv(Registry& registry) {
    OpDef conv;
    conv.name = "Conv";
    conv.newest = 22;
    conv.min_inputs = 2;
    conv.max_inputs = 3;
    conv.attrs = {{"auto_pad", AttrKind::string}, {"dilations", AttrKind::integers},
                  {"group", AttrKind::integer},   {"kernel_shape", AttrKind::integers},
                  {"pads", AttrKind::integers},   {"strides", AttrKind::integers}};
    conv.infer = infer_conv;
    conv.carry_axis = carry_batch;
    conv.eval = widened<eval_conv>;
    conv.lower = lower_conv;
    conv.takes_epilogue = true;
    conv.widens_halves = true;
    add_conv_pad_rules(conv.rules);
    add_conv_affine_rules(conv.rules);
    add_crop_kernel_rule(conv.rules);
    registry.add(std::move(conv));
}

}  // namespace igata
