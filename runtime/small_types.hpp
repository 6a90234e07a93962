// Element types of 8 bits and fewer: the float8 and float4 formats and integers of 4 and 2 bits. In memory each element
// takes a byte. They are stored, moved and converted; arithmetic is done on what they convert to: float, or integers of
// 8 bits.
//
// A conversion rounds to nearest even and overflows as the format says: to infinity where it has one, else to NaN, in
// float4 to the greatest number. (Saturation is a clamp before the conversion.) e8m0, the powers of two, rounds down.
// Integers keep their low bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "runtime/specs.hpp"

namespace igata::runtime {

/// Exponent and mantissa are what follows the sign; codes are without the sign.
struct SmallFloatFormat {
    int mantissa_bits;
    int bias;
    std::uint32_t greatest;  ///< the code of the greatest finite number
    std::uint32_t beyond;    ///< of what is greater still
    std::uint32_t nan;
    bool has_infinity;
    std::uint32_t sign;      ///< the sign's bit
    bool has_negative_zero;  ///< if not, that code is NaN
};

constexpr SmallFloatFormat small_float_format(DataType dtype) {
    switch (dtype) {
        case DataType::f8e4m3fn: return {3, 7, 0x7e, 0x7f, 0x7f, false, 0x80, true};
        case DataType::f8e4m3fnuz: return {3, 8, 0x7f, 0x80, 0x80, false, 0x80, false};
        case DataType::f8e5m2: return {2, 15, 0x7b, 0x7c, 0x7e, true, 0x80, true};
        case DataType::f8e5m2fnuz: return {2, 16, 0x7f, 0x80, 0x80, false, 0x80, false};
        case DataType::f4e2m1: return {1, 1, 0x07, 0x07, 0x08, false, 0x08, true};
        default: return {};
    }
}

namespace small_detail {

[[gnu::always_inline]] inline std::uint32_t bits_of(float x) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}

[[gnu::always_inline]] inline float float_of(std::uint32_t bits) {
    float x = 0.0F;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

template <DataType dtype>
[[gnu::always_inline]] inline float decode(std::uint32_t code) {
    constexpr SmallFloatFormat format = small_float_format(dtype);
    constexpr auto mantissa_bits = static_cast<unsigned>(format.mantissa_bits);
    const std::uint32_t magnitude = code & (format.sign - 1U);
    const std::uint32_t sign = (code & format.sign) != 0 ? 0x80000000U : 0U;
    // In place as a subnormal or normal of float, then rescaled, which is exact.
    constexpr float scale = format.bias == 1    ? 0x1p126F
                            : format.bias == 7  ? 0x1p120F
                            : format.bias == 8  ? 0x1p119F
                            : format.bias == 15 ? 0x1p112F
                                                : 0x1p111F;
    std::uint32_t result = bits_of(float_of(magnitude << (23U - mantissa_bits)) * scale);
    if (dtype != DataType::f4e2m1) {
        const bool is_nan = format.has_negative_zero
                                ? magnitude > format.beyond || (magnitude > format.greatest && !format.has_infinity)
                                : code == format.nan;
        if (format.has_infinity && magnitude == format.beyond) result = 0x7f800000U;
        if (is_nan) result = 0x7fc00000U;
    }
    return float_of(result | sign);
}

template <DataType dtype>
[[gnu::always_inline]] inline std::uint8_t encode(float x) {
    constexpr SmallFloatFormat format = small_float_format(dtype);
    constexpr unsigned shift = 23U - static_cast<unsigned>(format.mantissa_bits);
    constexpr std::uint32_t least_normal = static_cast<std::uint32_t>(128 - format.bias) << 23U;
    const std::uint32_t size = bits_of(x) & 0x7fffffffU;
    const bool negative = (bits_of(x) & 0x80000000U) != 0;
    const std::uint32_t normal =
        ((size + (1U << (shift - 1U)) - 1U + ((size >> shift) & 1U)) >> shift) -
        (static_cast<std::uint32_t>(127 - format.bias) << static_cast<unsigned>(format.mantissa_bits));
    // Subnormal: adding a number of the right binade lets the processor round.
    constexpr std::uint32_t binade = static_cast<std::uint32_t>(128 - format.bias + 23 - format.mantissa_bits) << 23U;
    const std::uint32_t subnormal = bits_of(float_of(size) + float_of(binade)) - binade;
    std::uint32_t code = size < least_normal ? subnormal : normal;
    if (size >= 0x7f800000U || code > format.greatest) code = format.beyond;
    const bool is_nan = size > 0x7f800000U;
    if (is_nan) code = format.nan;
    const bool has_sign = negative && (format.has_negative_zero || (code != 0 && code != format.nan));
    return static_cast<std::uint8_t>(has_sign ? code | format.sign : code);
}

}  // namespace small_detail

/// Bits per element in files.
constexpr int packed_bits(DataType dtype) {
    switch (dtype) {
        case DataType::f4e2m1:
        case DataType::i4:
        case DataType::u4: return 4;
        case DataType::i2:
        case DataType::u2: return 2;
        default: return 8 * static_cast<int>(size_of(dtype));
    }
}

/// One element in memory.
template <DataType dtype>
struct Small {
    static constexpr bool is_float = dtype <= DataType::f4e2m1;
    static constexpr bool is_signed = is_float || dtype == DataType::i4 || dtype == DataType::i2;
    using Value = std::conditional_t<is_float, float, std::conditional_t<is_signed, std::int8_t, std::uint8_t>>;

