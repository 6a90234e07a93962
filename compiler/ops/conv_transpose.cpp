// ConvTranspose: 1 to 3 spatial axes, groups, dilations; every element of the input adds its multiple of the kernel to
// the output, `strides` apart.
//     y = ConvTranspose(x, w, b)    a oneDNN deconvolution with the epilogue, channels innermost
// Where oneDNN has none (f64, padding that cuts nothing off but adds), a convolution by a loop: of the input with
// zeros between its elements, by the kernel turned round.
#include <Eigen/Core>

#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/carry_axis.hpp"
#include "compiler/ops/lower_convolution.hpp"
#include "compiler/ops/lowering.hpp"
#include "compiler/ops/op.hpp"
#include "compiler/ops/rules/fold_affine.hpp"
#include "compiler/ops/widen.hpp"
#include "compiler/ops/window.hpp"

namespace igata {
namespace {

using window_detail::attribute;

/// The window of the convolution that goes the other way: its image is the output here, its output the input.
/// `pads_end` is negative where output_padding is larger.
Window window_of(const Attrs& attrs, const Dims& x, const Dims& weights) {
    const std::size_t rank = x.size() - 2;
    Window w;
    w.output.assign(x.begin() + 2, x.end());
    w.kernel.assign(weights.begin() + 2, weights.end());
    for (const std::int64_t k : w.kernel)
        if (k < 1) throw std::invalid_argument("kernel_shape " + to_string(w.kernel) + " must be positive");
    w.strides = attribute(attrs, "strides", rank, 1, 1);
    w.dilations = attribute(attrs, "dilations", rank, 1, 1);
    const Dims pads = attribute(attrs, "pads", 2 * rank, 0, 0);
    const Dims more = attribute(attrs, "output_padding", rank, 0, 0);
    w.pads_begin.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(rank));
    w.pads_end.assign(pads.begin() + static_cast<std::ptrdiff_t>(rank), pads.end());
    const std::string auto_pad = attrs.get_string("auto_pad", "NOTSET");
    if (auto_pad != "NOTSET" && auto_pad != "VALID" && auto_pad != "SAME_UPPER" && auto_pad != "SAME_LOWER")
        throw std::invalid_argument("auto_pad '" + auto_pad + "' is none of NOTSET, VALID, SAME_UPPER, SAME_LOWER");
    const bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
    const bool shaped = !attrs.get_ints("output_shape").empty();
    if (shaped) w.image = attribute(attrs, "output_shape", rank, 1, 1);
    for (std::size_t i = 0; i < rank; ++i) {
        const std::int64_t whole = (w.output[i] - 1) * w.strides[i] + w.extent(i);
        if (shaped || same) {
            if (!shaped) w.image.push_back(w.output[i] * w.strides[i]);
            const std::int64_t total = std::max<std::int64_t>(0, whole + more[i] - w.image[i]);
            w.pads_begin[i] = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
        } else {
            if (auto_pad == "VALID") w.pads_begin[i] = w.pads_end[i] = 0;
            w.image.push_back(whole + more[i] - w.pads_begin[i] - w.pads_end[i]);
        }
        w.pads_end[i] = whole - w.pads_begin[i] - w.image[i];
        if (w.image[i] < 1) throw std::invalid_argument("nothing is left of the output " + to_string(w.image));
    }
    return w;
}

void infer_conv_transpose(InferContext& ctx) {
    const Dims& x = ctx.dims(0);
    const Dims& w = ctx.dims(1);
    const std::int64_t groups = ctx.attrs().get_int("group", 1);
    if (!is_floating(ctx.dtype(0))) ctx.fail("the input must be floating-point");
    if (ctx.dtype(1) != ctx.dtype(0)) ctx.fail("input and weights differ in type");
    if (x.size() < 3) ctx.fail("the input " + to_string(x) + " needs at least one spatial axis");
    if (x.size() > 2 + runtime::max_spatial) ctx.unsupported("more than three spatial axes");
    if (w.size() != x.size() || groups < 1 || x[1] != w[0] || w[0] % groups != 0 || w[1] > INT32_MAX / groups)
        ctx.fail("weights " + to_string(w) + " in " + std::to_string(groups) + " groups do not fit the input " +
                 to_string(x));
    const Dims kernel(w.begin() + 2, w.end());
    if (ctx.attrs().get_ints("kernel_shape", kernel) != kernel)
        ctx.fail("kernel_shape does not agree with the weights " + to_string(w));
    if (ctx.has_input(2) && ctx.dims(2) != Dims{w[1] * groups})
        ctx.fail("the bias " + to_string(ctx.dims(2)) + " must be " + to_string(Dims{w[1] * groups}));
    Dims y{x[0], w[1] * groups};
    const Window window = window_of(ctx.attrs(), x, w);
    y.insert(y.end(), window.image.begin(), window.image.end());
    ctx.set_output(0, {ctx.dtype(0), y});
}

/// Multiplies by the weights of each group, and adds up the windows that the products are.
template <class T>
void deconvolve(const Tensor& x, const Tensor& w, const Tensor* bias, const Window& window, std::int64_t groups,
                Tensor& y) {
    using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const std::vector<std::int64_t> places = window_taps(window);
    const std::int64_t pixels = element_count(window.output);
    const std::int64_t taps = element_count(window.kernel);
    const std::int64_t image = element_count(window.image);
    const std::int64_t in = w.dims()[0] / groups;
    const std::int64_t out = w.dims()[1];
    for (std::int64_t block = 0; block < x.dims()[0] * groups; ++block) {
        const std::int64_t group = block % groups;
        Eigen::Map<const Matrix> source(x.values<T>().data() + block * in * pixels, in, pixels);
        Eigen::Map<const Matrix> kernel(w.values<T>().data() + group * in * out * taps, in, out * taps);
        const Matrix windows = kernel.transpose() * source;
        T* result = y.mutable_values<T>().data() + block * out * image;
        for (std::int64_t channel = 0; channel < out; ++channel) {
            const T start = bias != nullptr ? bias->values<T>()[as_index(group * out + channel)] : T(0);
            std::fill(result + channel * image, result + (channel + 1) * image, start);
            for (std::int64_t p = 0; p < pixels; ++p)
                for (std::int64_t t = 0; t < taps; ++t) {
                    const std::int64_t place = places[as_index(p * taps + t)];
                    if (place >= 0) result[channel * image + place] += windows(channel * taps + t, p);
                }
        }
    }
}

void eval_conv_transpose(EvalContext& ctx) {
    const Window window = window_of(ctx.attrs(), ctx.input(0).dims(), ctx.input(1).dims());
    Tensor& y = ctx.make_output(0);
    visit_wide(y.dtype(), [&]<class T>() {
        deconvolve<T>(ctx.input(0), ctx.input(1), ctx.has_input(2) ? &ctx.input(2) : nullptr, window,
                      ctx.attrs().get_int("group", 1), y);
    });
}

/// The input with `strides - 1` zeros between its elements and as many around them as the turned kernel
/// reaches; as the view whose first element is the one that the first tap of the first output meets.
View spread(LowerContext& ctx, const View& x, const Window& window) {
    Dims dims{x.dims[0], x.dims[1]};
    Dims lowest;
    for (std::size_t i = 0; i < window.rank(); ++i) {
        const std::int64_t last_tap = (window.kernel[i] - 1) * window.dilations[i];
        const std::int64_t last = (window.output[i] - 1) * window.strides[i];
        lowest.push_back(std::min<std::int64_t>(0, window.pads_begin[i] - last_tap));
        dims.push_back(std::max(last, window.image[i] - 1 + window.pads_begin[i]) - lowest[i] + 1);
    }
    View all = ctx.temporary(x.dtype, dims);
    ctx.add_map(expr::constant(0.0), {}, all);
    View inside = all;
    inside.dims = x.dims;
    for (std::size_t i = 0; i < window.rank(); ++i) {
        inside.offset -= lowest[i] * all.strides[i + 2];
        inside.strides[i + 2] *= window.strides[i];
        all.offset += (window.pads_begin[i] - lowest[i]) * all.strides[i + 2];
    }
    ctx.add_map(expr::operand(0), {x}, inside);
    return all;
}

/// The sum over the box [n, group, oc/group, image..., ic/group, kernel...].
void add_products(LowerContext& ctx, const View& x, const View& weights, const View& y, std::int64_t groups,
                  const Window& window) {
    const std::int64_t in = weights.dims[0] / groups;
    const std::int64_t out = weights.dims[1];
    Dims box{y.dims[0], groups, out};
    View source{x.buffer, x.offset, x.dtype, {}, {x.strides[0], in * x.strides[1], 0}};
    View kernel{weights.buffer, weights.offset, weights.dtype, {}, {0, in * weights.strides[0], weights.strides[1]}};
    View result{y.buffer, y.offset, y.dtype, {}, {y.strides[0], out * y.strides[1], y.strides[1]}};
    const auto extend = [&](std::int64_t size, std::int64_t source_stride, std::int64_t kernel_stride,
                            std::int64_t result_stride) {
        box.push_back(size);
        source.strides.push_back(source_stride);
        kernel.strides.push_back(kernel_stride);
        result.strides.push_back(result_stride);
    };
    for (std::size_t i = 0; i < window.rank(); ++i) extend(window.image[i], x.strides[i + 2], 0, y.strides[i + 2]);
    Dims axes;
    for (std::size_t i = 0; i <= window.rank(); ++i) axes.push_back(as_dim(box.size() + i));
    extend(in, x.strides[1], weights.strides[0], 0);
    for (std::size_t i = 0; i < window.rank(); ++i)
        extend(window.kernel[i], -window.dilations[i] * x.strides[i + 2], weights.strides[i + 2], 0);
    source.dims = kernel.dims = result.dims = box;
    for (const std::int64_t axis : axes) result.dims[as_index(axis)] = 1;
    ctx.add_reduce(Reduce::sum, expr::parse("x0 * x1"), {source, kernel}, box, axes, result, y.dtype, nullptr);
}

void lower_to_loop(LowerContext& ctx, const Window& window) {
    const View y = ctx.output(0);
    const View weights = ctx.row_major(ctx.input(1));
    const View x = spread(ctx, ctx.input(0), window);
    const std::int64_t groups = ctx.node().attrs.get_int("group", 1);
    const std::int64_t in = weights.dims[0] / groups;
    const std::int64_t out = weights.dims[1];
    if (window.rank() < 3) add_products(ctx, x, weights, y, groups, window);
    for (std::int64_t image = 0; window.rank() == 3 && image < y.dims[0]; ++image)  // a loop has eight axes at most
        for (std::int64_t group = 0; group < groups; ++group)
            add_products(ctx, sliced(sliced(x, 0, image, 1), 1, group * in, in), sliced(weights, 0, group * in, in),
                         sliced(sliced(y, 0, image, 1), 1, group * out, out), 1, window);
    Dims channels(y.dims.size(), 1);
    channels[1] = y.dims[1];
    if (ctx.node().input(2) != no_value)
        ctx.add_map(expr::parse("x0 + x1"), {y, ctx.reshaped(ctx.input(2), channels)}, y);
}

void lower_conv_transpose(LowerContext& ctx) {
    const View x = ctx.input(0);
    const Window window = window_of(ctx.node().attrs, x.dims, ctx.input(1).dims);
    bool primitive = x.dtype == DataType::f32 && element_count(x.dims) > 0 &&
                     element_count(ctx.input(1).dims) > 0;  // oneDNN has none without
    for (std::size_t i = 0; i < window.rank(); ++i) primitive = primitive && window.pads_end[i] + window.strides[i] > 0;
    if (primitive) lower_to_primitive<runtime::DeconvolutionSpec>(ctx, window);
    else lower_to_loop(ctx, window);
}

}  // namespace

void register_conv_transpose(Registry& registry) {
    OpDef op;
    op.name = "ConvTranspose";
    op.newest = 22;
    op.min_inputs = 2;
    op.max_inputs = 3;
    op.attrs = {{"auto_pad", AttrKind::string},         {"dilations", AttrKind::integers},
                {"group", AttrKind::integer},           {"kernel_shape", AttrKind::integers},
                {"output_padding", AttrKind::integers}, {"output_shape", AttrKind::integers},
                {"pads", AttrKind::integers},           {"strides", AttrKind::integers}};
    op.infer = infer_conv_transpose;
    op.carry_axis = carry_batch;
    op.eval = widened<eval_conv_transpose>;
    op.lower = lower_conv_transpose;
    op.takes_epilogue = true;
    op.widens_halves = true;
    add_conv_transpose_affine_rules(op.rules);
    registry.add(std::move(op));
}

}  // namespace igata
