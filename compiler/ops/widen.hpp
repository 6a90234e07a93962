// Floating-point operators are written for f32 and f64; f16 and bf16 are computed in f32, and the results are rounded.
#pragma once

#include <vector>

#include "compiler/ops/op.hpp"

namespace igata {

inline bool is_half(DataType dtype) { return dtype == DataType::f16 || dtype == DataType::bf16; }

/// Calls `eval` with every f16 and bf16 tensor as f32, and rounds the results.
template <void (*eval)(EvalContext&)>
void widened(EvalContext& ctx) {
    std::vector<Tensor> wide(ctx.input_count());
    std::vector<const Tensor*> inputs(ctx.input_count());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (!ctx.has_input(i)) continue;
        const bool half = is_half(ctx.input(i).dtype());
        inputs[i] = half ? &(wide[i] = ctx.input(i).cast(DataType::f32)) : &ctx.input(i);
    }
    std::vector<ValueType> types;
    for (std::size_t i = 0; i < ctx.output_count(); ++i) {
        types.push_back(ctx.output_type(i));
        if (is_half(types.back().dtype)) types.back().dtype = DataType::f32;
    }
    EvalContext inner(ctx.node(), std::move(inputs), std::move(types));
    eval(inner);
    for (std::size_t i = 0; i < ctx.output_count(); ++i) {
        if (ctx.has_output(i)) ctx.set_output(i, inner.results()[i].cast(ctx.output_type(i).dtype));
    }
}

/// Calls `f.template operator()<T>()` with float or double.
template <class F>
void visit_wide(DataType dtype, F&& f) {
    if (dtype == DataType::f64) f.template operator()<double>();
    else f.template operator()<float>();
}

inline DataType wide_type(DataType dtype) { return is_half(dtype) ? DataType::f32 : dtype; }

/// `body` over operands that are first cast to `wide` where they are of another type.
inline ExprPtr widen(const ExprPtr& body, const std::vector<View>& inputs, DataType wide) {
    std::vector<ExprPtr> casts(inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i)
        if (inputs[i].dtype != wide) casts[i] = expr::cast(wide, expr::operand(static_cast<int>(i)));
    return expr::replace_operands(body, casts);
}

/// `out = body(inputs)`, computed in the type `wide`.
inline void add_wide_map(LowerContext& ctx, const ExprPtr& body, const std::vector<View>& inputs, const View& out,
                         DataType wide) {
    const ExprPtr widened_body = widen(body, inputs, wide);
    ctx.add_map(out.dtype == wide ? widened_body : expr::cast(out.dtype, widened_body), inputs, out);
}

/// The view in another type and order: itself if it is so already.
inline View converted(LowerContext& ctx, const View& view, DataType dtype, const std::vector<int>& order) {
    if (view.dtype == dtype) return ctx.in_order(view, order);
    View result = ctx.temporary(dtype, view.dims);
    result.strides = strides_for_order(view.dims, order);
    ctx.add_map(expr::cast(dtype, expr::operand(0)), {view}, result);
    return result;
}

/// A zero-filled copy of the view with room around it, and in it the place of the view's first element.
inline View padded(LowerContext& ctx, const View& view, const Dims& begin, const Dims& end) {
    Dims dims = view.dims;
    for (std::size_t i = 0; i < dims.size(); ++i) dims[i] += begin[i] + end[i];
    const View result = ctx.temporary(view.dtype, dims);
    ctx.add_map(expr::constant(0.0), {}, result);
    View inside = result;
    inside.dims = view.dims;
    for (std::size_t i = 0; i < dims.size(); ++i) inside.offset += begin[i] * result.strides[i];
    ctx.add_map(expr::operand(0), {view}, inside);
    return result;
}

}  // namespace igata
