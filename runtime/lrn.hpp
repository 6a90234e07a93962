// Local response normalisation across channels by oneDNN.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <memory>

#include "runtime/onednn.hpp"
#include "runtime/operation.hpp"
#include "runtime/specs.hpp"

namespace igata::runtime {

/// Throws dnnl::error or std::runtime_error if there is no implementation.
inline std::unique_ptr<Operation> make_operation(const Builder& builder, const LrnSpec& spec) {
    enum Operand : int { src, dst };
    const onednn::Desc src_desc = onednn::memory_desc(spec.src);
    const auto pd = onednn::make_lrn(builder.engine, src_desc, spec);
    auto operation = std::make_unique<PrimitiveOperation>(builder, dnnl::lrn_forward(pd), pd.scratchpad_desc());
    operation->add(DNNL_ARG_SRC, src, src_desc, pd.src_desc());
    operation->add(DNNL_ARG_DST, dst, onednn::memory_desc(spec.dst), pd.dst_desc(), PrimitiveOperation::Use::write);
    return operation;
}

}  // namespace igata::runtime
