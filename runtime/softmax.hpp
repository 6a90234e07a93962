// Softmax and LogSoftmax along one axis by oneDNN.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <memory>

#include "runtime/onednn.hpp"
#include "runtime/operation.hpp"
#include "runtime/specs.hpp"

namespace igata::runtime {

/// Throws dnnl::error or std::runtime_error if there is no implementation.
inline std::unique_ptr<Operation> make_operation(const Builder& builder, const SoftmaxSpec& spec) {
    enum Operand : int { src, dst };
    const onednn::Desc src_desc = onednn::memory_desc(spec.src);
    const onednn::Desc dst_desc = onednn::memory_desc(spec.dst);
    const auto pd = onednn::make_softmax(builder.engine, spec.logarithm, src_desc, dst_desc, spec.axis);
    auto operation = std::make_unique<PrimitiveOperation>(builder, onednn::SoftmaxForward(pd), pd.scratchpad_desc());
    operation->add(DNNL_ARG_SRC, src, src_desc, pd.src_desc());
    operation->add(DNNL_ARG_DST, dst, dst_desc, pd.dst_desc(), PrimitiveOperation::Use::write);
    return operation;
}

}  // namespace igata::runtime
