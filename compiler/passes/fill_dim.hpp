// Symbolic dims that get their number.
#pragma once

#include "compiler/ir/type.hpp"

namespace igata {

/// Gives the dim its number. That the model left it open stays known by its symbol: `?` if it had none.
inline void fill_dim(SymbolicDim& dim, std::int64_t value) {
    if (!dim.known() && dim.symbol.empty()) dim.symbol.push_back('?');
    dim.value = value;
}

}  // namespace igata
