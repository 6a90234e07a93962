// NumPy's .npy files, for inputs and outputs on the command line.
#pragma once

#include <filesystem>

#include "compiler/ir/tensor.hpp"

namespace igata {

/// Versions 1 to 3, little-endian, C or Fortran order (reordered on reading). Throws BadInput that says what is wrong.
Tensor read_npy(const std::filesystem::path& file);

/// Version 1, C order. bf16 and the small types, which NumPy does not have, are written as f32, i8 or u8. Throws
/// BadInput if the file cannot be written.
void write_npy(const std::filesystem::path& file, const Tensor& tensor);

}  // namespace igata
