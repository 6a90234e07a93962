#include <doctest/doctest.h>

#include "compiler/passes/passes.hpp"
#include "tests/passes/before_after.hpp"

using namespace igata;
using test::check_pass;

namespace {

void run(Graph& graph, Remarks& remarks) { fuse_maps(graph, remarks); }

}  // namespace

TEST_CASE("fuse_maps: swish, whose input has two readers, is one Map") {
    CHECK(check_pass(run, R"(graph (x: f32[1,4,3,3]) -> (y) {
          s = Sigmoid(x)   ; sigmoid
          y = Mul(x, s)    ; mul
        })",
                     R"(graph (x: f32[1,4,3,3]) -> (y) {
          y = Map(x) => x0 * sigmoid(x0)
        })") == "mul: takes in 'sigmoid'\n");
}

TEST_CASE("fuse_maps: constants of one element become numbers, others stay operands") {
    check_pass(run, R"(graph (x: f32[1,4,3,3]) -> (y) {
          half = constant f32[1,1,1] {0.5}
          shift = constant f32[4,1,1] {1,2,3,4}
          a = Mul(x, half)
          y = Add(shift, a)
        })",
               R"(graph (x: f32[1,4,3,3]) -> (y) {
          shift = constant f32[4,1,1] {1,2,3,4}
          y = Map(shift, x) => x0 + x1 * 0.5
        })");
}

TEST_CASE("fuse_maps: the sigmoid of a squeeze-excite gate stays with the gate") {
    check_pass(run, R"(graph (x: f32[1,4,3,3], g: f32[1,4,1,1]) -> (y) {
          s = Sigmoid(g)
          y = Mul(x, s)
        })",
               R"(graph (x: f32[1,4,3,3], g: f32[1,4,1,1]) -> (y) {
          s = Map(g) => sigmoid(x0)
          y = Map(x, s) => x0 * x1
        })");
}

TEST_CASE("fuse_maps: a value with other readers is not computed twice, unless that is trivial") {
    check_pass(run, R"(graph (x: f32[2,3]) -> (y, z) {
          e = Exp(x)
          t = Tanh(e)
          y = Sqrt(e)
          z = Mul(e, t)
        })",
               R"(graph (x: f32[2,3]) -> (y, z) {
          y = Map(x) => sqrt(exp(x0))
          z = Map(x) => exp(x0) * tanh(exp(x0))
        })");
    check_pass(run, R"(graph (x: f32[2,3]) -> (y, z) {
          e = Exp(x)
          t = Tanh(e)
          y = Sqrt(t)
          z = Neg(t)
        })",
               R"(graph (x: f32[2,3]) -> (y, z) {
          t = Map(x) => tanh(exp(x0))
          y = Map(t) => sqrt(x0)
          z = Map(t) => -x0
        })");
}

TEST_CASE("fuse_maps: an output of the model keeps its Map") {
    check_pass(run, R"(graph (x: f32[2,3]) -> (e, y) {
          e = Exp(x)
          y = Sqrt(e)
        })",
               R"(graph (x: f32[2,3]) -> (e, y) {
          e = Map(x) => exp(x0)
          y = Map(e) => sqrt(x0)
        })");
}

TEST_CASE("fuse_maps: what can be a convolution's epilogue stays apart") {
    check_pass(run, R"(graph (x: f32[1,1,2,2], r: f32[1,1,2,2]) -> (y) {
          w = constant f32[1,1,1,1] {2}
          c = Conv(x, w)
          a = Relu(c)
          b = Relu(r)
          y = Add(a, b)
        })",
               R"(graph (x: f32[1,1,2,2], r: f32[1,1,2,2]) -> (y) {
          w = constant f32[1,1,1,1] {2}
          c = Conv(x, w)
          a = Map(c) => max(x0, 0)
          y = Map(a, r) => x0 + max(x1, 0)
        })");
}

TEST_CASE("fuse_maps: integers and bools, with changes of type inside") {
    check_pass(run, R"(graph (x: i64[4], y: i64[4]) -> (z) {
          ten = constant i64[] {10}
          a = Add(x, ten)
          l = Less(a, y)
          n = Not(l)
          z = Cast(n) {to=1}
        })",
               R"(graph (x: i64[4], y: i64[4]) -> (z) {
          z = Map(x, y) => cast<f32>(logical_not(x0 + 10 < x1))
        })");
}

TEST_CASE("fuse_maps: no more operands than a step can have") {
    std::string inputs = "x0: f32[2]";
    std::string sums = "  s0 = Neg(x0)\n";
    for (int i = 1; i < 14; ++i) {
        const std::string n = std::to_string(i);
        inputs += ", x" + n + ": f32[2]";
        sums += "  s" + n + " = Add(s" + std::to_string(i - 1) + ", x" + n + ")\n";
    }
    Graph graph = test::typed_graph("graph (" + inputs + ") -> (s13) {\n" + sums + "}");
    const auto expected = test::evaluate(graph, 3);
    Remarks remarks;
    fuse_maps(graph, remarks);
    CHECK(graph.nodes.size() == 2);
    for (const Node& node : graph.nodes) CHECK(node.inputs.size() <= 11);
    CHECK(test::difference(test::evaluate(graph, 3), expected) < 1e-6);
}
