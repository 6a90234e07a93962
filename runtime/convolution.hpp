// Convolution: own kernels where they were measured to be faster, oneDNN for the rest.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <memory>

#include "runtime/convolution_mean.hpp"
#include "runtime/depthwise.hpp"
#include "runtime/epilogue.hpp"
#include "runtime/onednn.hpp"
#include "runtime/operation.hpp"
#include "runtime/pointwise.hpp"
#include "runtime/scaled_source.hpp"
#include "runtime/specs.hpp"
#include "runtime/tile_epilogue.hpp"
#include "runtime/winograd.hpp"

namespace igata::runtime {

/// Weights with the group as a dim of its own, as oneDNN wants them.
inline MemorySpec grouped_weights(const ConvolutionSpec& spec) {
    if (spec.groups == 1) return spec.weights;
    MemorySpec grouped = spec.weights;
    grouped.rank = spec.weights.rank + 1;
    grouped.dims[0] = spec.groups;
    grouped.strides[0] = spec.weights.strides[0] * (spec.weights.dims[0] / spec.groups);
    for (int i = 1; i < grouped.rank; ++i) {
        grouped.dims[i] = spec.weights.dims[i - 1];
        grouped.strides[i] = spec.weights.strides[i - 1];
    }
    grouped.dims[1] = spec.weights.dims[0] / spec.groups;
    return grouped;
}

/// Activations as they lie, unless only a slow implementation takes them so: then in the primitive's own layout.
inline dnnl::convolution_forward::primitive_desc choose_convolution(const dnnl::engine& engine,
                                                                    const ConvolutionSpec& spec, const MemorySpec& dst,
                                                                    const dnnl::primitive_attr& attr) {
    const MemorySpec weights = grouped_weights(spec);
    onednn::ConvolutionDescs descs;
    descs.weights = onednn::any_layout(weights);
    if (spec.bias.rank > 0) descs.bias = onednn::memory_desc(spec.bias);
    for (int i = 0; i < spec.spatial; ++i) {
        descs.strides.push_back(spec.strides[i]);
        descs.dilations.push_back(spec.dilations[i] - 1);
        descs.pads_begin.push_back(spec.pads_begin[i]);
        descs.pads_end.push_back(spec.pads_end[i]);
    }
    descs.src = onednn::memory_desc(spec.src);
    descs.dst = onednn::memory_desc(dst);
    auto exact = onednn::make_convolution(engine, descs, attr);
    if (!onednn::is_slow(onednn::implementation(exact))) return exact;
    descs.src = onednn::any_layout(spec.src);
    descs.dst = onednn::any_layout(dst);
    auto free = onednn::make_convolution(engine, descs, attr);
    return onednn::is_slow(onednn::implementation(free)) ? exact : free;
}

/// oneDNN's, without scale and mean.
inline std::unique_ptr<Operation> make_onednn_convolution(const Builder& builder, const ConvolutionSpec& spec) {
    enum Operand : int { src, weights, bias, dst };
    return make_with_epilogue(spec.epilogue, dst, spec.dst, [&](const InsideOps& ops, const MemorySpec& result) {
        const auto pd = choose_convolution(builder.engine, spec, result, ops.attr());
        // oneDNN 2.6 gives every group the first one's part of a binary operand.
        if (spec.groups > 1 && ops.has_operands() && onednn::is_gemm(onednn::implementation(pd)))
            throw dnnl::error(dnnl_unimplemented, "binary post-ops of groups");
        auto operation =
            std::make_unique<PrimitiveOperation>(builder, dnnl::convolution_forward(pd), pd.scratchpad_desc());
        operation->add(DNNL_ARG_SRC, src, onednn::memory_desc(spec.src), pd.src_desc());
        operation->add(DNNL_ARG_WEIGHTS, weights, onednn::memory_desc(grouped_weights(spec)), pd.weights_desc());
        if (spec.bias.rank > 0) operation->add(DNNL_ARG_BIAS, bias, onednn::memory_desc(spec.bias), pd.bias_desc());
        operation->add(DNNL_ARG_DST, dst, onednn::memory_desc(result), pd.dst_desc(), ops.dst_use());
        return operation;
    });
}

/// An implementation and which optional operands it deals with itself; passes before and after it do the rest. Throws
/// dnnl::error or std::runtime_error if there is no implementation.
inline std::unique_ptr<Operation> make_operation(const Builder& builder, const ConvolutionSpec& spec) {
    const bool depthwise = DepthwiseConvolution::fits(builder, spec);
    const bool pointwise = !depthwise && PointwiseConvolution::fits(builder, spec) && PointwiseConvolution::pays(spec);
    const bool takes_scale = pointwise;
    const bool takes_mean = depthwise && DepthwiseConvolution::eltwise_count(spec.epilogue) == spec.epilogue.count;
    ConvolutionSpec rest = spec;
    if (spec.scale.is_present() && !takes_scale) {
        rest.scale = {};
        rest.src = packed_like(spec.src);
        return std::make_unique<ScaledSource>(spec, make_operation(builder, rest));
    }
    if (spec.mean.is_present() && !takes_mean) {
        rest.mean = {};
        return std::make_unique<ConvolutionMean>(spec, make_operation(builder, rest));
    }
    if (depthwise) return make_depthwise(builder, spec);
    if (pointwise) return make_tiled<PointwiseConvolution>(builder, spec);
    const bool winograd = WinogradConvolution<4>::fits(builder, spec);  // then 2x2 does, too
    if (winograd && WinogradConvolution<4>::pays(spec)) return make_tiled<WinogradConvolution<4>>(builder, spec);
    if (winograd && WinogradConvolution<2>::pays(spec)) return make_tiled<WinogradConvolution<2>>(builder, spec);
    return make_onednn_convolution(builder, spec);
}

}  // namespace igata::runtime
