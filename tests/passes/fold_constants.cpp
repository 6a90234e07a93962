#include <doctest/doctest.h>

#include "compiler/ir/text.hpp"
#include "compiler/passes/passes.hpp"
#include "tests/passes/before_after.hpp"

using namespace igata;

TEST_CASE("fold_constants evaluates what depends on constants alone") {
    CHECK(test::check_pass(fold_constants, R"(graph (x: f32[1,2,2,2]) -> (y, z) {
          k = constant f32[2,2,1,1] {1,2,3,4}
          v = constant f32[2,1,1,1] {4,9}
          s = Sqrt(v)
          w = Mul(k, s)
          z = Neg(s)
          y = Conv(x, w)
        })",
                           R"(graph (x: f32[1,2,2,2]) -> (y, z) {
          w = constant f32[2,2,1,1] {2,4,9,12}
          z = constant f32[2,1,1,1] {-2,-3}
          y = Conv(x, w)
        })") == ": 3 nodes folded\n");
}

TEST_CASE("fold_constants leaves a large result of small constants to run time, and says so") {
    const char* text = R"(graph () -> (y) {
          shape = constant i64[2] {4096,2048}
          y = Expand(one, shape)   ; expand
          one = constant f32[] {1}
        })";
    CHECK(test::check_pass(fold_constants, text, text) ==
          "! expand: Expand 'expand' is left to run time: its constant result would be large\n");
}
