// Reductions, arg-reductions, cumulative sums, softmax and gathers: values worked out by hand.
#include <doctest/doctest.h>

#include <cmath>

#include "compiler/diagnostics.hpp"
#include "tests/ops/run_op.hpp"

using namespace igata;
using namespace igata::test;

namespace {

void check_close(const Tensor& actual, const Dims& dims, const std::vector<double>& expected) {
    REQUIRE(actual.dims() == dims);
    const auto values = actual.to_f64();
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(values[i] == doctest::Approx(expected[i]).epsilon(1e-6));
}

Tensor halves(const std::vector<float>& values) {
    return floats({static_cast<std::int64_t>(values.size())}, values).cast(DataType::f16);
}

}  // namespace

TEST_CASE("every reduction over the last axis") {
    const Tensor x = floats({2, 2}, {3, -4, 1, 2});
    const auto reduce = [&](const char* op) { return run_single({op, {x, ints({-1})}, {{"keepdims", attr(0)}}}); };
    check_close(reduce("ReduceSum"), {2}, {-1, 3});
    check_close(reduce("ReduceMean"), {2}, {-0.5, 1.5});
    check_close(reduce("ReduceProd"), {2}, {-12, 2});
    check_close(reduce("ReduceMax"), {2}, {3, 2});
    check_close(reduce("ReduceMin"), {2}, {-4, 1});
    check_close(reduce("ReduceL1"), {2}, {7, 3});
    check_close(reduce("ReduceL2"), {2}, {5, std::sqrt(5.0)});
    check_close(reduce("ReduceSumSquare"), {2}, {25, 5});
    check_close(run_single({"ReduceLogSum", {floats({2}, {3, 5})}}), {1}, {std::log(8.0)});
    check_close(reduce("ReduceLogSumExp"), {2},
                {std::log(std::exp(3.0) + std::exp(-4.0)), std::log(std::exp(1.0) + std::exp(2.0))});
}

TEST_CASE("reductions take axes as attribute or input, none for all, or none for none") {
    const Tensor x = counted({2, 3, 2});
    CHECK(run_single({"ReduceSum", {x}, {{"axes", list({0, 2})}}, 11}) == floats({1, 3, 1}, {14, 22, 30}));
    CHECK(run_single({"ReduceSum", {x, ints({1, -3})}, {{"keepdims", attr(0)}}}) == floats({2}, {30, 36}));
    CHECK(run_single({"ReduceMax", {x}}) == floats({1, 1, 1}, {11}));
    CHECK(run_single({"ReduceMax", {x, ints({})}, {{"keepdims", attr(0)}}}) == Tensor::scalar(11.0F));
    CHECK(run_single({"ReduceSum", {x, ints({})}, {{"noop_with_empty_axes", attr(1)}}}) == x);
    CHECK(run_single({"ReduceSumSquare", {floats({2}, {2, 3})}, {{"noop_with_empty_axes", attr(1)}}}) ==
          floats({2}, {4, 9}));
    CHECK(run_single({"ReduceL2", {Tensor::scalar(-3.0F)}}) == Tensor::scalar(3.0F));
    CHECK_THROWS_AS(run_op({"ReduceSum", {x, ints({3})}}), BadInput);
    CHECK_THROWS_AS(run_op({"ReduceSum", {x, ints({0, 0})}}), BadInput);
}

TEST_CASE("integer reductions are exact, wrap, and keep their type") {
    const Tensor big = i64s({2}, {(std::int64_t{1} << 60) + 1, 1});
    CHECK(run_single({"ReduceSum", {big}, {{"keepdims", attr(0)}}}) ==
          Tensor::scalar<std::int64_t>((std::int64_t{1} << 60) + 2));
    CHECK(run_single({"ReduceMean", {Tensor::of<std::int32_t>({2}, {3, 4})}, {{"keepdims", attr(0)}}}) ==
          Tensor::scalar(3));
    CHECK(run_single({"ReduceMax", {Tensor::of<std::uint8_t>({3}, {3, 250, 4})}, {{"keepdims", attr(0)}}}) ==
          Tensor::scalar<std::uint8_t>(250));
    CHECK(run_single({"ReduceMin", {Tensor::of<std::int8_t>({2}, {-100, 100})}, {{"keepdims", attr(0)}}}) ==
          Tensor::scalar<std::int8_t>(-100));
    CHECK(run_single({"ReduceL2", {Tensor::of<std::int32_t>({2}, {3, 4})}, {{"keepdims", attr(0)}}}) ==
          Tensor::scalar(5));
    CHECK(run_single({"ReduceMax", {Tensor::of<bool>({2}, {false, true})}, {{"keepdims", attr(0)}}}) ==
          Tensor::scalar(true));
    CHECK(run_single({"ReduceMin", {Tensor::of<bool>({2}, {false, true})}, {{"keepdims", attr(0)}}}) ==
          Tensor::scalar(false));
}

