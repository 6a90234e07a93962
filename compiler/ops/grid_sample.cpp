// GridSample: an image sampled at the places of a grid; AffineGrid: such a grid from affine matrices.
//     g = AffineGrid(theta, size)    a loop: the product of theta with a constant grid
//     y = GridSample(x, g)           the kernel `grid_sample`; x of other types than f32 and f64 is sampled in one of
//     them
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "compiler/ir/interpret.hpp"
#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/elementwise.hpp"
#include "compiler/ops/lowering.hpp"
#include "compiler/ops/widen.hpp"

namespace igata {

namespace {

// GridSample ---------------------------------------------------------------------------------------------------------

/// The attributes as numbers, in the kernel's order of choices.
struct Sampling {
    std::int64_t mode = 1;     ///< nearest, linear, cubic
    std::int64_t padding = 0;  ///< zeros, border, reflection
    bool align_corners = false;
};

std::int64_t choice(const Attrs& attrs, const std::string& name, const std::vector<std::string>& choices,
                    std::size_t usual) {
    const std::string value = attrs.get_string(name, choices[usual]);
    const auto found = std::find(choices.begin(), choices.end(), value);
    if (found == choices.end()) throw std::invalid_argument(fmt::format("{} '{}' is unknown", name, value));
    return found - choices.begin();
}

Sampling sampling_of(const Attrs& attrs) {
    return {choice(attrs, "mode", {"nearest", "linear", "cubic"}, 1),
            choice(attrs, "padding_mode", {"zeros", "border", "reflection"}, 0),
            attrs.get_int("align_corners", 0) != 0};
}

void infer_grid_sample(InferContext& c) {
    static_cast<void>(sampling_of(c.attrs()));
    const Dims& x = c.dims(0);
    const Dims& grid = c.dims(1);
    if (x.size() < 3) c.fail("the input " + to_string(x) + " needs at least one spatial axis");
    if (x.size() > 2 + runtime::max_spatial) c.unsupported("more than three spatial axes");
    if (!is_floating(c.dtype(1))) c.fail("the grid must be floating-point");
    if (grid.size() != x.size() || grid[0] != x[0] || grid.back() != as_dim(x.size()) - 2)
        c.fail(fmt::format("the grid {} does not fit the input {}", to_string(grid), to_string(x)));
    Dims y{x[0], x[1]};
    y.insert(y.end(), grid.begin() + 1, grid.end() - 1);
    if (element_count(x) == 0 && element_count(y) > 0) c.fail("there is nothing to sample in " + to_string(x));
    c.set_output(0, {c.dtype(0), y});
}

/// Into [lowest, highest] by mirrors at both.
double reflected(double x, double lowest, double highest) {
    const double range = highest - lowest;
    if (!(range > 0)) return 0;
    const double turn = std::fmod(std::abs(x - lowest), 2 * range);
    return lowest + std::min(turn, 2 * range - turn);
}

using Taps = std::vector<std::pair<std::int64_t, double>>;  ///< place (-1: a zero) and weight

std::int64_t padded_place(const Sampling& s, std::int64_t i, std::int64_t extent) {
    if (i >= 0 && i < extent) return i;
    if (s.padding == 0) return -1;
    const double edge = s.align_corners ? 0 : 0.5;
    if (s.padding == 2)
        i = static_cast<std::int64_t>(reflected(static_cast<double>(i), -edge, static_cast<double>(extent) - 1 + edge));
    return std::clamp<std::int64_t>(i, 0, extent - 1);
}

/// What a coordinate means along an axis. T: as which it was given, and in which places are computed, too.
template <class T>
Taps axis_taps(const Sampling& s, T coordinate, std::int64_t extent) {
    const auto length = static_cast<T>(extent);
    const T given = s.align_corners ? (coordinate + 1) / 2 * (length - 1) : ((coordinate + 1) * length - 1) / 2;
    double x = std::isnan(given) ? -1e9 : std::clamp(static_cast<double>(given), -1e9, 1e9);
    if (s.mode == 0) x = std::nearbyint(x);
    const double edge = s.align_corners ? 0 : 0.5;
    const double last = static_cast<double>(extent) - 1;
    const bool outside = x < -edge || x > last + edge;
    if (outside && s.padding == 1) x = std::clamp(x, 0.0, last);
    if (outside && s.padding == 2) x = reflected(x, -edge, last + edge);
    if (s.mode == 0) return {{padded_place(s, static_cast<std::int64_t>(x), extent), 1}};
    const double left = std::floor(x);
    const double t = x - left;
    const auto first = static_cast<std::int64_t>(left);
    if (s.mode == 1) return {{padded_place(s, first, extent), 1 - t}, {padded_place(s, first + 1, extent), t}};
    const auto near = [](double d) { return (1.25 * d - 2.25) * d * d + 1; };
    const auto away = [](double d) { return ((-0.75 * d + 3.75) * d - 6) * d + 3; };
    return {{padded_place(s, first - 1, extent), away(t + 1)},
            {padded_place(s, first, extent), near(t)},
            {padded_place(s, first + 1, extent), near(1 - t)},
            {padded_place(s, first + 2, extent), away(2 - t)}};
}

/// Calls f(offset, weight) for every element of an image that a sample is made of.
void for_each_tap(const std::vector<Taps>& axes, const Dims& strides, const std::function<void(std::size_t, double)>& f,
                  std::size_t axis = 0, std::int64_t offset = 0, double weight = 1) {
    if (axis == axes.size()) return f(as_index(offset), weight);
    for (const auto& [place, factor] : axes[axis])
        if (place >= 0) for_each_tap(axes, strides, f, axis + 1, offset + place * strides[axis], weight * factor);
}

/// Calls sample(i, taps by axis) for place i of the grid, row-major.
template <class T>
void sample_grid(const Tensor& grid, const Sampling& sampling, const Dims& x,
                 const std::function<void(std::size_t, const std::vector<Taps>&)>& sample) {
    const auto read = grid.values<T>();
    const std::size_t spatial = x.size() - 2;
    for (std::size_t i = 0; i < read.size() / spatial; ++i) {
        std::vector<Taps> axes;
        for (std::size_t axis = 0; axis < spatial; ++axis)
            axes.push_back(axis_taps<T>(sampling, read[(i + 1) * spatial - 1 - axis], x[axis + 2]));
        sample(i, axes);
    }
}

void eval_grid_sample(EvalContext& c) {
    const Tensor& x = c.input(0);
    const Sampling sampling = sampling_of(c.attrs());
    Tensor result(DataType::f64, c.output_type(0).dims);
    const bool exact = sampling.mode == 0;
    const auto write = result.mutable_values<double>();
    Tensor& chosen = c.make_output(0);  // nearest: element by element, whatever they are
    const std::vector<double> source = x.to_f64();
    const Dims image(x.dims().begin() + 2, x.dims().end());
    const Dims strides = row_major_strides(image);
    const std::int64_t pixels = element_count(Dims(result.dims().begin() + 2, result.dims().end()));
    const std::int64_t channels = x.dims()[1];
    const auto sample = [&](std::size_t i, const std::vector<Taps>& axes) {
        for (std::int64_t channel = 0; channel < channels; ++channel) {
            const std::int64_t plane = as_dim(i) / pixels * channels + channel;
            const std::int64_t to = plane * pixels + as_dim(i) % pixels;
            for_each_tap(axes, strides, [&](std::size_t offset, double weight) {
                const std::size_t from = as_index(plane * element_count(image)) + offset;
                if (!exact) write[as_index(to)] += weight * source[from];
                else copy_elements(x, {0, as_dim(from), x.dtype(), {}, {}}, chosen, {0, to, x.dtype(), {}, {}});
            });
        }
    };
    if (c.input(1).dtype() == DataType::f64) sample_grid<double>(c.input(1), sampling, x.dims(), sample);
    else sample_grid<float>(c.input(1).cast(DataType::f32), sampling, x.dims(), sample);
    if (exact) return;
    c.set_output(0, eval_map(rounded_to(x.dtype(), expr::operand(0)), {&result}, {x.dtype(), result.dims()}));
}

void lower_grid_sample(LowerContext& c) {
    const View x = c.input(0);
    const Sampling sampling = sampling_of(c.node().attrs);
    const View y = c.output(0);
    const View given = c.input(1);
    const View grid = is_half(given.dtype) ? converted(c, given, DataType::f32, memory_order(given)) : given;
    const std::vector<std::int64_t> ints{sampling.mode, sampling.padding, sampling.align_corners ? 1 : 0};
    const bool wide = x.dtype == DataType::f64 || (is_integer(x.dtype) && size_of(x.dtype) >= 4);
    const DataType type = wide ? DataType::f64 : DataType::f32;
    if (sampling.mode == 0 || x.dtype == type) return add_kernel(c, "grid_sample", ints, {x, grid, y});
    View samples = c.temporary(type, y.dims);
    samples.strides = y.strides;
    add_kernel(c, "grid_sample", ints, {converted(c, x, type, memory_order(x)), grid, samples});
    c.add_map(rounded_to(y.dtype, expr::operand(0)), {samples}, y);
}

/// Before opset 20 the modes had the names of two axes.
void raise_grid_sample(Graph&, NodeIt node) {
    if (node->version >= 20) return;
    const std::string mode = node->attrs.get_string("mode", "bilinear");
    if (mode == "bilinear") node->attrs["mode"] = std::string("linear");
    if (mode == "bicubic") node->attrs["mode"] = std::string("cubic");
}

// AffineGrid ---------------------------------------------------------------------------------------------------------

template <class Context>
Dims grid_size(const Context& c) {
    const Dims size = integers(c, 1, "size").value();
    if (size.size() != 4 && size.size() != 5)
        throw std::invalid_argument(fmt::format("size {} must be of an image or a volume", to_string(size)));
    for (const std::int64_t dim : size)
        if (dim < 0 || dim > INT32_MAX) throw std::invalid_argument(fmt::format("size {}", to_string(size)));
    return size;
}

/// Each place of the grid as [x, y, (z,) 1], from -1 to 1.
Tensor straight_grid(const Dims& size, bool align_corners) {
    const Dims image(size.begin() + 2, size.end());
    const std::size_t columns = image.size() + 1;
    Tensor grid(DataType::f64, {element_count(image), as_dim(columns)});
    const auto write = grid.mutable_values<double>();
    for (std::size_t i = 0; i < write.size() / columns; ++i) {
        std::int64_t rest = as_dim(i);
        for (std::size_t axis = image.size(); axis-- > 0; rest /= image[axis]) {
            const auto at = static_cast<double>(rest % image[axis]);
            const auto extent = static_cast<double>(image[axis]);
            const double from_corner = extent == 1 ? -1 : 2 * at / (extent - 1) - 1;
            write[i * columns + image.size() - 1 - axis] = align_corners ? from_corner : (2 * at + 1) / extent - 1;
        }
        write[i * columns + image.size()] = 1;
    }
    return grid;
}

void infer_affine_grid(InferContext& c) {
    const Dims size = grid_size(c);
    const std::int64_t axes = as_dim(size.size()) - 2;
    if (!is_floating(c.dtype(0)) || c.dims(0) != Dims{size[0], axes, axes + 1})
        c.fail(fmt::format("theta {} does not fit the size {}", to_string(c.input(0)), to_string(size)));
    Dims dims(size.begin() + 2, size.end());
    dims.insert(dims.begin(), size[0]);
    dims.push_back(axes);
    c.set_output(0, {c.dtype(0), dims});
}

void eval_affine_grid(EvalContext& c) {
    const Tensor grid = straight_grid(grid_size(c), c.attrs().get_int("align_corners", 0) != 0);
    const std::vector<double> theta = c.input(0).to_f64();
    Tensor result(DataType::f64, c.output_type(0).dims);
    const auto write = result.mutable_values<double>();
    const std::size_t columns = as_index(grid.dims()[1]);
    const std::size_t axes = columns - 1;
    const std::size_t places = as_index(grid.dims()[0]);
    for (std::size_t i = 0; i < write.size(); ++i) {
        const std::size_t matrix_row = i / axes / places * axes + i % axes;
        for (std::size_t k = 0; k < columns; ++k)
            write[i] += theta[matrix_row * columns + k] * grid.values<double>()[i / axes % places * columns + k];
    }
    c.set_output(0, result.cast(c.input(0).dtype()));
}

void lower_affine_grid(LowerContext& c) {
    const View theta = c.input(0);
    const DataType wide = wide_type(theta.dtype);
    const Tensor constant = straight_grid(grid_size(c), c.node().attrs.get_int("align_corners", 0) != 0).cast(wide);
    const View y = c.output_in_order(0, row_major_order(theta.dims[1] == 2 ? 4 : 5));
    const View grid = with_axis(with_axis(c.constant(constant), 0), 2);
    const Dims box{theta.dims[0], grid.dims[1], theta.dims[1], theta.dims[2]};
    const View matrices = with_axis(theta, 1);
    const View result = with_axis(c.reshaped(y, {box[0], box[1], box[2]}), 3);
    c.add_reduce(Reduce::sum, widen(expr::parse("x0 * x1"), {matrices, grid}, wide), {matrices, grid}, box, {3}, result,
                 wide, nullptr);
}

}  // namespace

void register_grid_sample(Registry& registry) {
    OpDef sample;
    sample.name = "GridSample";
    sample.since = 16;
    sample.newest = 22;
    sample.min_inputs = sample.max_inputs = 2;
    sample.attrs = {
        {"align_corners", AttrKind::integer}, {"mode", AttrKind::string}, {"padding_mode", AttrKind::string}};
    sample.raise = raise_grid_sample;
    sample.infer = infer_grid_sample;
    sample.eval = eval_grid_sample;
    sample.lower = lower_grid_sample;
    registry.add(std::move(sample));

    OpDef affine;
    affine.name = "AffineGrid";
    affine.since = affine.newest = 20;
    affine.min_inputs = affine.max_inputs = 2;
    affine.attrs = {{"align_corners", AttrKind::integer}};
    affine.infer = infer_affine_grid;
    affine.eval = eval_affine_grid;
    affine.lower = lower_affine_grid;
    registry.add(std::move(affine));
}

}  // namespace igata
