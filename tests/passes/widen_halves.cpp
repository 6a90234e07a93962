#include <doctest/doctest.h>

#include "tests/passes/before_after.hpp"
#include "tests/passes/lowering.hpp"

using namespace igata;

TEST_CASE("widen_halves: what computes in f32 takes it and gives it, and nothing else does") {
    const auto pass = [](Graph& graph, Remarks&) { widen_halves(graph); };
    CHECK(test::check_pass(pass, R"(graph g (x: f16[2,3], z: bf16[2,3]) -> (y, s) {
  w = constant f16[3,2] {1,2,3,4,5,6}
  p = MatMul(x, w)
  y = Relu(p)
  s = Softmax(z)
})",
                           R"(graph g (x: f16[2,3], z: bf16[2,3]) -> (y, s) {
  w = constant f16[3,2] {1,2,3,4,5,6}
  x1 = Map(x) => cast<f32>(x0)
  w1 = Map(w) => cast<f32>(x0)
  p1 = MatMul(x1, w1)
  p = Map(p1) => cast<f16>(x0)
  y = Relu(p)
  z1 = Map(z) => cast<f32>(x0)
  s1 = Softmax(z1)
  s = Map(s1) => cast<bf16>(x0)
})") == "");
}

TEST_CASE("a network in f16 has constant weights in f32, and its activation is not a step of its own") {
    Graph graph = parse_graph(R"(graph g (x: f16[1,4,5,5]) -> (y) {
  w = constant f16[4,4,1,1] {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16}
  c = Conv(x, w)
  r = Relu(c)
  y = Conv(r, w)
})");
    Remarks remarks;
    const Plan plan = run_pipeline(std::move(graph), {}, remarks).plan;
    int convolutions = 0;
    int loops = 0;
    for (const Step& step : plan.steps) {
        loops += std::holds_alternative<Loop>(step.spec) ? 1 : 0;
        if (!std::holds_alternative<runtime::ConvolutionSpec>(step.spec)) continue;
        ++convolutions;
        CHECK(plan.buffer(step.operands[1].buffer).space == runtime::Space::weights);
    }
    CHECK(convolutions == 2);
    CHECK(loops == 3);  // x to f32, the activation with its roundings, y to f16
}
