// Operators that sample images: results recorded from ONNX Runtime or, where it lacks the case, onnx's reference.

#include "tests/ops/cases.hpp"
#include "tests/ops/run_op.hpp"

using namespace igata;
using namespace igata::test;

namespace {

const std::vector<Case> cases{
    {"GridSample",
     R"(graph opset=20 (x0: f32[1,2,3,3], x1: f32[1,2,3,2]) -> (y) {
            y = GridSample(x0, x1) })",
     {{{1, 2, 2, 3},
       {0, -0.054688, -0.328125, -0.328125, -0.039062, 0, 0, -0.085938, -0.4375, -0.4375, -0.070312, 0}}}},
    {"GridSample by its older names",
     R"(graph opset=16 (x0: f32[1,1,3,4], x1: f32[1,2,2,2]) -> (y) {
            y = GridSample(x0, x1) {mode="bicubic", padding_mode="border"} })",
     {{{1, 1, 2, 2}, {-0.764893, -0.595703, -0.628174, -0.453125}}}},
    {"GridSample cubic, reflected",
     R"(graph opset=20 (x0: f32[1,1,3,4], x1: f32[1,3,2,2]) -> (y) {
            y = GridSample(x0, x1) {mode="cubic", padding_mode="reflection"} })",
     {{{1, 1, 3, 2}, {0.250732, -0.595703, -0.787109, -0.40625, 0.556641, 0.345703}}}},
    {"GridSample cubic, reflected at corners",
     R"(graph opset=20 (x0: f32[1,1,3,4], x1: f32[1,3,2,2]) -> (y) {
            y = GridSample(x0, x1) {align_corners=1, mode="cubic", padding_mode="reflection"} })",
     {{{1, 1, 3, 2}, {0.633789, -0.119019, -0.542969, 0.037231, 0.907227, 0.354294}}}},
    {"GridSample nearest, reflected",
     R"(graph opset=20 (x0: f32[1,1,4,4], x1: f32[1,3,3,2]) -> (y) {
            y = GridSample(x0, x1) {mode="nearest", padding_mode="reflection"} })",
     {{{1, 1, 3, 3}, {1.25, -0.5, 0.25, 0.25, 0.25, 0.75, -1.25, -1.25, 0.5}}}},
    {"GridSample nearest with zeros",
     R"(graph opset=16 (x0: f32[2,1,2,2], x1: f32[2,1,3,2]) -> (y) {
            y = GridSample(x0, x1) {align_corners=1, mode="nearest"} })",
     {{{2, 1, 1, 3}, {-1.25, -1.25, -1.25, -0.75, -0.75, -1}}}},
    {"GridSample of a volume",
     R"(graph opset=20 (x0: f32[1,1,2,3,2], x1: f32[1,1,2,2,3]) -> (y) {
            y = GridSample(x0, x1) {align_corners=1, padding_mode="border"} })",
     {{{1, 1, 1, 2, 2}, {-1.1875, 0.46875, -0.6875, 0.4375}}}},
    {"GridSample in double precision",
     R"(graph opset=22 (x0: f64[1,1,2,3], x1: f64[1,2,2,2]) -> (y) {
            y = GridSample(x0, x1) {padding_mode="reflection"} })",
     {{{1, 1, 2, 2}, {-0.171875, 0.5, 0.5, 0.5}}}},
    {"AffineGrid",
     R"(graph opset=20 (x0: f32[2,2,3]) -> (y) {
            x1 = constant i64[4] {2,1,2,3}
            y = AffineGrid(x0, x1) })",
     {{{2, 2, 3, 2},
       {-0.375, 0.916667,  -1.375, 1.25,   -2.375, 1.583333,  -0.125, -0.083333, -1.125, 0.25,   -2.125, 0.583333,
        -0.5,   -2.208333, -1,     -1.375, -1.5,   -0.541667, 0.5,    -2.458333, 0,      -1.625, -0.5,   -0.791667}}}},
    {"AffineGrid at corners, of volumes",
     R"(graph opset=20 (x0: f32[1,3,4]) -> (y) {
            x1 = constant i64[5] {1,1,2,3,2}
            y = AffineGrid(x0, x1) {align_corners=1} })",
     {{{1, 2, 3, 2, 3},
       {3,   2,   -2,   0,    0,    -3,   3.25, 2.75, -0.75, 0.25,  0.75,  -1.75, 3.5, 3.5, 0.5, 0.5, 1.5, -0.5,
        0.5, 0.5, -2.5, -2.5, -1.5, -3.5, 0.75, 1.25, -1.25, -2.25, -0.75, -2.25, 1,   2,   0,   -2,  0,   -1}}}},
    {"RoiAlign",
     R"(graph opset=16 (x0: f32[2,2,5,5]) -> (y) {
            x1 = constant f32[3,4] {0,0,3,3,1,0.5,2.7,4,2,2,9,9}
            x2 = constant i64[3] {0,1,0}
            y = RoiAlign(x0, x1, x2) {output_height=2, output_width=2, spatial_scale=0.75} })",
     {{{3, 2, 2, 2}, {-0.908508, -0.198364, 0.188599,  -0.444031, 0.166321,  -0.289917, -0.354309, 0.578003,
                      -0.153125, 0.292187,  -0.274097, -0.373669, -0.001563, -0.577539, 0.225378,  0.493591,
                      -0.171875, 0.104167,  -0.395833, -0.555556, -0.046875, -0.5,      -0.25,     0.333333}}}},
    {"RoiAlign 10",
     R"(graph opset=10 (x0: f32[1,1,5,5]) -> (y) {
            x1 = constant f32[3,4] {0,0,3,3,1,0.5,2.7,4,2,2,9,9}
            x2 = constant i64[3] {0,0,0}
            y = RoiAlign(x0, x1, x2) {output_height=1, output_width=3, sampling_ratio=2} })",
     {{{3, 1, 1, 3}, {-0.421875, -0.25, -0.125, -0.163281, -0.083594, -0.010417, -0.244792, -0.265625, 0}}}},
    {"RoiAlign, maximum",
     R"(graph opset=16 (x0: f32[1,1,5,5]) -> (y) {
            x1 = constant f32[3,4] {0,0,3,3,1,0.5,2.7,4,2,2,9,9}
            x2 = constant i64[3] {0,0,0}
            y = RoiAlign(x0, x1, x2) {mode="max", output_height=2, output_width=1} })",
     {{{3, 1, 2, 1}, {0.625, 0.625, 0.532813, 0.650391, 0.8125, -0}}}},
    {"MaxRoiPool",
     R"(graph opset=21 (x0: f32[2,1,6,5]) -> (y) {
            x1 = constant f32[4,5] {0,0,0,4,4,1,1,2,3,5,0,3,3,1,1,1,8,8,9,9}
            y = MaxRoiPool(x0, x1) {pooled_shape=[3,2], spatial_scale=1.0} })",
     {{{4, 1, 3, 2}, {1, 1.25, 1, 1.25, 1.25, 1, 1.25, 1.25, 1, 1.25, 1, 1.25, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0}}}},
    {"MaxUnpool",
     R"(graph opset=11 (x0: f32[1,1,2,2]) -> (y) {
            x1 = constant i64[1,1,2,2] {1,3,8,15}
            y = MaxUnpool(x0, x1) {kernel_shape=[2,2], strides=[2,2]} })",
     {{{1, 1, 4, 4}, {0, -1.5, 0, 0.25, 0, 0, 0, 0, -1.25, 0, 0, 0, 0, 0, 0, 0.5}}}},
    {"MaxUnpool into more",
     R"(graph opset=11 (x0: f32[1,1,2,2]) -> (y) {
            x1 = constant i64[1,1,2,2] {1,3,8,15}
            x2 = constant i64[4] {1,1,5,4}
            y = MaxUnpool(x0, x1, x2) {kernel_shape=[2,2], strides=[2,2]} })",
     {{{1, 1, 5, 4}, {0, -1.5, 0, 0.25, 0, 0, 0, 0, -1.25, 0, 0, 0, 0, 0, 0, 0.5, 0, 0, 0, 0}}}},
    {"DeformConv",
     R"(graph opset=19 (x0: f32[1,2,4,4], x1: f32[2,2,2,2], x2: f32[1,8,3,3], x3: f32[2]) -> (y) {
            y = DeformConv(x0, x1, x2, x3) })",
     {{{1, 2, 3, 3},
       {-1.867188, -0.398438, -0.53125, -0.5625, -0.875, -2.320312, -1.203125, -0.46875, -3.25, 1.359375, 0.804688,
        0.15625, -0.085938, 1.984375, 2.21875, -1.078125, -1.1875, 1.132812}}}},
    {"DeformConv with groups, a mask and pads",
     R"(graph opset=22 (x0: f32[2,4,3,3], x1: f32[2,2,2,2], x2: f32[2,16,2,2], x4: f32[2,8,2,2]) -> (y) {
            y = DeformConv(x0, x1, x2, _, x4) {dilations=[1,1], group=2, offset_group=2, pads=[1,0,0,1], strides=[2,2]} })",
     {{{2, 2, 2, 2},
       {-0.564453, 0.072266, -0.224609, -0.648438, 1.167969, 0, -0.185547, -0.060547, 0.1875, 0.3125, 0.810547,
        -0.742188, 0.070312, 0.433594, -1.132812, -0.230469}}}},
    {"DeformConv in double precision",
     R"(graph opset=19 (x0: f64[1,1,3,3], x1: f64[1,1,2,2], x2: f64[1,8,3,2], x3: f64[1]) -> (y) {
            y = DeformConv(x0, x1, x2, x3) {dilations=[1,2], pads=[1,0,0,1]} })",
     {{{1, 1, 3, 2}, {-1.5, -0.796875, -0.078125, -0.945312, 0.175781, -1.171875}}}},
    {"CausalConvWithState",
     R"(graph opset=27 (x0: f32[1,2,4], x1: f32[2,1,3]) -> (y, z) {
            y, z = CausalConvWithState(x0, x1) })",
     {{{1, 2, 4}, {1.875, -0.6875, 3.875, -1.3125, -0.75, 1.5625, -1.8125, 1.875}},
      {{1, 2, 2}, {-1.25, 0.5, -0.75, 1}}}},
    {"CausalConvWithState goes on",
     R"(graph opset=27 (x0: f32[2,2,1], x1: f32[2,1,3], x2: f32[2], x3: f32[2,2,2]) -> (y, z) {
            y, z = CausalConvWithState(x0, x1, x2, x3) {activation="silu"} })",
     {{{2, 2, 1}, {2.516266, -0.23003, 1.490917, -0.240616}},
      {{2, 2, 2}, {0.25, -1.5, 0.5, 0.25, 0.75, -1.25, 1, 0.5}}}},
    {"CausalConvWithState of one tap",
     R"(graph opset=27 (x0: f32[1,2,3], x1: f32[2,1,1], x2: f32[2]) -> (y, z) {
            y, z = CausalConvWithState(x0, x1, x2) })",
     {{{1, 2, 3}, {0.75, -1.875, 0.375, 0.375, 0, 0.4375}}, {{1, 2, 0}, {}}}},
};

}  // namespace

