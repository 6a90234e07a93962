#include "compiler/ir/type.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace igata {

namespace {

constexpr std::array<std::pair<DataType, std::string_view>, 24> dtype_names{{
    {DataType::undefined, "?"},
    {DataType::f32, "f32"},
    {DataType::f64, "f64"},
    {DataType::f16, "f16"},
    {DataType::bf16, "bf16"},
    {DataType::i8, "i8"},
    {DataType::i16, "i16"},
    {DataType::i32, "i32"},
    {DataType::i64, "i64"},
    {DataType::u8, "u8"},
    {DataType::u16, "u16"},
    {DataType::u32, "u32"},
    {DataType::u64, "u64"},
    {DataType::boolean, "bool"},
    {DataType::f8e4m3fn, "f8e4m3fn"},
    {DataType::f8e4m3fnuz, "f8e4m3fnuz"},
    {DataType::f8e5m2, "f8e5m2"},
    {DataType::f8e5m2fnuz, "f8e5m2fnuz"},
    {DataType::f8e8m0, "f8e8m0"},
    {DataType::f4e2m1, "f4e2m1"},
    {DataType::i4, "i4"},
    {DataType::u4, "u4"},
    {DataType::i2, "i2"},
    {DataType::u2, "u2"},
}};

}  // namespace

std::string_view name_of(DataType dtype) { return dtype_names.at(static_cast<std::size_t>(dtype)).second; }

DataType data_type_from_name(std::string_view name) {
    for (const auto& [dtype, text] : dtype_names)
        if (text == name) return dtype;
    return DataType::undefined;
}

bool is_floating(DataType dtype) {
    return (dtype >= DataType::f32 && dtype <= DataType::bf16) ||
           (dtype >= DataType::f8e4m3fn && dtype <= DataType::f4e2m1);
}

bool is_integer(DataType dtype) { return (dtype >= DataType::i8 && dtype <= DataType::u64) || dtype >= DataType::i4; }

bool is_signed(DataType dtype) {
    return is_floating(dtype) || (dtype >= DataType::i8 && dtype <= DataType::i64) || dtype == DataType::i4 ||
           dtype == DataType::i2;
}

DataType data_type_from_code(std::int64_t code) {
    using enum DataType;
    constexpr std::array types{undefined,  f32,    u8,         i8,  u16, i16,       i32,       i64,  undefined,
                               boolean,    f16,    f64,        u32, u64, undefined, undefined, bf16, f8e4m3fn,
                               f8e4m3fnuz, f8e5m2, f8e5m2fnuz, u4,  i4,  f4e2m1,    f8e8m0,    u2,   i2};
    return code >= 0 && code < std::ssize(types) ? types[static_cast<std::size_t>(code)] : undefined;
}

std::string to_string(const Dims& dims) { return fmt::format("[{}]", fmt::join(dims, ",")); }

std::string to_string(const ValueType& type) {
    return type.known() ? fmt::format("{}{}", name_of(type.dtype), to_string(type.dims)) : "?";
}

std::int64_t element_count(const Dims& dims) {
    std::int64_t count = 1;
    for (const std::int64_t dim : dims) count *= dim;
    return count;
}

Dims row_major_strides(const Dims& dims) {
    Dims strides(dims.size());
    std::int64_t stride = 1;
    for (std::size_t i = dims.size(); i-- > 0;) {
        strides[i] = stride;
        stride *= std::max<std::int64_t>(dims[i], 1);
    }
    return strides;
}

Dims broadcast(const Dims& a, const Dims& b) {
    const std::size_t rank = std::max(a.size(), b.size());
    Dims result(rank);
    for (std::size_t i = 0; i < rank; ++i) {
        const std::int64_t x = i + a.size() < rank ? 1 : a[i + a.size() - rank];
        const std::int64_t y = i + b.size() < rank ? 1 : b[i + b.size() - rank];
        if (x != y && x != 1 && y != 1)
            throw std::invalid_argument(fmt::format("shapes {} and {} do not broadcast", to_string(a), to_string(b)));
        result[i] = x == 1 ? y : x;
    }
    return result;
}

Dims broadcast_strides(const Dims& dims, const Dims& strides, const Dims& target) {
    Dims result(target.size(), 0);
    const std::size_t lead = target.size() - dims.size();
    for (std::size_t i = 0; i < dims.size(); ++i)
        if (dims[i] != 1 || target[i + lead] == 1) result[i + lead] = strides[i];
    return result;
}

void fail_undefined_dtype() { throw std::logic_error("value has no element type"); }

}  // namespace igata
