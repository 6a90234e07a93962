// Transposed convolution: kernels of our own for constant weights of one group, oneDNN for the rest.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <memory>

#include "runtime/disjoint_deconvolution.hpp"
#include "runtime/epilogue.hpp"
#include "runtime/onednn.hpp"
#include "runtime/operation.hpp"
#include "runtime/phased_deconvolution.hpp"
#include "runtime/specs.hpp"
#include "runtime/wide_weights.hpp"

namespace igata::runtime {

/// Weights as oneDNN wants them: the group a dim of its own, and output channels before input channels.
inline MemorySpec deconvolution_weights(const DeconvolutionSpec& spec) {
    const MemorySpec& given = spec.weights;
    MemorySpec weights = given;
    const int lead = spec.groups > 1 ? 1 : 0;
    weights.rank = given.rank + lead;
    weights.dims[0] = spec.groups;
    weights.strides[0] = given.strides[0] * (given.dims[0] / spec.groups);
    weights.dims[lead] = given.dims[1];
    weights.strides[lead] = given.strides[1];
    weights.dims[lead + 1] = given.dims[0] / spec.groups;
    weights.strides[lead + 1] = given.strides[0];
    for (int i = 2; i < given.rank; ++i) {
        weights.dims[lead + i] = given.dims[i];
        weights.strides[lead + i] = given.strides[i];
    }
    return weights;
}

/// Throws dnnl::error or std::runtime_error if there is no implementation.
inline std::unique_ptr<Operation> make_operation(const Builder& given, DeconvolutionSpec spec) {
    enum Operand : int { src, weights, bias, dst };
    const WideWeights wide(given, spec.weights, spec.src);
    const Builder& builder = wide.builder();
    if (DisjointDeconvolution::fits(builder, spec) && DisjointDeconvolution::pays(spec))
        return std::make_unique<DisjointDeconvolution>(builder, spec);
    if (PhasedDeconvolution::fits(builder, spec)) return make_tiled<PhasedDeconvolution>(builder, spec);
    const MemorySpec kernel = deconvolution_weights(spec);
    const auto make = [&](const InsideOps& ops, const MemorySpec& result) {
        const auto pd = onednn::choose_layouts<dnnl::deconvolution_forward>(builder.engine, spec, spec.src, kernel,
                                                                            result, ops.attr());
        auto operation =
            std::make_unique<PrimitiveOperation>(builder, dnnl::deconvolution_forward(pd), pd.scratchpad_desc());
        operation->add(DNNL_ARG_SRC, src, onednn::memory_desc(spec.src), pd.src_desc());
        operation->add(DNNL_ARG_WEIGHTS, weights, onednn::memory_desc(kernel), pd.weights_desc());
        if (spec.bias.rank > 0) operation->add(DNNL_ARG_BIAS, bias, onednn::memory_desc(spec.bias), pd.bias_desc());
        operation->add(DNNL_ARG_DST, dst, onednn::memory_desc(result), pd.dst_desc(), ops.dst_use());
        return operation;
    };
    return make_with_epilogue(spec.epilogue, dst, spec.dst, make, 0);  // oneDNN applies them one by one
}

}  // namespace igata::runtime
