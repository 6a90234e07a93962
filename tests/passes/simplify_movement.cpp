// The rewrite rules of the operators that move data.
#include <doctest/doctest.h>

#include "compiler/passes/passes.hpp"
#include "tests/passes/before_after.hpp"

using namespace igata;

namespace {

void check(const std::string& before, const std::string& after) {
    test::check_pass([](Graph& graph, Remarks& remarks) { simplify(graph, remarks); }, before, after);
}

void check_unchanged(const std::string& text) { check(text, text); }

}  // namespace

TEST_CASE("what does nothing is dropped") {
    check(R"(graph (x: f32[2,3]) -> (y) {
          zeros = constant i64[4] {0,0,0,0}
          begin = constant i64[2] {0,0}
          end = constant i64[2] {9,3}
          shape = constant i64[2] {1,3}
          ones = constant i64[2] {1,1}
          a = Identity(x)
          b = Dropout(a)
          c = Pad(b, zeros)
          d = Slice(c, begin, end)
          e = Expand(d, shape)
          f = Tile(e, ones)
          g = Concat(f) {axis=0}
          h = Split(g) {axis=1}
          i = Transpose(h) {perm=[0,1]}
          j = Flatten(i)
          k = Cast(j) {to=1}
          y = Relu(k)
        })",
          R"(graph (x: f32[2,3]) -> (y) {
          y = Relu(x)
        })");
}

TEST_CASE("a Slice backwards over everything stays") {
    check_unchanged(R"(graph (x: f32[2,3]) -> (y) {
          begin = constant i64[1] {-1}
          end = constant i64[1] {-9}
          axis = constant i64[1] {1}
          step = constant i64[1] {-1}
          y = Slice(x, begin, end, axis, step)
        })");
}

TEST_CASE("all that reshapes becomes one Reshape") {
    check(R"(graph (x: f32[2,1,3,4]) -> (y) {
          axes = constant i64[1] {1}
          front = constant i64[2] {0,4}
          shape = constant i64[2] {0,-1}
          a = Squeeze(x, axes)
          b = Unsqueeze(a, front)
          c = Flatten(b) {axis=2}
          y = Reshape(c, shape)
        })",
          R"(graph (x: f32[2,1,3,4]) -> (y) {
          shape = constant i64[2] {2,12}
          y = Reshape(x, shape)
        })");
}

TEST_CASE("Transposes merge, cancel, or become Reshapes") {
    check(R"(graph (x: f32[2,3,4,5]) -> (y, z) {
          a = Transpose(x) {perm=[0,2,3,1]}
          y = Transpose(a) {perm=[0,3,1,2]}
          z = Transpose(a) {perm=[0,1,3,2]}
        })",
          R"(graph (x: f32[2,3,4,5]) -> (y = x: [2,3,4,5], z) {
          z = Transpose(x) {perm=[0,2,1,3]}
        })");
    check(R"(graph (x: f32[1,8,1,1]) -> (y) {
          y = Transpose(x) {perm=[0,2,3,1]}
        })",
          R"(graph (x: f32[1,8,1,1]) -> (y) {
          shape = constant i64[4] {1,1,1,8}
          y = Reshape(x, shape)
        })");
    check_unchanged(R"(graph (x: f32[2,8,1,3]) -> (y) {
          y = Transpose(x) {perm=[0,2,3,1]}
        })");
}

TEST_CASE("Transposes sink through elementwise operators with constants, numbers and vectors beside them") {
    check(R"(graph (x: f32[2,3,4,5], g: f32[3]) -> (y) {
          scale = constant f32[3] {1,2,3}
          half = constant f32 {0.5}
          a = Transpose(x) {perm=[0,2,3,1]}
          b = Mul(a, scale)
          c = Add(half, b)
          s = Sigmoid(c)
          d = Mul(c, s)
          e = Sub(d, g)
          y = Transpose(e) {perm=[0,3,1,2]}
        })",
          R"(graph (x: f32[2,3,4,5], g: f32[3]) -> (y) {
          scale = constant f32[1,3,1,1] {1,2,3}
          half = constant f32 {0.5}
          shape = constant i64[4] {1,3,1,1}
          b = Mul(x, scale)
          c = Add(half, b)
          s = Sigmoid(c)
          d = Mul(c, s)
          r = Reshape(g, shape)
          y = Sub(d, r)
        })");
}

TEST_CASE("a Transpose stays above an operand that would need its inverse") {
    check_unchanged(R"(graph (x: f32[2,3,4,5], z: f32[2,4,5,3]) -> (y) {
          a = Transpose(x) {perm=[0,2,3,1]}
          y = Add(a, z)
        })");
    check_unchanged(R"(graph (x: f32[3,4], z: f32[3,4]) -> (y) {
          a = Transpose(x)
          b = Reshape(z, s)
          s = constant i64[2] {4,3}
          y = Add(a, b)
        })");
}

