// How an element is combined with another one: what scatters and cumulative operators share.
#pragma once

#include <cstdint>
#include <type_traits>

namespace igata::runtime {

enum class Combine : std::uint8_t { replace, add, multiply, maximum, minimum };

/// Integers wrap around; NaN wins over any number.
template <class Value>
Value combine(Combine kind, Value a, Value b) {
    using Wide = std::conditional_t<std::is_floating_point_v<Value>, Value, std::uint64_t>;
    switch (kind) {
        case Combine::add: return static_cast<Value>(static_cast<Wide>(a) + static_cast<Wide>(b));
        case Combine::multiply: return static_cast<Value>(static_cast<Wide>(a) * static_cast<Wide>(b));
        case Combine::maximum: return a > b || a != a ? a : b;
        case Combine::minimum: return a < b || a != a ? a : b;
        case Combine::replace: break;
    }
    return b;
}

}  // namespace igata::runtime
