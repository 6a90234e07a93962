// Trilu, Det, CumProd, ReverseSequence, BitCast, BitShift, CenterCropPad, Col2Im and the modes of SpaceToDepth: values
// from the specification or worked out by hand.
#include <doctest/doctest.h>

#include "compiler/diagnostics.hpp"
#include "tests/ops/run_op.hpp"

using namespace igata;
using namespace igata::test;

namespace {

Tensor i32s(const std::vector<std::int32_t>& values) {
    return Tensor::of<std::int32_t>({static_cast<std::int64_t>(values.size())}, values);
}
Attrs mode(const char* name) { return {{"mode", std::string(name)}, {"blocksize", attr(2)}}; }

}  // namespace

TEST_CASE("Trilu keeps a triangle, shifted by k") {
    const Tensor x = i64s({2, 3}, {1, 2, 3, 4, 5, 6});
    const auto triangle = [&](std::int64_t k, std::int64_t upper) {
        return run_single({"Trilu", {x, Tensor::scalar(k)}, {{"upper", attr(upper)}}});
    };
    CHECK(run_single({"Trilu", {x}}) == i64s({2, 3}, {1, 2, 3, 0, 5, 6}));
    CHECK(triangle(1, 1) == i64s({2, 3}, {0, 2, 3, 0, 0, 6}));
    CHECK(triangle(-1, 1) == x);
    CHECK(triangle(0, 0) == i64s({2, 3}, {1, 0, 0, 4, 5, 0}));
    CHECK(triangle(-1, 0) == i64s({2, 3}, {0, 0, 0, 4, 0, 0}));
    CHECK(triangle(INT64_MAX, 1) == i64s({2, 3}, {0, 0, 0, 0, 0, 0}));
    CHECK(triangle(INT64_MIN, 1) == x);
    CHECK(triangle(INT64_MIN, 0) == i64s({2, 3}, {0, 0, 0, 0, 0, 0}));
    CHECK(run_single({"Trilu", {Tensor::of<bool>({1, 2, 2}, {true, true, true, true}), ints({0})}}) ==
          Tensor::of<bool>({1, 2, 2}, {true, true, false, true}));
    CHECK(run_single({"Trilu", {Tensor(DataType::f16, {2, 0, 3})}}) == Tensor(DataType::f16, {2, 0, 3}));
    CHECK_THROWS_AS(run_op({"Trilu", {ints({1})}}), BadInput);
    CHECK_THROWS_AS(run_op({"Trilu", {x, ints({1, 2})}}), BadInput);
}

TEST_CASE("Det of one matrix or many") {
    CHECK(run_single({"Det", {floats({2, 2}, {0, 1, 2, 3})}}).scalar_f64() == doctest::Approx(-2));
    const Tensor y = run_single({"Det", {floats({2, 1, 2, 2}, {1, 2, 3, 4, 1, 2, 2, 4})}});
    CHECK(y.dims() == Dims{2, 1});
    CHECK(y.to_f64()[0] == doctest::Approx(-2));
    CHECK(y.to_f64()[1] == doctest::Approx(0));
    CHECK(run_single({"Det", {floats({3, 3}, {2, 0, 1, 1, 3, 2, 1, 1, 1})}}).scalar_f64() == doctest::Approx(0));
    CHECK(run_single({"Det", {floats({3, 3}, {0, 0, 1, 0, 1, 0, 1, 0, 0}).cast(DataType::f64)}}) ==
          Tensor::scalar(-1.0));
    CHECK(run_single({"Det", {Tensor(DataType::f32, {2, 0, 0})}}) == floats({2}, {1, 1}));
    CHECK(run_single({"Det", {Tensor(DataType::f32, {0, 2, 2})}}) == Tensor(DataType::f32, {0}));
    CHECK(run_single({"Det", {floats({1, 1}, {-3}).cast(DataType::bf16)}}) ==
          Tensor::scalar(-3.0F).cast(DataType::bf16));
    CHECK_THROWS_AS(run_op({"Det", {floats({1, 2}, {1, 2})}}), BadInput);
    CHECK_THROWS_AS(run_op({"Det", {i64s({1, 1}, {1})}}), BadInput);
}

