// Convolution: own kernels where they were measured to be faster, oneDNN for the rest.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "runtime/convolution_mean.hpp"
#include "runtime/depthwise.hpp"
#include "runtime/epilogue.hpp"
#include "runtime/isa.hpp"
#include "runtime/needs.hpp"
#include "runtime/onednn.hpp"
#include "runtime/operation.hpp"
#include "runtime/pointwise.hpp"
#include "runtime/scaled_source.hpp"
#include "runtime/specs.hpp"
#include "runtime/tile_epilogue.hpp"
#include "runtime/wide_weights.hpp"
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

/// Whether some results read nothing but padding.
inline bool reads_only_padding(const ConvolutionSpec& spec) {
    for (int i = 0; i < spec.spatial; ++i) {
        const std::int64_t reach = (spec.weights.dims[2 + i] - 1) * spec.dilations[i];
        if (spec.pads_begin[i] > reach || spec.pads_end[i] > reach) return true;
    }
    return false;
}

/// oneDNN's, without scale and mean. What lies as f32 and is multiplied as bf16 is converted as it is reordered.
inline std::unique_ptr<Operation> make_onednn_convolution(const Builder& builder, const ConvolutionSpec& spec) {
    enum Operand : int { src, weights, bias, dst };
    const DataType factors = onednn::type_of_factors(spec.bf16);
    const MemorySpec source = onednn::with_type(spec.src, factors);
    const MemorySpec kernel = onednn::with_type(grouped_weights(spec), factors);
    const bool reordered = spec.implementation == Implementation::onednn_reordered;
    const auto make = [&](const InsideOps& ops, const MemorySpec& result) {
        const auto pd = onednn::choose_layouts<dnnl::convolution_forward>(builder.engine, spec, source, kernel, result,
                                                                          ops.attr(), reordered);
        const std::string name = onednn::implementation(pd);
        // oneDNN 2.6 takes wrong elements of a binary operand there, with groups or with one value a result.
        const bool takes_wrong = ops.has_operands() && onednn::is_gemm(name);
        // It reads what dst held as if that were aligned, which SSE needs and pixels of 50 channels are not.
        const bool needs_aligned = ops.dst_use() == PrimitiveOperation::Use::update && onednn::is_sse(name);
        if (takes_wrong || needs_aligned) throw dnnl::error(dnnl_unimplemented, "operands of post-ops");
        auto operation =
            std::make_unique<PrimitiveOperation>(builder, dnnl::convolution_forward(pd), pd.scratchpad_desc());
        operation->add(DNNL_ARG_SRC, src, onednn::memory_desc(spec.src), pd.src_desc());
        operation->add(DNNL_ARG_WEIGHTS, weights, onednn::memory_desc(grouped_weights(spec)), pd.weights_desc());
        if (spec.bias.rank > 0) operation->add(DNNL_ARG_BIAS, bias, onednn::memory_desc(spec.bias), pd.bias_desc());
        operation->add(DNNL_ARG_DST, dst, onednn::memory_desc(result), pd.dst_desc(), ops.dst_use());
        return operation;
    };
    // Where results read only padding, oneDNN 2.6 adds the wrong elements of a residual.
    return make_with_epilogue(spec.epilogue, dst, spec.dst, make, reads_only_padding(spec) ? 0 : max_post_ops);
}

/// What runs the convolution after passes for those optional operands that it does not deal with itself.
struct ConvolutionChoice {
    Implementation kernel = Implementation::onednn_convolution;
    bool takes_scale = false;
    bool takes_mean = false;
    ConvolutionSpec spec = {};  ///< what is left for the kernel
};

/// How `kernel` would run it.
inline ConvolutionChoice choice_of(Implementation kernel, const ConvolutionSpec& spec) {
    ConvolutionChoice choice{kernel, false, false, spec};
    choice.takes_scale = kernel == Implementation::pointwise || kernel == Implementation::pointwise_bf16;
    choice.takes_mean = kernel == Implementation::depthwise &&
                        DepthwiseConvolution::eltwise_count(spec.epilogue) == spec.epilogue.count;
    if (spec.scale.is_present() && !choice.takes_scale) {
        choice.spec.scale = {};
        choice.spec.src = packed_like(spec.src);
    }
    if (!choice.takes_mean) choice.spec.mean = {};
    choice.spec.implementation = kernel;
    choice.spec.bf16 = spec.bf16 && is_bf16(kernel);
    return choice;
}

/// Whether the choice's kernel can run what is left for it. `bf16`: the processor multiplies those.
inline bool fits(const Builder& builder, const ConvolutionChoice& choice, bool bf16 = onednn::has_bf16()) {
    if (is_bf16(choice.kernel) && !(bf16 && choice.spec.bf16)) return false;
    switch (choice.kernel) {
        case Implementation::onednn_bf16:
        case Implementation::onednn_convolution:
        case Implementation::onednn_reordered: return true;
        case Implementation::pointwise:
        case Implementation::pointwise_bf16: return PointwiseConvolution::fits(builder, choice.spec);
        case Implementation::winograd2: return WinogradConvolution<2>::fits(builder, choice.spec);
        case Implementation::winograd4: return WinogradConvolution<4>::fits(builder, choice.spec);
        case Implementation::depthwise: return DepthwiseConvolution::fits(builder, choice.spec);
        default: return false;
    }
}

