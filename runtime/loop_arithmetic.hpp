// What generated loops are made of: the operations that C++ does not define just so, on every element type, and the
// choice of the instruction set. Half-precision values are computed with as f32.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "runtime/eltwise.hpp"
#include "runtime/isa.hpp"
#include "runtime/small_types.hpp"
#include "runtime/trigonometry.hpp"

namespace igata::runtime {

/// A LoopSpec::function from a struct with `template <int> static void run(operands, begin, end)`.
template <class Body>
void run_loop(const void* /*state*/, std::byte* const* operands, std::int64_t begin, std::int64_t end) {
    Versions<Body, std::byte* const*, std::int64_t, std::int64_t>::get()(operands, begin, end);
}

/// Storage of f16 and bf16.
struct F16 {
    std::uint16_t bits;
};
struct BF16 {
    std::uint16_t bits;
};

namespace scalar {

template <class T>
[[gnu::always_inline]] inline T load(T x) {
    return x;
}

[[gnu::always_inline]] inline float load(BF16 x) {
    return from_bits(static_cast<std::int32_t>(static_cast<std::uint32_t>(x.bits) << 16U));
}

[[gnu::always_inline]] inline float load(F16 x) {
    const auto half = static_cast<std::uint32_t>(x.bits);
    const std::uint32_t sign = (half & 0x8000U) << 16U;
    const std::uint32_t rest = half & 0x7fffU;
    // Exponent and mantissa moved into place, then rescaled by 2^112, which is exact and makes subnormals normal.
    const float scaled = from_bits(static_cast<std::int32_t>(rest << 13U)) * 0x1p112F;
    const std::uint32_t finite = static_cast<std::uint32_t>(to_bits(scaled));
    const std::uint32_t special = 0x7f800000U | (rest << 13U);
    return from_bits(static_cast<std::int32_t>(sign | (rest >= 0x7c00U ? special : finite)));
}

template <DataType dtype>
[[gnu::always_inline]] inline auto load(Small<dtype> x) {
    return x.value();
}

template <class T>
inline constexpr bool is_small_type = false;
template <DataType dtype>
inline constexpr bool is_small_type<Small<dtype>> = true;

[[gnu::always_inline]] inline BF16 to_bf16(float x) {
    const auto bits = static_cast<std::uint32_t>(to_bits(x));
    const std::uint32_t rounded = (bits + 0x7fffU + ((bits >> 16U) & 1U)) >> 16U;
    const std::uint32_t quiet = (bits >> 16U) | 0x40U;
    return {static_cast<std::uint16_t>((bits & 0x7fffffffU) > 0x7f800000U ? quiet : rounded)};
}

[[gnu::always_inline]] inline F16 to_f16(float x) {
    const auto bits = static_cast<std::uint32_t>(to_bits(x));
    const std::uint32_t size = bits & 0x7fffffffU;
    const auto normal = (size + 0xfffU + ((size >> 13U) & 1U) - 0x38000000U) >> 13U;
    // Subnormal: adding 0.5 lets the processor round in the right binade.
    const float shifted = from_bits(static_cast<std::int32_t>(size)) + 0.5F;
    const auto subnormal = static_cast<std::uint32_t>(to_bits(shifted)) - 0x3f000000U;
    std::uint32_t half = size < 0x38800000U ? subnormal : normal;
    half = size >= 0x477ff000U ? 0x7c00U : half;
    half = size > 0x7f800000U ? 0x7e00U : half;
    return {static_cast<std::uint16_t>(half | ((bits >> 16U) & 0x8000U))};
}

/// Conversion to a storage type, defined for every value: integers wrap; floats that an integer does not hold, NaN
/// included, are what x86 makes of them: the least i32 or i64. Unsigned types are made of signed ones, narrow ones of
/// i32, so that a loop over them vectorises. To bool as != 0.
template <class To, class From>
[[gnu::always_inline]] inline To cast(From x) {
    if constexpr (std::is_same_v<To, F16>) return to_f16(static_cast<float>(x));
    else if constexpr (std::is_same_v<To, BF16>) return to_bf16(static_cast<float>(x));
    else if constexpr (is_small_type<To>) return To::of(x);
    else if constexpr (std::is_same_v<To, bool>) return x != From{};
    else if constexpr (std::is_same_v<From, bool> && std::is_same_v<To, float>) return choose(x, 1.0F, 0.0F);
    else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
        // 2^n is exact in every floating type, the largest integer often is not.
        using Signed = std::make_signed_t<std::conditional_t<(sizeof(To) < 4), int, To>>;
        constexpr Signed least = std::numeric_limits<Signed>::min();
        constexpr From limit = -static_cast<From>(least);
        if constexpr (std::is_same_v<To, Signed>) {
            const bool inside = x >= -limit && x < limit;
            const Signed converted = static_cast<Signed>(inside ? x : From{});
            return inside ? converted : least;
        } else if constexpr (sizeof(To) < 4) {
            return static_cast<To>(cast<Signed>(x));
        } else {
            const bool low = x < limit;
            const To converted = static_cast<To>(cast<Signed>(low ? x : x - limit));
            return low ? converted : static_cast<To>(converted + static_cast<To>(least));
        }
    } else return static_cast<To>(x);
}

/// Unsigned and at least as wide as int, so that overflow wraps.
template <class T>
using Wrapping = std::make_unsigned_t<std::conditional_t<(sizeof(T) < sizeof(int)), int, T>>;

template <class T>
[[gnu::always_inline]] inline T add(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) return a + b;
    else if constexpr (std::is_same_v<T, bool>) return a || b;
    else return static_cast<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
}

