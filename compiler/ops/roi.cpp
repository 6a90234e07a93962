// RoiAlign and MaxRoiPool: regions of images, each divided into bins of which one number is made. A kernel each, in f32
// or f64.
#include <cmath>
#include <functional>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "compiler/ops/arguments.hpp"
#include "compiler/ops/lowering.hpp"
#include "compiler/ops/open_axes.hpp"
#include "compiler/ops/widen.hpp"

namespace igata {

namespace {

/// The result's type, of [height, width] bins.
ValueType pooled_type(InferContext& c, std::int64_t columns, const Dims& bins) {
    const Dims& x = c.dims(0);
    const Dims& rois = c.dims(1);
    if (!is_floating(c.dtype(0)) || c.dtype(1) != c.dtype(0)) c.fail("input and rois must be floats of one type");
    if (x.size() != 4) c.fail("the input " + to_string(x) + " must be images");
    if (rois.size() != 2 || rois[1] != columns)
        c.fail(fmt::format("rois {} must be of {} numbers each", to_string(rois), columns));
    if (bins.size() != 2 || bins[0] < 1 || bins[1] < 1 || bins[0] > INT32_MAX || bins[1] > INT32_MAX)
        c.fail(fmt::format("bins {}", to_string(bins)));
    if (element_count(x) == 0 && rois[0] > 0) c.fail("there is nothing to pool in " + to_string(x));
    return {c.dtype(0), {rois[0], x[1], bins[0], bins[1]}};
}

std::int64_t checked_image(const Node& node, double image, std::int64_t count) {
    if (!(image >= 0 && image < static_cast<double>(count)))
        throw BadInput(fmt::format("{}: image {} is out of range for {} images", describe(node), image, count));
    return static_cast<std::int64_t>(image);
}

/// Regions are placed in the type that their corners have at run time, on which it may depend what is rounded up.
template <class T>
T bounded(T x) {
    return std::isnan(x) ? T(-1e9) : std::clamp(x, T(-1e9), T(1e9));
}

/// Runs a kernel on operands of its own type, with the last one the result.
void add_wide_kernel(LowerContext& c, const char* name, const std::vector<std::int64_t>& ints,
                     std::vector<View> operands, float scale) {
    const View y = c.output(0);
    const DataType wide = wide_type(y.dtype);
    for (View& operand : operands)
        if (is_half(operand.dtype)) operand = converted(c, operand, wide, row_major_order(operand.dims.size()));
    View result = y;
    if (wide != y.dtype) {
        result = c.temporary(wide, y.dims);
        result.strides = y.strides;
    }
    operands.push_back(result);
    add_kernel(c, name, ints, operands, {}, {scale});
    if (wide != y.dtype) c.add_map(expr::cast(y.dtype, expr::operand(0)), {result}, y);
}

// RoiAlign -----------------------------------------------------------------------------------------------------------

Dims align_bins(const Attrs& attrs) { return {attrs.get_int("output_height", 1), attrs.get_int("output_width", 1)}; }

bool takes_maximum(const Attrs& attrs) {
    const std::string mode = attrs.get_string("mode", "avg");
    if (mode != "avg" && mode != "max") throw std::invalid_argument("mode '" + mode + "' is neither avg nor max");
    return mode == "max";
}

bool is_half_pixel(const Attrs& attrs) {
    const std::string mode = attrs.get_string("coordinate_transformation_mode", "half_pixel");
    if (mode != "half_pixel" && mode != "output_half_pixel")
        throw std::invalid_argument("coordinate_transformation_mode '" + mode + "' is unknown");
    return mode == "half_pixel";
}

void infer_roi_align(InferContext& c) {
    static_cast<void>(takes_maximum(c.attrs()));
    static_cast<void>(is_half_pixel(c.attrs()));
    const std::int64_t samples = c.attrs().get_int("sampling_ratio", 0);
    if (samples < 0 || samples > INT16_MAX) c.fail(fmt::format("sampling_ratio {}", samples));
    const ValueType type = pooled_type(c, 4, align_bins(c.attrs()));
    if (c.dtype(2) != DataType::i64 || c.dims(2) != Dims{type.dims[0]})
        c.fail(fmt::format("batch_indices {} do not fit {} rois", to_string(c.input(2)), type.dims[0]));
    c.set_output(0, type);
}

/// Where the samples of one bin lie along one axis, and how much of the elements left and right of them.
struct Sample {
    std::int64_t low = 0;
    std::int64_t high = 0;
    double weight = 0;  ///< of the right one
    bool inside = false;
};

template <class T>
std::vector<Sample> bin_samples(const Attrs& attrs, T from, T to, std::int64_t bin, std::int64_t bins,
                                std::int64_t extent) {
    const T scale = attrs.get_float("spatial_scale", 1);
    const T shift = is_half_pixel(attrs) ? T(0.5) : T(0);
    const T start = bounded(from * scale - shift);
    T size = bounded(to * scale - shift) - start;
    if (shift == 0) size = std::max(size, T(1));
    size /= static_cast<T>(bins);
    std::int64_t count = attrs.get_int("sampling_ratio", 0);
    if (count == 0) count = static_cast<std::int64_t>(std::clamp(std::ceil(size), T(0), T(4096)));
    std::vector<Sample> samples(as_index(count));
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const T x = start + static_cast<T>(bin) * size + (static_cast<T>(i) + T(0.5)) * size / static_cast<T>(count);
        if (x < -1 || x > static_cast<T>(extent)) continue;
        const T within = std::clamp(x, T(0), static_cast<T>(extent - 1));
        const auto low = static_cast<std::int64_t>(within);
        samples[i] = {low, std::min(low + 1, extent - 1), static_cast<double>(within - static_cast<T>(low)), true};
    }
    return samples;
}

/// One number of a bin; the maximum is that of the weighted elements.
double pool_bin(const std::vector<Sample>& rows, const std::vector<Sample>& columns, bool maximum,
                const std::function<double(std::int64_t, std::int64_t)>& element) {
    double sum = 0;
    std::optional<double> highest;
    for (const Sample& y : rows)
        for (const Sample& x : columns) {
            double parts[4] = {};
            if (y.inside && x.inside) {
                parts[0] = (1 - y.weight) * (1 - x.weight) * element(y.low, x.low);
                parts[1] = (1 - y.weight) * x.weight * element(y.low, x.high);
                parts[2] = y.weight * (1 - x.weight) * element(y.high, x.low);
                parts[3] = y.weight * x.weight * element(y.high, x.high);
            }
            for (const double part : parts) {
                sum += part;
                highest = std::max(highest.value_or(part), part);
            }
        }
    const std::size_t count = std::max<std::size_t>(rows.size() * columns.size(), 1);
    return maximum ? highest.value_or(0) : sum / static_cast<double>(count);
}

/// The numbers of all bins of all regions.
template <class T>
void align(const EvalContext& c, std::span<double> result) {
    const Dims& x = c.input(0).dims();
    const std::vector<double> source = c.input(0).to_f64();
    const auto rois = c.input(1).values<T>();
    const Dims images = c.input(2).to_i64();
    const Dims bins = align_bins(c.node().attrs);
    double* write = result.data();
    for (std::size_t roi = 0; roi < images.size(); ++roi) {
        const std::int64_t image = checked_image(c.node(), static_cast<double>(images[roi]), x[0]);
        const auto box = rois.subspan(roi * 4, 4);
        for (std::int64_t plane = image * x[1]; plane < (image + 1) * x[1]; ++plane)
            for (std::int64_t bin = 0; bin < bins[0] * bins[1]; ++bin) {
                const auto element = [&](std::int64_t row, std::int64_t column) {
                    return source[as_index((plane * x[2] + row) * x[3] + column)];
                };
                *write++ = pool_bin(bin_samples(c.attrs(), box[1], box[3], bin / bins[1], bins[0], x[2]),
                                    bin_samples(c.attrs(), box[0], box[2], bin % bins[1], bins[1], x[3]),
                                    takes_maximum(c.attrs()), element);
            }
    }
}

void eval_roi_align(EvalContext& c) {
    Tensor& y = c.make_output(0);
    std::vector<double> result(as_index(y.count()));
    visit_wide(y.dtype(), [&]<class T>() { align<T>(c, result); });
    y = Tensor::of(y.dims(), result).cast(y.dtype());
}

void lower_roi_align(LowerContext& c) {
    const Attrs& attrs = c.node().attrs;
    add_wide_kernel(c, "roi_align",
                    {takes_maximum(attrs) ? 1 : 0, is_half_pixel(attrs) ? 1 : 0, attrs.get_int("sampling_ratio", 0)},
                    {c.input(0), c.input(1), c.input(2)}, attrs.get_float("spatial_scale", 1));
}

// MaxRoiPool ---------------------------------------------------------------------------------------------------------

void infer_max_roi_pool(InferContext& c) { c.set_output(0, pooled_type(c, 5, c.attrs().get_ints("pooled_shape"))); }

/// The pixels [first, second) of a bin between two corners, which are rounded to pixels; bins are rounded outwards.
template <class T>
std::pair<std::int64_t, std::int64_t> bin_pixels(T from, T to, std::int64_t bin, std::int64_t bins,
                                                 std::int64_t extent) {
    const T start = std::round(bounded(from));
    const T size = std::max(std::round(bounded(to)) - start + 1, T(1)) / static_cast<T>(bins);
    const auto pixel = [&](T x) {
        return std::clamp<std::int64_t>(static_cast<std::int64_t>(bounded(x + start)), 0, extent);
    };
    return {pixel(std::floor(static_cast<T>(bin) * size)), pixel(std::ceil(static_cast<T>(bin + 1) * size))};
}

template <class T>
void pool(const EvalContext& c, const Dims& y, std::span<double> result) {
    const Dims& x = c.input(0).dims();
    const std::vector<double> source = c.input(0).to_f64();
    const auto rois = c.input(1).values<T>();
    const T scale = c.attrs().get_float("spatial_scale", 1);
    double* write = result.data();
    for (std::size_t roi = 0; roi < rois.size() / 5; ++roi) {
        const auto box = rois.subspan(roi * 5, 5);
        const std::int64_t image = checked_image(c.node(), static_cast<double>(box[0]), x[0]);
        for (std::int64_t plane = image * x[1]; plane < (image + 1) * x[1]; ++plane)
            for (std::int64_t bin = 0; bin < y[2] * y[3]; ++bin) {
                const auto rows = bin_pixels(box[2] * scale, box[4] * scale, bin / y[3], y[2], x[2]);
                const auto columns = bin_pixels(box[1] * scale, box[3] * scale, bin % y[3], y[3], x[3]);
                std::optional<double> best;
                for (std::int64_t row = rows.first; row < rows.second; ++row)
                    for (std::int64_t column = columns.first; column < columns.second; ++column) {
                        const double value = source[as_index((plane * x[2] + row) * x[3] + column)];
                        best = std::max(best.value_or(value), value);
                    }
                *write++ = best.value_or(0);
            }
    }
}

void eval_max_roi_pool(EvalContext& c) {
    Tensor& y = c.make_output(0);
    std::vector<double> result(as_index(y.count()));
    visit_wide(y.dtype(), [&]<class T>() { pool<T>(c, y.dims(), result); });
    y = Tensor::of(y.dims(), result).cast(y.dtype());
}

void lower_max_roi_pool(LowerContext& c) {
    add_wide_kernel(c, "max_roi_pool", {}, {c.input(0), c.input(1)}, c.node().attrs.get_float("spatial_scale", 1));
}

/// Regions that are not there are empty: any other extents could ask for any number of samples.
bool close_roi_align(ExpandContext& c) {
    const auto open = open_axis(c, 1) ? open_axis(c, 1) : open_axis(c, 2);
    if (!open || open_axis(c, 0) || open->axis != 0) return false;
    const ValueId all = c.add("RoiAlign", {c.value(0), filled(c, 1, 0), filled(c, 2, 0)}, c.attrs());
    c.finish(0, opened(c, all, 0, open->size));
    return true;
}

}  // namespace

