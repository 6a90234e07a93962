// Small random networks of what real ones are made of.
#pragma once

#include <cstdint>

#include "compiler/ir/graph.hpp"

namespace igata::test {

/// Convolutions, activations, residuals, squeeze-excite blocks, pads, pools, normalisations, Transposes and Reshapes
/// around them, in random order and of random shapes, ending in a classifier. The same for the same seed.
Graph random_graph(std::uint32_t seed);

}  // namespace igata::test
