// A loop's box has its axes merged and in the order of memory; these read it back along the axes of a tensor.
#pragma once

#include <optional>

#include "compiler/ir/plan.hpp"

namespace igata {

/// The strides of the loop's operand `of` along the axes of `tensor` (0 along axes of one element), where `tensor` is
/// what its operand `base` visits, each element once. Nothing if the box and the tensor do not line up.
std::optional<Dims> strides_along(const Loop& loop, const Loop::Operand& base, const Loop::Operand& of,
                                  const runtime::MemorySpec& tensor);

/// The spec of one value a channel: dims [images, channels, 1...] of `tensor`, and the strides of these two axes. The
/// images are one if their stride is 0.
runtime::MemorySpec per_channel(const runtime::MemorySpec& tensor, std::int64_t image_stride,
                                std::int64_t channel_stride);

/// True if every stride but those of axis 0 and 1 is 0.
bool is_per_channel(const Dims& strides);

/// Whether a step of [first, last) stores to the buffer, or mentions it at all.
bool is_written(const Plan& plan, BufferId buffer, std::size_t first, std::size_t last);
bool is_mentioned(const Plan& plan, BufferId buffer, std::size_t first, std::size_t last);

}  // namespace igata
