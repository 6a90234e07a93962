#include "compiler/driver/needs.hpp"

#include <doctest/doctest.h>

#include "compiler/ir/text.hpp"
#include "compiler/passes/passes.hpp"

using namespace igata;
using runtime::Implementation;

namespace {

/// What a 3x3 convolution needs.
runtime::Needs needs_of_convolution(int channels, int groups, const std::string& attributes) {
    const std::string all = std::to_string(channels);
    const std::string inputs = std::to_string(channels / groups);
    const std::string image = "f32[1," + all + ",32,32]@nhwc";
    const std::string filters = "f32[" + all + "," + inputs + ",3,3]";
    std::string ones = "1";
    for (int i = 1; i < channels * channels / groups * 9; ++i) ones += ",1";
    std::string text = "plan p arena=0 weights=0 {\n";
    for (const std::string port : {"in0 = input x", "out0 = output y"})
        text += "  " + port + " f32[1,32,32," + all + "] declared=[1,32,32," + all + "]\n";
    text += "  w = weights " + filters + " {" + ones + "}\n  convolution c src=in0:" + image + " weights=w:" + filters +
            " dst=out0:" + image + " groups=" + std::to_string(groups) + " " + attributes + "\n}\n";
    Plan plan = parse_plan(text);
    pool_weights(plan);
    return needs_of({&plan, 1});
}

bool needs_only(const runtime::Needs& needs, Implementation kernel) {
    return needs.implementations == 1U << static_cast<unsigned>(kernel);
}

}  // namespace

TEST_CASE("needs_of: the kernel that runs a convolution, and no other") {
    const std::string pads = "pads_begin=1,1 pads_end=1,1";
    CHECK(needs_only(needs_of_convolution(16, 16, pads), Implementation::depthwise_3x3));
    CHECK(needs_only(needs_of_convolution(16, 16, "dilations=2,2 pads_begin=2,2 pads_end=2,2"),
                     Implementation::depthwise));
    CHECK(needs_only(needs_of_convolution(16, 4, pads), Implementation::onednn_convolution));
    CHECK(needs_only(needs_of_convolution(64, 1, pads), Implementation::winograd4));
}

TEST_CASE("needs_of: the activations of epilogues, and the kinds of steps") {
    const runtime::Needs needs =
        needs_of_convolution(16, 16, "pads_begin=1,1 pads_end=1,1 epilogue=[swish(1.0) clip(0.0,6.0)]");
    CHECK(needs.has(runtime::Eltwise::swish));
    CHECK(needs.has(runtime::Eltwise::clip));
    CHECK_FALSE(needs.has(runtime::Eltwise::tanh));
    CHECK(needs.has(runtime::StepKind::convolution));
    CHECK_FALSE(needs.has(runtime::StepKind::matmul));
}
