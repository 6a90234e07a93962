// DeformConv: a convolution each of whose taps is moved by an offset that is an input, too.
//     columns = kernel `deform_columns`     what the taps meet, interpolated
//     y = weights x columns (+ bias)        a oneDNN product in f32, a loop in f64
#include <cmath>

#include <fmt/format.h>

#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/lowering.hpp"
#include "compiler/ops/widen.hpp"
#include "compiler/ops/window.hpp"

namespace igata {

namespace {

Window window_of(const Attrs& attrs, const Dims& x, const Dims& weights) {
    return make_window(attrs, Dims(x.begin() + 2, x.end()), Dims(weights.begin() + 2, weights.end()));
}

/// Inputs of the node that are there: [offset] and [mask] have `channels` in front of the window's output.
void check_field(InferContext& c, std::size_t i, const char* name, std::int64_t channels, const Window& window) {
    if (!c.has_input(i)) return;
    Dims expected{c.dims(0)[0], channels};
    expected.insert(expected.end(), window.output.begin(), window.output.end());
    if (c.dims(i) != expected || c.dtype(i) != c.dtype(0))
        c.fail(fmt::format("the {} {} must be {}", name, to_string(c.input(i)), to_string(expected)));
}

void infer_deform_conv(InferContext& c) {
    const Dims& x = c.dims(0);
    const Dims& w = c.dims(1);
    const std::int64_t groups = c.attrs().get_int("group", 1);
    const std::int64_t offset_groups = c.attrs().get_int("offset_group", 1);
    if (!is_floating(c.dtype(0))) c.fail("the input must be floating-point");
    if (c.dtype(1) != c.dtype(0)) c.fail("input and weights differ in type");
    if (x.size() < 3) c.fail("the input " + to_string(x) + " needs at least one spatial axis");
    if (x.size() > 2 + runtime::max_spatial) c.unsupported("more than three spatial axes");
    if (w.size() != x.size() || groups < 1 || w[1] > INT32_MAX || groups > INT32_MAX || x[1] != w[1] * groups ||
        w[0] % groups != 0)
        c.fail(fmt::format("weights {} in {} groups do not fit the input {}", to_string(w), groups, to_string(x)));
    if (offset_groups < 1 || x[1] % offset_groups != 0)
        c.fail(fmt::format("{} channels cannot be in {} groups of offsets", x[1], offset_groups));
    const Dims kernel(w.begin() + 2, w.end());
    if (c.attrs().get_ints("kernel_shape", kernel) != kernel)
        c.fail("kernel_shape does not agree with the weights " + to_string(w));
    if (c.has_input(3) && c.dims(3) != Dims{w[0]}) c.fail("the bias " + to_string(c.dims(3)) + " does not fit");
    const Window window = window_of(c.attrs(), x, w);
    const std::int64_t taps = element_count(kernel);
    check_field(c, 2, "offset", offset_groups * taps * as_dim(window.rank()), window);
    check_field(c, 4, "mask", offset_groups * taps, window);
    Dims y{x[0], w[0]};
    y.insert(y.end(), window.output.begin(), window.output.end());
    c.set_output(0, {c.dtype(0), y});
}

/// The element at a place between elements, of an image with zeros around it.
double interpolated(const double* image, const Dims& dims, const std::vector<double>& place) {
    double sum = 0;
    for (std::size_t corner = 0; corner < std::size_t{1} << dims.size(); ++corner) {
        double weight = 1;
        std::int64_t offset = 0;
        bool inside = true;
        for (std::size_t axis = 0; axis < dims.size(); ++axis) {
            const double left = std::floor(place[axis]);
            const double right_weight = place[axis] - left;
            const bool right = (corner >> axis & 1U) != 0;
            const double at = left + (right ? 1 : 0);
            weight *= right ? right_weight : 1 - right_weight;
            inside = inside && at >= 0 && at < static_cast<double>(dims[axis]);
            if (inside) offset = offset * dims[axis] + static_cast<std::int64_t>(at);
        }
        if (inside) sum += weight * image[offset];
    }
    return sum;
}

void eval_deform_conv(EvalContext& c) {
    const Dims& x = c.input(0).dims();
    const Dims& w = c.input(1).dims();
    const Window window = window_of(c.attrs(), x, w);
    const std::int64_t offset_groups = c.attrs().get_int("offset_group", 1);
    const std::int64_t out_per_group = w[0] / c.attrs().get_int("group", 1);
    const std::int64_t taps = element_count(window.kernel);
    const std::int64_t pixels = element_count(window.output);
    const auto rank = as_dim(window.rank());
    const std::vector<double> source = c.input(0).to_f64();
    const std::vector<double> weights = c.input(1).to_f64();
    const std::vector<double> offsets = c.input(2).to_f64();
    const std::vector<double> bias = c.has_input(3) ? c.input(3).to_f64() : std::vector<double>();
    const std::vector<double> mask = c.has_input(4) ? c.input(4).to_f64() : std::vector<double>();
    Tensor result(DataType::f64, c.output_type(0).dims);
    const auto write = result.mutable_values<double>();
    std::vector<double> place(window.rank());
    for (std::size_t i = 0; i < write.size(); ++i) {
        const std::int64_t pixel = as_dim(i) % pixels;
        const std::int64_t out = as_dim(i) / pixels % w[0];
        const std::int64_t n = as_dim(i) / pixels / w[0];
        if (!bias.empty()) write[i] = bias[as_index(out)];
        for (std::int64_t k = 0; k < w[1] * taps; ++k) {
            const std::int64_t channel = out / out_per_group * w[1] + k / taps;
            const std::int64_t field = (n * offset_groups + channel / (x[1] / offset_groups)) * taps + k % taps;
            std::int64_t at = pixel;
            std::int64_t tap = k % taps;
            for (std::size_t axis = window.rank(); axis-- > 0;) {
                const std::int64_t straight = at % window.output[axis] * window.strides[axis] -
                                              window.pads_begin[axis] +
                                              tap % window.kernel[axis] * window.dilations[axis];
                place[axis] =
                    static_cast<double>(straight) + offsets[as_index((field * rank + as_dim(axis)) * pixels + pixel)];
                at /= window.output[axis];
                tap /= window.kernel[axis];
            }
            const double* image = source.data() + (n * x[1] + channel) * element_count(window.image);
            const double factor = mask.empty() ? 1 : mask[as_index(field * pixels + pixel)];
            write[i] += weights[as_index(out * w[1] * taps + k)] * factor * interpolated(image, window.image, place);
        }
    }
    c.set_output(0, result.cast(c.input(0).dtype()));
}

/// What the taps meet: [n, channels, taps, pixels].
View lower_columns(LowerContext& c, const Window& window, DataType wide) {
    const auto operand = [&](std::size_t i) {
        const View view = c.input(i);
        return view.valid() && view.dtype != wide ? converted(c, view, wide, memory_order(view)) : view;
    };
    const View x = operand(0);
    const View columns =
        c.temporary(wide, {x.dims[0], x.dims[1], element_count(window.kernel), element_count(window.output)});
    std::vector<std::int64_t> ints(14, 0);
    ints[0] = as_dim(window.rank());
    ints[1] = c.node().attrs.get_int("offset_group", 1);
    std::copy(window.kernel.begin(), window.kernel.end(), ints.begin() + 2);
    std::copy(window.strides.begin(), window.strides.end(), ints.begin() + 5);
    std::copy(window.dilations.begin(), window.dilations.end(), ints.begin() + 8);
    std::copy(window.pads_begin.begin(), window.pads_begin.end(), ints.begin() + 11);
    add_kernel(c, "deform_columns", ints, {x, operand(2), operand(4), columns});
    return columns;
}

void lower_deform_conv(LowerContext& c) {
    const Dims& x = input_dims(c, 0);
    const Dims& w = input_dims(c, 1);
    const Window window = window_of(c.node().attrs, x, w);
    const std::int64_t groups = c.node().attrs.get_int("group", 1);
    const std::int64_t taps = element_count(window.kernel);
    const View y = c.output_in_order(0, row_major_order(x.size()));
    const DataType wide = wide_type(y.dtype);
    const View columns = lower_columns(c, window, wide);
    const View weights = converted(c, c.input(1), wide, row_major_order(w.size()));
    const View product = wide == y.dtype ? y : c.temporary(wide, y.dims);
    const View a = c.reshaped(weights, {1, groups, w[0] / groups, w[1] * taps});
    const View b = c.reshaped(columns, {x[0], groups, w[1] * taps, columns.dims[3]});
    const View dst = c.reshaped(product, {x[0], groups, w[0] / groups, columns.dims[3]});
    if (wide == DataType::f32 && element_count(b.dims) > 0 && element_count(dst.dims) > 0) {
        runtime::MatMulSpec spec;
        spec.a = memory_spec(a);
        spec.b = memory_spec(b);
        spec.dst = memory_spec(dst);
        c.add(spec, {a, b, {}, dst});
    } else {
        const Dims box{dst.dims[0], dst.dims[1], dst.dims[2], dst.dims[3], b.dims[2]};
        const View rows = with_axis(a, 3);
        View lines = with_axis(b, 2);
        std::swap(lines.dims[3], lines.dims[4]);
        std::swap(lines.strides[3], lines.strides[4]);
        c.add_reduce(Reduce::sum, expr::parse("x0 * x1"), {rows, lines}, box, {4}, with_axis(dst, 4), wide, nullptr);
    }
    Dims channels(y.dims.size(), 1);
    channels[1] = w[0];
    if (c.node().input(3) != no_value)
        add_wide_map(c, expr::parse("x0 + x1"), {product, c.reshaped(c.input(3), channels)}, y, wide);
    else if (wide != y.dtype) c.add_map(expr::cast(y.dtype, expr::operand(0)), {product}, y);
}

}  // namespace

void register_deform_conv(Registry& registry) {
    OpDef op;
    op.name = "DeformConv";
    op.since = 19;
    op.newest = 22;
    op.min_inputs = 3;
    op.max_inputs = 5;
    op.attrs = {{"dilations", AttrKind::integers},   {"group", AttrKind::integer}, {"kernel_shape", AttrKind::integers},
                {"offset_group", AttrKind::integer}, {"pads", AttrKind::integers}, {"strides", AttrKind::integers}};
    op.infer = infer_deform_conv;
    op.eval = eval_deform_conv;
    op.lower = lower_deform_conv;
    registry.add(std::move(op));
}

}  // namespace igata
