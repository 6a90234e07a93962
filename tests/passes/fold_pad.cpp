#include <doctest/doctest.h>

#include "compiler/passes/passes.hpp"
#include "tests/passes/before_after.hpp"

using namespace igata;
using test::check_pass;

namespace {

void run(Graph& graph, Remarks& remarks) { simplify(graph, remarks); }

std::string untouched(const std::string& text) { return check_pass(run, text, text); }

/// A Pad before an operator, which must not take it.
std::string refusal(const std::string& constants, const std::string& pad, const std::string& reader) {
    const std::string remarks =
        untouched("graph (x: f32[1,2,6,6]) -> (y) {\n" + constants + "\np = " + pad + "\ny = " + reader + "\n}");
    return remarks.substr(0, remarks.find('\n'));
}

const std::string weights = "w = constant f32[1,2,1,1] {1,2}\n";

}  // namespace

TEST_CASE("a strided depthwise convolution takes an asymmetric Pad, on top of its own") {
    check_pass(run, R"(graph (x: f32[1,2,5,5]) -> (y) {
          p = constant i64[8] {0,0,0,1,0,0,1,1}
          w = constant f32[2,1,2,2] {1,2,3,4,5,6,7,8}
          a = Pad(x, p)
          y = Conv(a, w) {group=2, pads=[1,0,0,0], strides=[2,2]}
        })",
               R"(graph (x: f32[1,2,5,5]) -> (y) {
          w = constant f32[2,1,2,2] {1,2,3,4,5,6,7,8}
          y = Conv(x, w) {group=2, pads=[1,1,1,1], strides=[2,2]}
        })");
}

TEST_CASE("a convolution takes a symmetric Pad that names its axes, and others may read the Pad") {
    check_pass(run, R"(graph (x: f32[1,2,3,3]) -> (y, a) {
          p = constant i64[4] {1,2,1,2}
          axes = constant i64[2] {-2,3}
          zero = constant f32[] {0}
          w = constant f32[1,2,2,2] {1,2,3,4,5,6,7,8}
          a = Pad(x, p, zero, axes)
          y = Conv(a, w)
        })",
               R"(graph (x: f32[1,2,3,3]) -> (y, a) {
          p = constant i64[4] {1,2,1,2}
          axes = constant i64[2] {-2,3}
          zero = constant f32[] {0}
          w = constant f32[1,2,2,2] {1,2,3,4,5,6,7,8}
          a = Pad(x, p, zero, axes)
          y = Conv(x, w) {pads=[1,2,1,2]}
        })");
}

TEST_CASE("auto_pad is resolved on the padded image first") {
    check_pass(run, R"(graph (x: f32[1,1,4,4]) -> (y) {
          p = constant i64[8] {0,0,1,1,0,0,0,0}
          w = constant f32[1,1,2,2] {1,2,3,4}
          a = Pad(x, p)
          y = Conv(a, w) {auto_pad="SAME_LOWER", strides=[2,2]}
        })",
               R"(graph (x: f32[1,1,4,4]) -> (y) {
          w = constant f32[1,1,2,2] {1,2,3,4}
          y = Conv(x, w) {pads=[2,2,0,0], strides=[2,2]}
        })");
}

TEST_CASE("a convolution refuses a Pad that is not zeros around the image") {
    const std::string ones = weights + "p8 = constant i64[8] {0,0,1,1,0,0,1,1}\none = constant f32[] {1}\n";
    CHECK(refusal(ones, "Pad(x, p8, one)", "Conv(p, w)") == "! y: fold-pad-into-conv: the padding is not zero");
    CHECK(refusal(weights + "p8 = constant i64[8] {0,0,1,1,0,0,1,1}", "Pad(x, p8) {mode=\"reflect\"}", "Conv(p, w)") ==
          "! y: fold-pad-into-conv: the padding is of mode 'reflect'");
    CHECK(refusal(weights + "p8 = constant i64[8] {0,0,-1,1,0,0,1,1}", "Pad(x, p8)", "Conv(p, w) {pads=[1,1,1,1]}") ==
          "! y: fold-pad-into-conv: it crops the image");
    CHECK(refusal("w = constant f32[1,3,1,1] {1,2,3}\np8 = constant i64[8] {0,1,0,0,0,0,0,0}", "Pad(x, p8)",
                  "Conv(p, w)") == "! y: fold-pad-into-conv: it pads the batch or the channels");
}

TEST_CASE("an average that counts its padding takes a Pad; an unpadded one counts it from then on") {
    check_pass(run, R"(graph (x: f32[1,1,4,4]) -> (y) {
          p = constant i64[8] {0,0,1,0,0,0,1,1}
          a = Pad(x, p)
          y = AveragePool(a) {kernel_shape=[2,2]}
        })",
               R"(graph (x: f32[1,1,4,4]) -> (y) {
          y = AveragePool(x) {count_include_pad=1, kernel_shape=[2,2], pads=[1,0,1,1]}
        })");
    check_pass(run, R"(graph (x: f32[1,1,4,4]) -> (y) {
          p = constant i64[8] {0,0,0,0,0,0,1,1}
          a = Pad(x, p)
          y = AveragePool(a) {count_include_pad=1, kernel_shape=[3,3], pads=[1,1,1,1], strides=[2,2]}
        })",
               R"(graph (x: f32[1,1,4,4]) -> (y) {
          y = AveragePool(x) {count_include_pad=1, kernel_shape=[3,3], pads=[1,1,2,2], strides=[2,2]}
        })");
}

TEST_CASE("pooling refuses a Pad that its own padding does not equal") {
    const std::string pads = "p8 = constant i64[8] {0,0,1,1,0,0,1,1}\nlow = constant f32[] {-inf}\n";
    CHECK(refusal(pads, "Pad(x, p8)", "AveragePool(p) {kernel_shape=[3,3], pads=[1,1,1,1]}") ==
          "! y: fold-pad-into-average-pool: the average counts the Pad's zeros but not the operator's own padding");
    CHECK(refusal(pads, "Pad(x, p8)", "AveragePool(p) {ceil_mode=1, kernel_shape=[1,1], strides=[7,7]}") ==
          "! y: fold-pad-into-average-pool: a last window that starts in the padding would be dropped");
    CHECK(refusal(pads, "Pad(x, p8)", "MaxPool(p) {kernel_shape=[3,3]}") ==
          "! y: fold-pad-into-max-pool: the padding is not minus infinity");
    CHECK(refusal(pads, "Pad(x, p8, low)", "MaxPool(p) {kernel_shape=[1,3]}") ==
          "! y: fold-pad-into-max-pool: a window may lie in the padding as a whole");
    CHECK(refusal(pads, "Pad(x, p8, low)", "MaxPool(p) {ceil_mode=1, kernel_shape=[3,3], strides=[2,2]}") ==
          "! y: fold-pad-into-max-pool: the result's size is rounded up");
}

TEST_CASE("a maximum takes a Pad of minus infinity") {
    check_pass(run, R"(graph (x: f32[1,1,4,4]) -> (y) {
          p = constant i64[8] {0,0,0,0,0,0,1,1}
          low = constant f32[] {-inf}
          a = Pad(x, p, low)
          y = MaxPool(a) {kernel_shape=[3,3], strides=[2,2]}
        })",
               R"(graph (x: f32[1,1,4,4]) -> (y) {
          y = MaxPool(x) {kernel_shape=[3,3], pads=[0,0,1,1], strides=[2,2]}
        })");
}
