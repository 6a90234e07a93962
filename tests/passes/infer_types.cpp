#include <doctest/doctest.h>

#include "compiler/ir/text.hpp"
#include "compiler/ops/op.hpp"
#include "compiler/passes/passes.hpp"
#include "tests/passes/before_after.hpp"

using namespace igata;

namespace {

/// The text after inference, and the remarks.
std::string inferred(const std::string& text, Remarks& remarks) {
    Graph graph = parse_graph(text);
    infer_types(graph, remarks);
    return print(graph);
}

}  // namespace

TEST_CASE("infer_types gives every value its type, from the inputs down") {
    Remarks remarks;
    CHECK(inferred("graph (x: f32[2,3]) -> (y) { t = Transpose(x) y = Less(t, t) }", remarks) ==
          R"(graph (x: f32[2,3]) -> (y: [3,2]) {
  t: f32[3,2] = Transpose(x)
  y: bool[3,2] = Less(t, t)
}
)");
    CHECK(remarks.all().empty());
}

TEST_CASE("infer_types computes shapes that the model computes") {
    Remarks remarks;
    Graph graph = parse_graph(R"(graph (x: f32[2,3,4]) -> (y) {
      one = constant i64[] {0}
      rest = constant i64[1] {-1}
      axes = constant i64[1] {0}
      s = Shape(x)
      n = Gather(s, one)
      u = Unsqueeze(n, axes)
      t = Concat(u, rest) {axis=0}
      y = Reshape(x, t)
    })");
    infer_types(graph, remarks);
    CHECK(graph.value(graph.find_value("y")).type == ValueType{DataType::f32, {2, 12}});
    CHECK(graph.constant(graph.find_value("t"))->to_i64() == Dims{2, -1});
}

TEST_CASE("infer_types corrects what the model declares wrongly of its outputs") {
    Remarks remarks;
    inferred("graph (x: f32[2,3]) -> (y: [2,4]) { y = Relu(x) }", remarks);
    REQUIRE(remarks.all().size() == 1);
    CHECK(remarks.all()[0].refused);
    CHECK(remarks.all()[0].message == "the model declares another shape for output 'y' than it computes, f32[2,3]");
}

TEST_CASE("infer_types names the node that cannot be") {
    Remarks remarks;
    CHECK_THROWS_WITH_AS(
        inferred("graph opset=13 (x: f32[2,3], z: f32[4]) -> (y) {\n  y = Add(x, z)   ; block/add\n}", remarks),
        "Add 'block/add' (opset 13): shapes [2,3] and [4] do not broadcast", BadInput);
}

TEST_CASE("infer_types refuses to gather from nothing, and windows out of all bounds") {
    Remarks remarks;
    CHECK_THROWS_WITH_AS(inferred("graph opset=13 (x: f32[0,2], i: i64[1]) -> (y) { y = Gather(x, i) }", remarks),
                         "Gather (opset 13): there is nothing to gather from [0,2]", BadInput);
    CHECK_THROWS_WITH_AS(
        inferred("graph opset=13 (x: f32[1,1,3]) -> (y) { y = MaxPool(x) {kernel_shape=[8589934592]} }", remarks),
        "MaxPool (opset 13): kernel_shape [8589934592] is too large", BadInput);
    CHECK_THROWS_WITH_AS(
        inferred("graph opset=13 (x: f32[1,1,3], w: f32[1,1,1]) -> (y) { y = Conv(x, w) {pads=[8589934592,0]} }",
                 remarks),
        "Conv (opset 13): pads [8589934592,0] is too large", BadInput);
    CHECK_NOTHROW(inferred("graph opset=13 (x: f32[0,2], i: i64[0]) -> (y) { y = Gather(x, i) }", remarks));
}

TEST_CASE("infer_types refuses what no machine holds") {
    Remarks remarks;
    CHECK_THROWS_WITH_AS(
        inferred("graph opset=13 () -> (y) { a = constant i64[] {0} b = constant i64[] {1000000000000} "
                 "c = constant i64[] {1} y = Range(a, b, c) }",
                 remarks),
        "Range (opset 13): its result i64[1000000000000] is too large", BadInput);
}

TEST_CASE("a lack of memory names the node") {
    Node node;
    node.op = "Tile";
    node.name = "wide";
    node.version = 13;
    const char* message = "Tile 'wide' (opset 13): what it computes needs more memory than there is";
    CHECK_THROWS_WITH_AS(name_in_errors(node, [] { throw std::bad_alloc(); }), message, BadInput);
    CHECK_THROWS_WITH_AS(name_in_errors(node, [] { throw std::length_error("vector"); }), message, BadInput);
}
