// What bf16 costs in precision, measured at compile time on any processor.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "compiler/ir/graph.hpp"

namespace igata {

/// Of one output, over all data sets.
struct Bf16Error {
    std::string output;
    double absolute = 0.0;  ///< largest difference from the result in f32
    double largest = 0.0;   ///< largest magnitude of that result
};

/// Rounds to bf16 what convolutions and matrix products with constant weights multiply. Types must be known.
void round_factors(Graph& graph);

/// Runs the model twice on the inputs in `data`/test_data_set_*, as it is and with rounded factors, for those outputs
/// that are floating. More layers are rounded than at run time, where it must pay. Throws BadInput if there are no
/// data.
std::vector<Bf16Error> measure_bf16_error(const Graph& graph, const std::filesystem::path& data);

}  // namespace igata
