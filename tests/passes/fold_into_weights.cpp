#include <doctest/doctest.h>

#include "compiler/passes/passes.hpp"
#include "tests/passes/before_after.hpp"

using namespace igata;
using test::check_pass;

namespace {

void run(Graph& graph, Remarks& remarks) { simplify(graph, remarks); }

/// The remarks of simplify on a graph that it may not change.
std::string untouched(const std::string& text) { return check_pass(run, text, text); }

}  // namespace

TEST_CASE("a convolution takes the batch normalisation after it into weights and bias") {
    check_pass(run, R"(graph (x: f32[1,1,3,3]) -> (y) {
          w = constant f32[2,1,1,1] {1,2}
          s = constant f32[2] {2,4}
          b = constant f32[2] {1,-1}
          m = constant f32[2] {0.5,1}
          v = constant f32[2] {4,1}
          c = Conv(x, w)
          y = BatchNormalization(c, s, b, m, v) {epsilon=0.0}
        })",
               R"(graph (x: f32[1,1,3,3]) -> (y) {
          w = constant f32[2,1,1,1] {1,8}
          b = constant f32[2] {0.5,-5}
          y = Conv(x, w, b)
        })");
}

TEST_CASE("a transposed convolution takes constants per channel after it, group by group") {
    check_pass(run, R"(graph (x: f32[1,4,2,2]) -> (y) {
          w = constant f32[4,1,1,1] {1,2,3,4}
          k = constant f32[2,1,1] {10,100}
          h = constant f32[2,1,1] {5,6}
          c = ConvTranspose(x, w) {group=2, strides=[2,2]}
          m = Mul(c, k)
          y = Add(m, h)
        })",
               R"(graph (x: f32[1,4,2,2]) -> (y) {
          w = constant f32[4,1,1,1] {10,20,300,400}
          b = constant f32[2] {5,6}
          y = ConvTranspose(x, w, b) {group=2, strides=[2,2]}
        })");
}

TEST_CASE("a batch normalisation elsewhere is a factor and an addend") {
    check_pass(run, R"(graph (x: f32[1,2,3,3]) -> (y) {
          s = constant f32[2] {2,4}
          b = constant f32[2] {1,-1}
          m = constant f32[2] {0.5,1}
          v = constant f32[2] {4,1}
          y = BatchNormalization(x, s, b, m, v) {epsilon=0.0}
        })",
               R"(graph (x: f32[1,2,3,3]) -> (y) {
          k = constant f32[2,1,1] {1,4}
          b = constant f32[2,1,1] {0.5,-5}
          m = Mul(x, k)
          y = Add(m, b)
        })");
}

TEST_CASE("a batch normalisation whose parameters are computed stays") {
    CHECK(untouched(R"(graph (x: f32[1,2,3,3], s: f32[2]) -> (y) {
          b = constant f32[2] {1,-1}
          v = constant f32[2] {4,1}
          y = BatchNormalization(x, s, b, b, v)
        })") == "! y: batch-normalization-to-affine: its scale is not constant\n");
}

TEST_CASE("a convolution takes constants per channel after it") {
    check_pass(run, R"(graph (x: f32[1,1,4,4]) -> (y) {
          w = constant f32[2,1,1,1] {1,2}
          b = constant f32[2] {3,4}
          k = constant f32[1,2,1,1] {2,4}
          h = constant f32[] {0.5}
          c = Conv(x, w, b) {pads=[1,1,1,1]}
          m = Mul(k, c)
          a = Add(m, h)
          d = Div(a, k)
          y = Sub(h, d)
        })",
               R"(graph (x: f32[1,1,4,4]) -> (y) {
          w = constant f32[2,1,1,1] {-1,-2}
          b = constant f32[2] {-2.75,-3.625}
          y = Conv(x, w, b) {pads=[1,1,1,1]}
        })");
}

TEST_CASE("a convolution whose result has other readers keeps its weights") {
    CHECK(untouched(R"(graph (x: f32[1,1,4,4]) -> (c, y) {
          w = constant f32[2,1,1,1] {1,2}
          k = constant f32[2,1,1] {2,4}
          c = Conv(x, w)
          y = Mul(c, k)
        })") == "! y: fold-affine-after-conv: the convolution's result has other readers\n");
}

