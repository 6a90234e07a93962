#include <doctest/doctest.h>

#include "compiler/passes/passes.hpp"
#include "tests/passes/before_after.hpp"

using namespace igata;
using test::check_pass;

namespace {

void run(Graph& graph, Remarks& remarks) {
    Remarks ignored;
    fuse_maps(graph, ignored);
    fuse_epilogues(graph, remarks);
}

}  // namespace

TEST_CASE("fuse_epilogues: a convolution takes its swish and a residual") {
    CHECK(check_pass(run, R"(graph (x: f32[1,2,3,3]) -> (y) {
          w = constant f32[2,2,1,1] {1,2,3,4}
          c = Conv(x, w)   ; conv
          s = Sigmoid(c)
          m = Mul(c, s)    ; swish
          y = Add(x, m)    ; residual
        })",
                     R"(graph (x: f32[1,2,3,3]) -> (y) {
          w = constant f32[2,2,1,1] {1,2,3,4}
          y = Conv(x, w | x) => x1 + x0 * sigmoid(x0)
        })") == "conv: takes in 'residual'\n");
}

TEST_CASE("fuse_epilogues: of two convolutions the later one takes their sum, whichever comes first in it") {
    const char* after = R"(graph (x: f32[1,2,3,3]) -> (y) {
          w = constant f32[2,2,1,1] {1,2,3,4}
          a = Conv(x, w) => max(x0, 0)
          y = Conv(a, w | a) => x1 + max(x0, 0)
        })";
    check_pass(run, R"(graph (x: f32[1,2,3,3]) -> (y) {
          w = constant f32[2,2,1,1] {1,2,3,4}
          a = Conv(x, w)
          b = Relu(a)
          c = Conv(b, w)
          d = Relu(c)
          y = Add(b, d)
        })",
               after);
    check_pass(run, R"(graph (x: f32[1,2,3,3]) -> (y) {
          w = constant f32[2,2,1,1] {1,2,3,4}
          v = constant f32[2,2,1,1] {4,3,2,1}
          a = Conv(x, w)
          b = Conv(x, v)
          y = Sub(a, b)
        })",
               R"(graph (x: f32[1,2,3,3]) -> (y) {
          w = constant f32[2,2,1,1] {1,2,3,4}
          v = constant f32[2,2,1,1] {4,3,2,1}
          a = Conv(x, w)
          y = Conv(x, v | a) => x1 - x0
        })");
}

TEST_CASE("fuse_epilogues: the node moves down to where its operands are ready") {
    check_pass(run, R"(graph (x: f32[1,2,3,3]) -> (y) {
          w = constant f32[2,2,1,1] {1,2,3,4}
          c = Conv(x, w)
          p = MaxPool(x) {kernel_shape=[3,3], pads=[1,1,1,1]}
          y = Add(c, p)
        })",
               R"(graph (x: f32[1,2,3,3]) -> (y) {
          w = constant f32[2,2,1,1] {1,2,3,4}
          p = MaxPool(x) {kernel_shape=[3,3], pads=[1,1,1,1]}
          y = Conv(x, w | p) => x0 + x1
        })");
}

TEST_CASE("fuse_epilogues: MatMul and Gemm take what follows them") {
    check_pass(run, R"(graph (x: f32[2,3]) -> (y, z) {
          w = constant f32[3,2] {1,2,3,4,5,6}
          b = constant f32[2] {1,-1}
          m = MatMul(x, w)
          n = Add(m, b)
          y = Sigmoid(n)
          g = Gemm(x, w, b)
          z = Tanh(g)
        })",
               R"(graph (x: f32[2,3]) -> (y, z) {
          w = constant f32[3,2] {1,2,3,4,5,6}
          b = constant f32[2] {1,-1}
          y = MatMul(x, w | b) => sigmoid(x0 + x1)
          z = Gemm(x, w, b) => tanh(x0)
        })");
}

TEST_CASE("fuse_epilogues: not when somebody else sees the result, and it says so") {
    const char* text = R"(graph (x: f32[1,2,3,3]) -> (y, z) {
          w = constant f32[2,2,1,1] {1,2,3,4}
          c = Conv(x, w)             ; conv
          y = Map(c) => max(x0, 0)   ; relu
          z = GlobalAveragePool(c)
        })";
    CHECK(check_pass(run, text, text) == "! relu: not in the epilogue of 'conv': its result has other readers\n");
    const char* output = R"(graph (x: f32[1,2,3,3]) -> (y, c) {
          w = constant f32[2,2,1,1] {1,2,3,4}
          c = Conv(x, w)             ; conv
          y = Map(c) => max(x0, 0)   ; relu
        })";
    CHECK(check_pass(run, output, output) ==
          "! relu: not in the epilogue of 'conv': its result is an output of the model\n");
}

TEST_CASE("fuse_epilogues: not when the shapes or types differ") {
    const char* grows = R"(graph (x: f32[1,1,1,1], r: f32[1,1,2,2]) -> (y) {
          w = constant f32[1,1,1,1] {2}
          c = Conv(x, w)               ; conv
          y = Map(c, r) => x0 * x1     ; mul
        })";
    CHECK(check_pass(run, grows, grows) ==
          "! mul: not in the epilogue of 'conv': its result is f32[1,1,1,1], this one f32[1,1,2,2]\n");
    const char* integers = R"(graph (x: f32[1,1,2,2], r: i64[1,1,2,2]) -> (y) {
          w = constant f32[1,1,1,1] {2}
          c = Conv(x, w)                          ; conv
          y = Map(c, r) => x0 * cast<f32>(x1)     ; mul
        })";
    CHECK(check_pass(run, integers, integers) == "! mul: not in the epilogue of 'conv': operand 'r' is i64\n");
}

TEST_CASE("fuse_epilogues: the squeeze-excite gate") {
    check_pass(run, R"(graph (x: f32[1,2,3,3]) -> (y) {
          w = constant f32[2,2,1,1] {1,2,3,4}
          p = GlobalAveragePool(x)
          r = Conv(p, w)
          rs = Sigmoid(r)
          rm = Mul(rs, r)
          e = Conv(rm, w)
          g = Sigmoid(e)
          y = Mul(g, x)
        })",
               R"(graph (x: f32[1,2,3,3]) -> (y) {
          w = constant f32[2,2,1,1] {1,2,3,4}
          p = GlobalAveragePool(x)
          rm = Conv(p, w) => sigmoid(x0) * x0
          g = Conv(rm, w) => sigmoid(x0)
          y = Map(g, x) => x0 * x1
        })");
}
