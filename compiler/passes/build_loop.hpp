// Loop nests from views: box dims are put in a good order, dims of one are dropped, and neighbours that every operand
// walks without a gap become one dim.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "compiler/ir/plan.hpp"

namespace igata {

/// The loop `out = body(inputs)`, inputs broadcast to out.dims; dims lie in the order of out's memory. Throws
/// std::invalid_argument if more than runtime::max_rank dims remain.
Loop build_map(const ExprPtr& body, const std::vector<View>& inputs, const View& out);

/// The dims along which a loop's input and its output are dense, if all that it does is to copy from one to the other
/// across them, and they are long enough for the kernel `transpose`.
struct TransposedDims {
    std::int64_t input, output;
};
std::optional<TransposedDims> transposed_dims(const Loop& loop);

/// What a reduction is, beside its operands.
struct Reduction {
    Reduce kind = Reduce::sum;
    std::vector<std::int64_t> axes;  ///< of the box
    DataType accumulator = DataType::undefined;
    ExprPtr finish;
};

/// The loop that reduces body(inputs) over `axes` of `box` into `out`, whose dims are the box's with 1 at the axes.
/// Dims that are kept come before those that are reduced; each lie in the order of the first input's memory.
Loop build_reduction(const ExprPtr& body, const std::vector<View>& inputs, const Dims& box, const Reduction& reduction,
                     const View& out);

}  // namespace igata
