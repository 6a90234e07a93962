// Sines, their inverses and log1p of f32 without branches or calls, so that loops over them vectorise.
#pragma once

#include <cmath>
#include <cstdint>

#include "runtime/eltwise.hpp"

namespace igata::runtime::scalar {

/// 96 binary places of 2/pi that decide x modulo a turn: those before are whole turns, those after round off (Payne and
/// Hanek's method). By arithmetic instead of a table, as GCC does not vectorise what gathers.
struct QuarterTurns {
    std::uint32_t words[3];

    /// `place`: of the first one, from 0 to 159; 32 zeros stand before the first place of 2/pi.
    [[gnu::always_inline]] explicit QuarterTurns(std::uint32_t place) {
        constexpr std::uint32_t all[] = {0,          0xa2f9836e, 0x4e441529, 0xfc2757d1,
                                         0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab};
        std::uint32_t unshifted[4] = {};
#pragma GCC unroll 5
        for (std::uint32_t k = 0; k < 5; ++k) {
            const std::uint32_t is_first = -static_cast<std::uint32_t>(place >> 5U == k);  // a mask
#pragma GCC unroll 4
            for (std::uint32_t i = 0; i < 4; ++i) unshifted[i] |= all[k + i] & is_first;
        }
        const std::uint32_t shift = place & 31U;
#pragma GCC unroll 3
        for (int i = 0; i < 3; ++i) words[i] = unshifted[i] << shift | unshifted[i + 1] >> 1U >> (31U - shift);
    }
};

/// Less than 2^28.
[[gnu::always_inline]] inline double to_double(std::uint32_t places) {
    return static_cast<double>(static_cast<std::int32_t>(places));
}

/// An angle as the nearest multiple of a quarter turn, and what is left of it, within an eighth of a turn.
struct Angle {
    std::int32_t quarters = 0;  ///< modulo 4
    float rest = 0.0F;          ///< radians
};

/// x must be finite.
[[gnu::always_inline]] inline Angle reduce_angle(float x) {
    const float size = magnitude(x);
    const std::int32_t is_large = -static_cast<std::int32_t>(size >= 0.5F);  // a mask
    const std::int32_t bits = to_bits(size < 0.5F ? 0.5F : size);
    const QuarterTurns places(static_cast<std::uint32_t>(bits >> 23) - 120);  // from that of two quarter turns on
    const auto& w = places.words;
    const auto m = static_cast<double>((bits & 0x007fffff) | 0x00800000);
    constexpr double magic = 0x1.8p52;  // adding it rounds to an integer
    const double high = m * to_double(w[0] >> 4U) * 0x1p-26;
    const double turns = (high * 0.25 + magic) - magic;
    const double low =
        to_double((w[0] & 15U) << 24U | w[1] >> 8U) * 0x1p-54 + to_double((w[1] & 255U) << 20U | w[2] >> 12U) * 0x1p-82;
    const double turned = (high - 4 * turns) + m * low;
    const double quarters = (turned + magic) - magic;
    const auto rest = static_cast<float>((turned - quarters) * 1.57079632679489661923);
    const std::int32_t sign = to_bits(x) >> 31;  // 0 or -1
    const std::int32_t count = (static_cast<std::int32_t>(quarters) ^ sign) - sign;
    const std::int32_t turned_rest = to_bits(rest) ^ (to_bits(x) & static_cast<std::int32_t>(0x80000000));
    return {count & is_large, from_bits((turned_rest & is_large) | (to_bits(x) & ~is_large))};
}

/// sin(x) and cos(x) for |x| <= pi / 4, by S. L. Moshier's polynomials.
[[gnu::always_inline]] inline float sin_of_rest(float x) {
    const float s = x * x;
    const float p = (-1.9515295891e-4F * s + 8.3321608736e-3F) * s - 1.6666654611e-1F;
    return p * s * x + x;
}
[[gnu::always_inline]] inline float cos_of_rest(float x) {
    const float s = x * x;
    const float p = (2.443315711809948e-5F * s - 1.388731625493765e-3F) * s + 4.166664568298827e-2F;
    return p * s * s - 0.5F * s + 1.0F;
}

/// The sine of an angle `ahead` quarter turns further; NaN of infinities.
[[gnu::always_inline]] inline float sin_ahead(float x, std::int32_t ahead) {
    const bool is_finite = magnitude(x) < __builtin_inff();
    const Angle angle = reduce_angle(choose(is_finite, x, 0.0F));
    const std::int32_t quarters = angle.quarters + ahead;
    const float y = choose((quarters & 1) != 0, cos_of_rest(angle.rest), sin_of_rest(angle.rest));
    return choose(is_finite, from_bits(to_bits(y) ^ ((quarters & 2) << 30)), __builtin_nanf(""));
}

[[gnu::always_inline]] inline float sin(float x) { return sin_ahead(x, 0); }
[[gnu::always_inline]] inline float cos(float x) { return sin_ahead(x, 1); }

[[gnu::always_inline]] inline float tan(float x) { return sin_ahead(x, 0) / sin_ahead(x, 1); }

/// With the sign of another one.
[[gnu::always_inline]] inline float with_sign_of(float size, float x) {
    return from_bits(to_bits(size) | (to_bits(x) & static_cast<std::int32_t>(0x80000000)));
}

[[gnu::always_inline]] inline float atan(float x) {
    const float size = magnitude(x);
    const bool steep = size > 2.41421356F;  // tan(3 pi / 8)
    const bool flat = size <= 0.414213562F;
    const float top = choose(steep, -1.0F, choose(flat, size, size - 1.0F));
    const float z = top / choose(steep, size, choose(flat, 1.0F, size + 1.0F));
    const float s = z * z;
    float p = 8.05374449538e-2F;
    p = p * s - 1.38776856032e-1F;
    p = p * s + 1.99777106478e-1F;
    p = p * s - 3.33329491539e-1F;
    const float start = choose(steep, 1.57079632679F, choose(flat, 0.0F, 0.785398163397F));
    return with_sign_of(start + (p * s * z + z), x);
}

/// asin(sqrt(s)) / sqrt(s) for s <= 1/4.
[[gnu::always_inline]] inline float asin_ratio(float s) {
    float p = 4.2163199048e-2F;
    p = p * s + 2.4181311049e-2F;
    p = p * s + 4.5470025998e-2F;
    p = p * s + 7.4953002686e-2F;
    p = p * s + 1.6666752422e-1F;
    return p * s + 1.0F;
}

[[gnu::always_inline]] inline float asin(float x) {
    const float size = magnitude(x);
    const bool large = size > 0.5F;
    const float s = choose(large, 0.5F - 0.5F * size, size * size);
    const float y = choose(large, std::sqrt(s), size) * asin_ratio(s);
    return with_sign_of(choose(large, 1.57079632679F - 2.0F * y, y), x);
}

[[gnu::always_inline]] inline float acos(float x) {
    const float size = magnitude(x);
    const bool large = size > 0.5F;
    const float s = choose(large, 0.5F - 0.5F * size, size * size);
    const float y = choose(large, std::sqrt(s), size) * asin_ratio(s);
    const float small_x = 1.57079632679F - with_sign_of(y, x);
    return choose(large, choose(x < 0.0F, 3.14159265359F - 2.0F * y, 2.0F * y), small_x);
}

/// The rounding error of 1 + x is made good.
[[gnu::always_inline]] inline float log1p(float x) {
    const float y = 1.0F + x;
    const bool is_plain = (y > 0.0F) & (y < __builtin_inff());
    return log(y) + choose(is_plain, (x - (y - 1.0F)) / y, 0.0F);
}

}  // namespace igata::runtime::scalar