template <class T>
[[gnu::always_inline]] inline T sub(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) return a - b;
    else if constexpr (std::is_same_v<T, bool>) return a != b;
    else return static_cast<T>(static_cast<Wrapping<T>>(a) - static_cast<Wrapping<T>>(b));
}

template <class T>
[[gnu::always_inline]] inline T mul(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) return a * b;
    else if constexpr (std::is_same_v<T, bool>) return a && b;
    else return static_cast<T>(static_cast<Wrapping<T>>(a) * static_cast<Wrapping<T>>(b));
}

template <class T>
[[gnu::always_inline]] inline T neg(T x) {
    if constexpr (std::is_floating_point_v<T>) return -x;
    else return sub(T{}, x);
}

/// Integers: truncates; by zero gives 0.
template <class T>
[[gnu::always_inline]] inline T div(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) {
        return a / b;
    } else {
        if (b == 0) return 0;
        if constexpr (std::is_signed_v<T>) {
            if (b == -1) return neg(a);
        }
        return static_cast<T>(a / b);
    }
}

/// The remainder with the dividend's sign, as C's.
template <class T>
[[gnu::always_inline]] inline T fmod(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) return std::fmod(a, b);
    else return b == T{} ? T{} : sub(a, mul(div(a, b), b));
}

/// The remainder with the divisor's sign, as Python's.
template <class T>
[[gnu::always_inline]] inline T mod(T a, T b) {
    const T r = fmod(a, b);
    return r != T{} && ((r < T{}) != (b < T{})) ? add(r, b) : r;
}

template <class T>
inline T pow(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) return std::pow(a, b);
    else if constexpr (std::is_same_v<T, bool>) return a || !b;
    else {
        if (b < T{}) return a == 1 ? T{1} : a == static_cast<T>(-1) ? ((b & 1) != 0 ? a : T{1}) : T{};
        T result = 1;
        for (; b != 0; b = static_cast<T>(b >> 1)) {
            if ((b & 1) != 0) result = mul(result, a);
            a = mul(a, a);
        }
        return result;
    }
}

template <class T>
[[gnu::always_inline]] inline T min(T a, T b) {
    return static_cast<int>(a < b) | static_cast<int>(a != a) ? a : b;  // no branch, for loops to vectorise
}

template <class T>
[[gnu::always_inline]] inline T max(T a, T b) {
    return static_cast<int>(a > b) | static_cast<int>(a != a) ? a : b;
}

template <class T>
[[gnu::always_inline]] inline T abs(T x) {
    if constexpr (std::is_same_v<T, float>) return magnitude(x);
    else if constexpr (std::is_floating_point_v<T>) return std::fabs(x);
    else if constexpr (std::is_signed_v<T>) return x < 0 ? neg(x) : x;
    else return x;
}

template <class T>
[[gnu::always_inline]] inline T sign(T x) {
    if constexpr (std::is_floating_point_v<T>) return x > T{} ? T{1} : x < T{} ? T{-1} : x;
    else return static_cast<T>((x > T{} ? 1 : 0) - (x < T{} ? 1 : 0));
}