    static constexpr auto bits_in_file = static_cast<unsigned>(packed_bits(dtype));

    std::uint8_t bits;

    /// Element i of elements packed into bytes, the first one lowest.
    static Small unpack(const unsigned char* packed, std::size_t i) {
        const unsigned code = packed[i * bits_in_file / 8] >> (i * bits_in_file % 8) & ((1U << bits_in_file) - 1U);
        if constexpr (is_float) return {static_cast<std::uint8_t>(code)};
        else return of(code);
    }

    [[gnu::always_inline]] Value value() const {
        if constexpr (dtype == DataType::f8e8m0) {
            const auto code = static_cast<std::uint32_t>(bits);
            return small_detail::float_of(code == 255 ? 0x7fc00000U : code == 0 ? 0x00400000U : code << 23U);
        } else if constexpr (is_float) return small_detail::decode<dtype>(bits);
        else return static_cast<Value>(bits);
    }

    /// Of a number of any type.
    template <class T>
    [[gnu::always_inline]] static Small of(T x) {
        if constexpr (dtype == DataType::f8e8m0) {
            const std::uint32_t code = small_detail::bits_of(static_cast<float>(x));
            const std::uint32_t exponent = code >> 23U;  // a negative number's is too large
            if (exponent >= 255 || code < 0x00400000U) return {255};
            return {static_cast<std::uint8_t>(exponent)};
        } else if constexpr (is_float) {
            return {small_detail::encode<dtype>(static_cast<float>(x))};
        } else if constexpr (std::is_floating_point_v<T>) {
            const bool inside = x > T(-0x1p62) && x < T(0x1p62);
            return of(static_cast<std::int64_t>(inside ? x : T{}));
        } else {
            constexpr unsigned unused = 8 - bits_in_file;
            const auto high = static_cast<std::uint8_t>(static_cast<std::uint8_t>(x) << unused);
            return {static_cast<std::uint8_t>(static_cast<Value>(high) >> unused)};
        }
    }
};

constexpr bool is_small(DataType dtype) { return dtype >= DataType::f8e4m3fn; }

/// Calls f(Small<dtype>{}) for the type; nothing if it is none of these.
template <class F>
void with_small_type(DataType dtype, const F& f) {
    switch (dtype) {
        case DataType::f8e4m3fn: return f(Small<DataType::f8e4m3fn>{});
        case DataType::f8e4m3fnuz: return f(Small<DataType::f8e4m3fnuz>{});
        case DataType::f8e5m2: return f(Small<DataType::f8e5m2>{});
        case DataType::f8e5m2fnuz: return f(Small<DataType::f8e5m2fnuz>{});
        case DataType::f8e8m0: return f(Small<DataType::f8e8m0>{});
        case DataType::f4e2m1: return f(Small<DataType::f4e2m1>{});
        case DataType::i4: return f(Small<DataType::i4>{});
        case DataType::u4: return f(Small<DataType::u4>{});
        case DataType::i2: return f(Small<DataType::i2>{});
        case DataType::u2: return f(Small<DataType::u2>{});
        default: break;
    }
}

}  // namespace igata::runtime