TEST_CASE("CumProd runs either way, with or without its own element") {
    const Tensor x = floats({3}, {1, 2, 3});
    const Tensor axis = Tensor::scalar<std::int64_t>(0);
    const auto product = [&](std::int64_t exclusive, std::int64_t reverse) {
        return run_single({"CumProd", {x, axis}, {{"exclusive", attr(exclusive)}, {"reverse", attr(reverse)}}});
    };
    CHECK(product(0, 0) == floats({3}, {1, 2, 6}));
    CHECK(product(1, 0) == floats({3}, {1, 1, 2}));
    CHECK(product(0, 1) == floats({3}, {6, 6, 3}));
    CHECK(product(1, 1) == floats({3}, {6, 3, 1}));
    CHECK(run_single({"CumProd", {i64s({2, 2}, {1, 2, 3, 4}), Tensor::scalar<std::int32_t>(-2)}}) ==
          i64s({2, 2}, {1, 2, 3, 8}));
    CHECK(run_single({"CumProd", {i32s({INT32_MAX, 2, 2}), axis}}) == i32s({INT32_MAX, -2, -4}));
    CHECK(run_single({"CumSum", {i64s({2}, {INT64_MAX, 1}), axis}}) == i64s({2}, {INT64_MAX, INT64_MIN}));
    CHECK(run_single({"CumSum", {i32s({INT32_MIN, -1}), axis}}) == i32s({INT32_MIN, INT32_MAX}));
}

TEST_CASE("ReverseSequence turns the start of each sequence round") {
    const Tensor x = floats({4, 4}, {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15});
    CHECK(run_single({"ReverseSequence", {x, ints({4, 3, 2, 1})}}) ==
          floats({4, 4}, {3, 6, 9, 12, 2, 5, 8, 13, 1, 4, 10, 14, 0, 7, 11, 15}));
    CHECK(run_single({"ReverseSequence",
                      {i64s({2, 3, 1}, {1, 2, 3, 4, 5, 6}), ints({2, 0})},
                      {{"time_axis", attr(1)}, {"batch_axis", attr(0)}}}) == i64s({2, 3, 1}, {2, 1, 3, 4, 5, 6}));
    CHECK(run_single({"ReverseSequence", {Tensor(DataType::f32, {2, 2, 0}), ints({2, 1})}}) ==
          Tensor(DataType::f32, {2, 2, 0}));
    CHECK_THROWS_WITH_AS(run_op({"ReverseSequence", {x, ints({5, 1, 1, 1})}}),
                         "ReverseSequence 'node': a sequence of 5 steps does not fit [4,4]", BadInput);
    CHECK_THROWS_AS(run_op({"ReverseSequence", {x, ints({1})}}), BadInput);
    CHECK_THROWS_AS(run_op({"ReverseSequence", {x, ints({1, 1, 1, 1})}, {{"time_axis", attr(1)}}}), BadInput);
}

TEST_CASE("BitCast reads the same bytes as another type") {
    const auto cast = [](const Tensor& x, std::int64_t to) { return run_single({"BitCast", {x}, {{"to", attr(to)}}}); };
    CHECK(cast(floats({2}, {1, -2}), 6) == i32s({0x3f800000, -0x40000000}));
    CHECK(cast(i32s({0x3f800000}), 1) == floats({1}, {1}));
    CHECK(cast(Tensor::of<std::int8_t>({2}, {-1, 5}), 2) == Tensor::of<std::uint8_t>({2}, {255, 5}));
    CHECK(cast(Tensor::of<std::uint8_t>({2}, {0, 1}), 9) == Tensor::of<bool>({2}, {false, true}));
    CHECK(cast(floats({1}, {1}).cast(DataType::bf16), 4) == Tensor::of<std::uint16_t>({1}, {0x3f80}));
    CHECK_THROWS_WITH_AS(cast(floats({1}, {1}), 7), "BitCast 'node': f32 and i64 differ in width", BadInput);
    CHECK_THROWS_AS(cast(floats({1}, {1}), 8), Unsupported);
}

