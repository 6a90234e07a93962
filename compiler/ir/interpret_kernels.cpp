#include "compiler/ir/interpret_kernels.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include <fmt/format.h>

#include "compiler/ir/scalar.hpp"

namespace igata {

namespace {

template <class Out, class In, class F>
BlockKernel unary(F) {
    return [](std::int64_t n, const void* const* args, void* out) {
        const auto* a = static_cast<const In*>(args[0]);
        auto* result = static_cast<Out*>(out);
        for (std::int64_t i = 0; i < n; ++i) result[i] = static_cast<Out>(F{}(a[i]));
    };
}

template <class Out, class In, class F>
BlockKernel binary(F) {
    return [](std::int64_t n, const void* const* args, void* out) {
        const auto* a = static_cast<const In*>(args[0]);
        const auto* b = static_cast<const In*>(args[1]);
        auto* result = static_cast<Out*>(out);
        for (std::int64_t i = 0; i < n; ++i) result[i] = static_cast<Out>(F{}(a[i], b[i]));
    };
}

template <class T>
BlockKernel select() {
    return [](std::int64_t n, const void* const* args, void* out) {
        const auto* condition = static_cast<const std::uint8_t*>(args[0]);
        const auto* a = static_cast<const T*>(args[1]);
        const auto* b = static_cast<const T*>(args[2]);
        auto* result = static_cast<T*>(out);
        for (std::int64_t i = 0; i < n; ++i) result[i] = condition[i] != 0 ? a[i] : b[i];
    };
}

/// A function of real numbers, on any type.
template <class T, class F>
BlockKernel real(F) {
    return unary<T, T>([](T x) { return scalar::convert<T>(F{}(scalar::real(x))); });
}

template <class T>
BlockKernel real_kernel(ExprOp op) {
    switch (op) {
        case ExprOp::sqrt: return real<T>([](auto x) { return std::sqrt(x); });
        case ExprOp::exp: return real<T>([](auto x) { return std::exp(x); });
        case ExprOp::log: return real<T>([](auto x) { return std::log(x); });
        case ExprOp::log1p: return real<T>([](auto x) { return std::log1p(x); });
        case ExprOp::sin: return real<T>([](auto x) { return std::sin(x); });
        case ExprOp::cos: return real<T>([](auto x) { return std::cos(x); });
        case ExprOp::tan: return real<T>([](auto x) { return std::tan(x); });
        case ExprOp::asin: return real<T>([](auto x) { return std::asin(x); });
        case ExprOp::acos: return real<T>([](auto x) { return std::acos(x); });
        case ExprOp::atan: return real<T>([](auto x) { return std::atan(x); });
        case ExprOp::sinh: return real<T>([](auto x) { return std::sinh(x); });
        case ExprOp::cosh: return real<T>([](auto x) { return std::cosh(x); });
        case ExprOp::tanh: return real<T>([](auto x) { return std::tanh(x); });
        case ExprOp::asinh: return real<T>([](auto x) { return std::asinh(x); });
        case ExprOp::acosh: return real<T>([](auto x) { return std::acosh(x); });
        case ExprOp::atanh: return real<T>([](auto x) { return std::atanh(x); });
        case ExprOp::erf: return real<T>([](auto x) { return std::erf(x); });
        case ExprOp::sigmoid: return real<T>([](auto x) { return scalar::sigmoid(x); });
        default: return nullptr;
    }
}

/// floor, ceil, round: nothing to do for integers.
template <class T, class F>
BlockKernel rounding(F) {
    return unary<T, T>([](T x) {
        if constexpr (std::is_floating_point_v<T>) return F{}(x);
        else return x;
    });
}

template <class T>
BlockKernel unary_kernel(ExprOp op) {
    switch (op) {
        case ExprOp::neg: return unary<T, T>([](T x) { return scalar::negate(x); });
        case ExprOp::abs: return unary<T, T>([](T x) { return scalar::absolute(x); });
        case ExprOp::sign: return unary<T, T>([](T x) { return scalar::sign(x); });
        case ExprOp::floor: return rounding<T>([](auto x) { return std::floor(x); });
        case ExprOp::ceil: return rounding<T>([](auto x) { return std::ceil(x); });
        case ExprOp::round: return rounding<T>([](auto x) { return std::nearbyint(x); });
        case ExprOp::isnan: return unary<std::uint8_t, T>([](T x) { return x != x; });
        case ExprOp::isinf: return unary<std::uint8_t, T>([](T x) { return std::isinf(scalar::real(x)); });
        case ExprOp::logical_not: return unary<std::uint8_t, T>([](T x) { return x == T{}; });
        default: return real_kernel<T>(op);
    }
}

template <class T>
BlockKernel bitwise_kernel(ExprOp op) {
    if constexpr (std::is_integral_v<T>) {
        switch (op) {
            case ExprOp::bitwise_not: return unary<T, T>([](T a) { return ~a; });
            case ExprOp::bitwise_and: return binary<T, T>([](T a, T b) { return a & b; });
            case ExprOp::bitwise_or: return binary<T, T>([](T a, T b) { return a | b; });
            case ExprOp::bitwise_xor: return binary<T, T>([](T a, T b) { return a ^ b; });
            case ExprOp::shift_left: return binary<T, T>([](T a, T b) { return scalar::shift_left(a, b); });
            case ExprOp::shift_right: return binary<T, T>([](T a, T b) { return scalar::shift_right(a, b); });
            default: break;
        }
    }
    return nullptr;
}

template <class T>
BlockKernel binary_kernel(ExprOp op) {
    switch (op) {
        case ExprOp::add: return binary<T, T>([](T a, T b) { return scalar::add(a, b); });
        case ExprOp::sub: return binary<T, T>([](T a, T b) { return scalar::subtract(a, b); });
        case ExprOp::mul: return binary<T, T>([](T a, T b) { return scalar::multiply(a, b); });
        case ExprOp::div: return binary<T, T>([](T a, T b) { return scalar::divide(a, b); });
        case ExprOp::mod: return binary<T, T>([](T a, T b) { return scalar::remainder_of_divisor_sign(a, b); });
        case ExprOp::fmod: return binary<T, T>([](T a, T b) { return scalar::remainder_of_dividend_sign(a, b); });
        case ExprOp::pow: return binary<T, T>([](T a, T b) { return scalar::power(a, b); });
        case ExprOp::min: return binary<T, T>([](T a, T b) { return scalar::minimum(a, b); });
        case ExprOp::max: return binary<T, T>([](T a, T b) { return scalar::maximum(a, b); });
        case ExprOp::lt: return binary<std::uint8_t, T>([](T a, T b) { return a < b; });
        case ExprOp::le: return binary<std::uint8_t, T>([](T a, T b) { return a <= b; });
        case ExprOp::gt: return binary<std::uint8_t, T>([](T a, T b) { return a > b; });
        case ExprOp::ge: return binary<std::uint8_t, T>([](T a, T b) { return a >= b; });
        case ExprOp::eq: return binary<std::uint8_t, T>([](T a, T b) { return a == b; });
        case ExprOp::ne: return binary<std::uint8_t, T>([](T a, T b) { return a != b; });
        case ExprOp::logical_and: return binary<std::uint8_t, T>([](T a, T b) { return a != T{} && b != T{}; });
        case ExprOp::logical_or: return binary<std::uint8_t, T>([](T a, T b) { return a != T{} || b != T{}; });
        case ExprOp::logical_xor: return binary<std::uint8_t, T>([](T a, T b) { return (a != T{}) != (b != T{}); });
        default: return nullptr;
    }
}

template <class To, class From>
Carrier<To> convert_element(Carrier<From> value) {
    if constexpr (std::is_same_v<To, bool>) return value != Carrier<From>{};
    else if constexpr (is_small_type<To>) return To::of(value).value();
    else if constexpr (std::is_same_v<To, Half> || std::is_same_v<To, BFloat16>) return To(static_cast<float>(value));
    else return scalar::convert<To>(value);
}

BlockKernel cast_kernel(DataType from, DataType to) {
    return visit_any_dtype(from, [&]<class From>() {
        return visit_any_dtype(to, [&]<class To>() {
            return unary<Carrier<To>, Carrier<From>>(
                [](Carrier<From> value) { return convert_element<To, From>(value); });
        });
    });
}

template <class T>
T identity(Reduce kind) {
    constexpr T highest =
        std::is_floating_point_v<T> ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::max();
    constexpr T lowest =
        std::is_floating_point_v<T> ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::min();
    switch (kind) {
        case Reduce::sum: return T{0};
        case Reduce::product: return T{1};
        case Reduce::minimum: return highest;
        case Reduce::maximum: return lowest;
    }
    return T{0};
}

template <class T, class F>
void accumulate(const T* values, std::int64_t n, T* accumulators, std::int64_t stride, F f) {
    if (stride == 0) {
        T total = *accumulators;
        for (std::int64_t i = 0; i < n; ++i) total = f(total, values[i]);
        *accumulators = total;
    } else {
        for (std::int64_t i = 0; i < n; ++i) accumulators[i * stride] = f(accumulators[i * stride], values[i]);
    }
}

/// Pairwise, so that the error does not grow with the number of summands.
template <class T>
T pairwise_sum(const T* values, std::int64_t n) {
    if (n <= 8) {
        T total{0};
        for (std::int64_t i = 0; i < n; ++i) total = scalar::add(total, values[i]);
        return total;
    }
    return scalar::add(pairwise_sum(values, n / 2), pairwise_sum(values + n / 2, n - n / 2));
}

}  // namespace

DataType carrier_of(DataType dtype) {
    return visit_any_dtype(dtype, []<class T>() { return data_type_of<Carrier<T>>(); });
}

BlockKernel block_kernel(ExprOp op, DataType from, DataType to) {
    if (op == ExprOp::cast) return cast_kernel(from, to);
    const BlockKernel kernel = visit_dtype(carrier_of(from), [&]<class Stored>() {
        using T = Carrier<Stored>;
        if (op == ExprOp::select) return select<T>();
        for (const BlockKernel found : {unary_kernel<T>(op), binary_kernel<T>(op), bitwise_kernel<T>(op)})
            if (found != nullptr) return found;
        return BlockKernel{nullptr};
    });
    if (kernel == nullptr) throw std::invalid_argument(fmt::format("{} of {}", name_of(op), name_of(from)));
    return kernel;
}

void load_block(DataType dtype, const std::byte* from, std::int64_t stride, std::int64_t n, void* to) {
    visit_any_dtype(dtype, [&]<class T>() {
        const auto* source =
            reinterpret_cast<const std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>*>(from);
        auto* target = static_cast<Carrier<T>*>(to);
        if constexpr (is_small_type<T>)
            for (std::int64_t i = 0; i < n; ++i) target[i] = source[i * stride].value();
        else if (stride == 0) std::fill(target, target + n, Carrier<T>(*source));
        else if (stride == 1) std::copy(source, source + n, target);
        else
            for (std::int64_t i = 0; i < n; ++i) target[i] = source[i * stride];
    });
}

void store_block(DataType dtype, const void* from, std::byte* to, std::int64_t stride, std::int64_t n) {
    visit_any_dtype(dtype, [&]<class T>() {
        const auto* source = static_cast<const Carrier<T>*>(from);
        auto* target = reinterpret_cast<T*>(to);
        for (std::int64_t i = 0; i < n; ++i)
            if constexpr (is_small_type<T>) target[i * stride] = T::of(source[i]);
            else target[i * stride] = T(source[i]);
    });
}

void fill_identity(Reduce kind, DataType dtype, void* accumulators, std::int64_t n) {
    visit_dtype(carrier_of(dtype), [&]<class Stored>() {
        using T = Carrier<Stored>;
        std::fill_n(static_cast<T*>(accumulators), n, identity<T>(kind));
    });
}

void accumulate_block(Reduce kind, DataType dtype, const void* values, std::int64_t n, void* accumulators,
                      std::int64_t stride) {
    visit_dtype(carrier_of(dtype), [&]<class Stored>() {
        using T = Carrier<Stored>;
        const auto* source = static_cast<const T*>(values);
        auto* target = static_cast<T*>(accumulators);
        switch (kind) {
            case Reduce::sum:
                if (stride == 0) *target = scalar::add(*target, pairwise_sum(source, n));
                else accumulate(source, n, target, stride, [](T a, T b) { return scalar::add(a, b); });
                break;
            case Reduce::product:
                accumulate(source, n, target, stride, [](T a, T b) { return scalar::multiply(a, b); });
                break;
            case Reduce::minimum:
                accumulate(source, n, target, stride, [](T a, T b) { return scalar::minimum(a, b); });
                break;
            case Reduce::maximum:
                accumulate(source, n, target, stride, [](T a, T b) { return scalar::maximum(a, b); });
                break;
        }
    });
}

}  // namespace igata
