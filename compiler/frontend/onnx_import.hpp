// From an ONNX file to a Graph.
#pragma once

#include <filesystem>

#include "compiler/diagnostics.hpp"
#include "compiler/ir/graph.hpp"

namespace igata {

/// The newest opset of the default domain whose operators are known; a newer one is imported with a remark.
inline constexpr std::int64_t newest_opset = 28;

/// Reads an ONNX model of any IR version and opset. Constant nodes and initialisers become constants, nodes come out in
/// topological order and raised to their operator's newest form; an operator of a domain other than ONNX's own is named
/// `domain.Operator`. Throws BadInput for a file that is no valid model, Unsupported for types that Igata does not
/// have. Operators are not judged here: see check_supported.
Graph import_onnx(const std::filesystem::path& file, Remarks& remarks);

/// Throws one Unsupported that lists every operator that Igata does not have, with the names of its nodes.
void check_supported(const Graph& graph);

}  // namespace igata
