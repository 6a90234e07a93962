// Resize and Upsample: separable interpolation, a table an axis (resampling.hpp).
//     y = Resize(x, scales=[1,1,2,2]) {mode=nearest}    a loop over the input with its elements repeated
//     y = Resize(x, ...) {mode=nearest}                 every so many elements: a view
//     y = Resize(x, ...) {mode=linear}                  the kernel `resample`, two axes at a time
// Other types than f32 and f64 are interpolated in one of these; integers are rounded to even and saturated.
#include <cmath>
#include <numeric>
#include <tuple>

#include <fmt/format.h>

#include "compiler/ir/interpret.hpp"
#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/elementwise.hpp"
#include "compiler/ops/lowering.hpp"
#include "compiler/ops/resampling.hpp"
#include "compiler/ops/widen.hpp"

namespace igata {

namespace {

// Arguments ----------------------------------------------------------------------------------------------------------

/// Input i as numbers, or nothing if it is absent or empty, which older opsets mean by it.
std::vector<double> numbers(const InferContext& c, std::size_t i, std::string_view what) {
    return c.has_input(i) ? c.require_constant(i, what).to_f64() : std::vector<double>();
}
std::vector<double> numbers(const EvalContext& c, std::size_t i, std::string_view) {
    return c.has_input(i) ? c.input(i).to_f64() : std::vector<double>();
}
std::vector<double> numbers(const LowerContext& c, std::size_t i, std::string_view) {
    const Tensor* constant = c.node().input(i) == no_value ? nullptr : c.graph().constant(c.node().inputs[i]);
    return constant != nullptr ? constant->to_f64() : std::vector<double>();
}

std::string one_of(const Attrs& attrs, const std::string& name, const std::vector<std::string>& choices) {
    std::string value = attrs.get_string(name, choices.front());
    if (std::find(choices.begin(), choices.end(), value) == choices.end())
        throw std::invalid_argument(fmt::format("{} '{}' is unknown", name, value));
    return value;
}

ResampleMode mode_of(const Node& node) {
    const Attrs& attrs = node.attrs;
    ResampleMode mode;
    const std::string interpolation = one_of(attrs, "mode", {"nearest", "linear", "cubic"});
    mode.interpolation = interpolation == "nearest"  ? Interpolation::nearest
                         : interpolation == "linear" ? Interpolation::linear
                                                     : Interpolation::cubic;
    mode.transformation = one_of(attrs, "coordinate_transformation_mode",
                                 {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
                                  "asymmetric", "tf_crop_and_resize", "tf_half_pixel_for_nn"});
    mode.nearest =
        one_of(attrs, "nearest_mode", {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "simple"});
    if (node.op == "Upsample") {
        mode.transformation = "asymmetric";
        mode.nearest = "simple";
    }
    mode.antialias = attrs.get_int("antialias", 0) != 0;
    mode.exclude_outside = attrs.get_int("exclude_outside", 0) != 0;
    mode.cubic_a = static_cast<double>(attrs.get_float("cubic_coeff_a", -0.75F));
    if (mode.antialias && mode.interpolation == Interpolation::nearest)
        throw std::invalid_argument("antialias goes with linear and cubic only");
    return mode;
}

/// The target size is decided by a product in f32, as in other runtimes: 10 * 0.7 is 7.
void apply_scale(AxisResize& axis, double scale) {
    axis.scale = scale;
    axis.length = static_cast<double>(static_cast<float>(scale) * static_cast<float>(axis.from));
    if (!(scale > 0 && axis.length < 0x1p31))
        throw std::invalid_argument(fmt::format("scale {} of a dim of {}", scale, axis.from));
    axis.to = static_cast<std::int64_t>(std::floor(axis.length));
}

/// Sets `to` and `scale` from the sizes asked for.
void apply_sizes(std::vector<AxisResize>& resizes, const Dims& axes, const std::vector<double>& sizes,
                 const std::string& policy) {
    double common = 0;
    for (std::size_t i = 0; i < axes.size(); ++i) {
        AxisResize& axis = resizes[as_index(axes[i])];
        if (!(sizes[i] >= 0 && sizes[i] < 0x1p31) || (axis.from == 0 && sizes[i] > 0))
            throw std::invalid_argument(fmt::format("size {} for a dim of {}", sizes[i], axis.from));
        axis.to = static_cast<std::int64_t>(sizes[i]);
        axis.length = sizes[i];
        axis.scale = axis.from == 0 || axis.to == 0 ? 1 : sizes[i] / static_cast<double>(axis.from);
        const bool better = policy == "not_larger" ? axis.scale < common : axis.scale > common;
        if (i == 0 || better) common = axis.scale;
    }
    if (policy == "stretch") return;
    for (const std::int64_t i : axes) {
        AxisResize& axis = resizes[as_index(i)];
        axis.scale = common;
        axis.length = common * static_cast<double>(axis.from);
        if (!(axis.length < 0x1p31)) throw std::invalid_argument(fmt::format("scale {} is too large", common));
        axis.to = static_cast<std::int64_t>(std::floor(axis.length + 0.5));
    }
}

/// What is asked of each axis. Throws std::invalid_argument.
template <class Context>
std::vector<AxisResize> resizes_of(const Context& c) {
    const bool upsample = c.node().op == "Upsample";
    const Attrs& attrs = c.node().attrs;
    std::vector<AxisResize> resizes;
    for (const std::int64_t dim : input_dims(c, 0)) {
        resizes.push_back({dim, dim});
        resizes.back().length = static_cast<double>(dim);
    }
    Dims axes(resizes.size());
    std::iota(axes.begin(), axes.end(), 0);
    if (attrs.has("axes")) axes = normalize_axes(attrs.get_ints("axes"), resizes.size());
    const std::vector<double> scales = numbers(c, upsample ? 1 : 2, "scales");
    const std::vector<double> sizes = upsample ? std::vector<double>() : numbers(c, 3, "sizes");
    if (scales.empty() == sizes.empty() && !axes.empty())
        throw std::invalid_argument("there must be either scales or sizes");
    if (scales.size() + sizes.size() != axes.size())
        throw std::invalid_argument(
            fmt::format("{} scales or sizes for {} axes", scales.size() + sizes.size(), axes.size()));
    for (std::size_t i = 0; i < scales.size(); ++i) apply_scale(resizes[as_index(axes[i])], scales[i]);
    if (!sizes.empty())
        apply_sizes(resizes, axes, sizes,
                    one_of(attrs, "keep_aspect_ratio_policy", {"stretch", "not_larger", "not_smaller"}));
    if (attrs.get_string("coordinate_transformation_mode", "") != "tf_crop_and_resize") return resizes;
    const std::vector<double> roi = numbers(c, 1, "roi");
    if (roi.size() != 2 * axes.size())
        throw std::invalid_argument(fmt::format("roi has {} numbers for {} axes", roi.size(), axes.size()));
    for (std::size_t i = 0; i < axes.size(); ++i) {
        resizes[as_index(axes[i])].roi_begin = roi[i];
        resizes[as_index(axes[i])].roi_end = roi[axes.size() + i];
    }
    return resizes;
}

template <class Context>
std::vector<Resampling> resamplings(const Context& c) {
    const ResampleMode mode = mode_of(c.node());
    std::vector<Resampling> tables;
    for (const AxisResize& axis : resizes_of(c)) tables.push_back(make_resampling(mode, axis));
    return tables;
}

/// What takes the place of results from outside of the region, as an element of the type.
double extrapolation(const Node& node, DataType dtype) {
    const auto value = static_cast<double>(node.attrs.get_float("extrapolation_value", 0));
    return is_floating(dtype) ? value : std::nearbyint(value);
}

void infer_resize(InferContext& c) {
    static_cast<void>(mode_of(c.node()));
    Dims dims;
    for (const AxisResize& axis : resizes_of(c)) dims.push_back(axis.to);
    c.set_output(0, {c.dtype(0), dims});
}

// Reference semantics ------------------------------------------------------------------------------------------------

Tensor selected(const Tensor& source, std::size_t axis, const Resampling& table) {
    Dims dims = source.dims();
    dims[axis] = table.count();
    Tensor result(source.dtype(), dims);
    for (std::int64_t i = 0; i < dims[axis]; ++i)
        copy_elements(source, sliced(view_of(source), axis, table.places[as_index(i)], 1), result,
                      sliced(view_of(result), axis, i, 1));
    return result;
}

Tensor interpolated(const Tensor& source, std::size_t axis, const Resampling& table) {
    Dims dims = source.dims();
    dims[axis] = table.count();
    Tensor result(DataType::f64, dims);
    const auto read = source.values<double>();
    const auto write = result.mutable_values<double>();
    for (std::int64_t i = 0; i < dims[axis]; ++i)
        for (std::int64_t tap = i * table.taps; tap < (i + 1) * table.taps; ++tap)
            for_each_element(sliced(view_of(source), axis, table.places[as_index(tap)], 1),
                             sliced(view_of(result), axis, i, 1), [&](std::size_t from, std::size_t to) {
                                 if (table.weights[as_index(tap)] != 0)
                                     write[to] += table.weights[as_index(tap)] * read[from];
                             });
    return result;
}

void extrapolate(const Node& node, const std::vector<Resampling>& tables, Tensor& result) {
    const Tensor value = Tensor::scalar(extrapolation(node, result.dtype())).cast(result.dtype());
    for (std::size_t axis = 0; axis < tables.size(); ++axis)
        for (std::size_t i = 0; i < tables[axis].outside.size(); ++i) {
            if (!tables[axis].outside[i]) continue;
            const View places = sliced(view_of(result), axis, as_dim(i), 1);
            copy_elements(value, expanded(view_of(value), places.dims), result, places);
        }
}

void eval_resize(EvalContext& c) {
    const std::vector<Resampling> tables = resamplings(c);
    const DataType dtype = c.input(0).dtype();
    Tensor result = c.input(0);
    for (std::size_t axis = 0; axis < tables.size(); ++axis)
        if (tables[axis].selects()) result = selected(result, axis, tables[axis]);
    for (std::size_t axis = 0; axis < tables.size(); ++axis)
        if (!tables[axis].selects()) result = interpolated(result.cast(DataType::f64), axis, tables[axis]);
    if (result.dtype() != dtype)
        result = eval_map(rounded_to(dtype, expr::operand(0)), {&result}, {dtype, result.dims()});
    extrapolate(c.node(), tables, result);
    c.set_output(0, std::move(result));
}

// Lowering -----------------------------------------------------------------------------------------------------------

/// Writes the value for what lies outside of the region over `out` where a table says so.
void extrapolate(LowerContext& c, const std::vector<Resampling>& tables, const View& out) {
    const ExprPtr value = expr::constant(extrapolation(c.node(), out.dtype));
    for (std::size_t axis = 0; axis < tables.size(); ++axis) {
        if (tables[axis].outside.empty()) continue;
        Dims dims(tables.size(), 1);
        dims[axis] = tables[axis].count();
        const Tensor mask = Tensor::of<bool>(dims, tables[axis].outside);
        c.add_map(expr::make(ExprOp::select, {expr::operand(1), value, expr::operand(0)}), {out, c.constant(mask)},
                  out);
    }
}

/// How often each element comes in a row, if all come equally often; else 0.
std::int64_t repeats(const Resampling& table, std::int64_t from) {
    const std::int64_t times = from == 0 ? 0 : table.count() / from;
    if (times * from != table.count()) return 0;
    for (std::int64_t i = 0; i < table.count(); ++i)
        if (table.places[as_index(i)] != i / times) return 0;
    return times;
}

bool has_equal_steps(const Resampling& table) {
    const std::int64_t first = table.places.empty() ? 0 : table.places[0];
    return table.has_step(first, table.count() > 1 ? table.places[1] - first : 1);
}

/// A selection by views alone, but for a last copy where elements are repeated. False if it is none such.
bool lower_to_views(LowerContext& c, const std::vector<Resampling>& tables) {
    View view = c.input(0);
    std::vector<std::size_t> repeated;
    for (std::size_t axis = 0; axis < tables.size(); ++axis) {
        const Resampling& table = tables[axis];
        if (!table.selects() || !table.outside.empty()) return false;
        if (!has_equal_steps(table)) {
            if (repeats(table, view.dims[axis]) == 0) return false;
            repeated.push_back(axis);
        } else if (table.count() > 0) {
            const std::int64_t step = table.count() > 1 ? table.places[1] - table.places[0] : 1;
            view = sliced(view, axis, table.places[0], table.count(), step);
        } else {
            view = sliced(view, axis, 0, 0);
        }
    }
    if (repeated.empty()) {
        c.set_output(0, view);
        return true;
    }
    if (view.dims.size() + repeated.size() > runtime::max_rank) return false;
    View out = c.output(0);
    for (auto axis = repeated.rbegin(); axis != repeated.rend(); ++axis) {
        out = split_axis(out, *axis, view.dims[*axis]);
        view = with_axis(view, *axis + 1);
    }
    c.add_map(expr::operand(0), {expanded(view, out.dims)}, out);
    return true;
}

/// The table as constants for the kernel: places and weights.
std::pair<View, View> table_operands(LowerContext& c, const Resampling& table, DataType dtype) {
    const Dims dims{table.count(), table.taps};
    const Tensor places = Tensor::of<std::int64_t>(dims, table.places).cast(DataType::i32);
    const Tensor weights = Tensor::of<double>(dims, table.weights).cast(dtype);
    return {c.constant(places), c.constant(weights)};
}

/// Interpolates along `axes`, the outermost in memory first, two at a time; but where elements along one of them are
/// neighbours, along that first, so that gathering them makes as little as there can be, and the rest works on lines.
void lower_to_kernel(LowerContext& c, const std::vector<Resampling>& tables, std::vector<std::size_t> axes,
                     const View& output) {
    const DataType dtype = output.dtype;
    const bool wide = dtype == DataType::f64 || (is_integer(dtype) && size_of(dtype) >= 4);
    const DataType type = wide ? DataType::f64 : DataType::f32;
    const std::vector<int> order = memory_order(output);
    std::stable_sort(axes.begin(), axes.end(),
                     [&](std::size_t a, std::size_t b) { return output.strides[a] > output.strides[b]; });
    View current = converted(c, c.input(0), type, order);
    const bool gathers =
        axes.size() == 2 && output.strides[axes[1]] == 1 && current.dims[axes[0]] <= output.dims[axes[0]];
    if (gathers) std::swap(axes[0], axes[1]);
    for (std::size_t next = 0; next < axes.size();) {
        const bool pair = !gathers && (axes.size() - next) % 2 == 0;
        Dims dims = current.dims;
        std::vector<View> operands{current, {}, {}};
        if (pair) {
            std::tie(operands[1], operands[2]) = table_operands(c, tables[axes[next]], type);
            dims[axes[next]] = tables[axes[next]].count();
        }
        const std::int64_t row = pair ? as_dim(axes[next++]) : -1;
        const std::size_t column = axes[next++];
        const auto [places, weights] = table_operands(c, tables[column], type);
        dims[column] = tables[column].count();
        View result = output;
        if (next < axes.size() || dtype != type) {
            result = c.temporary(type, dims);
            result.strides = strides_for_order(dims, order);
        }
        operands.insert(operands.end(), {places, weights, result});
        add_kernel(c, "resample", {row, as_dim(column)}, operands);
        current = result;
    }
    if (dtype == type) return;
    c.add_map(rounded_to(dtype, expr::operand(0)), {current}, output);
}

/// Elements of any type by their places.
void lower_to_gathers(LowerContext& c, const std::vector<Resampling>& tables, const std::vector<std::size_t>& axes,
                      const View& output) {
    View current = c.input(0);
    for (const std::size_t axis : axes) {
        Dims dims = current.dims;
        dims[axis] = tables[axis].count();
        View result = output;
        if (axis != axes.back()) {
            result = c.temporary(output.dtype, dims);
            result.strides = strides_for_order(dims, memory_order(output));
        }
        const View places = c.constant(Tensor::of<std::int64_t>({dims[axis]}, tables[axis].places));
        add_kernel(c, "gather", {as_dim(axis)}, {current, places, result});
        current = result;
    }
}

void lower_resize(LowerContext& c) {
    const std::vector<Resampling> tables = resamplings(c);
    if (lower_to_views(c, tables)) return;
    std::vector<std::size_t> axes;
    bool selects = true;
    const Dims& dims = input_dims(c, 0);
    for (std::size_t axis = 0; axis < tables.size(); ++axis) {
        if (!tables[axis].is_identity(dims[axis])) axes.push_back(axis);
        selects = selects && tables[axis].selects();
    }
    const View out = c.output(0);
    if (axes.empty()) c.add_map(expr::operand(0), {c.input(0)}, out);
    else if (selects && out.dtype != DataType::f32 && out.dtype != DataType::f64)
        lower_to_gathers(c, tables, axes, out);
    else lower_to_kernel(c, tables, axes, out);
    extrapolate(c, tables, out);
}

// Definitions --------------------------------------------------------------------------------------------------------

/// Opset 10 had only scales, and one way to find coordinates.
void raise_resize(Graph&, NodeIt node) {
    if (node->version >= 11) return;
    node->attrs["coordinate_transformation_mode"] = std::string("asymmetric");
    node->attrs["nearest_mode"] = std::string("simple");
    if (node->inputs.size() > 1) node->inputs.insert(node->inputs.begin() + 1, no_value);
}

/// Opset 1 has two scales, 7 all of them as an attribute; both knew the linear mode by other names.
void raise_upsample(Graph& graph, NodeIt node) {
    if (const std::string mode = node->attrs.get_string("mode", ""); mode == "bilinear" || mode == "trilinear")
        node->attrs["mode"] = std::string("linear");
    const auto as_scales = [&](const std::vector<float>& scales) {
        node->inputs.resize(1);
        node->inputs.push_back(graph.add_constant("scales", Tensor::of<float>({as_dim(scales.size())}, scales)));
    };
    if (node->attrs.has("height_scale"))
        as_scales({1, 1, node->attrs.get_float("height_scale", 1), node->attrs.get_float("width_scale", 1)});
    else if (node->attrs.has("scales")) as_scales(node->attrs.get_floats("scales"));
    for (const char* name : {"height_scale", "width_scale", "scales"}) node->attrs.erase(name);
}

}  // namespace

void register_resize(Registry& registry) {
    OpDef resize;
    resize.name = "Resize";
    resize.since = 10;
    resize.newest = 19;
    resize.max_inputs = 4;
    resize.attrs = {{"antialias", AttrKind::integer},
                    {"axes", AttrKind::integers},
                    {"coordinate_transformation_mode", AttrKind::string},
                    {"cubic_coeff_a", AttrKind::real},
                    {"exclude_outside", AttrKind::integer},
                    {"extrapolation_value", AttrKind::real},
                    {"keep_aspect_ratio_policy", AttrKind::string},
                    {"mode", AttrKind::string},
                    {"nearest_mode", AttrKind::string}};
    resize.infer = infer_resize;
    resize.eval = eval_resize;
    resize.lower = lower_resize;
    resize.stores_anywhere = true;
    resize.raise = raise_resize;
    OpDef upsample = resize;
    registry.add(std::move(resize));

    upsample.name = "Upsample";
    upsample.since = 1;
    upsample.newest = 10;
    upsample.max_inputs = 2;
    upsample.attrs = {{"height_scale", AttrKind::real},
                      {"mode", AttrKind::string},
                      {"scales", AttrKind::reals},
                      {"width_scale", AttrKind::real}};
    upsample.raise = raise_upsample;
    registry.add(std::move(upsample));
}

}  // namespace igata
