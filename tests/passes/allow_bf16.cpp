#include <doctest/doctest.h>

#include "compiler/driver/bf16_error.hpp"
#include "compiler/driver/needs.hpp"
#include "tests/passes/lowering.hpp"

using namespace igata;

namespace {

constexpr const char* model = R"(graph g (x: f32[1,4,8], y: f32[1,8,4]) -> (z, s) {
  w = constant f32[8,4] #0
  s = MatMul(x, y)
  z = MatMul(x, w)
})";

}  // namespace

TEST_CASE("allow_bf16: products with constant weights alone") {
    Plan plan = lowered(model);
    allow_bf16(plan);
    const std::string steps = steps_of(plan);
    CHECK(steps.find("bf16") == steps.rfind("bf16"));
    CHECK(steps.find("b_is_constant bf16") != std::string::npos);
    CHECK(steps_of(parse_plan(print(plan))) == steps);
}

TEST_CASE("a convolution that may multiply bf16 needs what does so, and what runs it in f32") {
    Plan plan = lowered(R"(graph g (x: f32[1,64,32,32]) -> (y) {
  w = constant f32[64,64,1,1] #0
  y = Conv(x, w)
})");
    plan_memory(plan);
    pool_weights(plan);
    CHECK_FALSE(needs_of({&plan, 1}).has(runtime::Implementation::pointwise_bf16));
    allow_bf16(plan);
    const runtime::Needs needs = needs_of({&plan, 1});
    CHECK(needs.has(runtime::Implementation::pointwise_bf16));
    CHECK(needs.has(runtime::Implementation::onednn_convolution));
}

TEST_CASE("round_factors: both factors, and only those of constant weights") {
    Graph graph = parse_graph(model);
    Remarks remarks;
    infer_types(graph, remarks);
    round_factors(graph);
    int rounded = 0;
    for (const Node& node : graph.nodes) rounded += node.is_map() ? 1 : 0;
    CHECK(rounded == 2);
    verify(graph);
}
