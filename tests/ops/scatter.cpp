// Scatter, ScatterElements, ScatterND and TensorScatter: values from the specification or worked out by hand.
#include <doctest/doctest.h>

#include <cmath>

#include "compiler/diagnostics.hpp"
#include "tests/ops/run_op.hpp"

using namespace igata;
using namespace igata::test;

namespace {

Attrs reducing(const char* how) { return {{"reduction", std::string(how)}}; }

}  // namespace

TEST_CASE("ScatterElements writes along one axis, and Scatter is its old name") {
    const Tensor x = floats({3, 3}, std::vector<float>(9, 0));
    const Tensor indices = i64s({2, 3}, {1, 0, 2, 0, 2, 1});
    const Tensor updates = floats({2, 3}, {1, 1.1F, 1.2F, 2, 2.1F, 2.2F});
    const Tensor expected = floats({3, 3}, {2, 1.1F, 0, 1, 0, 2.2F, 0, 2.1F, 1.2F});
    CHECK(run_single({"ScatterElements", {x, indices, updates}}) == expected);
    CHECK(run_single({"Scatter", {x, indices, updates}, {}, 9}) == expected);
    CHECK(run_single(
              {"ScatterElements",
               {floats({1, 5}, {1, 2, 3, 4, 5}), Tensor::of<std::int32_t>({1, 2}, {1, -2}), floats({1, 2}, {7, 8})},
               {{"axis", attr(-1)}}}) == floats({1, 5}, {1, 7, 3, 8, 5}));
    CHECK(run_single({"ScatterElements", {x, i64s({0, 3}, {}), floats({0, 3}, {})}}) == x);
}

TEST_CASE("ScatterElements combines in the order of the updates") {
    const Tensor x = floats({4}, {1, 2, 3, 4});
    const Tensor indices = i64s({3}, {1, 1, -1});
    const auto scatter = [&](const char* how, const Tensor& updates) {
        return run_single({"ScatterElements", {x, indices, updates}, reducing(how)});
    };
    CHECK(scatter("add", floats({3}, {5, 6, 7})) == floats({4}, {1, 13, 3, 11}));
    CHECK(scatter("mul", floats({3}, {5, 6, 7})) == floats({4}, {1, 60, 3, 28}));
    CHECK(scatter("max", floats({3}, {1, 6, -7})) == floats({4}, {1, 6, 3, 4}));
    CHECK(scatter("min", floats({3}, {1, 6, -7})) == floats({4}, {1, 1, 3, -7}));
    CHECK(scatter("none", floats({3}, {5, 6, 7})) == floats({4}, {1, 6, 3, 7}));
    CHECK(std::isnan(scatter("max", floats({3}, {not_a_number, 6, 7})).to_f64()[1]));
    CHECK(std::isnan(scatter("min", floats({3}, {5, not_a_number, 7})).to_f64()[1]));
}

TEST_CASE("Scatters take every element type; integers wrap around, bool adds by or") {
    const Tensor indices = i64s({2}, {0, 0});
    const auto add = [&](const Tensor& x, const Tensor& updates, const char* how = "add") {
        return run_single({"ScatterElements", {x, indices, updates}, reducing(how)});
    };
    CHECK(add(Tensor::of<std::uint8_t>({1}, {200}), Tensor::of<std::uint8_t>({2}, {50, 10})) ==
          Tensor::of<std::uint8_t>({1}, {4}));
    CHECK(add(Tensor::of<std::int32_t>({1}, {INT32_MAX}), Tensor::of<std::int32_t>({2}, {1, 0})) ==
          Tensor::of<std::int32_t>({1}, {INT32_MIN}));
    CHECK(add(i64s({1}, {INT64_MAX}), i64s({2}, {2, 1}), "mul") == i64s({1}, {-2}));
    CHECK(add(bools({false}), bools({true, true})) == bools({true}));
    CHECK(add(bools({true}), bools({true, false}), "mul") == bools({false}));
    for (const DataType dtype : {DataType::f16, DataType::bf16, DataType::f64, DataType::u16, DataType::u64})
        CHECK(add(floats({1}, {1}).cast(dtype), floats({2}, {2, 3}).cast(dtype)) == floats({1}, {6}).cast(dtype));
}

