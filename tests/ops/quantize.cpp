// Quantization and products of quantized integers: ONNX's own examples, values by hand, and the kernel against the
// definition on shapes that need all its ways.
#include <doctest/doctest.h>

#include <random>

#include "compiler/diagnostics.hpp"
#include "tests/ops/run_op.hpp"

using namespace igata;
using namespace igata::test;

namespace {

Tensor bytes(const Dims& dims, const std::vector<std::uint8_t>& values) {
    return Tensor::of<std::uint8_t>(dims, values);
}
Tensor ints(const Dims& dims, const std::vector<std::int32_t>& values) {
    return Tensor::of<std::int32_t>(dims, values);
}
Tensor scalar(float value) { return Tensor::scalar(value); }
Tensor byte(std::uint8_t value) { return Tensor::scalar(value); }

std::vector<double> values_of(const OpCase& test) { return run_single(test).to_f64(); }

Tensor random_bytes(DataType dtype, const Dims& dims, std::mt19937& random) {
    Tensor tensor(dtype, dims);
    for (std::byte& value : tensor.mutable_bytes()) value = static_cast<std::byte>(random() & 0xffU);
    return tensor;
}

/// Also with all but the first input known at compile time; results must be equal.
void check_exact(const OpCase& test) {
    const Tensor expected = run_single(test);
    std::vector<bool> given(test.inputs.size(), false);
    given[0] = true;
    const Tensor planned = run_plan(graph_of(test, given), {test.inputs[0]}).at(0);
    CHECK(planned == expected);
}

}  // namespace

TEST_CASE("QuantizeLinear rounds half to even, adds the zero point and saturates") {
    const Tensor x = floats({6}, {0, 2, 3, 1000, -254, -1000});
    CHECK(run_single({"QuantizeLinear", {x, scalar(2), byte(128)}}) == bytes({6}, {128, 129, 130, 255, 1, 0}));
    CHECK(run_single({"QuantizeLinear", {x, scalar(2), byte(128)}, {}, 10}).dtype() == DataType::u8);
    CHECK(run_single({"QuantizeLinear", {x, floats({1}, {2})}}) == bytes({6}, {0, 1, 2, 255, 0, 0}));
    const Tensor i8 = Tensor::scalar(std::int8_t{-1});
    CHECK(values_of({"QuantizeLinear", {x, scalar(2), i8}}) == std::vector<double>{-1, 0, 1, 127, -128, -128});
    CHECK(values_of({"QuantizeLinear", {x, scalar(2)}, {{"output_dtype", attr(22)}}}) ==
          std::vector<double>{0, 1, 2, 7, -8, -8});
    CHECK(values_of({"QuantizeLinear", {x.cast(DataType::i32), scalar(2)}, {{"output_dtype", attr(4)}}}) ==
          std::vector<double>{0, 1, 2, 500, 0, 0});
    CHECK(values_of({"QuantizeLinear", {floats({0}, {}), scalar(2)}}).empty());
}

TEST_CASE("QuantizeLinear along an axis and in blocks") {
    const Tensor x = floats(
        {1, 3, 3, 2}, {-162, 10, -100, 232, -20, -50, -76, 0, 0, 252, 32, -44, 245, -485, -960, -270, -375, -470});
    const Tensor scale = floats({3}, {2, 4, 5});
    const Tensor zero = bytes({3}, {84, 24, 196});
    const Tensor y = bytes({1, 3, 3, 2}, {3, 89, 34, 200, 74, 59, 5, 24, 24, 87, 32, 13, 245, 99, 4, 142, 121, 102});
    CHECK(run_single({"QuantizeLinear", {x, scale, zero}}) == y);
    CHECK(run_single({"QuantizeLinear", {x, scale, zero}, {{"axis", attr(-3)}}, 13}) == y);
    const Tensor row = floats({1, 5}, {1.5F, 2.5F, 3, 5, 6});
    const Attrs blocks{{"block_size", attr(2)}};
    CHECK(run_single({"QuantizeLinear", {row, floats({1, 3}, {1, 2, 4}), bytes({1, 3}, {0, 10, 20})}, blocks}) ==
          bytes({1, 5}, {2, 2, 12, 12, 22}));
    CHECK(run_single({"DequantizeLinear", {bytes({1, 5}, {1, 2, 3, 4, 5}), floats({1, 3}, {1, 2, 4})}, blocks}) ==
          floats({1, 5}, {1, 2, 6, 8, 20}));
    CHECK_THROWS_WITH_AS(run_single({"QuantizeLinear", {row, floats({2}, {1, 2})}}),
                         doctest::Contains("the scale of [1,5] along axis 1 must be [5], not [2]"), BadInput);
    CHECK_THROWS_WITH_AS(run_single({"QuantizeLinear", {row, floats({1, 2}, {1, 2})}, blocks}),
                         doctest::Contains("in blocks of 2 must be [1,3], not [1,2]"), BadInput);
    CHECK_THROWS_WITH_AS(run_single({"QuantizeLinear", {row, scalar(1), byte(1)}, {{"output_dtype", attr(3)}}}),
                         doctest::Contains("output_dtype is i8, but the zero point u8"), BadInput);
}