TEST_CASE("half precision accumulates wider") {
    const std::vector<float> ones(4096, 1.0F);
    CHECK(run_single({"ReduceSum", {halves(ones)}, {{"keepdims", attr(0)}}}) ==
          Tensor::scalar(4096.0F).cast(DataType::f16));
    CHECK(run_single({"ReduceMean", {halves(std::vector<float>(100, 60000.0F))}, {{"keepdims", attr(0)}}}) ==
          Tensor::scalar(60000.0F).cast(DataType::f16));
}

TEST_CASE("reductions of nothing give the neutral element") {
    const Tensor none(DataType::f32, {2, 0});
    const auto reduce = [&](const char* op) { return run_single({op, {none, ints({1})}, {{"keepdims", attr(0)}}}); };
    CHECK(reduce("ReduceSum") == floats({2}, {0, 0}));
    CHECK(reduce("ReduceProd") == floats({2}, {1, 1}));
    CHECK(reduce("ReduceMax") == floats({2}, {-infinity, -infinity}));
    CHECK(reduce("ReduceMin") == floats({2}, {infinity, infinity}));
    CHECK(reduce("ReduceLogSum") == floats({2}, {-infinity, -infinity}));
    CHECK(reduce("ReduceLogSumExp") == floats({2}, {-infinity, -infinity}));
    CHECK(run_single({"ReduceMax", {Tensor(DataType::i32, {0})}, {{"keepdims", attr(0)}}}) ==
          Tensor::scalar(INT32_MIN));
    CHECK_THROWS_AS(run_op({"ReduceMean", {Tensor(DataType::i32, {0})}}), BadInput);
}

TEST_CASE("ReduceLogSumExp neither overflows nor loses infinities") {
    check_close(run_single({"ReduceLogSumExp", {floats({2}, {1000, 1000})}}), {1}, {1000 + std::log(2.0)});
    CHECK(run_single({"ReduceLogSumExp", {floats({2}, {-infinity, -infinity})}}) == floats({1}, {-infinity}));
    CHECK(run_single({"ReduceLogSumExp", {floats({2}, {infinity, 0})}}) == floats({1}, {infinity}));
}

TEST_CASE("ArgMax and ArgMin take the first of equals unless told the last") {
    const Tensor x = floats({2, 3}, {5, 5, 1, 0, 2, 2});
    CHECK(run_single({"ArgMax", {x}, {{"axis", attr(1)}}}) == i64s({2, 1}, {0, 1}));
    CHECK(run_single({"ArgMax", {x}, {{"axis", attr(-1)}, {"keepdims", attr(0)}, {"select_last_index", attr(1)}}}) ==
          i64s({2}, {1, 2}));
    CHECK(run_single({"ArgMin", {x}}) == i64s({1, 3}, {1, 1, 0}));
    CHECK_THROWS_AS(run_op({"ArgMax", {Tensor(DataType::f32, {0})}}), BadInput);
}

TEST_CASE("CumSum runs either way, with or without its own element") {
    const Tensor x = floats({3}, {1, 2, 3});
    const Tensor axis = Tensor::scalar<std::int32_t>(0);
    CHECK(run_single({"CumSum", {x, axis}}) == floats({3}, {1, 3, 6}));
    CHECK(run_single({"CumSum", {x, axis}, {{"exclusive", attr(1)}}}) == floats({3}, {0, 1, 3}));
    CHECK(run_single({"CumSum", {x, axis}, {{"reverse", attr(1)}}}) == floats({3}, {6, 5, 3}));
    CHECK(run_single({"CumSum", {x, axis}, {{"reverse", attr(1)}, {"exclusive", attr(1)}}}) == floats({3}, {5, 3, 0}));
    CHECK(run_single({"CumSum", {i64s({2, 2}, {1, 2, 3, 4}), ints({-2})}}) == i64s({2, 2}, {1, 2, 4, 6}));
}

