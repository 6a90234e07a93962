// Reference semantics of floating-point operators are written for f32 and f64; f16 and bf16 are computed in f32.
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

}  // namespace igata
