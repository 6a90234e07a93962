// IEEE binary16 and bfloat16 storage types with exact conversions (round to nearest even).
#pragma once

#include <bit>
#include <cstdint>

namespace igata {

/// IEEE 754 binary16.
struct Half {
    std::uint16_t bits = 0;

    Half() = default;
    explicit Half(float value) : bits(encode(value)) {}
    operator float() const { return decode(bits); }  // NOLINT(google-explicit-constructor): reads as its value

    static std::uint16_t encode(float value) {
        const auto x = std::bit_cast<std::uint32_t>(value);
        const auto sign = static_cast<std::uint16_t>((x >> 16U) & 0x8000U);
        const std::uint32_t magnitude = x & 0x7fffffffU;
        if (magnitude > 0x7f800000U) return static_cast<std::uint16_t>(sign | 0x7e00U);   // NaN
        if (magnitude >= 0x477ff000U) return static_cast<std::uint16_t>(sign | 0x7c00U);  // rounds to infinity
        if (magnitude < 0x38800000U) {  // subnormal: let the FPU round by adding 0.5 in the right binade
            const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
            return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000U));
        }
        const std::uint32_t rounded = magnitude + 0xfffU + ((magnitude >> 13U) & 1U);
        return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000U) >> 13U));
    }

    static float decode(std::uint16_t half) {
        const std::uint32_t sign = (half & 0x8000U) << 16U;
        const std::uint32_t exponent = (half >> 10U) & 0x1fU;
        const std::uint32_t mantissa = half & 0x3ffU;
        if (exponent == 0) {
            const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
            return sign != 0 ? -magnitude : magnitude;
        }
        const std::uint32_t wide = exponent == 31 ? 255U : exponent + 112U;
        return std::bit_cast<float>(sign | (wide << 23U) | (mantissa << 13U));
    }
};

/// bfloat16: the upper half of a binary32.
struct BFloat16 {
    std::uint16_t bits = 0;

    BFloat16() = default;
    explicit BFloat16(float value) : bits(encode(value)) {}
    operator float() const {  // NOLINT(google-explicit-constructor): reads as its value
        return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
    }

    static std::uint16_t encode(float value) {
        const auto x = std::bit_cast<std::uint32_t>(value);
        if ((x & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>((x >> 16U) | 0x40U);  // quiet NaN
        return static_cast<std::uint16_t>((x + 0x7fffU + ((x >> 16U) & 1U)) >> 16U);
    }
};

}  // namespace igata
