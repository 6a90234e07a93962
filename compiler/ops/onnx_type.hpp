// Element types as attributes give them.
#pragma once

#include <cstdint>

#include <fmt/format.h>

#include "compiler/ops/op.hpp"

namespace igata {

/// The element type behind a number of TensorProto.DataType. Throws Unsupported.
inline DataType data_type_of_onnx(std::int64_t code, const Node& node) {
    const DataType dtype = data_type_from_code(code);
    if (dtype == DataType::undefined)
        throw Unsupported(
            fmt::format("{}: element type {} (strings or complex numbers) is not supported", describe(node), code));
    return dtype;
}

}  // namespace igata
