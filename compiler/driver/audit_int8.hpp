// Which layers of integers would be wrong on a processor whose 8-bit products saturate.
#pragma once

#include <string>
#include <vector>

#include "compiler/ir/graph.hpp"

namespace igata {

struct Int8Layer {
    std::string name;  ///< operator, name and opset
    std::int64_t channels = 0;
    std::int64_t saturating = 0;  ///< of the channels
};

/// Every QLinearConv, QLinearMatMul, ConvInteger and MatMulInteger by constant weights. Without VNNI, VPMADDUBSW adds
/// the products of two neighbouring bytes in 16 bits: a channel saturates if two of its weights, less their zero
/// point, can exceed these for sources of 255. Igata multiplies in 16 bits and adds in 32, and never does.
std::vector<Int8Layer> audit_int8(const Graph& graph);

}  // namespace igata
