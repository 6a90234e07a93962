// Element types, dims and the type of a value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "compiler/ir/half.hpp"
#include "runtime/small_types.hpp"

namespace igata {

using runtime::DataType;
using runtime::is_small;
using runtime::size_of;
using runtime::Small;

using Dims = std::vector<std::int64_t>;

/// The text form's name: `f32`, `i64`, `bool`, ...
std::string_view name_of(DataType dtype);
/// Inverse of name_of; DataType::undefined for an unknown name.
DataType data_type_from_name(std::string_view name);

/// The element type with a number of ONNX's TensorProto.DataType; undefined if there is none, or for strings and
/// complex numbers.
DataType data_type_from_code(std::int64_t code);

bool is_floating(DataType dtype);  ///< f16, bf16, f32, f64 and the small floats
bool is_integer(DataType dtype);   ///< signed or unsigned, not bool
bool is_signed(DataType dtype);    ///< floats and signed integers

/// Type and shape of a value after bind_dims and infer_types: every dim known, in ONNX order.
struct ValueType {
    DataType dtype = DataType::undefined;
    Dims dims;

    bool known() const { return dtype != DataType::undefined; }
    bool operator==(const ValueType&) const = default;
};

/// `f32[1,3,224,224]`; `?` while unknown.
std::string to_string(const ValueType& type);
/// `[1,3,224,224]`
std::string to_string(const Dims& dims);

std::int64_t element_count(const Dims& dims);
/// Row-major strides in elements.
Dims row_major_strides(const Dims& dims);
/// ONNX multidirectional (numpy) broadcasting. Throws std::invalid_argument naming both shapes if they do not fit.
Dims broadcast(const Dims& a, const Dims& b);
/// Strides with which a tensor of `dims` and `strides` is read when broadcast to `target` (0 on repeated dims).
Dims broadcast_strides(const Dims& dims, const Dims& strides, const Dims& target);

/// A declared dim of a graph input or output: a number, or a symbol (empty where the model says nothing).
struct SymbolicDim {
    std::int64_t value = -1;
    std::string symbol;

    bool known() const { return value >= 0; }
    bool operator==(const SymbolicDim&) const = default;
};

/// Of an output whose size depends on the data, along `axis`: another output is its size, what lies beyond is not
/// meant.
struct OpenAxis {
    int axis = -1;  ///< -1: the size is known
    std::size_t size_output = 0;

    bool operator==(const OpenAxis&) const = default;
};

/// Calls `f.template operator()<T>()` with the C++ type that stores `dtype`: float, double, Half, BFloat16, intN_t,
/// uintN_t, bool. Throws std::logic_error for undefined and for the small types, with which nothing computes.
template <class F>
decltype(auto) visit_dtype(DataType dtype, F&& f);

/// The same, the small types (as Small<dtype>) included.
template <class F>
decltype(auto) visit_any_dtype(DataType dtype, F&& f);

[[noreturn]] void fail_undefined_dtype();

template <class T>
inline constexpr bool is_small_type = false;
template <DataType dtype>
inline constexpr bool is_small_type<Small<dtype>> = true;
template <DataType dtype>
constexpr DataType small_type_of(Small<dtype>) {
    return dtype;
}

template <class T>
constexpr DataType data_type_of() {
    if constexpr (std::is_same_v<T, float>) return DataType::f32;
    else if constexpr (std::is_same_v<T, double>) return DataType::f64;
    else if constexpr (std::is_same_v<T, Half>) return DataType::f16;
    else if constexpr (std::is_same_v<T, BFloat16>) return DataType::bf16;
    else if constexpr (std::is_same_v<T, std::int8_t>) return DataType::i8;
    else if constexpr (std::is_same_v<T, std::int16_t>) return DataType::i16;
    else if constexpr (std::is_same_v<T, std::int32_t>) return DataType::i32;
    else if constexpr (std::is_same_v<T, std::int64_t>) return DataType::i64;
    else if constexpr (std::is_same_v<T, std::uint8_t>) return DataType::u8;
    else if constexpr (std::is_same_v<T, std::uint16_t>) return DataType::u16;
    else if constexpr (std::is_same_v<T, std::uint32_t>) return DataType::u32;
    else if constexpr (std::is_same_v<T, std::uint64_t>) return DataType::u64;
    else if constexpr (std::is_same_v<T, bool>) return DataType::boolean;
    else if constexpr (is_small_type<T>) return small_type_of(T{});
    else static_assert(!sizeof(T*), "no DataType for this C++ type");
}

template <class F>
decltype(auto) visit_dtype(DataType dtype, F&& f) {
    switch (dtype) {
        case DataType::f32: return f.template operator()<float>();
        case DataType::f64: return f.template operator()<double>();
        case DataType::f16: return f.template operator()<Half>();
        case DataType::bf16: return f.template operator()<BFloat16>();
        case DataType::i8: return f.template operator()<std::int8_t>();
        case DataType::i16: return f.template operator()<std::int16_t>();
        case DataType::i32: return f.template operator()<std::int32_t>();
        case DataType::i64: return f.template operator()<std::int64_t>();
        case DataType::u8: return f.template operator()<std::uint8_t>();
        case DataType::u16: return f.template operator()<std::uint16_t>();
        case DataType::u32: return f.template operator()<std::uint32_t>();
        case DataType::u64: return f.template operator()<std::uint64_t>();
        case DataType::boolean: return f.template operator()<bool>();
        default: break;
    }
    fail_undefined_dtype();
}

template <class F>
decltype(auto) visit_any_dtype(DataType dtype, F&& f) {
    switch (dtype) {
        case DataType::f8e4m3fn: return f.template operator()<Small<DataType::f8e4m3fn>>();
        case DataType::f8e4m3fnuz: return f.template operator()<Small<DataType::f8e4m3fnuz>>();
        case DataType::f8e5m2: return f.template operator()<Small<DataType::f8e5m2>>();
        case DataType::f8e5m2fnuz: return f.template operator()<Small<DataType::f8e5m2fnuz>>();
        case DataType::f8e8m0: return f.template operator()<Small<DataType::f8e8m0>>();
        case DataType::f4e2m1: return f.template operator()<Small<DataType::f4e2m1>>();
        case DataType::i4: return f.template operator()<Small<DataType::i4>>();
        case DataType::u4: return f.template operator()<Small<DataType::u4>>();
        case DataType::i2: return f.template operator()<Small<DataType::i2>>();
        case DataType::u2: return f.template operator()<Small<DataType::u2>>();
        default: return visit_dtype(dtype, std::forward<F>(f));
    }
}

}  // namespace igata
