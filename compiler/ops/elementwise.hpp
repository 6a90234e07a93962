// What follows from an operator's scalar expression alone: its type, its value, its loop, its form as a Map.
#pragma once

#include <vector>

#include "compiler/ops/op.hpp"

namespace igata {

/// An elementwise node as one expression over those of its inputs that it reads: absent ones, and constants of one
/// element (which become numbers in the body), are left out.
struct MapForm {
    ExprPtr body;
    std::vector<std::size_t> inputs;  ///< x0, x1, ... of the body, as indices into node.inputs
};

/// The form of a node whose operator has an `expression`; element types must be known.
MapForm map_form(const Graph& graph, const Node& node);

/// Result: the broadcast shape of the inputs that the expression reads, and the expression's type.
void infer_elementwise(InferContext& context);
Tensor eval_elementwise(const Graph& graph, const Node& node, const std::vector<const Tensor*>& inputs,
                        const ValueType& result);
/// One loop; more only where the inputs outnumber what a loop can take.
void lower_elementwise(LowerContext& context);

/// x clamped to the finite numbers of a float of 8 or 4 bits, or to what an integer of up to 16 bits holds.
ExprPtr clamped_to(DataType dtype, const ExprPtr& x);

/// x, computed in floats, as an element of type dtype: integers are rounded to even, those of up to 16 bits saturated.
ExprPtr rounded_to(DataType dtype, const ExprPtr& x);
/// Whether the body, of one operand, is worth a table: bytes to bytes, and more than a conversion.
bool is_table(const ExprPtr& body, DataType from, DataType to);
/// What the body makes of each of the 256 bytes.
Tensor table_of(const ExprPtr& body, DataType from, DataType to);

/// Raises an operator of two operands. Before opset 7, `broadcast` allowed the second operand a shape that is a part of
/// the first's from `axis` on (without it: the last dims, as since opset 7). AlignAxis then gives it the rank it needs.
void raise_axis(Graph& graph, NodeIt node);

}  // namespace igata