void register_roi(Registry& registry) {
    OpDef roi_align;
    roi_align.name = "RoiAlign";
    roi_align.since = 10;
    roi_align.newest = 22;
    roi_align.min_inputs = roi_align.max_inputs = 3;
    roi_align.attrs = {{"coordinate_transformation_mode", AttrKind::string},
                       {"mode", AttrKind::string},
                       {"output_height", AttrKind::integer},
                       {"output_width", AttrKind::integer},
                       {"sampling_ratio", AttrKind::integer},
                       {"spatial_scale", AttrKind::real}};
    roi_align.raise = [](Graph&, NodeIt node) {  // coordinates were not moved by half a pixel before opset 16
        if (node->version < 16) node->attrs["coordinate_transformation_mode"] = std::string("output_half_pixel");
    };
    roi_align.infer = infer_roi_align;
    roi_align.close = close_roi_align;
    roi_align.eval = widened<eval_roi_align>;
    roi_align.lower = lower_roi_align;
    registry.add(std::move(roi_align));

    OpDef max_roi_pool;
    max_roi_pool.name = "MaxRoiPool";
    max_roi_pool.newest = 22;
    max_roi_pool.min_inputs = max_roi_pool.max_inputs = 2;
    max_roi_pool.attrs = {{"pooled_shape", AttrKind::integers, true}, {"spatial_scale", AttrKind::real}};
    max_roi_pool.infer = infer_max_roi_pool;
    max_roi_pool.eval = widened<eval_max_roi_pool>;
    max_roi_pool.lower = lower_max_roi_pool;
    registry.add(std::move(max_roi_pool));
}

}  // namespace igata
