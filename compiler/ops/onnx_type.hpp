// Element types as attributes give them.
#pragma once

#include <cstdint>
#include <iterator>

#include <fmt/format.h>

#include "compiler/ops/op.hpp"

namespace igata {

/// The element type behind a number of TensorProto.DataType. Throws Unsupported.
inline DataType data_type_of_onnx(std::int64_t code, const Node& node) {
    constexpr DataType types[] = {
        DataType::undefined, DataType::f32, DataType::u8,        DataType::i8,        DataType::u16, DataType::i16,
        DataType::i32,       DataType::i64, DataType::undefined, DataType::boolean,   DataType::f16, DataType::f64,
        DataType::u32,       DataType::u64, DataType::undefined, DataType::undefined, DataType::bf16};
    const bool listed = code >= 0 && code < static_cast<std::int64_t>(std::size(types));
    const DataType dtype = listed ? types[code] : DataType::undefined;
    if (dtype == DataType::undefined)
        throw Unsupported(
            fmt::format("{}: element type {} (a string, complex, 8-bit float or 4-bit type) is not supported",
                        describe(node), code));
    return dtype;
}

}  // namespace igata
