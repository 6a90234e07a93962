// What several operators' `lower` share.
#pragma once

#include <cstddef>
#include <vector>

#include "compiler/ir/view.hpp"
#include "compiler/ops/op.hpp"

namespace igata {

/// Appends a kernel call; the operands are as documented at runtime::Kernel, the last one is written.
inline void add_kernel(LowerContext& context, runtime::Kernel kernel, const std::vector<std::int64_t>& ints,
                       const std::vector<View>& operands) {
    runtime::KernelSpec spec;
    spec.kernel = kernel;
    spec.operand_count = static_cast<int>(operands.size());
    for (std::size_t i = 0; i < operands.size(); ++i) spec.operands[i] = memory_spec(operands[i]);
    for (std::size_t i = 0; i < ints.size(); ++i) spec.ints[i] = ints[i];
    context.add(spec, operands);
}

/// The i64 constants 0, 1, 2, ... along `axis`, repeated to `dims`.
inline View positions(LowerContext& context, const Dims& dims, std::size_t axis) {
    Dims line(dims.size(), 1);
    line[axis] = dims[axis];
    Tensor tensor(DataType::i64, line);
    std::int64_t next = 0;
    for (std::int64_t& value : tensor.mutable_values<std::int64_t>()) value = next++;
    return expanded(context.constant(tensor), dims);
}

/// A constant result, computed now.
inline void set_constant_output(LowerContext& context, const Tensor& tensor) {
    context.set_output(0,
                       context.constant(tensor.reshaped(context.graph().value(context.node().outputs[0]).type.dims)));
}

/// The type in which floats are computed with in a plan: f16 and bf16 widen to f32.
inline DataType widened(DataType dtype) {
    return dtype == DataType::f16 || dtype == DataType::bf16 ? DataType::f32 : dtype;
}

}  // namespace igata
