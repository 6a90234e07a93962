// MaxPool, AveragePool and LpPool over windows; GlobalMaxPool, GlobalAveragePool and GlobalLpPool over whole images.
#include <cmath>
#include <limits>

#include "compiler/ops/carry_axis.hpp"
#include "compiler/ops/lowering.hpp"
#include "compiler/ops/op.hpp"
#include "compiler/ops/rules/fold_pad.hpp"
#include "compiler/ops/widen.hpp"
#include "compiler/ops/window.hpp"

namespace igata {
namespace {

Window window_of(const Attrs& attrs, const Dims& x) {
    return make_window(attrs, Dims(x.begin() + 2, x.end()), attrs.get_ints("kernel_shape"));
}

void require_images(InferContext& ctx, bool floating) {
    const DataType dtype = ctx.dtype(0);
    if (!is_floating(dtype) && (floating || (dtype != DataType::i8 && dtype != DataType::u8)))
        ctx.fail("the input may not be " + std::string(name_of(dtype)));
    if (ctx.dims(0).size() < 3) ctx.fail("the input " + to_string(ctx.dims(0)) + " needs at least one spatial axis");
}

ValueType pooled_type(InferContext& ctx) {
    const Dims& x = ctx.dims(0);
    if (x.size() > 2 + runtime::max_spatial) ctx.unsupported("more than three spatial axes");
    const Window window = window_of(ctx.attrs(), x);
    Dims y{x[0], x[1]};
    y.insert(y.end(), window.output.begin(), window.output.end());
    return {ctx.dtype(0), y};
}

void infer_max_pool(InferContext& ctx) {
    require_images(ctx, false);
    const ValueType type = pooled_type(ctx);
    ctx.set_output(0, type);
    if (ctx.has_output(1)) ctx.set_output(1, {DataType::i64, type.dims});
}

void infer_pool(InferContext& ctx) {
    require_images(ctx, true);
    ctx.set_output(0, pooled_type(ctx));
}

void infer_global(InferContext& ctx) {
    require_images(ctx, true);
    Dims y(ctx.dims(0).size(), 1);
    y[0] = ctx.dims(0)[0];
    y[1] = ctx.dims(0)[1];
    ctx.set_output(0, {ctx.dtype(0), y});
}

/// The place in an image, row-major, with its axes flattened column-major instead.
std::int64_t column_major(std::int64_t place, const Dims& image) {
    std::int64_t result = 0;
    for (std::size_t i = image.size(); i-- > 0;) {
        result = result * image[i] + place % image[i];
        place /= image[i];
    }
    return result;
}

/// The first of the largest elements in each window; a NaN never wins.
void eval_max_pool(EvalContext& ctx) {
    const Tensor& x = ctx.input(0);
    const Window window = window_of(ctx.attrs(), x.dims());
    const std::vector<std::int64_t> places = window_taps(window);
    const auto taps = static_cast<std::size_t>(element_count(window.kernel));
    const auto image = static_cast<std::size_t>(element_count(window.image));
    const bool flatten_column_major = ctx.attrs().get_int("storage_order", 0) != 0;
    Tensor& y = ctx.make_output(0);
    std::span<std::int64_t> indices;
    if (ctx.has_output(1)) indices = ctx.make_output(1).mutable_values<std::int64_t>();
    visit_dtype(x.dtype(), [&]<class T>() {
        if constexpr (!std::is_same_v<T, Half> && !std::is_same_v<T, BFloat16>) {
            const auto source = x.values<T>();
            const auto result = y.mutable_values<T>();
            const std::size_t pixels = places.size() / taps;
            for (std::size_t i = 0; i < result.size(); ++i) {
                const std::size_t origin = i / pixels * image;
                T best = std::numeric_limits<T>::lowest();
                std::int64_t chosen = -1;
                for (std::size_t t = 0; t < taps; ++t) {
                    const std::int64_t place = places[i % pixels * taps + t];
                    if (place < 0 || !(chosen < 0 || source[origin + static_cast<std::size_t>(place)] > best)) continue;
                    best = source[origin + static_cast<std::size_t>(place)];
                    chosen = place;
                }
                result[i] = best;
                if (indices.empty()) continue;
                if (flatten_column_major) chosen = column_major(chosen, window.image);
                indices[i] = static_cast<std::int64_t>(origin) + chosen;
            }
        }
    });
}

/// Calls `combine(values of the window, output position)` for each result.
template <class T, class Combine>
void pool_windows(const Tensor& x, const Window& window, Tensor& y, Combine combine) {
    const std::vector<std::int64_t> places = window_taps(window);
    const auto taps = static_cast<std::size_t>(element_count(window.kernel));
    const auto image = static_cast<std::size_t>(element_count(window.image));
    const auto source = x.values<T>();
    const auto result = y.mutable_values<T>();
    const std::size_t pixels = places.size() / taps;
    std::vector<T> inside;
    for (std::size_t i = 0; i < result.size(); ++i) {
        inside.clear();
        for (std::size_t t = 0; t < taps; ++t) {
            const std::int64_t place = places[i % pixels * taps + t];
            if (place >= 0) inside.push_back(source[i / pixels * image + static_cast<std::size_t>(place)]);
        }
        result[i] = combine(inside, i % pixels);
    }
}

void eval_average_pool(EvalContext& ctx) {
    const Window window = window_of(ctx.attrs(), ctx.input(0).dims());
    const std::vector<std::int64_t> counts = padded_tap_counts(window);
    const bool include_padding = ctx.attrs().get_int("count_include_pad", 0) != 0;
    Tensor& y = ctx.make_output(0);
    visit_wide(y.dtype(), [&]<class T>() {
        pool_windows<T>(ctx.input(0), window, y, [&](const std::vector<T>& values, std::size_t pixel) {
            T sum = 0;
            for (const T value : values) sum += value;
            return sum / (include_padding ? static_cast<T>(counts[pixel]) : static_cast<T>(values.size()));
        });
    });
}

template <class T>
T lp_norm(std::span<const T> values, double p) {
    double sum = 0;
    for (const T value : values) sum += std::pow(std::abs(static_cast<double>(value)), p);
    return static_cast<T>(std::pow(sum, 1 / p));
}

double norm_order(const Attrs& attrs) { return static_cast<double>(attrs.get_int("p", 2)); }

void eval_lp_pool(EvalContext& ctx) {
    const Window window = window_of(ctx.attrs(), ctx.input(0).dims());
    Tensor& y = ctx.make_output(0);
    visit_wide(y.dtype(), [&]<class T>() {
        pool_windows<T>(ctx.input(0), window, y, [&](const std::vector<T>& values, std::size_t) {
            return lp_norm<T>(values, norm_order(ctx.attrs()));
        });
    });
}

/// One result per image: `combine(values of the image)`.
template <class Combine>
void pool_images(EvalContext& ctx, Combine combine) {
    const Tensor& x = ctx.input(0);
    Tensor& y = ctx.make_output(0);
    visit_wide(x.dtype(), [&]<class T>() {
        const auto result = y.mutable_values<T>();
        const std::size_t image = result.empty() ? 0 : x.values<T>().size() / result.size();
        for (std::size_t i = 0; i < result.size(); ++i)
            result[i] = static_cast<T>(combine(x.values<T>().subspan(i * image, image)));
    });
}

void eval_global_max(EvalContext& ctx) {
    pool_images(ctx, [](auto image) {
        auto best = image[0];
        for (const auto value : image) best = value > best ? value : best;
        return best;
    });
}

void eval_global_average(EvalContext& ctx) {
    pool_images(ctx, [](auto image) {
        double sum = 0;
        for (const auto value : image) sum += static_cast<double>(value);
        return sum / static_cast<double>(image.size());
    });
}

void eval_global_lp(EvalContext& ctx) {
    pool_images(ctx, [&]<class T>(std::span<const T> image) { return lp_norm<T>(image, norm_order(ctx.attrs())); });
}

constexpr std::int64_t lp_norm_kernel = 3;  ///< beyond runtime::Pooling, for the kernel `pool`

/// What oneDNN pools by itself; it has no notion of windows that overhang the padding, and divides by the kernel's
/// size.
bool is_primitive(runtime::Pooling algorithm, DataType dtype, const Window& window) {
    const bool max = algorithm == runtime::Pooling::max;
    if (dtype != DataType::f32 && !(max && (dtype == DataType::u8 || dtype == DataType::i8))) return false;
    for (std::size_t i = 0; i < window.rank(); ++i) {
        const std::int64_t end = window.reached_pad_end(i);
        if (window.dilations[i] != 1 || window.pads_begin[i] >= window.kernel[i] || end >= window.kernel[i])
            return false;
        if (algorithm == runtime::Pooling::average_include_padding && end > window.pads_end[i]) return false;
    }
    return true;
}

/// The input in channels-last order unless it is row-major, in which case the result will be so too.
View pooled_source(LowerContext& ctx, std::vector<int>& order) {
    const View x = ctx.input(0);
    order = row_major_order(x.dims.size());
    if (!x.has_order(order) || x.has_order(channels_last_order(x.dims.size())))
        order = channels_last_order(x.dims.size());
    return ctx.in_order(x, order);
}

void lower_to_primitive(LowerContext& ctx, runtime::Pooling algorithm, const Window& window) {
    std::vector<int> order;
    const View src = pooled_source(ctx, order);
    const View dst = ctx.output_in_order(0, order);
    runtime::PoolingSpec spec;
    spec.algorithm = algorithm;
    spec.src = memory_spec(src);
    spec.dst = memory_spec(dst);
    spec.spatial = static_cast<int>(window.rank());
    for (std::size_t i = 0; i < window.rank(); ++i) {
        spec.kernel[i] = window.kernel[i];
        spec.strides[i] = window.strides[i];
        spec.pads_begin[i] = window.pads_begin[i];
        spec.pads_end[i] = window.reached_pad_end(i);
    }
    ctx.add(spec, {src, dst});
}

void lower_to_kernel(LowerContext& ctx, std::int64_t algorithm, const Window& window) {
    std::vector<int> order;
    std::vector<View> operands{pooled_source(ctx, order), ctx.output_in_order(0, order)};
    const bool indexed = ctx.node().output(1) != no_value;
    if (indexed) operands.push_back(ctx.output_in_order(1, order));
    std::vector<std::int64_t> ints(18, 0);
    ints[0] = algorithm;
    ints[1] = static_cast<std::int64_t>(window.rank());
    for (std::size_t i = 0; i < runtime::max_spatial; ++i) {
        const bool used = i < window.rank();
        ints[2 + i] = used ? window.kernel[i] : 1;
        ints[5 + i] = used ? window.strides[i] : 1;
        ints[8 + i] = used ? window.dilations[i] : 1;
        ints[11 + i] = used ? window.pads_begin[i] : 0;
        ints[14 + i] = used ? window.pads_end[i] : 0;
    }
    ints[17] = ctx.node().attrs.get_int("storage_order", 0);
    add_kernel(ctx, "pool", ints, operands, indexed ? std::vector<std::size_t>{1, 2} : std::vector<std::size_t>{1},
               {static_cast<float>(norm_order(ctx.node().attrs))});
}

void lower_pool(LowerContext& ctx, runtime::Pooling algorithm) {
    const View x = ctx.input(0);
    const Window window = window_of(ctx.node().attrs, x.dims);
    const bool indexed = ctx.node().output(1) != no_value;
    if (!indexed && is_primitive(algorithm, x.dtype, window)) lower_to_primitive(ctx, algorithm, window);
    else lower_to_kernel(ctx, static_cast<std::int64_t>(algorithm), window);
}

void lower_max_pool(LowerContext& ctx) { lower_pool(ctx, runtime::Pooling::max); }

void lower_average_pool(LowerContext& ctx) {
    const bool include = ctx.node().attrs.get_int("count_include_pad", 0) != 0;
    lower_pool(ctx, include ? runtime::Pooling::average_include_padding : runtime::Pooling::average_exclude_padding);
}

void lower_lp_pool(LowerContext& ctx) {
    lower_to_kernel(ctx, lp_norm_kernel, window_of(ctx.node().attrs, ctx.input(0).dims));
}

/// A reduction over the spatial axes of any layout.
void reduce_images(LowerContext& ctx, Reduce kind, const ExprPtr& body, const ExprPtr& finish) {
    const View x = ctx.input(0);
    const DataType wide = wide_type(x.dtype);
    Dims axes;
    for (std::size_t i = 2; i < x.dims.size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
    ctx.add_reduce(kind, widen(body, {x}, wide), {x}, x.dims, axes, ctx.output(0), wide, finish);
}

void lower_global_max(LowerContext& ctx) { reduce_images(ctx, Reduce::maximum, expr::operand(0), nullptr); }

void lower_global_average(LowerContext& ctx) {
    const Dims x = ctx.input(0).dims;
    const auto count = static_cast<double>(element_count(Dims(x.begin() + 2, x.end())));
    reduce_images(ctx, Reduce::sum, expr::operand(0),
                  expr::substitute(expr::parse("x0 * scale"), {{"scale", 1 / count}}));
}

void lower_global_lp(LowerContext& ctx) {
    const double p = norm_order(ctx.node().attrs);
    if (p == 2) return reduce_images(ctx, Reduce::sum, expr::parse("x0 * x0"), expr::parse("sqrt(x0)"));
    reduce_images(ctx, Reduce::sum, expr::substitute(expr::parse("pow(abs(x0), p)"), {{"p", p}}),
                  expr::substitute(expr::parse("pow(x0, q)"), {{"q", 1 / p}}));
}

/// Opset 1 gave p as a float.
void raise_norm_order(Graph&, NodeIt node) {
    const auto p = node->attrs.find("p");
    if (p == node->attrs.end()) return;
    if (const float* value = std::get_if<float>(&p->second)) p->second = static_cast<std::int64_t>(*value);
}

OpDef define(std::string name, void (*infer)(InferContext&), void (*eval)(EvalContext&), void (*lower)(LowerContext&)) {
    OpDef op;
    op.name = std::move(name);
    op.newest = 22;
    op.infer = infer;
    op.carry_axis = carry_batch;
    op.eval = eval;
    op.lower = lower;
    return op;
}

std::vector<AttrDef> window_attrs(std::vector<AttrDef> more) {
    std::vector<AttrDef> attrs{{"auto_pad", AttrKind::string},    {"ceil_mode", AttrKind::integer},
                               {"dilations", AttrKind::integers}, {"kernel_shape", AttrKind::integers, true},
                               {"pads", AttrKind::integers},      {"strides", AttrKind::integers}};
    attrs.insert(attrs.end(), more.begin(), more.end());
    return attrs;
}

}  // namespace

void register_pooling(Registry& registry) {
    OpDef max = define("MaxPool", infer_max_pool, widened<eval_max_pool>, lower_max_pool);
    max.max_outputs = 2;
    max.widens_halves = true;
    max.attrs = window_attrs({{"storage_order", AttrKind::integer}});
    registry.add(std::move(max));

    OpDef average = define("AveragePool", infer_pool, widened<eval_average_pool>, lower_average_pool);
    average.widens_halves = true;
    add_pooling_pad_rules(average.rules);
    average.attrs = window_attrs({{"count_include_pad", AttrKind::integer}});
    registry.add(std::move(average));

    OpDef lp = define("LpPool", infer_pool, widened<eval_lp_pool>, lower_lp_pool);
    lp.attrs = window_attrs({{"p", AttrKind::integer}});
    lp.raise = raise_norm_order;
    registry.add(std::move(lp));

    registry.add(define("GlobalMaxPool", infer_global, widened<eval_global_max>, lower_global_max));
    OpDef global_average =
        define("GlobalAveragePool", infer_global, widened<eval_global_average>, lower_global_average);
    global_average.widens_halves = true;
    registry.add(std::move(global_average));
    OpDef global_lp = define("GlobalLpPool", infer_global, widened<eval_global_lp>, lower_global_lp);
    global_lp.attrs = {{"p", AttrKind::integer}};
    global_lp.raise = raise_norm_order;
    registry.add(std::move(global_lp));
}

}  // namespace igata