TEST_CASE("a convolution does not take constants that vary over the image or enlarge it") {
    untouched(R"(graph (x: f32[1,1,1,2]) -> (y, z, u) {
          w = constant f32[2,1,1,1] {1,2}
          k = constant f32[2] {2,4}
          l = constant f32[2,1,1,1] {2,4}
          zero = constant f32[] {0}
          c = Conv(x, w)
          y = Mul(c, k)
          d = Conv(x, w) {pads=[1,1,1,1]}
          z = Add(d, l)
          e = Conv(x, w) {pads=[2,2,2,2]}
          u = Div(e, zero)
        })");
}

TEST_CASE("a padded convolution takes the factor before it but not the addend: its border is zero") {
    const std::string remarks = check_pass(run, R"(graph (x: f32[1,2,4,4]) -> (y) {
          w = constant f32[1,2,2,2] {1,2,3,4,5,6,7,8}
          k = constant f32[1,2,1,1] {2,3}
          b = constant f32[] {-1}
          a = Add(x, b)
          m = Mul(a, k)
          y = Conv(m, w) {pads=[0,0,1,1]}
        })",
                                           R"(graph (x: f32[1,2,4,4]) -> (y) {
          b = constant f32[] {-1}
          w = constant f32[1,2,2,2] {2,4,6,8,15,18,21,24}
          a = Add(x, b)
          y = Conv(a, w) {pads=[0,0,1,1]}
        })");
    CHECK(remarks.find("! y: fold-affine-before-conv: the convolution pads with zeros after the addition, so the "
                       "border would change") != std::string::npos);
}

TEST_CASE("x * a + b before a padded convolution stays one map") {
    untouched(R"(graph (x: f32[1,2,4,4]) -> (y) {
          w = constant f32[1,2,2,2] {1,2,3,4,5,6,7,8}
          k = constant f32[1,2,1,1] {2,3}
          b = constant f32[] {-1}
          m = Mul(x, k)
          a = Add(m, b)
          y = Conv(a, w) {auto_pad="SAME_UPPER"}
        })");
}

TEST_CASE("a convolution without padding takes both, in every group") {
    check_pass(run, R"(graph (x: f32[1,4,2,2]) -> (y) {
          w = constant f32[2,2,1,2] {1,2,3,4,5,6,7,8}
          c = constant f32[2] {10,20}
          k = constant f32[4,1,1] {1,2,3,4}
          b = constant f32[1,4,1,1] {1,-1,2,-2}
          m = Mul(x, k)
          a = Sub(b, m)
          y = Conv(a, w, c) {auto_pad="VALID", group=2}
        })",
               R"(graph (x: f32[1,4,2,2]) -> (y) {
          w = constant f32[2,2,1,2] {-1,-2,-6,-8,-15,-18,-28,-32}
          c = constant f32[2] {6,12}
          y = Conv(x, w, c) {auto_pad="VALID", group=2}
        })");
}

TEST_CASE("a scale that others read as well is not folded into the convolution after it") {
    CHECK(untouched(R"(graph (x: f32[1,1,2,2]) -> (m, y) {
          w = constant f32[1,1,1,1] {5}
          k = constant f32[] {2}
          m = Mul(x, k)
          y = Conv(m, w)
        })") == "! y: fold-affine-before-conv: its operand has other readers\n");
}

TEST_CASE("a Gemm takes factors and addends per column after it") {
    check_pass(run, R"(graph (x: f32[2,2]) -> (y, z) {
          w = constant f32[2,2] {1,2,3,4}
          c = constant f32[2] {1,2}
          k = constant f32[2] {2,4}
          g = Gemm(x, w, c) {beta=0.5, transB=1}
          m = Mul(g, k)
          y = Add(m, k)
          h = Gemm(x, w)
          z = Sub(h, k)
        })",
               R"(graph (x: f32[2,2]) -> (y, z) {
          w = constant f32[2,2] {1,2,3,4}
          v = constant f32[2,2] {2,4,12,16}
          c = constant f32[2] {3,8}
          d = constant f32[2] {-2,-4}
          y = Gemm(x, v, c) {transB=1}
          z = Gemm(x, w, d)
        })");
}

TEST_CASE("a MatMul takes factors alone") {
    check_pass(run, R"(graph (x: f32[3,2,2]) -> (y) {
          w = constant f32[2,2] {1,2,3,4}
          k = constant f32[2] {2,4}
          p = MatMul(x, w)
          m = Mul(p, k)
          y = Add(m, k)
        })",
               R"(graph (x: f32[3,2,2]) -> (y) {
          k = constant f32[2] {2,4}
          w = constant f32[2,2] {2,8,6,16}
          p = MatMul(x, w)
          y = Add(p, k)
        })");
}
