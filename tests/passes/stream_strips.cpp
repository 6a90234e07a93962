#include <doctest/doctest.h>

#include "compiler/passes/lifetimes.hpp"
#include "tests/passes/lowering.hpp"

using namespace igata;

namespace {

std::string ones(const std::string& name, const std::string& dims, int count) {
    std::string values = "1";
    for (int i = 1; i < count; ++i) values += ",1";
    return "  " + name + " = weights f32[" + dims + "] {" + values + "}\n";
}

/// The plan with `wide` and `deep` in place of a 1x1 convolution and the depthwise one after it.
Plan streamed(const std::string& steps) {
    Plan plan = parse_plan(R"(plan p arena=0 weights=0 {
  in0 = input x f32[1,64,64,8] declared=[1,64,64,8]
  out0 = output y f32[1,64,64,8] declared=[1,64,64,8]
  b1 = buffer f32 131072
  b2 = buffer f32 524288
  b3 = buffer f32 524288
  b4 = buffer f32 262144
  b5 = buffer f32 262144
)" + ones("w1", "8,8,1,1", 64) +
                           ones("w2", "32,8,1,1", 256) + ones("w3", "32,1,3,3", 288) + ones("w4", "8,32,1,1", 256) +
                           steps + "}\n");
    verify(plan);
    stream_strips(plan);
    plan_memory(plan);
    verify(plan);
    return plan;
}

bool streams(const std::string& steps) {
    const Plan plan = streamed(steps);
    return print(plan).find("streamed") != std::string::npos;
}

const std::string narrow = "f32[1,8,64,64]@nhwc";
const std::string wide = "f32[1,32,64,64]@nhwc";
const std::string before =
    "  convolution before src=in0:" + narrow + " weights=w1:f32[8,8,1,1] dst=b1:" + narrow + "\n";
const std::string expand = "  convolution expand src=b1:" + narrow + " weights=w2:f32[32,8,1,1] dst=b2:" + wide;
const std::string depthwise = "  convolution dw src=b2:" + wide + " weights=w3:f32[32,1,3,3] dst=b3:" + wide +
                              " groups=32 pads_begin=1,1 pads_end=1,1";
const std::string project =
    "  convolution project src=b3:" + wide + " weights=w4:f32[8,32,1,1] dst=out0:" + narrow + "\n";

}  // namespace

TEST_CASE("stream_strips: the wide tensor between a 1x1 and a depthwise convolution") {
    const std::string steps = before + expand + " epilogue=[swish(1.0)]\n" + depthwise + " epilogue=[relu]\n" + project;
    const Plan plan = streamed(steps);
    CHECK(std::get<runtime::ConvolutionSpec>(plan.steps[1].spec).streamed);
    CHECK_FALSE(std::get<runtime::ConvolutionSpec>(plan.steps[0].spec).streamed);
    CHECK(steps_of(parse_plan(print(plan))) == steps_of(plan));
    // The first reads its source for as long as the second is at work.
    const std::vector<Lifetime> lives = lifetimes(plan);
    CHECK(lives[2].first == 0);
    CHECK(lives[2].last == 2);
}

TEST_CASE("stream_strips: not where somebody else needs the tensor, or a strip of it is not enough") {
    CHECK(streams(before + expand + "\n" + depthwise + "\n" + project));
    INFO("two readers");
    CHECK_FALSE(streams(before + expand + "\n" + depthwise + "\n" +
                        "  loop add [131072] x0=b2:f32(1) x1=b3:f32(1) dst=b3:f32(1) {x0 + x1}\n" + project));
    INFO("a residual");
    CHECK_FALSE(streams(before + "  loop zero [131072] dst=b2:f32(1) {0.0}\n" + expand + " epilogue=[sum]\n" +
                        depthwise + "\n" + project));
    INFO("a step between");
    CHECK_FALSE(streams(before + expand + "\n" + "  loop other [32768] x0=b1:f32(1) dst=b4:f32(1) {x0}\n" + depthwise +
                        "\n" + project));
}
