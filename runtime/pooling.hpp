// Maximum and average pooling: a kernel of our own for images whose channels lie together, oneDNN for the rest.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <memory>

#include "runtime/image_pooling.hpp"
#include "runtime/onednn.hpp"
#include "runtime/operation.hpp"
#include "runtime/specs.hpp"

namespace igata::runtime {

/// Throws dnnl::error or std::runtime_error if there is no implementation.
inline std::unique_ptr<Operation> make_operation(const Builder& builder, const PoolingSpec& spec) {
    enum Operand : int { src, dst };
    if (ImagePooling::fits(spec)) return std::make_unique<ImagePooling>(spec);
    dnnl::memory::dims strides, kernel, dilations, pads_begin, pads_end;
    for (int i = 0; i < spec.spatial; ++i) {
        strides.push_back(spec.strides[i]);
        kernel.push_back(spec.kernel[i]);
        dilations.push_back(spec.dilations[i] - 1);
        pads_begin.push_back(spec.pads_begin[i]);
        pads_end.push_back(spec.pads_end[i]);
    }
    const onednn::Desc src_desc = onednn::memory_desc(spec.src);
    const onednn::Desc dst_desc = onednn::memory_desc(spec.dst);
    const auto pd = onednn::make_pooling(builder.engine, spec.algorithm, src_desc, dst_desc, strides, kernel, dilations,
                                         pads_begin, pads_end);
    auto operation = std::make_unique<PrimitiveOperation>(builder, onednn::PoolingForward(pd), pd.scratchpad_desc());
    operation->add(DNNL_ARG_SRC, src, src_desc, pd.src_desc());
    operation->add(DNNL_ARG_DST, dst, dst_desc, pd.dst_desc(), PrimitiveOperation::Use::write);
    return operation;
}

}  // namespace igata::runtime
