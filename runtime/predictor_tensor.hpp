// Tensors in files: .npy, and ONNX's recorded .pb.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/predictor_abi.h"

namespace igata::cli {

/// A message for the user and the exit code: 2 usage, 4 bad file.
class Failure : public std::runtime_error {
public:
    Failure(int code, const std::string& message) : std::runtime_error(message), code_(code) {}
    int code() const { return code_; }

private:
    int code_;
};

/// Dense and row-major.
struct Tensor {
    igata_dtype dtype = IGATA_F32;
    std::vector<std::int64_t> dims;
    std::vector<std::byte> bytes;

    std::int64_t count() const;
    /// Element i as a number.
    double at(std::int64_t i) const;
    void set(std::int64_t i, double value);
};

/// Zero-filled.
Tensor make_tensor(igata_dtype dtype, std::vector<std::int64_t> dims);
std::size_t size_of(igata_dtype dtype);
/// `f32`, `bool`, ...
const char* name_of(igata_dtype dtype);
/// `f32[1,224,224,3]`
std::string describe(igata_dtype dtype, const std::vector<std::int64_t>& dims);

/// The first `size` along an axis.
Tensor cropped(const Tensor& tensor, int axis, std::int64_t size);

/// Versions 1 to 3, C or Fortran order, little endian. Throws Failure (4).
Tensor read_npy(const std::string& path);
/// Version 1. bf16 and smaller types are written as f32. Throws Failure (4).
void write_npy(const std::string& path, const Tensor& tensor);
/// A serialised ONNX TensorProto; `name` is set if it has one. Throws Failure (4).
Tensor read_tensor_proto(const std::string& path, std::string& name);

std::string read_file(const std::string& path);

}  // namespace igata::cli
