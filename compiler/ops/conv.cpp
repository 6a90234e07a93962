// Conv: 1 to 3 spatial axes, groups, dilations, any padding.
#include <Eigen/Core>

#include "compiler/ops/op.hpp"
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
        ctx.fail("weights " + to_string(w) + " in " + std::to_string(groups) + " groups do not fit the input " + to_string(x));
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
void convolve(const Tensor& x, const Tensor& w, const Tensor* bias, const Window& window, std::int64_t groups, Tensor& y) {
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
            result.colwise() += Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>(bias->values<T>().data() + first, out);
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

}  // namespace

void register_conv(Registry& registry) {
    OpDef conv;
    conv.name = "Conv";
    conv.newest = 22;
    conv.min_inputs = 2;
    conv.max_inputs = 3;
    conv.attrs = {{"auto_pad", AttrKind::string},  {"dilations", AttrKind::integers}, {"group", AttrKind::integer},
                  {"kernel_shape", AttrKind::integers}, {"pads", AttrKind::integers},  {"strides", AttrKind::integers}};
    conv.infer = infer_conv;
    conv.eval = widened<eval_conv>;
    registry.add(std::move(conv));
}

}  // namespace igata
