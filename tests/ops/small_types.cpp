// Float8, float4, int4 and int2: conversions by the tables of ONNX's Cast, and what moves them. Values worked out by
// hand from the formats.
#include <doctest/doctest.h>

#include <cmath>

#include "compiler/diagnostics.hpp"
#include "tests/ops/run_op.hpp"

using namespace igata;
using namespace igata::test;

namespace {

Tensor floats(const std::vector<float>& values) {
    return Tensor::of<float>({static_cast<std::int64_t>(values.size())}, values);
}

/// The values after a conversion to the type with ONNX's number `code`.
std::vector<double> converted(const Tensor& x, std::int64_t code, Attrs attrs = {}) {
    attrs["to"] = attr(code);
    const Tensor y = run_single({"Cast", {x}, attrs});
    CHECK(y.dtype() == data_type_from_code(code));
    CHECK(y.byte_size() == static_cast<std::size_t>(y.count()));
    return y.to_f64();
}

void check(const std::vector<double>& actual, const std::vector<double>& expected) {
    REQUIRE(actual.size() == expected.size());
    for (std::size_t i = 0; i < actual.size(); ++i) {
        CAPTURE(i);
        CAPTURE(actual[i]);
        CAPTURE(expected[i]);
        CHECK(((std::isnan(actual[i]) && std::isnan(expected[i])) ||
               (actual[i] == expected[i] && std::signbit(actual[i]) == std::signbit(expected[i]))));
    }
}

const Attrs overflowing{{"saturate", std::int64_t{0}}};

}  // namespace

TEST_CASE("casts to float8 with 3 bits of mantissa") {
    const Tensor x =
        floats({0, -0.0F, 1.0625F, 1.1875F, 448, 464, 465, -500, infinity, not_a_number, 0x1p-9F, 0x1p-10F});
    check(converted(x, 17), {0, -0.0, 1, 1.25, 448, 448, 448, -448, 448, not_a_number, 0x1p-9, 0});
    check(converted(x, 17, overflowing),
          {0, -0.0, 1, 1.25, 448, 448, not_a_number, not_a_number, not_a_number, not_a_number, 0x1p-9, 0});
    const Tensor z = floats({-0.0F, 240, 248, -300, -infinity, not_a_number, 0x1p-10F, -0x1p-12F});
    check(converted(z, 18), {0, 240, 240, -240, -240, not_a_number, 0x1p-10, 0});
    check(converted(z, 18, overflowing), {0, 240, not_a_number, not_a_number, not_a_number, not_a_number, 0x1p-10, 0});
}

TEST_CASE("casts to float8 with 2 bits of mantissa") {
    const Tensor x = floats({-0.0F, 1.125F, 1.375F, 61439, 61440, -1e9F, infinity, not_a_number, 0x1p-16F, 0x1p-17F});
    check(converted(x, 19), {-0.0, 1, 1.5, 57344, 57344, -57344, 57344, not_a_number, 0x1p-16, 0});
    check(converted(x, 19, overflowing),
          {-0.0, 1, 1.5, 57344, infinity, -infinity, infinity, not_a_number, 0x1p-16, 0});
    check(converted(x, 20), {0, 1, 1.5, 57344, 57344, -57344, 57344, not_a_number, 0x1p-16, 0x1p-17});
    check(converted(x, 20, overflowing),
          {0, 1, 1.5, 57344, not_a_number, not_a_number, not_a_number, not_a_number, 0x1p-16, 0x1p-17});
}

TEST_CASE("casts to powers of two round up, to the nearest or down") {
    const Tensor x = floats({1, 1.0000001F, 1.4999999F, 1.5F, 0.75F, 0, 3e38F, infinity, not_a_number});
    const double most = 0x1p127;
    const double least = 0x1p-127;
    check(converted(x, 24), {1, 2, 2, 2, 1, least, most, most, not_a_number});
    check(converted(x, 24, {{"round_mode", text("nearest")}}), {1, 1, 1, 2, 1, least, most, most, not_a_number});
    check(converted(x, 24, {{"round_mode", text("down")}}), {1, 1, 1, 1, 0.5, least, most, most, not_a_number});
    check(converted(x, 24, {{"round_mode", text("nearest")}, {"saturate", attr(0)}}),
          {1, 1, 1, 2, 1, not_a_number, not_a_number, not_a_number, not_a_number});
    CHECK_THROWS_WITH_AS(converted(x, 24, {{"round_mode", text("sideways")}}),
                         doctest::Contains("round_mode must be up, down or nearest"), BadInput);
}

TEST_CASE("casts to float4 saturate") {
    check(converted(floats({0.25F, 0.75F, 1.25F, 2.5F, 5, 5.1F, 7, -infinity, -0.1F}), 23),
          {0, 1, 1, 2, 4, 6, 6, -6, -0.0});
}

TEST_CASE("casts to integers of a few bits keep the low ones") {
    check(converted(floats({-9, -8, 7, 8, 1.9F, -1.9F, not_a_number}), 22), {7, -8, 7, -8, 1, -1, 0});
    check(converted(floats({-1, 15.9F, 16}), 21), {15, 15, 0});
    check(converted(floats({1, 2, -3}), 26), {1, -2, 1});
    check(converted(floats({3, 5}), 25), {3, 1});
    check(converted(Tensor::of<std::int32_t>({3}, {200, -1, 7}), 22), {-8, -1, 7});
    check(converted(Tensor::of<std::int64_t>({2}, {-9, 1 << 20}), 17), {-9, 448});
}

TEST_CASE("what moves elements takes small types, what computes with them does not") {
    const Tensor x = Tensor::of<float>({2, 3}, {1, -2, 3, -4, 5, -6}).cast(DataType::i4);
    CHECK(run_single({"Transpose", {x}}).to_f64() == std::vector<double>{1, -4, -2, 5, 3, -6});
    CHECK(run_single({"Reshape", {x, Tensor::of_dims({3, 2})}}).dims() == Dims{3, 2});
    CHECK(run_single({"Concat", {x, x}, {{"axis", attr(0)}}}).dims() == Dims{4, 3});
    CHECK(run_single({"Identity", {x.cast(DataType::f8e5m2)}}).to_f64() == x.to_f64());
    CHECK(run_single({"CastLike", {floats({1.1F}), x.cast(DataType::f4e2m1)}}).to_f64() == std::vector<double>{1});
    CHECK_THROWS_WITH_AS(run_single({"Add", {x, x}}), doctest::Contains("i4 is not computed with"), Unsupported);
}
