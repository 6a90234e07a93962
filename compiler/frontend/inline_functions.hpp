// Model-local functions: a model may define operators of its own by graphs of others.
#pragma once

#include <string>

namespace onnx {
class ModelProto;
}

namespace igata {

/// Puts the body of every model-local function in place of its calls, in the graph and in subgraphs; messages name
/// `file`. Throws BadInput for a function that calls itself or is called wrongly.
void inline_functions(onnx::ModelProto& model, const std::string& file);

}  // namespace igata
