// What Conv and ConvTranspose have in common where oneDNN, or a kernel of ours, runs them.
#pragma once

#include <algorithm>

#include "compiler/ops/op.hpp"
#include "compiler/ops/window.hpp"

namespace igata {

/// In f32, channels innermost. Spec: ConvolutionSpec or DeconvolutionSpec.
template <class Spec>
void lower_to_primitive(LowerContext& ctx, const Window& window) {
    const auto order = channels_last_order(ctx.input(0).dims.size());
    const View src = ctx.in_order(ctx.input(0), order);
    const View weights = ctx.row_major(ctx.input(1));
    View bias;
    Spec spec;
    spec.src = memory_spec(src);
    spec.weights = memory_spec(weights);
    if (ctx.node().input(2) != no_value) {
        bias = ctx.row_major(ctx.input(2));
        spec.bias = memory_spec(bias);
    }
    spec.spatial = static_cast<int>(window.rank());
    spec.groups = ctx.node().attrs.get_int("group", 1);
    std::copy(window.strides.begin(), window.strides.end(), spec.strides);
    std::copy(window.dilations.begin(), window.dilations.end(), spec.dilations);
    std::copy(window.pads_begin.begin(), window.pads_begin.end(), spec.pads_begin);
    std::copy(window.pads_end.begin(), window.pads_end.end(), spec.pads_end);
    ctx.add_with_epilogue(spec, {src, weights, bias}, 0, order);
}

}  // namespace igata
