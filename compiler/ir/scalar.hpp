// What each operation of a scalar expression does to C++ numbers: defined for every value, no overflow, no trap.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace igata::scalar {

/// Conversion with a defined result for every value: integers wrap. Floats that an integer does not hold, NaN included,
/// are what x86 makes of them (and so ONNX Runtime and numpy there): the least i32 or i64. Unsigned types are made of
/// signed ones, narrow ones of i32.
template <class To, class From>
To convert(From value) {
    if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
        // 2^n is exact in every floating type, the largest integer often is not.
        using Signed = std::make_signed_t<std::conditional_t<(sizeof(To) < 4), int, To>>;
        constexpr Signed least = std::numeric_limits<Signed>::min();
        constexpr From limit = -static_cast<From>(least);
        if constexpr (std::is_same_v<To, Signed>)
            return value >= -limit && value < limit ? static_cast<To>(value) : least;
        else if constexpr (sizeof(To) < 4) return static_cast<To>(convert<Signed>(value));
        else if (value < limit) return static_cast<To>(convert<Signed>(value));
        else return static_cast<To>(convert<Signed>(value - limit)) + static_cast<To>(least);
    } else {
        return static_cast<To>(value);
    }
}

/// Transcendental functions of integers go through double.
template <class T>
auto real(T x) {
    if constexpr (std::is_floating_point_v<T>) return x;
    else return static_cast<double>(x);
}

template <class T>
T sigmoid(T x) {
    const T e = std::exp(-std::abs(x));
    return (x >= 0 ? T{1} : e) / (1 + e);
}

template <class T>
T sign(T x) {
    if constexpr (std::is_signed_v<T>)
        if (x < 0) return T{-1};
    return x > 0 ? T{1} : x;
}

// Integer arithmetic wraps: it is done on unsigned numbers.
template <class T>
T negate(T x) {
    if constexpr (std::is_floating_point_v<T>) return -x;
    else return static_cast<T>(std::uint64_t{0} - static_cast<std::uint64_t>(x));
}

template <class T>
T absolute(T x) {
    if constexpr (std::is_floating_point_v<T>) return std::abs(x);
    else return x < T{0} ? negate(x) : x;
}

template <class T>
T add(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) return a + b;
    else return static_cast<T>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

template <class T>
T subtract(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) return a - b;
    else return static_cast<T>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

template <class T>
T multiply(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) return a * b;
    else return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}

template <class T>
bool is_minus_one(T x) {
    if constexpr (std::is_signed_v<T>) return x == T{-1};
    else return false;
}

template <class T>
T divide(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) return a / b;
    else if (b == 0) return 0;
    else return is_minus_one(b) ? negate(a) : static_cast<T>(a / b);
}

template <class T>
T remainder_of_dividend_sign(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) return std::fmod(a, b);
    else return b == 0 || is_minus_one(b) ? T{0} : static_cast<T>(a % b);
}

template <class T>
T remainder_of_divisor_sign(T a, T b) {
    const T r = remainder_of_dividend_sign(a, b);
    if constexpr (std::is_unsigned_v<T>) return r;
    else return r != 0 && (r < 0) != (b < 0) ? static_cast<T>(r + b) : r;
}

template <class T>
T power(T base, T exponent) {
    if constexpr (std::is_floating_point_v<T>) {
        return std::pow(base, exponent);
    } else {
        if constexpr (std::is_signed_v<T>) {
            if (exponent < 0) {
                if (is_minus_one(base)) return exponent % 2 == 0 ? T{1} : base;
                return base == 1 ? T{1} : T{0};
            }
        }
        T result = 1;
        for (; exponent != 0; exponent = static_cast<T>(exponent / 2), base = multiply(base, base))
            if (exponent % 2 != 0) result = multiply(result, base);
        return result;
    }
}

template <class T>
T minimum(T a, T b) {
    return a < b || a != a ? a : b;
}
template <class T>
T maximum(T a, T b) {
    return a > b || a != a ? a : b;
}

template <class T>
bool within_width(T amount) {
    return static_cast<std::make_unsigned_t<T>>(amount) < static_cast<std::make_unsigned_t<T>>(sizeof(T) * 8);
}

template <class T>
T shift_left(T a, T b) {
    return within_width(b) ? static_cast<T>(static_cast<std::uint64_t>(a) << static_cast<unsigned>(b)) : T{0};
}

/// Copies of the sign bit come in from the left; by a negative amount, or the width or more, nothing else is left.
template <class T>
T shift_right(T a, T b) {
    if (within_width(b)) return static_cast<T>(a >> static_cast<unsigned>(b));
    return a >= T{0} ? T{0} : static_cast<T>(-1);
}

}  // namespace igata::scalar
