// Element types, old opsets, training and mistakes of the network operators.
#include <doctest/doctest.h>

#include "tests/ops/cases.hpp"
#include "tests/ops/run_op.hpp"

using namespace igata;
using test::run_op;

namespace {

/// The same node on ramps in f32 and in `dtype`, by definition and as a plan: results agree to a few units of bf16.
void check_type(const std::string& node, const std::vector<Dims>& inputs, const std::string& dtype) {
    CAPTURE(node);
    const char* names[] = {"x", "w", "b", "c", "d"};
    std::string signature[2];
    for (std::size_t i = 0; i < inputs.size(); ++i)
        for (const int typed : {0, 1})
            signature[typed] +=
                std::string(i > 0 ? ", " : "") + names[i] + ": " + (typed == 1 ? dtype : "f32") + to_string(inputs[i]);
    const auto graph_of = [&](const std::string& s) {
        return typed_graph("graph opset=22 (" + s + ") -> (y) { y = " + node + " }");
    };
    const Graph wide = graph_of(signature[0]);
    const Graph narrow = graph_of(signature[1]);
    const Tensor expected = evaluate(wide, ramps(wide)).at(0);
    for (const Tensor& actual : {evaluate(narrow, ramps(narrow)).at(0), run_plan(narrow, ramps(narrow)).at(0)}) {
        CHECK(name_of(actual.dtype()) == dtype);
        check_values(actual, {expected.dims(), expected.to_f64()}, dtype == "f64" ? 1e-6 : 1e-2);
    }
}

Tensor vector(const std::vector<float>& values) {
    return Tensor::of({static_cast<std::int64_t>(values.size())}, values);
}

}  // namespace

TEST_CASE("network operators compute in f64, f16 and bf16 as in f32") {
    for (const std::string dtype : {"f64", "f16", "bf16"}) {
        CAPTURE(dtype);
        check_type("Conv(x, w, b) {group=2, pads=[1,0,1,2], strides=[2,1]}", {{2, 4, 5, 4}, {6, 2, 3, 2}, {6}}, dtype);
        check_type("Conv(x, w) {dilations=[2]}", {{1, 2, 7}, {3, 2, 2}}, dtype);
        check_type("MaxPool(x) {kernel_shape=[2,3], pads=[0,1,0,1]}", {{1, 2, 4, 4}}, dtype);
        check_type("AveragePool(x) {ceil_mode=1, kernel_shape=[3,2], strides=[2,2]}", {{1, 2, 4, 5}}, dtype);
        check_type("LpPool(x) {kernel_shape=[2]}", {{1, 2, 4}}, dtype);
        check_type("GlobalAveragePool(x)", {{2, 3, 2, 2}}, dtype);
        check_type("GlobalMaxPool(x)", {{2, 3, 2, 2}}, dtype);
        check_type("MatMul(x, w)", {{2, 1, 2, 3}, {2, 3, 2}}, dtype);
        check_type("Gemm(x, w, b) {alpha=0.5, beta=2.0, transA=1}", {{3, 2}, {3, 2}, {2, 1}}, dtype);
        check_type("InstanceNormalization(x, w, b)", {{2, 3, 4}, {3}, {3}}, dtype);
        check_type("LayerNormalization(x, w, b)", {{2, 3, 4}, {4}, {4}}, dtype);
        check_type("LRN(x) {alpha=0.5, size=3}", {{1, 4, 2, 2}}, dtype);
    }
}

TEST_CASE("products of integers wrap around") {
    const Tensor big = Tensor::of<std::int32_t>({1, 1}, {1 << 20});
    CHECK(run_op({"MatMul", {big, Tensor::of<std::int32_t>({1, 1}, {1 << 12})}}).at(0) ==
          Tensor::of<std::int32_t>({1, 1}, {0}));
}