template <class T>
[[gnu::always_inline]] inline T bitwise_not(T x) {
    return static_cast<T>(~static_cast<Wrapping<T>>(x));
}

template <class T>
[[gnu::always_inline]] inline T bitwise_and(T a, T b) {
    return static_cast<T>(a & b);
}

template <class T>
[[gnu::always_inline]] inline T bitwise_or(T a, T b) {
    return static_cast<T>(a | b);
}

template <class T>
[[gnu::always_inline]] inline T bitwise_xor(T a, T b) {
    return static_cast<T>(a ^ b);
}

template <class T>
[[gnu::always_inline]] inline bool within_width(T amount) {
    return static_cast<std::make_unsigned_t<T>>(amount) < static_cast<std::make_unsigned_t<T>>(8 * sizeof(T));
}

/// By a negative amount, or the width or more: 0.
template <class T>
[[gnu::always_inline]] inline T shift_left(T a, T b) {
    return within_width(b) ? static_cast<T>(static_cast<Wrapping<T>>(a) << b) : T{};
}

/// By a negative amount, or the width or more: what copies of the sign bit make.
template <class T>
[[gnu::always_inline]] inline T shift_right(T a, T b) {
    if (within_width(b)) return static_cast<T>(a >> b);
    return a >= T{} ? T{} : static_cast<T>(-1);
}

// Rounding leaves integers alone.
template <class T>
[[gnu::always_inline]] inline T floor(T x) {
    if constexpr (std::is_floating_point_v<T>) return std::floor(x);
    else return x;
}
template <class T>
[[gnu::always_inline]] inline T ceil(T x) {
    if constexpr (std::is_floating_point_v<T>) return std::ceil(x);
    else return x;
}
/// Halves to even.
template <class T>
[[gnu::always_inline]] inline T round(T x) {
    if constexpr (std::is_floating_point_v<T>) return std::rint(x);
    else return x;
}
template <class T>
[[gnu::always_inline]] inline bool isnan(T x) {
    return x != x;
}
template <class T>
[[gnu::always_inline]] inline bool isinf(T x) {
    return std::numeric_limits<T>::has_infinity &&
           (x == std::numeric_limits<T>::infinity() || x == -std::numeric_limits<T>::infinity());
}

// Of integers by way of double. For f32, eltwise.hpp and trigonometry.hpp have functions that vectorise, and are
// preferred to these templates: `is_elsewhere` makes sure that they are there.
#define IGATA_FUNCTION(name, call, is_elsewhere)                                                           \
    template <class T>                                                                                     \
    inline T name(T value) {                                                                               \
        static_assert(!(is_elsewhere) || !std::is_same_v<T, float>, "would keep a loop from vectorising"); \
        using Real = std::conditional_t<std::is_floating_point_v<T>, T, double>;                           \
        const Real x = static_cast<Real>(value);                                                           \
        return cast<T>(call);                                                                              \
    }
IGATA_FUNCTION(sqrt, std::sqrt(x), false)
IGATA_FUNCTION(exp, std::exp(x), true)
IGATA_FUNCTION(log, std::log(x), true)
IGATA_FUNCTION(log1p, std::log1p(x), true)
IGATA_FUNCTION(sin, std::sin(x), true)
IGATA_FUNCTION(cos, std::cos(x), true)
IGATA_FUNCTION(tan, std::tan(x), true)
IGATA_FUNCTION(asin, std::asin(x), true)
IGATA_FUNCTION(acos, std::acos(x), true)
IGATA_FUNCTION(atan, std::atan(x), true)
IGATA_FUNCTION(sinh, std::sinh(x), false)
IGATA_FUNCTION(cosh, std::cosh(x), false)
IGATA_FUNCTION(tanh, std::tanh(x), true)
IGATA_FUNCTION(asinh, std::asinh(x), false)
IGATA_FUNCTION(acosh, std::acosh(x), false)
IGATA_FUNCTION(atanh, std::atanh(x), false)
IGATA_FUNCTION(erf, std::erf(x), true)
IGATA_FUNCTION(sigmoid, 1 / (1 + std::exp(-x)), true)
#undef IGATA_FUNCTION

/// What a minimum, and what a maximum, starts with.
template <class T>
constexpr T highest() {
    return std::numeric_limits<T>::has_infinity ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::max();
}
template <class T>
constexpr T lowest() {
    return std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                : std::numeric_limits<T>::lowest();
}

}  // namespace scalar
}  // namespace igata::runtime