TEST_CASE("QuantizeLinear to floats, and in the precision asked for") {
    const Tensor x = floats({4}, {0, 1, 2, 100000});
    const Attrs e4m3{{"output_dtype", attr(17)}};
    CHECK(values_of({"QuantizeLinear", {x, scalar(2)}, e4m3}) == std::vector<double>{0, 0.5, 1, 448});
    // 2049 / 2 = 1024.5, in f16 (11 bits) 1024, and in f32 rounded to even.
    const Tensor y = floats({1}, {2051});
    CHECK(values_of({"QuantizeLinear", {y, scalar(2)}, {{"output_dtype", attr(4)}}}) == std::vector<double>{1026});
    CHECK(values_of({"QuantizeLinear", {y, scalar(2)}, {{"output_dtype", attr(4)}, {"precision", attr(16)}}}) ==
          std::vector<double>{1024});
}

TEST_CASE("DequantizeLinear") {
    const Tensor x = bytes({4}, {0, 3, 128, 255});
    CHECK(run_single({"DequantizeLinear", {x, scalar(2), byte(128)}}) == floats({4}, {-256, -250, 0, 254}));
    CHECK(run_single({"DequantizeLinear", {x, scalar(2), byte(128)}, {}, 10}) == floats({4}, {-256, -250, 0, 254}));
    CHECK(run_single({"DequantizeLinear", {ints({2}, {-7, 1 << 30}), scalar(0.5F)}}) ==
          floats({2}, {-3.5F, 536870912.0F}));
    CHECK(run_single({"DequantizeLinear", {x.reshaped({2, 2}), floats({2}, {1, 2})}, {{"axis", attr(-1)}}}) ==
          floats({2, 2}, {0, 6, 128, 510}));
    CHECK(run_single({"DequantizeLinear", {x, scalar(2).cast(DataType::f16)}}).dtype() == DataType::f16);
    CHECK(run_single({"DequantizeLinear", {x, scalar(2)}, {{"output_dtype", attr(16)}}}).dtype() == DataType::bf16);
    const Tensor small = floats({2}, {-6, 1.5F}).cast(DataType::f4e2m1);
    CHECK(run_single({"DequantizeLinear", {small, scalar(2)}}) == floats({2}, {-12, 3}));
    CHECK_THROWS_WITH_AS(run_single({"DequantizeLinear", {x, scalar(2), Tensor::scalar(std::int8_t{0})}}),
                         doctest::Contains("the zero point is i8, the input u8"), BadInput);
}

TEST_CASE("DynamicQuantizeLinear finds scale and zero point") {
    const auto results = run_op({"DynamicQuantizeLinear", {floats({6}, {0, 2, -3, -2.5F, 1.34F, 0.5F})}, {}, 0, 3});
    CHECK(results[0] == bytes({6}, {153, 255, 0, 26, 221, 179}));
    CHECK(results[1].scalar_f64() == doctest::Approx(5.0 / 255));
    CHECK(results[2] == byte(153));
    CHECK(run_op({"DynamicQuantizeLinear", {floats({2, 1}, {0, 0})}, {}, 0, 3})[0] == bytes({2, 1}, {0, 0}));
}

TEST_CASE("ConvInteger and MatMulInteger") {
    const Tensor x = bytes({1, 1, 3, 3}, {2, 3, 4, 5, 6, 7, 8, 9, 10});
    const Tensor w = bytes({1, 1, 2, 2}, {1, 1, 1, 1});
    CHECK(run_single({"ConvInteger", {x, w, byte(1)}}) == ints({1, 1, 2, 2}, {12, 16, 24, 28}));
    CHECK(run_single({"ConvInteger", {x, w, byte(1)}, {{"pads", list({1, 1, 1, 1})}}}) ==
          ints({1, 1, 4, 4}, {1, 3, 5, 3, 5, 12, 16, 9, 11, 24, 28, 15, 7, 15, 17, 9}));
    const Tensor a = bytes({4, 3}, {11, 7, 3, 10, 6, 2, 9, 5, 1, 8, 4, 0});
    const Tensor b = bytes({3, 2}, {1, 4, 2, 5, 3, 6});
    const Tensor y = ints({4, 2}, {-38, -83, -44, -98, -50, -113, -56, -128});
    CHECK(run_single({"MatMulInteger", {a, b, byte(12), byte(0)}}) == y);
    CHECK(run_single({"MatMulInteger", {a, b, bytes({4}, {12, 12, 12, 12}), bytes({2}, {0, 0})}}) == y);
    CHECK(run_single({"MatMulInteger", {bytes({3}, {1, 2, 3}), bytes({3}, {4, 5, 6})}}) == ints({}, {32}));
    CHECK(run_single({"MatMulInteger", {bytes({2, 0}, {}), bytes({0, 1}, {})}}) == ints({2, 1}, {0, 0}));
    CHECK_THROWS_WITH_AS(run_single({"MatMulInteger", {a, b, bytes({3}, {0, 0, 0})}}),
                         doctest::Contains("zero point of A"), BadInput);
}