/// Whether oneDNN's convolution is measured to be faster in bf16 than in f32, though src is converted first: where each
/// element of it meets enough weights.
inline bool onednn_pays_in_bf16(const ConvolutionSpec& spec) {
    std::int64_t products = spec.weights.dims[0];
    for (int i = 0; i < spec.spatial; ++i) products = products * spec.weights.dims[2 + i] / spec.strides[i];
    return spec.groups == 1 && products >= 32;
}

/// Whether the choice is what was measured to be the best one, as a rule. `bf16`: oneDNN could multiply those instead,
/// which only Winograd's filtering of many channels is faster than.
inline bool pays(const ConvolutionChoice& choice, Isa isa, bool bf16) {
    switch (choice.kernel) {
        case Implementation::onednn_bf16: return onednn_pays_in_bf16(choice.spec);
        case Implementation::pointwise: return PointwiseConvolution::pays(choice.spec);
        case Implementation::pointwise_bf16: return PointwiseConvolution::pays_in_bf16(choice.spec);
        case Implementation::winograd2: return WinogradConvolution<2>::pays(choice.spec, isa);
        case Implementation::winograd4:
            return (!bf16 || choice.spec.src.dims[1] >= 32) && WinogradConvolution<4>::pays(choice.spec, isa);
        default: return true;
    }
}

/// The kernels of a convolution, those to be preferred first.
inline constexpr Implementation convolution_kernels[] = {
    Implementation::depthwise,          Implementation::pointwise_bf16,  Implementation::pointwise,
    Implementation::winograd4,          Implementation::onednn_bf16,     Implementation::winograd2,
    Implementation::onednn_convolution, Implementation::onednn_reordered};

/// The spec's own wish, or the first that pays. `bf16`: the processor multiplies those.
inline ConvolutionChoice choose_kernel(const Builder& builder, const ConvolutionSpec& spec, Isa isa = detect_isa(),
                                       bool bf16 = onednn::has_bf16()) {
    ConvolutionChoice choice = choice_of(spec.implementation, spec);
    if (!fits(builder, choice, bf16)) {
        for (const Implementation kernel : convolution_kernels) {
            choice = choice_of(kernel, spec);
            if (fits(builder, choice, bf16) && pays(choice, isa, bf16 && spec.bf16)) break;
        }
    }
    if (choice.kernel == Implementation::depthwise)
        choice.kernel = DepthwiseStrip::kernel(image_shape(choice.spec, choice.spec.dst));
    return choice;
}

inline std::unique_ptr<Operation> make_chosen(const Builder& builder, const ConvolutionChoice& choice) {
    using Kernel = Implementation;
    switch (choice.kernel) {
        case Kernel::pointwise:
        case Kernel::pointwise_bf16:
            if constexpr (needs.has(Kernel::pointwise) || needs.has(Kernel::pointwise_bf16))
                return make_tiled<PointwiseConvolution>(builder, choice.spec);
            break;
        case Kernel::winograd2:
            if constexpr (needs.has(Kernel::winograd2)) return make_tiled<WinogradConvolution<2>>(builder, choice.spec);
            break;
        case Kernel::winograd4:
            if constexpr (needs.has(Kernel::winograd4)) return make_tiled<WinogradConvolution<4>>(builder, choice.spec);
            break;
        case Kernel::depthwise_3x3:
        case Kernel::depthwise_3x3_stride2:
        case Kernel::depthwise_5x5:
        case Kernel::depthwise_5x5_stride2:
        case Kernel::depthwise:
            if constexpr (DepthwiseStrip::is_needed())
                return make_own<DepthwiseConvolution>(builder, choice.spec,
                                                      DepthwiseConvolution::eltwise_count(choice.spec.epilogue));
            break;
        case Kernel::onednn_convolution:
        case Kernel::onednn_reordered:
        case Kernel::onednn_bf16:
            if constexpr (needs.has(Kernel::onednn_convolution) || needs.has(Kernel::onednn_reordered) ||
                          needs.has(Kernel::onednn_bf16))
                return make_onednn_convolution(builder, choice.spec);
            break;
        case Kernel::automatic:
        case Kernel::onednn_matmul:
        case Kernel::strips: break;
    }
    throw std::logic_error("a convolution that the program was not made for");
}

/// Throws dnnl::error or std::runtime_error if there is no implementation.
inline std::unique_ptr<Operation> make_operation(const Builder& builder, ConvolutionSpec spec) {
    const WideWeights wide(builder, spec.weights, spec.src);
    const ConvolutionChoice choice = choose_kernel(wide.builder(), spec);
    std::unique_ptr<Operation> operation = make_chosen(wide.builder(), choice);
    if (spec.mean.is_present() && !choice.takes_mean)
        operation = std::make_unique<ConvolutionMean>(spec, std::move(operation));
    if (spec.scale.is_present() && !choice.takes_scale)
        operation = std::make_unique<ScaledSource>(spec, std::move(operation));
    return operation;
}

}  // namespace igata::runtime
