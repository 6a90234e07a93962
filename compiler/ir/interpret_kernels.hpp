// The operations of scalar expressions over blocks of elements held in registers: what `run_loop` is made of.
//
// A register holds a block in the carrier of its type: float for f16, bf16 and the small floats, a byte (0 or 1) for
// bool, an integer of 8 bits for smaller ones, else the type itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "compiler/ir/expr.hpp"
#include "compiler/ir/plan.hpp"

namespace igata {

template <class T>
struct CarrierOf {
    using Type = std::conditional_t<std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>, float,
                                    std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>>;
};
template <DataType dtype>
struct CarrierOf<Small<dtype>> {
    using Type = typename Small<dtype>::Value;
};
template <class T>
using Carrier = typename CarrierOf<T>::Type;

DataType carrier_of(DataType dtype);

/// out[i] = op(args[0][i], args[1][i], args[2][i]) for i < n.
using BlockKernel = void (*)(std::int64_t n, const void* const* args, void* out);

/// The kernel of an operation on arguments of type `from` (of a select: its branches) to a result of type `to`. Throws
/// std::invalid_argument if the operation is not defined on the type.
BlockKernel block_kernel(ExprOp op, DataType from, DataType to);

/// Memory to register: n elements, `stride` elements apart.
void load_block(DataType dtype, const std::byte* from, std::int64_t stride, std::int64_t n, void* to);
/// Register to memory.
void store_block(DataType dtype, const void* from, std::byte* to, std::int64_t stride, std::int64_t n);

/// What a reduction starts from, n times, in the carrier of `dtype`.
void fill_identity(Reduce kind, DataType dtype, void* accumulators, std::int64_t n);
/// Reduces n values into accumulators `stride` elements apart (0: all into one).
void accumulate_block(Reduce kind, DataType dtype, const void* values, std::int64_t n, void* accumulators,
                      std::int64_t stride);

}  // namespace igata
