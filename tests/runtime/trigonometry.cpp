#include "runtime/trigonometry.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace igata::runtime {
namespace {

using Function = float (*)(float);

/// The largest error, relative to results above 1e-3, of every `step`-th float within +-`limit`.
double largest_error(Function function, double (*reference)(double), float limit, int step = 4099) {
    double largest = 0;
    const std::int32_t end = scalar::to_bits(limit);
    for (std::int32_t bits = 0; bits <= end - step; bits += step) {
        for (const float x : {scalar::from_bits(bits), -scalar::from_bits(bits)}) {
            const double expected = reference(static_cast<double>(x));
            const double error = std::fabs(static_cast<double>(function(x)) - expected) / (1e-3 + std::fabs(expected));
            if (!(error <= largest) && !std::isnan(expected)) largest = std::isnan(error) ? INFINITY : error;
        }
    }
    return largest;
}

}  // namespace

TEST_CASE("sines, inverses and log1p of floats of every size") {
    constexpr float most = std::numeric_limits<float>::max();
    CHECK(largest_error(scalar::sin, std::sin, most) < 3e-7);
    CHECK(largest_error(scalar::cos, std::cos, most) < 3e-7);
    CHECK(largest_error(scalar::tan, std::tan, most) < 1e-6);
    CHECK(largest_error(scalar::atan, std::atan, most) < 3e-7);
    CHECK(largest_error(scalar::asin, std::asin, 1.0F) < 4e-7);
    CHECK(largest_error(scalar::acos, std::acos, 1.0F) < 3e-7);
    CHECK(largest_error(scalar::log1p, std::log1p, most) < 3e-7);
}

TEST_CASE("sines near the multiples of a quarter turn keep their digits") {
    for (int i = 1; i < 4000; ++i) {
        const auto x = static_cast<float>(i * 1.57079632679489661923);
        const double expected = (i & 1) != 0 ? std::cos(static_cast<double>(x)) : std::sin(static_cast<double>(x));
        const float got = (i & 1) != 0 ? scalar::cos(x) : scalar::sin(x);
        CHECK(std::fabs(static_cast<double>(got) - expected) <= 1e-6 * std::fabs(expected));
    }
}

TEST_CASE("sines, inverses and log1p at the ends of the line") {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    for (const Function function : {scalar::sin, scalar::cos, scalar::tan}) {
        CHECK(std::isnan(function(infinity)));
        CHECK(std::isnan(function(-infinity)));
        CHECK(std::isnan(function(nan)));
    }
    for (const Function function : {scalar::asin, scalar::acos}) {
        CHECK(std::isnan(function(1.0001F)));
        CHECK(std::isnan(function(-infinity)));
        CHECK(std::isnan(function(nan)));
    }
    CHECK(std::signbit(scalar::atan(-0.0F)));
    CHECK(scalar::atan(infinity) == 1.57079633F);
    CHECK(scalar::atan(-infinity) == -1.57079633F);
    CHECK(std::isnan(scalar::atan(nan)));
    CHECK(scalar::acos(-1.0F) == 3.14159265F);
    CHECK(scalar::acos(1.0F) == 0.0F);
    CHECK(scalar::log1p(-1.0F) == -infinity);
    CHECK(scalar::log1p(infinity) == infinity);
    CHECK(std::isnan(scalar::log1p(-2.0F)));
    CHECK(std::isnan(scalar::log1p(nan)));
    CHECK(scalar::log1p(1e-20F) == 1e-20F);
}

}  // namespace igata::runtime
