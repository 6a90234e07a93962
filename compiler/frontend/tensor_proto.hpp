// ONNX TensorProto: constants in models, and recorded tensors (input_0.pb) beside them.
#pragma once

#include <filesystem>
#include <string>

#include "compiler/ir/tensor.hpp"

namespace onnx {
class SparseTensorProto;
class TensorProto;
}  // namespace onnx

namespace igata {

/// The DataType of a TensorProto.DataType number. Throws Unsupported, beginning with `what`, for strings, complex
/// numbers and types that Igata does not have.
DataType data_type_from_onnx(int number, const std::string& what);

/// Throws BadInput, beginning with `what`, for negative dims and for more elements than any memory holds.
void check_dims(const Dims& dims, const std::string& what);

/// Any storage form (raw, typed fields, external data in a file inside `folder`). Messages begin with `what`.
Tensor tensor_from_proto(const onnx::TensorProto& proto, const std::string& what, const std::filesystem::path& folder);

/// With zeros where it has no values.
Tensor tensor_from_sparse_proto(const onnx::SparseTensorProto& proto, const std::string& what,
                                const std::filesystem::path& folder);

/// A file that holds one serialised TensorProto. Throws BadInput if it does not. `name` receives the tensor's name.
Tensor read_tensor_proto(const std::filesystem::path& file, std::string* name = nullptr);

}  // namespace igata