TEST_CASE("image samples follow the recorded results") { check_cases(cases); }

TEST_CASE("GridSample copes with any coordinate") {
    const Tensor x = floats({1, 1, 1, 2}, {1, 2});
    const Tensor grid = floats({1, 1, 3, 2}, {infinity, 0, -1e30F, 0, std::nanf(""), 0});
    CHECK(run_single({"GridSample", {x, grid}}) == floats({1, 1, 1, 3}, {0, 0, 0}));
    CHECK(run_single({"GridSample", {x, grid}, {{"padding_mode", text("border")}}}) == floats({1, 1, 1, 3}, {2, 1, 1}));
    CHECK(run_single({"GridSample",
                      {floats({1, 1, 1, 1}, {5}), grid},
                      {{"padding_mode", text("reflection")}, {"align_corners", attr(1)}}}) ==
          floats({1, 1, 1, 3}, {5, 5, 5}));
}

TEST_CASE("GridSample of other types") {
    const Tensor grid = floats({1, 1, 2, 2}, {0, 0, 1, 0});
    CHECK(run_single(
              {"GridSample", {Tensor::of<bool>({1, 1, 1, 2}, {false, true}), grid}, {{"mode", text("nearest")}}}) ==
          Tensor::of<bool>({1, 1, 1, 2}, {false, false}));
    CHECK(run_single({"GridSample", {i64s({1, 1, 1, 3}, {1, 2, 4}), grid}}) == i64s({1, 1, 1, 2}, {2, 2}));
    CHECK(run_single({"GridSample", {floats({1, 1, 1, 2}, {1, 2}).cast(DataType::f16), grid.cast(DataType::f16)}}) ==
          floats({1, 1, 1, 2}, {1.5, 1}).cast(DataType::f16));
    CHECK_THROWS_AS(run_op({"GridSample", {counted({1, 1, 1, 2}), counted({1, 1, 2, 3})}}), BadInput);
    CHECK_THROWS_AS(run_op({"GridSample", {counted({1, 1, 0, 2}), grid}}), BadInput);
    CHECK_THROWS_WITH_AS(run_op({"GridSample", {counted({1, 1, 1, 2}), grid}, {{"mode", text("bilinear")}}}),
                         "GridSample 'node': mode 'bilinear' is unknown", BadInput);
}