TEST_CASE("QLinearMatMul") {
    const Tensor a = bytes({2, 4}, {208, 236, 0, 238, 3, 214, 255, 29});
    const Tensor b = bytes({4, 3}, {152, 51, 244, 60, 26, 255, 0, 127, 246, 127, 254, 247});
    const OpCase test{"QLinearMatMul",
                      {a, scalar(0.0066F), byte(113), b, scalar(0.00705F), byte(114), scalar(0.0107F), byte(118)}};
    CHECK(run_single(test) == bytes({2, 3}, {168, 115, 255, 1, 66, 151}));
    check_exact(test);
    OpCase by_rows = test;
    by_rows.inputs[1] = floats({2}, {0.0066F, 0.0066F});
    by_rows.inputs[4] = floats({3}, {0.00705F, 0.00705F, 0.00705F});
    CHECK(run_single(by_rows) == bytes({2, 3}, {168, 115, 255, 1, 66, 151}));
    OpCase batch = test;
    batch.inputs[0] = a.reshaped({2, 1, 4});
    batch.inputs[3] = b.reshaped({1, 4, 3});
    CHECK(run_single(batch) == bytes({2, 1, 3}, {168, 115, 255, 1, 66, 151}));
}

TEST_CASE("products of every shape are exact") {
    std::mt19937 random(7);
    struct Shape {
        Dims x, w;
        Attrs attrs;
    };
    const Shape shapes[] = {
        {{1, 3, 9, 11}, {8, 3, 3, 3}, {{"pads", list({1, 1, 1, 1})}, {"strides", list({2, 2})}}},
        {{2, 16, 5, 5}, {37, 16, 1, 1}, {}},
        {{1, 40, 7, 6}, {40, 1, 3, 3}, {{"group", attr(40)}, {"pads", list({2, 0, 1, 1})}}},
        {{1, 6, 8, 8}, {9, 2, 2, 3}, {{"group", attr(3)}, {"dilations", list({2, 1})}}},
        {{1, 5, 13}, {4, 5, 4}, {{"pads", list({3, 0})}}},
        {{1, 2, 4, 4, 4}, {3, 2, 2, 2, 2}, {{"strides", list({1, 2, 1})}}},
        {{1, 4, 1, 1}, {6, 4, 1, 1}, {}},
    };
    for (const Shape& shape : shapes)
        for (const DataType dtype : {DataType::u8, DataType::i8}) {
            CAPTURE(to_string(shape.w));
            const Tensor x = random_bytes(dtype, shape.x, random);
            const Tensor w = random_bytes(DataType::i8, shape.w, random);
            const std::int64_t channels = shape.w[0];
            const Tensor zero = random_bytes(dtype, {}, random);
            const Tensor zeros = random_bytes(DataType::i8, {channels}, random);
            check_exact({"ConvInteger", {x, w, zero, zeros}, shape.attrs});
            Tensor scales(DataType::f32, {channels});
            for (float& scale : scales.mutable_values<float>()) scale = 0.001F * static_cast<float>(1 + random() % 5);
            const Tensor bias = ints({1}, {-1000}).reshaped({1});
            Tensor biases(DataType::i32, {channels});
            for (std::int32_t& value : biases.mutable_values<std::int32_t>())
                value = static_cast<std::int32_t>(random() % 20001) - 10000;
            check_exact({"QLinearConv",
                         {x, scalar(0.1F), zero, w, scales, zeros, scalar(0.05F), byte(131), biases},
                         shape.attrs});
        }
    for (const Dims& rows : {Dims{1, 70}, Dims{13, 70}, Dims{2, 5, 70}}) {
        const Tensor a = random_bytes(DataType::i8, rows, random);
        const Tensor b = random_bytes(DataType::u8, {70, 33}, random);
        check_exact({"MatMulInteger",
                     {a, b, random_bytes(DataType::i8, {}, random), random_bytes(DataType::u8, {33}, random)}});
    }
}
