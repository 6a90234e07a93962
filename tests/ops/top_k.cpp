// TopK: values worked out by hand; a random test against a sort.
#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>

#include "compiler/diagnostics.hpp"
#include "tests/ops/run_op.hpp"

using namespace igata;
using namespace igata::test;

namespace {

std::vector<Tensor> top_k(const Tensor& x, std::int64_t k, const Attrs& attrs = {}, int version = 0) {
    return run_op({"TopK", {x, Tensor::of_dims({k})}, attrs, version, 2});
}

}  // namespace

TEST_CASE("TopK takes the largest or smallest, equals by their index") {
    const Tensor x = floats({2, 4}, {3, 1, 3, 2, 0, 0, -1, 0});
    auto y = top_k(x, 3);
    CHECK(y[0] == floats({2, 3}, {3, 3, 2, 0, 0, 0}));
    CHECK(y[1] == i64s({2, 3}, {0, 2, 3, 0, 1, 3}));
    y = top_k(x, 2, {{"largest", attr(0)}, {"axis", attr(1)}});
    CHECK(y[0] == floats({2, 2}, {1, 2, -1, 0}));
    CHECK(y[1] == i64s({2, 2}, {1, 3, 2, 0}));
    y = top_k(x, 1, {{"axis", attr(-2)}, {"sorted", attr(0)}});
    CHECK(y[0] == floats({1, 4}, {3, 1, 3, 2}));
    CHECK(y[1] == i64s({1, 4}, {0, 0, 0, 0}));
    CHECK(top_k(x, 0)[0] == Tensor(DataType::f32, {2, 0}));
    CHECK(top_k(Tensor(DataType::f32, {0, 3}), 2)[1] == Tensor(DataType::i64, {0, 2}));
}

TEST_CASE("TopK of every type: 64-bit integers exactly, NaN above all numbers") {
    const std::int64_t big = std::int64_t{1} << 60;
    CHECK(top_k(i64s({3}, {big, big + 2, big + 1}), 2)[1] == i64s({2}, {1, 2}));
    CHECK(top_k(Tensor::of<std::uint64_t>({2}, {1, ~std::uint64_t{0}}), 1)[1] == i64s({1}, {1}));
    const float nan = std::numeric_limits<float>::quiet_NaN();
    for (const DataType dtype : {DataType::f32, DataType::f64, DataType::f16, DataType::bf16}) {
        const Tensor x = floats({4}, {1, nan, -2, nan}).cast(dtype);
        CHECK(top_k(x, 3)[1] == i64s({3}, {1, 3, 0}));
        CHECK(top_k(x, 3, {{"largest", attr(0)}})[1] == i64s({3}, {2, 0, 1}));
    }
    CHECK(top_k(Tensor::of<std::int8_t>({3}, {-128, 127, 0}), 1)[0] == Tensor::of<std::int8_t>({1}, {127}));
}

TEST_CASE("TopK had k as an attribute in opset 1, and no choice before opset 11") {
    const Tensor x = floats({3}, {1, 3, 2});
    const auto y = run_op({"TopK", {x}, {{"k", attr(2)}}, 1, 2});
    CHECK(y[0] == floats({2}, {3, 2}));
    CHECK(y[1] == i64s({2}, {1, 2}));
    CHECK(top_k(x, 2, {}, 10)[1] == i64s({2}, {1, 2}));
}

TEST_CASE("TopK refuses what does not fit") {
    const Tensor x = floats({3}, {1, 3, 2});
    CHECK_THROWS_WITH_AS(top_k(x, 4), "TopK 'node': k must be one number from 0 to 3, got [4]", BadInput);
    CHECK_THROWS_AS(top_k(x, -1), BadInput);
    CHECK_THROWS_AS(top_k(x, 1, {{"axis", attr(1)}}), BadInput);
    CHECK_THROWS_WITH_AS(typed_graph("graph (x: f32[3], k: i64[1]) -> (y, i) {\n  y, i = TopK(x, k)\n}\n"),
                         doctest::Contains("k must be known at compile time"), Unsupported);
}

TEST_CASE("TopK of random lines is the start of a stable sort") {
    std::mt19937 random(7);
    for (int round = 0; round < 40; ++round) {
        const auto count = static_cast<std::int64_t>(1 + random() % 60);
        const auto k = static_cast<std::int64_t>(random() % static_cast<unsigned>(count + 1));
        Tensor x(DataType::f32, {2, count, 3});
        for (float& value : x.mutable_values<float>()) value = static_cast<float>(random() % 12);
        const auto y = top_k(x, k, {{"axis", attr(1)}});
        for (std::int64_t line = 0; line < 6; ++line) {
            const auto at = [&](std::int64_t i, std::int64_t dim) {
                return static_cast<std::size_t>((line / 3 * dim + i) * 3 + line % 3);
            };
            std::vector<std::int64_t> order(static_cast<std::size_t>(count));
            std::iota(order.begin(), order.end(), 0);
            std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
                return x.values<float>()[at(a, count)] > x.values<float>()[at(b, count)];
            });
            for (std::int64_t i = 0; i < k; ++i)
                CHECK(y[1].values<std::int64_t>()[at(i, k)] == order[static_cast<std::size_t>(i)]);
        }
    }
}