TEST_CASE("BitShift by a negative amount, or the width or more, leaves copies of the sign bit") {
    const auto shift = [](const Tensor& x, const Tensor& by, const char* direction) {
        return run_single({"BitShift", {x, by}, {{"direction", std::string(direction)}}});
    };
    CHECK(shift(i32s({-8, 8, -8, -8, 8}), i32s({1, 1, 32, -1, 40}), "RIGHT") == i32s({-4, 4, -1, -1, 0}));
    CHECK(shift(i32s({-8, 8, -8, INT32_MAX}), i32s({1, 32, -1, 1}), "LEFT") == i32s({-16, 0, 0, -2}));
    CHECK(shift(Tensor::of<std::uint8_t>({2}, {255, 255}), Tensor::of<std::uint8_t>({2}, {4, 8}), "RIGHT") ==
          Tensor::of<std::uint8_t>({2}, {15, 0}));
}

TEST_CASE("CenterCropPad takes the middle, or pads around it") {
    const Tensor x = floats({5}, {1, 2, 3, 4, 5});
    CHECK(run_single({"CenterCropPad", {x, ints({2})}}) == floats({2}, {2, 3}));
    CHECK(run_single({"CenterCropPad", {x, ints({8})}}) == floats({8}, {0, 1, 2, 3, 4, 5, 0, 0}));
    CHECK(run_single({"CenterCropPad", {x, ints({0})}}) == floats({0}, {}));
    CHECK(run_single({"CenterCropPad", {i64s({1, 4}, {1, 2, 3, 4}), ints({2, 3})}, {{"axes", list({-1, 0})}}}) ==
          i64s({3, 2}, {0, 0, 2, 3, 0, 0}));
    CHECK(run_single({"CenterCropPad", {Tensor(DataType::f32, {0}), ints({2})}}) == floats({2}, {0, 0}));
    CHECK_THROWS_AS(run_op({"CenterCropPad", {x, ints({1, 2})}}), BadInput);
    CHECK_THROWS_AS(run_op({"CenterCropPad", {x, ints({-1})}}), BadInput);
}

TEST_CASE("Col2Im sums overlapping blocks") {
    const Tensor x = floats({1, 4, 4}, {1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4});
    CHECK(run_single({"Col2Im", {x, ints({3, 3}), ints({2, 2})}}) ==
          floats({1, 1, 3, 3}, {1, 3, 2, 4, 10, 6, 3, 7, 4}));
    CHECK(run_single({"Col2Im", {x, ints({4, 4}), ints({2, 2})}, {{"strides", list({2, 2})}}}) ==
          floats({1, 1, 4, 4}, {1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4}));
    CHECK(run_single({"Col2Im", {x, ints({1, 1}), ints({2, 2})}, {{"pads", list({1, 1, 1, 1})}}}) ==
          floats({1, 1, 1, 1}, {10}));
    CHECK(run_single({"Col2Im", {x.cast(DataType::u8), ints({4, 4}), ints({2, 2})}, {{"dilations", list({2, 2})}}}) ==
          floats({1, 1, 4, 4}, {1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4}).cast(DataType::u8));
    CHECK(run_single({"Col2Im", {Tensor(DataType::f32, {0, 4, 4}), ints({3, 3}), ints({2, 2})}}) ==
          Tensor(DataType::f32, {0, 1, 3, 3}));
    CHECK_THROWS_WITH_AS(run_op({"Col2Im", {x, ints({3, 4}), ints({2, 2})}}),
                         "Col2Im 'node': [1,4,4] is no [n, c * elements of [2,2], 6 columns]", BadInput);
    CHECK_THROWS_AS(run_op({"Col2Im", {x, ints({1, 1}), ints({2, 2})}}), BadInput);
    CHECK_THROWS_AS(run_op({"Col2Im", {x, ints({3, 3}), ints({2, 2})}, {{"strides", list({0, 1})}}}), BadInput);
}

TEST_CASE("SpaceToDepth orders its channels by depth or by place") {
    const Tensor x = counted({1, 2, 2, 2});
    CHECK(run_single({"SpaceToDepth", {x}, mode("DCR")}) == floats({1, 8, 1, 1}, {0, 4, 1, 5, 2, 6, 3, 7}));
    CHECK(run_single({"SpaceToDepth", {x}, mode("CRD")}) == floats({1, 8, 1, 1}, {0, 1, 2, 3, 4, 5, 6, 7}));
    CHECK_THROWS_WITH_AS(run_op({"SpaceToDepth", {x}, mode("RCD")}),
                         "SpaceToDepth 'node': mode must be DCR or CRD, got 'RCD'", BadInput);
}