TEST_CASE("batch normalisation for inference and training, of images and of vectors") {
    // Per channel: mean 2.5 and 25, variance 1.25 and 125.
    const Tensor x = Tensor::of<float>({2, 2, 2}, {1, 2, 10, 20, 3, 4, 30, 40});
    const std::vector<Tensor> inputs{x, vector({2, 1}), vector({0, 5}), vector({1, 10}), vector({4, 100})};
    const auto plain = run_op({"BatchNormalization", inputs, {{"epsilon", 0.0F}}});
    check_values(plain.at(0), {{2, 2, 2}, {0, 1, 5, 6, 2, 3, 7, 8}});
    const auto trained = run_op({"BatchNormalization",
                                 inputs,
                                 {{"epsilon", 0.0F}, {"momentum", 0.8F}, {"training_mode", std::int64_t{1}}},
                                 0,
                                 3});
    const double one = 1 / std::sqrt(1.25);
    check_values(
        trained.at(0),
        {{2, 2, 2}, {-3 * one, -one, 5 - 1.5 * one, 5 - 0.5 * one, one, 3 * one, 5 + 0.5 * one, 5 + 1.5 * one}});
    check_values(trained.at(1), {{2}, {1.3, 13}});
    check_values(trained.at(2), {{2}, {3.45, 105}});
    const auto scalars = run_op({"BatchNormalization",
                                 {vector({1, 3}), vector({2}), vector({1}), vector({1}), vector({4})},
                                 {{"epsilon", 0.0F}}});
    check_values(scalars.at(0), {{2}, {1, 3}});
}

TEST_CASE("attributes of old opsets are understood") {
    const Tensor x = Tensor::of<float>({1, 2, 2}, {3, 4, 6, 8});
    check_values(run_op({"GlobalLpPool", {x}, {{"p", 2.0F}}, 1}).at(0), {{1, 2, 1}, {5, 10}});
    const Tensor square = Tensor::of<float>({2, 2}, {1, 2, 3, 4});
    check_values(run_op({"Gemm", {square, square, vector({1, 2})}, {{"broadcast", std::int64_t{1}}}, 6}).at(0),
                 {{2, 2}, {8, 12, 16, 24}});
    const std::vector<Tensor> groups{Tensor::of<float>({1, 4, 1}, {1, 3, 5, 9}), vector({2, 1}), vector({0, 10})};
    check_values(run_op({"GroupNormalization", groups, {{"epsilon", 0.0F}, {"num_groups", std::int64_t{2}}}, 18}).at(0),
                 {{1, 4, 1}, {-2, 2, 9, 11}});
    CHECK_THROWS_WITH_AS(run_op({"BatchNormalization",
                                 {x, vector({1, 1}), vector({1, 1}), vector({1, 1}), vector({1, 1})},
                                 {{"spatial", std::int64_t{0}}},
                                 7}),
                         "BatchNormalization 'node' (opset 7): spatial=0 (a mean and variance for every pixel)",
                         Unsupported);
}

TEST_CASE("mistakes are named with the shapes") {
    const Tensor x(DataType::f32, {1, 3, 4, 4});
    const auto message = [](const test::OpCase& c) {
        try {
            run_op(c);
        } catch (const BadInput& error) {
            const std::string text = error.what();
            return text.substr(text.find("': ") + 3);
        }
        return std::string("no error");
    };
    CHECK(message({"Conv", {x, Tensor(DataType::f32, {2, 2, 3, 3})}}) ==
          "weights [2,2,3,3] in 1 groups do not fit the input [1,3,4,4]");
    CHECK(message({"Conv", {x, Tensor(DataType::f32, {2, 3, 5, 5})}}) ==
          "the kernel [5,5] is larger than the padded input [4,4]");
    CHECK(message({"Conv", {x, Tensor(DataType::f32, {2, 3, 3, 3}), vector({1})}}) == "the bias [1] must be [2]");
    CHECK(message({"MaxPool", {x}, {{"kernel_shape", Dims{2, 2}}, {"strides", Dims{1}}}}) ==
          "strides has 1 values, but 2 are needed");
    CHECK(message({"MaxPool", {x}, {{"auto_pad", std::string("SAME")}, {"kernel_shape", Dims{2, 2}}}}) ==
          "auto_pad 'SAME' is none of NOTSET, VALID, SAME_UPPER, SAME_LOWER");
    CHECK(message({"MatMul", {x, x.reshaped({4, 12})}}) == "no error");
    CHECK(message({"MatMul", {x, x.reshaped({12, 4})}}) == "the inner dims of [1,3,4,4] and [12,4] differ");
    CHECK(message({"Gemm", {x.reshaped({12, 4}), x.reshaped({4, 12}), vector({1, 2})}}) ==
          "shapes [2] and [12,12] do not broadcast");
    CHECK(message({"LRN", {x}, {{"size", std::int64_t{0}}}}) == "size must be positive");
    CHECK(message({"InstanceNormalization", {x, vector({1}), vector({1})}}) == "input 1 is [1], but must be [3]");
}
