#include <doctest/doctest.h>

#include <cmath>

#include "compiler/ir/scanner.hpp"
#include "compiler/ir/text.hpp"

using namespace igata;

namespace {

void check_round_trip(const std::string& text) { CHECK(print(parse_graph(text)) == text); }

}  // namespace

TEST_CASE("a graph prints as it was written") {
    check_round_trip(R"(graph net opset=13 (x: f32[N,3,224,"H x W",?], y: i64[2]) -> (out, other = v3: [N,8]) {
  w = constant f32[2,2] {1,2.5,-3,1e-07}
  a: f32[1,8], _ = Op(x, w, _, y) {attr=1, axes=[0,1], mode="edge\n", scale=0.5, value=i64[2] {1,2}}   ; block1/op
  out: f32[1,8] = Conv:11(a, w, _) {strides=[2,2]}
  v3 = Identity:0(out)
}
)");
}

TEST_CASE("names with special characters are quoted") {
    check_round_trip(R"(graph "my net" ("a/b:0": f32[]) -> ("_") {
  "_" = Relu("a/b:0")   ; " starts with a space"
}
)");
}

TEST_CASE("lists that are empty keep their type") {
    const Graph graph = parse_graph(R"(graph (x: f32[1]) -> (y) {
  y = Op(x) {a=[], b=reals[], c=strings[], d=[1.0,2.0], e=["p","q"], f=-inf, g=nan}
})");
    const Attrs& attrs = graph.nodes.front().attrs;
    CHECK(attrs.get_ints("a", {7}).empty());
    CHECK(attrs.get_floats("b", {7}).empty());
    CHECK(std::get<std::vector<std::string>>(attrs.at("c")).empty());
    CHECK(attrs.get_floats("d") == std::vector<float>{1, 2});
    CHECK(std::get<std::vector<std::string>>(attrs.at("e")) == std::vector<std::string>{"p", "q"});
    CHECK(attrs.get_float("f", 0) == -INFINITY);
    CHECK(std::isnan(attrs.get_float("g", 0)));
    CHECK(print(parse_graph(print(graph))) == print(graph));
}

TEST_CASE("what nested graphs capture by name becomes inputs of theirs") {
    const Graph graph = parse_graph(R"(graph (x: f32[2], c: bool[]) -> (y) {
  one = constant f32[] {1}
  y = If(c) {else_branch=graph e () -> (a) {
      a = Neg(x)
    }, then_branch=graph t () -> (b) {
      b = Add(x, one)
    }}
}
)");
    const std::string text = R"(graph (x: f32[2], c: bool[]) -> (y) {
  one = constant f32[] {1}
  y = If(c, x, one) {captures=2, else_branch=graph e (x, one) -> (a) {
      a = Neg(x)
    }, then_branch=graph t (x, one) -> (b) {
      b = Add(x, one)
    }}
}
)";
    CHECK(print(graph) == text);
    check_round_trip(text);
}

TEST_CASE("constants of every type read back exactly") {
    for (const char* constant : {"f32[3] {0.1,inf,nan}", "f64[2] {0.1,-1e+300}", "f16[2] {0.5,65504}", "bf16[] {1}",
                                 "i8[2] {-128,127}", "i64[1] {-9223372036854775808}", "u64[1] {18446744073709551615}",
                                 "bool[2] {true,false}", "i32[0] {}", "u8[2,1] {0,255}"}) {
        Scanner scanner(constant);
        CHECK(print_tensor(scanner.tensor()) == constant);
    }
}

TEST_CASE("a large constant prints as a hash and reads back as zeros") {
    Graph graph;
    Tensor weights(DataType::f32, {4, 5});
    weights.mutable_values<float>()[3] = 1;
    graph.outputs.push_back({graph.add_constant("w", weights), "w", {}});
    const std::string text = print(graph);
    CHECK(text.find("w = constant f32[4,5] #") != std::string::npos);
    const Graph parsed = parse_graph(text);
    CHECK(*parsed.constant(parsed.find_value("w")) == Tensor(DataType::f32, {4, 5}));
}

TEST_CASE("a node list may be unsorted, but every value must be made, once") {
    const Graph graph = parse_graph("graph (x: f32[1]) -> (y) { y = Neg(z) z = Abs(x) }");
    CHECK(graph.nodes.front().op == "Neg");
    CHECK_THROWS_WITH(parse_graph("graph (x: f32[1]) -> (y) {\n  y = Neg(z)\n}"),
                      "line 2, column 11: value 'z' is never made");
    CHECK_THROWS_WITH(parse_graph("graph (x: f32[1]) -> (x) {\n  x = Neg(x)\n}"),
                      "line 2, column 3: value 'x' is made twice");
}

TEST_CASE("mistakes name their place") {
    CHECK_THROWS_WITH(parse_graph("graph (x) -> () {}"), "line 1, column 9: expected ':'");
    CHECK_THROWS_WITH(parse_graph("graph (x: f99[1]) -> () {}"), "line 1, column 11: unknown element type");
    CHECK_THROWS_WITH(parse_graph("graph () -> (w) { w = constant f32[2] {1} }"), "line 1, column 41: expected ','");
    CHECK_THROWS_WITH(parse_graph("graph () -> (w) { w = constant i8[1] {300} }"),
                      "line 1, column 42: expected an integer element that fits the type");
    CHECK_THROWS_WITH(parse_graph("graph (x: f32[1]) -> (y) { y = Map(x) }"),
                      "line 1, column 39: a Map needs '=>' and an expression");
    CHECK_THROWS_WITH(parse_graph("graph () -> () {} x"), "line 1, column 19: expected nothing after the graph");
    CHECK_THROWS_WITH(parse_graph("graph () -> ("), "line 1, column 14: expected an output's name");
}
