#include <doctest/doctest.h>

#include "compiler/ir/text.hpp"

using namespace igata;

TEST_CASE("a plan prints as it was written") {
    const std::string text = R"(plan net arena=4096 weights=128 batched {
  in0 = input image f32[1,8,8,3] declared=[N,8,8,3]
  w1 = weights+0 f32[2,3,1,1] {1,2,3,4,5,6}
  w2 = weights+64 f32[2] {0.5,1e-07}
  b1 = buffer f32 512 arena+0
  b2 = buffer f32 512
  b3 = buffer i64 512 arena+1024
  out0 = output "a/b:0" f32[1,2] declared=["unk 1",?]
  convolution stem src=in0:f32[1,3,8,8]@nhwc weights=w1:f32[2,3,1,1] bias=w2:f32[2] dst=b1:f32[1,2,8,8]@nhwc groups=2 strides=2,2 pads_begin=0,1 pads_end=1,1 epilogue=[swish(1.0) sum mul(b2+64:f32[1,2,1,1]) clip(0.0,6.0)]  ; block/stem
  convolution plain src=in0:f32[1,3,8,8](1,2,3,4) weights=w1:f32[2,3,1,1] dst=b1:f32[1,2,8,8] dilations=2,2
  convolution gated src=in0:f32[1,3,8,8]@nhwc weights=w1:f32[2,3,1,1] dst=b1:f32[1,2,8,8]@nhwc epilogue=[relu mul(b2+64:f32[1,2,1,1])] scale=b2:f32[1,3,1,1] mean=b2+32:f32[1,2,1,1]
  deconvolution up src=b1:f32[1,2,4,4]@nhwc weights=w1:f32[2,3,1,1] dst=b2:f32[1,3,8,7]@nhwc strides=2,2 pads_end=-1,0 epilogue=[relu]
  matmul fc a=b1:f32[1,128] b=w1:f32[128,2](1,128) dst=b2:f32[1,2] b_is_constant epilogue=[relu]
  pooling pool average_exclude_padding src=b1:f32[1,2,8]@nwc dst=b2:f32[1,2,4]@nwc kernel=3 strides=2
  softmax soft src=b2:f32[1,2] dst=b1:f32[1,2] axis=1 logarithm
  lrn norm src=b1:f32[1,2,4,4] dst=b2:f32[1,2,4,4] size=5 alpha=0.001
  kernel best arg_extremum b1:f32[1,2] >b3:i64[1,1] ints=1,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0
  loop scale [128] x0=b1+4:f32(1) x1=w2:f32(0) dst=b2:f32(1) {x0 * sigmoid(x1)}
  loop scalar [] dst=b2:f32() {1.5}
  loop mean [2|64,3] x0=b1:f32(1,2,128) dst=out0:f32(1,0,0) sum f64 {cast<f64>(x0)} then {x0 / 192}  ; block/mean
}
)";
    CHECK(print(parse_plan(text)) == text);
}

TEST_CASE("mistakes in a plan's text are reported where they are") {
    const auto parse = [](const std::string& lines) {
        return parse_plan("plan p arena=0 weights=0 {\n" + lines + "\n}");
    };
    CHECK_THROWS_WITH(parse("  dance x"), "line 2, column 3: unknown kind of step 'dance'");
    CHECK_THROWS_WITH(parse("  softmax s src=b:f32[1]"), "line 2, column 17: unknown buffer 'b'");
    CHECK_THROWS_WITH(parse("  b = buffer f32 4\n  b = buffer f32 4"), "line 4, column 1: buffer 'b' is defined twice");
}
