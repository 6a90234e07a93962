// What several operators' `lower` share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/ir/view.hpp"
#include "compiler/ops/op.hpp"

namespace igata {

/// Appends a call of the kernel in runtime/kernels/<name>.hpp; the operands are as documented there (an invalid View:
/// absent). The last one is written unless `written` says otherwise.
inline void add_kernel(LowerContext& context, std::string_view name, const std::vector<std::int64_t>& ints,
                       const std::vector<View>& operands, const std::vector<std::size_t>& written = {},
                       const std::vector<float>& floats = {}) {
    runtime::KernelSpec spec;
    const auto known = kernel_names();
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end()) throw std::logic_error("there is no kernel " + std::string(name));
    spec.name = *found;
    spec.operand_count = static_cast<int>(operands.size());
    for (std::size_t i = 0; i < operands.size(); ++i)
        if (operands[i].valid()) spec.operands[i] = memory_spec(operands[i]);
    std::copy(ints.begin(), ints.end(), spec.ints);
    std::copy(floats.begin(), floats.end(), spec.floats);
    context.add(spec, operands, written);
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