TEST_CASE("Transposes sink through Concat, reductions and Pad") {
    check(R"(graph (x: f32[2,3,4,5], z: f32[2,1,4,5]) -> (y) {
          a = Transpose(x) {perm=[0,2,3,1]}
          b = Transpose(z) {perm=[0,2,3,1]}
          c = Concat(a, b) {axis=-1}
          y = Transpose(c) {perm=[0,3,1,2]}
        })",
          R"(graph (x: f32[2,3,4,5], z: f32[2,1,4,5]) -> (y) {
          y = Concat(x, z) {axis=1}
        })");
    check(R"(graph (x: f32[2,3,4,5]) -> (y, z) {
          axes = constant i64[2] {-3,2}
          last = constant i64[1] {1}
          a = Transpose(x) {perm=[0,2,3,1]}
          y = ReduceMax(a, axes) {keepdims=0}
          z = ReduceMax(a, last) {keepdims=0}
        })",
          R"(graph (x: f32[2,3,4,5]) -> (y, z) {
          axes = constant i64[2] {2,3}
          last = constant i64[1] {2}
          y = ReduceMax(x, axes) {keepdims=0}
          r = ReduceMax(x, last) {keepdims=0}
          z = Transpose(r) {perm=[0,2,1]}
        })");
    check(R"(graph (x: f32[2,3,4,5]) -> (y) {
          pads = constant i64[8] {0,1,2,0,0,3,4,0}
          a = Transpose(x) {perm=[0,2,3,1]}
          b = Pad(a, pads)
          y = Transpose(b) {perm=[0,3,1,2]}
        })",
          R"(graph (x: f32[2,3,4,5]) -> (y) {
          pads = constant i64[8] {0,0,1,2,0,0,3,4}
          y = Pad(x, pads)
        })");
}

TEST_CASE("a Pad settles next to the pooling that reads it, whichever side its Transpose began") {
    const char* settled = R"(graph (x: f32[2,5,6,3]) -> (y) {
          pads = constant i64[8] {0,0,1,2,0,0,3,4}
          five = constant f32 {5}
          t = Transpose(x) {perm=[0,3,1,2]}
          p = Pad(t, pads, five)
          y = MaxPool(p) {kernel_shape=[2,2]}
        })";
    check(R"(graph (x: f32[2,5,6,3]) -> (y) {
          pads = constant i64[8] {0,1,2,0,0,3,4,0}
          five = constant f32 {5}
          p = Pad(x, pads, five)
          t = Transpose(p) {perm=[0,3,1,2]}
          y = MaxPool(t) {kernel_shape=[2,2]}
        })",
          settled);
    check_unchanged(settled);
}

TEST_CASE("an operand that only lends its type may have more axes than the result") {
    check_unchanged(R"(graph (x: f32[2,3], like: f64[2,1,6,6]) -> (y, z) {
          s = constant i64[1] {6}
          t = Transpose(x)
          y = CastLike(t, like)
          r = Reshape(x, s)
          z = CastLike(r, like)
        })");
}

TEST_CASE("Reshapes sink through elementwise operators") {
    check(R"(graph (x: f32[1,4,1,1]) -> (y) {
          there = constant i64[4] {1,1,1,4}
          back = constant i64[4] {1,4,1,1}
          bias = constant f32[4] {1,2,3,4}
          a = Reshape(x, there)
          s = Sigmoid(a)
          m = Mul(a, s)
          b = Add(m, bias)
          y = Reshape(b, back)
        })",
          R"(graph (x: f32[1,4,1,1]) -> (y) {
          bias = constant f32[1,4,1,1] {1,2,3,4}
          s = Sigmoid(x)
          m = Mul(x, s)
          y = Add(m, bias)
        })");
    check_unchanged(R"(graph (x: f32[2,6]) -> (y) {
          there = constant i64[2] {4,3}
          bias = constant f32[3] {1,2,3}
          a = Reshape(x, there)
          y = Add(a, bias)
        })");
}

TEST_CASE("a mean over all spatial axes is a GlobalAveragePool") {
    check(R"(graph (x: f32[2,3,4,5]) -> (y) {
          axes = constant i64[2] {3,2}
          y = ReduceMean(x, axes) {keepdims=0}
        })",
          R"(graph (x: f32[2,3,4,5]) -> (y) {
          shape = constant i64[2] {2,3}
          p = GlobalAveragePool(x)
          y = Reshape(p, shape)
        })");
}
