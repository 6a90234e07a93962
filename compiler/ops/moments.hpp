// Mean and variance: what the normalisations share.
#pragma once

#include <cmath>
#include <utility>

#include "compiler/ops/op.hpp"
#include "compiler/ops/widen.hpp"

namespace igata {

struct Moments {
    double mean = 0;
    double variance = 0;
};

/// Mean and variance of the elements that share a group; `group(i)` is that of element i.
template <class T, class Group>
std::vector<Moments> moments_of(std::span<const T> values, std::size_t groups, Group group) {
    std::vector<Moments> result(groups);
    if (groups == 0) return result;
    const double count = static_cast<double>(values.size()) / static_cast<double>(groups);
    for (std::size_t i = 0; i < values.size(); ++i) result[group(i)].mean += static_cast<double>(values[i]) / count;
    for (std::size_t i = 0; i < values.size(); ++i) {
        Moments& m = result[group(i)];
        const double distance = static_cast<double>(values[i]) - m.mean;
        m.variance += distance * distance / count;
    }
    return result;
}

inline double epsilon_of(const Attrs& attrs, float fallback = 1e-5F) {
    return static_cast<double>(attrs.get_float("epsilon", fallback));
}

/// Elements per channel of an image [n, c, spatial...].
inline std::size_t image_size(const Dims& x) {
    return static_cast<std::size_t>(element_count(Dims(x.begin() + 2, x.end())));
}

inline void require_floating(InferContext& ctx) {
    if (!is_floating(ctx.dtype(0))) ctx.fail("the input may not be " + std::string(name_of(ctx.dtype(0))));
}

/// Inputs [first, last) are vectors of `size`.
inline void require_vectors(InferContext& ctx, std::size_t first, std::size_t last, std::int64_t size) {
    for (std::size_t i = first; i < last; ++i)
        if (ctx.dims(i) != Dims{size})
            ctx.fail("input " + std::to_string(i) + " is " + to_string(ctx.dims(i)) + ", but must be " +
                     to_string(Dims{size}));
}

/// `y = (x - mean) / deviation * scale + bias`, with mean and deviation over `axes`.
struct Normalization {
    View x, y;
    Dims axes;
    View scale, bias;    ///< broadcastable to x; may be invalid
    bool centre = true;  ///< false: the mean is taken as 0
    ExprPtr inverse;     ///< of the variance x0: what centred elements are multiplied by
};

/// The statistics of a lowered normalisation, with 1 at the reduced axes.
struct LoweredMoments {
    View mean, inverse;
};

/// Two reductions: the mean, and `inverse` of the variance around it.
inline LoweredMoments add_moments(LowerContext& ctx, const Normalization& n) {
    const DataType wide = wide_type(n.x.dtype);
    Dims dims = n.x.dims;
    std::int64_t count = 1;
    for (const std::int64_t axis : n.axes) count *= std::exchange(dims[static_cast<std::size_t>(axis)], 1);
    const ExprPtr share = expr::make(ExprOp::mul, {expr::operand(0), expr::constant(1.0 / static_cast<double>(count))});
    const LoweredMoments moments{ctx.temporary(wide, dims), ctx.temporary(wide, dims)};
    if (n.centre)
        ctx.add_reduce(Reduce::sum, widen(expr::operand(0), {n.x}, wide), {n.x}, n.x.dims, n.axes, moments.mean, wide,
                       share);
    else ctx.add_map(expr::constant(0.0), {}, moments.mean);
    const std::vector<View> inputs{n.x, moments.mean};
    const ExprPtr finish = expr::replace_operands(n.inverse, std::vector<ExprPtr>{share});
    ctx.add_reduce(Reduce::sum, widen(expr::parse("(x0 - x1) * (x0 - x1)"), inputs, wide), inputs, n.x.dims, n.axes,
                   moments.inverse, wide, finish);
    return moments;
}

/// The reductions, and the loop that applies them.
inline LoweredMoments add_normalization(LowerContext& ctx, const Normalization& n) {
    const LoweredMoments moments = add_moments(ctx, n);
    std::vector<View> inputs{n.x, moments.mean, moments.inverse};
    ExprPtr body = expr::parse("(x0 - x1) * x2");
    const auto combine = [&](ExprOp op, const View& parameter) {
        if (!parameter.valid()) return;
        body = expr::make(op, {body, expr::operand(static_cast<int>(inputs.size()))});
        inputs.push_back(parameter);
    };
    combine(ExprOp::mul, n.scale);
    combine(ExprOp::add, n.bias);
    add_wide_map(ctx, body, inputs, n.y, wide_type(n.x.dtype));
    return moments;
}

inline ExprPtr inverse_deviation(double epsilon) {
    return expr::substitute(expr::parse("1 / sqrt(x0 + epsilon)"), {{"epsilon", epsilon}});
}

/// Axes [first, rank).
inline Dims axes_from(std::size_t first, std::size_t rank) {
    Dims axes;
    for (std::size_t i = first; i < rank; ++i) axes.push_back(static_cast<std::int64_t>(i));
    return axes;
}

/// A vector of parameters per channel as [1, c, 1, ...].
inline View along_channels(LowerContext& ctx, const View& parameter, std::size_t rank) {
    Dims dims(rank, 1);
    dims[rank > 1 ? 1 : 0] = parameter.dims[0];
    return ctx.reshaped(parameter, dims);
}

inline OpDef define_normalization(std::string name, int since, int newest, int inputs, void (*infer)(InferContext&),
                                  void (*eval)(EvalContext&), void (*lower)(LowerContext&),
                                  std::vector<AttrDef> attrs) {
    OpDef op;
    op.name = std::move(name);
    op.since = since;
    op.newest = newest;
    op.min_inputs = op.max_inputs = inputs;
    op.infer = infer;
    op.eval = eval;
    op.lower = lower;
    op.attrs = std::move(attrs);
    return op;
}

}  // namespace igata
