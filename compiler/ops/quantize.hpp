// QuantizeLinear and DequantizeLinear for passes.
#pragma once

#include "compiler/ir/graph.hpp"

namespace igata {

/// What a QuantizeLinear of one scale makes of one number; `zero` may be null.
Tensor quantized(const Node& quantize, const Tensor& real, const Tensor& scale, const Tensor* zero, DataType result);

/// A QuantizeLinear or DequantizeLinear becomes a Map. False if its parameters are blocked, or several and not
/// constant.
bool make_elementwise(Graph& graph, Node& node);

}  // namespace igata