TEST_CASE("Softmax sees a matrix before opset 13 and one axis since") {
    const Tensor x = floats({1, 2, 2}, {0, 0, 0, 0});
    CHECK(run_single({"Softmax", {x}, {}, 11}) == floats({1, 2, 2}, {0.25, 0.25, 0.25, 0.25}));
    CHECK(run_single({"Softmax", {x}, {{"axis", attr(2)}}, 11}) == floats({1, 2, 2}, {0.5, 0.5, 0.5, 0.5}));
    CHECK(run_single({"Softmax", {x}, {}, 13}) == floats({1, 2, 2}, {0.5, 0.5, 0.5, 0.5}));
    check_close(run_single({"Softmax", {floats({2, 2}, {1000, 0, 1001, 0})}, {{"axis", attr(0)}}}), {2, 2},
                {1 / (1 + std::exp(1.0)), 0.5, 1 / (1 + std::exp(-1.0)), 0.5});
    check_close(run_single({"LogSoftmax", {floats({2}, {0, 1000})}}), {2}, {-1000, 0});
    check_close(run_single({"Softmax", {floats({2}, {0, 0}).cast(DataType::bf16)}}), {2}, {0.5, 0.5});
    CHECK_THROWS_AS(run_op({"Softmax", {ints({1})}}), BadInput);
}

TEST_CASE("Hardmax marks the first largest; LpNormalization divides by the norm") {
    CHECK(run_single({"Hardmax", {floats({2, 3}, {1, 3, 3, 2, 1, 0})}}) == floats({2, 3}, {0, 1, 0, 1, 0, 0}));
    CHECK(run_single({"Hardmax", {floats({1, 2, 2}, {1, 3, 3, 2})}, {}, 11}) == floats({1, 2, 2}, {0, 1, 0, 0}));
    check_close(run_single({"LpNormalization", {floats({2, 2}, {3, 4, 0, 0})}}), {2, 2}, {0.6, 0.8, 0, 0});
    check_close(run_single({"LpNormalization", {floats({2}, {-3, 1})}, {{"p", attr(1)}}}), {2}, {-0.75, 0.25});
    CHECK_THROWS_AS(run_op({"LpNormalization", {floats({1}, {1})}, {{"p", attr(3)}}}), BadInput);
}

TEST_CASE("Gather takes slices by index, from the end if negative") {
    const Tensor x = counted({2, 3});
    CHECK(run_single({"Gather", {x, i64s({2, 1}, {1, -2})}}) == floats({2, 1, 3}, {3, 4, 5, 0, 1, 2}));
    CHECK(run_single({"Gather", {x, Tensor::scalar<std::int32_t>(-1)}, {{"axis", attr(1)}}}) == floats({2}, {2, 5}));
    CHECK_THROWS_WITH_AS(run_op({"Gather", {x, ints({2})}}), "Gather 'node': index 2 is out of range for a dim of 2",
                         BadInput);
}

TEST_CASE("GatherElements picks along one axis") {
    const Tensor x = floats({3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
    CHECK(run_single({"GatherElements", {x, i64s({2, 3}, {1, 2, 0, 2, 0, 0})}}) == floats({2, 3}, {4, 8, 3, 7, 2, 3}));
    CHECK(run_single({"GatherElements", {x, i64s({2, 1}, {-1, -2})}, {{"axis", attr(1)}}}) == floats({2, 1}, {3, 5}));
    CHECK_THROWS_AS(run_op({"GatherElements", {x, ints({0})}}), BadInput);
}

TEST_CASE("GatherND takes elements or slices, per batch") {
    const Tensor x = counted({2, 2, 2});
    CHECK(run_single({"GatherND", {x, i64s({2, 1}, {1, 0})}}) == floats({2, 2, 2}, {4, 5, 6, 7, 0, 1, 2, 3}));
    CHECK(run_single({"GatherND", {x, i64s({2, 3}, {0, 1, 1, -1, 0, 0})}}) == floats({2}, {3, 4}));
    CHECK(run_single({"GatherND", {x, i64s({2, 1}, {1, 0})}, {{"batch_dims", attr(1)}}}) ==
          floats({2, 2}, {2, 3, 4, 5}));
    CHECK_THROWS_AS(run_op({"GatherND", {x, i64s({1, 4}, {0, 0, 0, 0})}}), BadInput);
}

TEST_CASE("OneHot marks each index, and nothing for one that is out of range") {
    const Tensor values = floats({2}, {-1, 5});
    const Tensor depth = Tensor::scalar<std::int64_t>(3);
    CHECK(run_single({"OneHot", {i64s({3}, {0, -1, 7}), depth, values}}) ==
          floats({3, 3}, {5, -1, -1, -1, -1, 5, -1, -1, -1}));
    CHECK(run_single({"OneHot", {floats({2}, {2, 0}), depth, values}, {{"axis", attr(0)}}}) ==
          floats({3, 2}, {-1, 5, -1, -1, 5, -1}));
}
