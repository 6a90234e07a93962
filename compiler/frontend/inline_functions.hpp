// Model-local functions: a model may define operators of its own by graphs of others.
#pragma once

#include <cstdint>
#include <string>

namespace onnx {
class ModelProto;
}

namespace igata {

/// Puts the body of every model-local function in place of its calls, in the graph and in subgraphs; messages name
/// `file`. Throws BadInput for a function that calls itself or is called wrongly.
/// Where a function has another opset of a domain than the model, its nodes get a domain that says so, and the model
/// that domain's opset.
void inline_functions(onnx::ModelProto& model, const std::string& file);

/// A domain in an opset that is not the model's, and back: `ai.onnx@11` is ONNX's own, which is otherwise "".
std::string versioned_domain(const std::string& domain, std::int64_t version);
std::string domain_of(const std::string& versioned);

}  // namespace igata