TEST_CASE("AffineGrid in half precision, and of one place") {
    const Tensor theta = floats({1, 2, 3}, {1, 0, 0.5, 0, 1, 0.25});
    CHECK(run_single({"AffineGrid", {theta.cast(DataType::bf16), i64s({4}, {1, 1, 1, 1})}}) ==
          floats({1, 1, 1, 2}, {0.5, 0.25}).cast(DataType::bf16));
    CHECK_THROWS_AS(run_op({"AffineGrid", {theta, i64s({4}, {2, 1, 1, 1})}}), BadInput);
    CHECK_THROWS_AS(run_op({"AffineGrid", {theta, i64s({3}, {1, 1, 1})}}), BadInput);
}

TEST_CASE("regions of interest: none, of an image that is not there, in other precisions") {
    const Tensor x = counted({1, 1, 2, 2});
    CHECK(run_single({"RoiAlign", {x, floats({0, 4}, {}), i64s({0}, {})}}) == floats({0, 1, 1, 1}, {}));
    const Tensor box = floats({1, 4}, {0, 0, 1, 1});
    CHECK(run_single({"RoiAlign", {x, box, i64s({1}, {0})}, {}, 10}) == floats({1, 1, 1, 1}, {1.5}));
    CHECK(run_single({"RoiAlign", {x.cast(DataType::f16), box.cast(DataType::f16), i64s({1}, {0})}, {}, 10}) ==
          floats({1, 1, 1, 1}, {1.5}).cast(DataType::f16));
    CHECK_THROWS_WITH_AS(run_op({"RoiAlign", {x, box, i64s({1}, {1})}}),
                         "RoiAlign 'node': image 1 is out of range for 1 images", BadInput);
    CHECK_THROWS_AS(run_op({"RoiAlign", {x, box, i64s({2}, {0, 0})}}), BadInput);
    CHECK_THROWS_AS(run_op({"RoiAlign", {x, box, i64s({1}, {0})}, {{"mode", text("min")}}}), BadInput);
    const Attrs one{{"pooled_shape", list({1, 1})}};
    CHECK(run_single({"MaxRoiPool", {x.cast(DataType::f64), Tensor::of<double>({1, 5}, {0, 0, 0, 1, 0})}, one}) ==
          Tensor::of<double>({1, 1, 1, 1}, {1}));
    CHECK_THROWS_AS(run_op({"MaxRoiPool", {x, floats({1, 5}, {2, 0, 0, 1, 1})}, one}), BadInput);
}

