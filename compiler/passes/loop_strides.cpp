#include "compiler/passes/loop_strides.hpp"

#include <algorithm>

namespace igata {

std::optional<Dims> strides_along(const Loop& loop, const Loop::Operand& base, const Loop::Operand& of,
                                  const runtime::MemorySpec& tensor) {
    Dims strides(static_cast<std::size_t>(tensor.rank), 0);
    Dims highest(loop.extents.size(), 0);
    std::int64_t count = 1;
    for (int axis = 0; axis < tensor.rank; ++axis) {
        count *= tensor.dims[axis];
        if (tensor.dims[axis] == 1) continue;
        // The dim of the box that holds the axis is the one with the longest stride within the axis's own.
        std::optional<std::size_t> dim;
        for (std::size_t d = 0; d < loop.extents.size(); ++d) {
            const std::int64_t stride = base.strides[d];
            if (loop.extents[d] == 1 || stride <= 0 || stride > tensor.strides[axis]) continue;
            if (!dim || stride > base.strides[*dim]) dim = d;
        }
        if (!dim || tensor.strides[axis] % base.strides[*dim] != 0) return std::nullopt;
        const std::int64_t factor = tensor.strides[axis] / base.strides[*dim];
        strides[static_cast<std::size_t>(axis)] = factor * of.strides[*dim];
        highest[*dim] += factor * (tensor.dims[axis] - 1);
    }
    for (std::size_t d = 0; d < loop.extents.size(); ++d)
        if (highest[d] >= loop.extents[d]) return std::nullopt;
    if (count != element_count(loop.extents)) return std::nullopt;
    return strides;
}

runtime::MemorySpec per_channel(const runtime::MemorySpec& tensor, std::int64_t image_stride,
                                std::int64_t channel_stride) {
    Dims dims(static_cast<std::size_t>(tensor.rank), 1);
    dims.at(0) = image_stride == 0 ? 1 : tensor.dims[0];
    dims.at(1) = tensor.dims[1];
    Dims strides(dims.size(), 1);
    strides[1] = dims[1] == 1 ? 1 : channel_stride;
    strides[0] = image_stride == 0 ? dims[1] * strides[1] : image_stride;
    return memory_spec({no_buffer, 0, DataType::f32, dims, strides});
}

bool is_per_channel(const Dims& strides) {
    return strides.size() > 2 && std::all_of(strides.begin() + 2, strides.end(), [](std::int64_t s) { return s == 0; });
}

namespace {

template <class Holds>
bool any_operand(const Plan& plan, std::size_t first, std::size_t last, const Holds& holds) {
    for (std::size_t i = first; i < last; ++i)
        for (const StepOperand& operand : plan.steps[i].operands)
            if (holds(operand)) return true;
    return false;
}

}  // namespace

bool is_written(const Plan& plan, BufferId buffer, std::size_t first, std::size_t last) {
    return any_operand(plan, first, last, [&](const StepOperand& o) { return o.buffer == buffer && o.written; });
}

bool is_mentioned(const Plan& plan, BufferId buffer, std::size_t first, std::size_t last) {
    return any_operand(plan, first, last, [&](const StepOperand& o) { return o.buffer == buffer; });
}

}  // namespace igata