TEST_CASE("ScatterND writes elements or slices") {
    CHECK(run_single({"ScatterND",
                      {floats({8}, {1, 2, 3, 4, 5, 6, 7, 8}), i64s({4, 1}, {4, 3, 1, -1}),
                       floats({4}, {9, 10, 11, 12})}}) == floats({8}, {1, 11, 3, 10, 9, 6, 7, 12}));
    const Tensor x = counted({2, 2, 2});
    CHECK(run_single({"ScatterND", {x, i64s({1, 1}, {1}), floats({1, 2, 2}, {9, 8, 7, 6})}}) ==
          floats({2, 2, 2}, {0, 1, 2, 3, 9, 8, 7, 6}));
    CHECK(run_single({"ScatterND", {x, i64s({2, 2}, {0, 1, 0, 1}), floats({2, 2}, {1, 2, 3, 4})}, reducing("add")}) ==
          floats({2, 2, 2}, {0, 1, 6, 9, 4, 5, 6, 7}));
    CHECK(run_single({"ScatterND", {x, i64s({3}, {1, 1, 1}), Tensor::scalar(9.0F)}, reducing("mul")}) ==
          floats({2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 63}));
    CHECK(run_single(
              {"ScatterND", {x, i64s({2, 0}, {}), floats({2, 2, 2, 2}, std::vector<float>(16, 3))}, reducing("max")}) ==
          floats({2, 2, 2}, {3, 3, 3, 3, 4, 5, 6, 7}));
    CHECK(run_single({"ScatterND", {x, i64s({0, 3}, {}), floats({0}, {})}}) == x);
    CHECK(run_single({"ScatterND", {floats({2}, {1, 2}), i64s({1, 1}, {0}), floats({1}, {3})}, {}, 11}) ==
          floats({2}, {3, 2}));
}

TEST_CASE("Scatters refuse what does not fit") {
    const Tensor x = floats({2, 2}, {1, 2, 3, 4});
    CHECK_THROWS_WITH_AS(run_op({"ScatterElements", {x, i64s({1, 2}, {2, 0}), floats({1, 2}, {1, 2})}}),
                         "ScatterElements 'node': index 2 is out of range for a dim of 2", BadInput);
    CHECK_THROWS_WITH_AS(run_op({"ScatterElements", {x, i64s({1, 3}, {0, 0, 0}), floats({1, 3}, {1, 2, 3})}}),
                         "ScatterElements 'node': indices [1,3] and updates [1,3] do not fit data [2,2]", BadInput);
    CHECK_THROWS_WITH_AS(run_op({"ScatterElements", {x, i64s({1, 1}, {0}), i64s({1, 1}, {1})}}),
                         "ScatterElements 'node': data is f32 but updates are i64", BadInput);
    CHECK_THROWS_WITH_AS(run_op({"ScatterElements", {x, i64s({1, 1}, {0}), floats({1, 1}, {1})}, reducing("mean")}),
                         "ScatterElements 'node': reduction must be none, add, mul, max or min, got 'mean'", BadInput);
    CHECK_THROWS_AS(run_op({"ScatterND", {x, i64s({1, 3}, {0, 0, 0}), floats({1}, {1})}}), BadInput);
    CHECK_THROWS_AS(run_op({"ScatterND", {x, i64s({1, 1}, {0}), floats({1}, {1})}}), BadInput);
    CHECK_THROWS_AS(run_op({"ScatterND", {x, i64s({1, 2}, {0, -3}), floats({1}, {1})}}), BadInput);
}

TEST_CASE("what is out of range at run time changes nothing") {
    const Graph graph = typed_graph(
        "graph (x: f32[3], i: i64[2], u: f32[2]) -> (y, z) {\n"
        "  y = ScatterElements(x, i, u)\n"
        "  one = constant i64[1] {1}\n"
        "  j = Unsqueeze(i, one)\n"
        "  z = ScatterND(x, j, u)\n}\n");
    for (const Tensor& y : run_plan(graph, {floats({3}, {1, 2, 3}), i64s({2}, {3, -4}), floats({2}, {8, 9})}))
        CHECK(y == floats({3}, {1, 2, 3}));
}

TEST_CASE("TensorScatter updates a cache from each sample's own place on") {
    const Tensor cache = floats({2, 1, 3, 1}, {1, 2, 3, 4, 5, 6});
    const Tensor update = floats({2, 1, 2, 1}, {7, 8, 9, 10});
    CHECK(run_single({"TensorScatter", {cache, update}}) == floats({2, 1, 3, 1}, {7, 8, 3, 9, 10, 6}));
    CHECK(run_single({"TensorScatter", {cache, update, i64s({2}, {1, 0})}}) ==
          floats({2, 1, 3, 1}, {1, 7, 8, 9, 10, 6}));
    const Attrs circular{{"mode", std::string("circular")}, {"axis", attr(2)}};
    CHECK(run_single({"TensorScatter", {cache, update, i64s({2}, {2, 4})}, circular}) ==
          floats({2, 1, 3, 1}, {8, 2, 7, 4, 9, 10}));
    CHECK_THROWS_WITH_AS(run_op({"TensorScatter", {cache, update, i64s({2}, {2, 0})}}),
                         "TensorScatter 'node': write index 2 leaves no room for 2 in 3", BadInput);
    CHECK_THROWS_AS(run_op({"TensorScatter", {cache, update}, {{"axis", attr(0)}}}), BadInput);
    CHECK_THROWS_AS(run_op({"TensorScatter", {cache, update, i64s({1}, {0})}}), BadInput);
    CHECK_THROWS_AS(run_op({"TensorScatter", {update, cache}}), BadInput);
}