TEST_CASE("MaxUnpool refuses places and shapes that do not fit") {
    const Tensor x = counted({1, 1, 2});
    const Attrs pairs{{"kernel_shape", list({2})}, {"strides", list({2})}};
    CHECK(run_single({"MaxUnpool", {x.cast(DataType::f16), i64s({1, 1, 2}, {1, 1})}, pairs}) ==
          floats({1, 1, 4}, {0, 1, 0, 0}).cast(DataType::f16));
    CHECK_THROWS_AS(run_op({"MaxUnpool", {x, i64s({1, 1, 2}, {0, 4})}, pairs}), BadInput);
    CHECK_THROWS_AS(run_op({"MaxUnpool", {x, i64s({1, 1, 2}, {0, 3}), i64s({3}, {1, 1, 3})}, pairs}), BadInput);
    CHECK_THROWS_AS(run_op({"MaxUnpool", {x, i64s({1, 2}, {0, 3})}, pairs}), BadInput);
}

TEST_CASE("DeformConv in half precision, and what does not fit") {
    const Tensor x = floats({1, 1, 2, 2}, {1, 2, 3, 4});
    const Tensor w = floats({1, 1, 1, 1}, {2});
    const Tensor offset = floats({1, 2, 2, 2}, {0, 0, 0, 0, 0.5, 0, 0, 0});
    CHECK(run_single({"DeformConv", {x, w, offset}}) == floats({1, 1, 2, 2}, {3, 4, 6, 8}));
    CHECK(run_single({"DeformConv", {x.cast(DataType::f16), w.cast(DataType::f16), offset.cast(DataType::f16)}}) ==
          floats({1, 1, 2, 2}, {3, 4, 6, 8}).cast(DataType::f16));
    CHECK_THROWS_AS(run_op({"DeformConv", {x, w, counted({1, 1, 2, 2})}}), BadInput);
    CHECK_THROWS_AS(run_op({"DeformConv", {x, w, offset}, {{"offset_group", attr(2)}}}), BadInput);
    CHECK_THROWS_AS(run_op({"DeformConv", {x, w, offset, {}, counted({1, 2, 2, 2})}}), BadInput);
}

TEST_CASE("CausalConvWithState in half precision, and what does not fit") {
    const Tensor x = floats({1, 1, 2}, {1, 2}).cast(DataType::f16);
    const Tensor w = floats({1, 1, 2}, {10, 1}).cast(DataType::f16);
    const auto results = run_op({"CausalConvWithState", {x, w}, {}, 0, 2});
    CHECK(results[0] == floats({1, 1, 2}, {1, 12}).cast(DataType::f16));
    CHECK(results[1] == floats({1, 1, 1}, {2}).cast(DataType::f16));
    CHECK_THROWS_AS(run_op({"CausalConvWithState", {x, w}, {{"activation", text("relu")}}}), BadInput);
    CHECK_THROWS_AS(run_op({"CausalConvWithState", {counted({1, 1, 2}), counted({1, 2, 2})}}), BadInput);
    CHECK_THROWS_AS(run_op({"CausalConvWithState", {counted({1, 1, 2}), counted({1, 1, 2}), {}, counted({1, 1, 2})}}),
                    BadInput);
}
