#include <doctest/doctest.h>

#include "compiler/ir/text.hpp"
#include "compiler/passes/passes.hpp"
#include "tests/passes/before_after.hpp"

using namespace igata;

namespace {

Graph inferred(const std::string& text) {
    Graph graph = parse_graph(text);
    Remarks remarks;
    infer_types(graph, remarks);
    return graph;
}

/// The first output is open along `axis`, and another one of its own, at the end, is its size.
void check_open(const std::string& text, int axis, const Dims& most) {
    const Graph graph = inferred(text);
    INFO(print(graph));
    REQUIRE(graph.outputs.size() == 2);
    CHECK(graph.outputs[0].open == OpenAxis{axis, 1});
    CHECK(graph.value(graph.outputs[0].value).type.dims == most);
    CHECK(graph.outputs[1].name == graph.outputs[0].name + ".size");
    CHECK(graph.value(graph.outputs[1].value).type == ValueType{DataType::i64, {}});
}

}  // namespace

TEST_CASE("follow_sizes: through operators that keep the axis whole") {
    const std::string nonzero = "graph (x: f32[2,3], t: f32[4,5]) -> (y) { n = NonZero(x) ";
    check_open("graph (x: f32[2,3]) -> (y) { y = NonZero(x) }", 1, {2, 6});
    check_open(nonzero + "y = Transpose(n) }", 0, {6, 2});
    check_open(nonzero + "c = Cast(n) {to=1} y = Mul(c, c) }", 1, {2, 6});
    check_open(nonzero + "s = constant i64[1] {0} e = constant i64[1] {1} y = Slice(n, s, e, s) }", 1, {1, 6});
    check_open(nonzero + "s = constant i64[1] {-1} r = constant i64[3] {2,6,1} y = Reshape(n, r) }", 1, {2, 6, 1});
    check_open(nonzero + "z = constant i64[] {0} r = Gather(n, z) {axis=0} y = Gather(t, r) {axis=0} }", 0, {6, 5});
    check_open(nonzero + "a = constant i64[1] {0} y = ReduceSum(n, a) {keepdims=0} }", 0, {6});
    check_open(nonzero + "y = Concat(n, n) {axis=0} }", 1, {4, 6});
}

TEST_CASE("follow_sizes: what lies beyond does not count where elements are combined") {
    const std::string nonzero = "graph (x: f32[2,3]) -> (y) { n = NonZero(x) ";
    const Graph graph = inferred(nonzero + "a = constant i64[1] {1} y = ReduceMax(n, a) }");
    CHECK(graph.outputs.size() == 1);
    CHECK(graph.value(graph.outputs[0].value).type.dims == Dims{2, 1});
    check_open(nonzero + "y = Concat(n, n) {axis=1} }", 1, {2, 12});
    check_open(nonzero + "y = NonZero(n) }", 1, {2, 12});
    check_open(nonzero + "s = Shape(n) {start=1} two = constant i64[1] {2} d = Mul(s, two) y = ConstantOfShape(d) }", 0,
               {12});
    check_open(nonzero + "s = Shape(n) {start=1} two = constant i64[1] {2} d = Min(s, two) y = ConstantOfShape(d) }", 0,
               {2});
}

TEST_CASE("follow_sizes: two outputs of one size share it") {
    const Graph graph = inferred("graph (x: f32[2,3]) -> (y, z) { y = NonZero(x) z = Neg(y) }");
    REQUIRE(graph.outputs.size() == 3);
    CHECK(graph.outputs[0].open == OpenAxis{1, 2});
    CHECK(graph.outputs[1].open == OpenAxis{1, 2});
    CHECK(graph.outputs[2].name == "y.size");
}

TEST_CASE("follow_sizes: what combines elements along the axis is refused") {
    const auto refused = [](const std::string& rest, const std::string& message) {
        CHECK_THROWS_WITH_AS(
            inferred("graph (x: f32[2,3], v: f32[2,3], w: i64[2,6]) -> (y) { n = NonZero(x) " + rest + " }"),
            message.c_str(), Unsupported);
    };
    refused("y = Det(n)", "Det: the size of its input 'n' depends on the data");
    refused("y = Add(n, w)", "Add: the size of its input 'n' depends on the data");
    refused("m = NonZero(v) y = Add(n, m)", "Add: the size of its input 'm' depends on the data");
    refused("y = Unique(n)", "Unique: the size of its input 'n' depends on the data");
}

TEST_CASE("follow_sizes: of constants, the size is known") {
    const Graph graph = inferred(R"(graph (x: f32[3]) -> (y) {
      c = constant f32[4] {1,0,2,3}
      n = NonZero(c)
      r = constant i64[1] {-1}
      i = Reshape(n, r)
      s = Shape(i)
      e = Expand(x, s)
      y = Add(e, x)
    })");
    CHECK(graph.outputs.size() == 1);
    CHECK(graph.constant(graph.find_value("n"))->type() == ValueType{DataType::i64, {1, 3}});
    CHECK(graph.value(graph.find_value("y")).type.dims == Dims{3});
}
