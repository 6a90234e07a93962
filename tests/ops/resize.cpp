// Resize and Upsample against results recorded from ONNX Runtime or, where that differs from the specification, onnx's
// reference; and by hand.
#include "tests/ops/cases.hpp"
#include "tests/ops/run_op.hpp"

using namespace igata;
using namespace igata::test;

namespace {

const std::vector<Case> cases{
    {"nearest, repeated",
     R"(graph opset=13 (x0: f32[1,2,2,2]) -> (y) {
            x2 = constant f32[4] {1,1,2,3}
            y = Resize(x0, _, x2) {coordinate_transformation_mode="asymmetric", mode="nearest", nearest_mode="floor"} })",
     {{{1, 2, 4, 6},
       {-1.5, -1.5, -1.5,  0.25,  0.25,  0.25,  -1.5,  -1.5, -1.5, 0.25, 0.25,  0.25,  -1.25, -1.25, -1.25, 0.5,
        0.5,  0.5,  -1.25, -1.25, -1.25, 0.5,   0.5,   0.5,  -1,   -1,   -1,    0.75,  0.75,  0.75,  -1,    -1,
        -1,   0.75, 0.75,  0.75,  -0.75, -0.75, -0.75, 1,    1,    1,    -0.75, -0.75, -0.75, 1,     1,     1}}}},
    {"nearest, every second",
     R"(graph opset=13 (x0: f32[1,1,4,6]) -> (y) {
            x2 = constant f32[4] {1,1,0.5,0.5}
            y = Resize(x0, _, x2) {coordinate_transformation_mode="asymmetric", mode="nearest", nearest_mode="floor"} })",
     {{{1, 1, 2, 3}, {-1.5, -1.25, -1, 0.25, 0.5, 0.75}}}},
    {"nearest, half pixels",
     R"(graph opset=19 (x0: f32[1,1,3,3]) -> (y) {
            x2 = constant f32[4] {1,1,1.5,2.5}
            y = Resize(x0, _, x2) {mode="nearest"} })",
     {{{1, 1, 4, 7}, {-1.5, -1.5, -1.5, 0.25, 0.25, -1.25, -1.25, -1.5,  -1.5,  -1.5,  0.25, 0.25, -1.25, -1.25,
                      0.5,  0.5,  0.5,  -1,   -1,   0.75,  0.75,  -0.75, -0.75, -0.75, 1,    1,    -0.5,  -0.5}}}},
    {"nearest, a scale that is not exact",
     R"(graph opset=13 (x0: f32[1,1,1,10]) -> (y) {
            x2 = constant f32[4] {1,1,1,1.2}
            y = Resize(x0, _, x2) {coordinate_transformation_mode="asymmetric", mode="nearest", nearest_mode="floor"} })",
     {{{1, 1, 1, 12}, {-1.5, -1.5, 0.25, -1.25, 0.5, -1, 0.75, 0.75, -0.75, 1, -0.5, 1.25}}}},
    {"nearest, ceil",
     R"(graph opset=13 (x0: f32[1,1,3,4]) -> (y) {
            x3 = constant i64[4] {1,1,2,7}
            y = Resize(x0, _, _, x3) {mode="nearest", nearest_mode="ceil"} })",
     {{{1, 1, 2, 7}, {-1, 0.75, 0.75, -0.75, 1, 1, 1, -0.5, 1.25, 1.25, -0.25, -1.5, -1.5, -1.5}}}},
    {"nearest, prefer ceil, corners",
     R"(graph opset=13 (x0: f32[1,1,3,4]) -> (y) {
            x3 = constant i64[4] {1,1,5,3}
            y = Resize(x0, _, _, x3) {coordinate_transformation_mode="align_corners", mode="nearest", nearest_mode="round_prefer_ceil"} })",
     {{{1, 1, 5, 3}, {-1.5, -1.25, 0.5, -1, -0.75, 1, -1, -0.75, 1, -0.5, -0.25, -1.5, -0.5, -0.25, -1.5}}}},
    {"nearest of integers",
     R"(graph opset=19 (x0: i32[1,1,2,3]) -> (y) {
            x3 = constant i64[4] {1,1,3,5}
            y = Resize(x0, _, _, x3) {mode="nearest"} })",
     {{{1, 1, 3, 5}, {-1, -1, 0, -1, -1, -1, -1, 0, -1, -1, 0, 0, -1, 0, 0}}}},
    {"linear, with an empty region",
     R"(graph opset=11 (x0: f32[1,2,2,3]) -> (y) {
            x1 = constant f32[0] {}
            x2 = constant f32[4] {1,1,2,2}
            y = Resize(x0, x1, x2) {mode="linear"} })",
     {{{1, 2, 4, 6},
       {-1.5,      -1.0625,   -0.1875,  -0.125,    -0.875,    -1.25,     -1,       -0.765625, -0.296875, -0.234375,
        -0.578125, -0.75,     0,        -0.171875, -0.515625, -0.453125, 0.015625, 0.25,      0.5,       0.125,
        -0.625,    -0.5625,   0.3125,   0.75,      -0.75,     -0.3125,   0.5625,   0.625,     -0.125,    -0.5,
        -0.25,     -0.015625, 0.453125, 0.328125,  -0.390625, -0.75,     0.75,     0.578125,  0.234375,  -0.265625,
        -0.921875, -1.25,     1.25,     0.875,     0.125,     -0.5625,   -1.1875,  -1.5}}}},
    {"linear, corners",
     R"(graph opset=13 (x0: f32[1,1,3,2]) -> (y) {
            x3 = constant i64[4] {1,1,4,5}
            y = Resize(x0, _, _, x3) {coordinate_transformation_mode="align_corners", mode="linear"} })",
     {{{1, 1, 4, 5},
       {-1.5,      -1.0625,   -0.625,    -0.1875,  0.25,     -1.333333, -0.895833, -0.458333, -0.020833, 0.416667,
        -1.166667, -0.729167, -0.291667, 0.145833, 0.583333, -1,        -0.5625,   -0.125,    0.3125,    0.75}}}},
    {"linear, pytorch_half_pixel",
     R"(graph opset=13 (x0: f32[1,1,4,3]) -> (y) {
            x3 = constant i64[4] {1,1,1,5}
            y = Resize(x0, _, _, x3) {coordinate_transformation_mode="pytorch_half_pixel", mode="linear"} })",
     {{{1, 1, 1, 5}, {-1.5, -0.8, 0.25, -0.65, -1.25}}}},
    {"linear, asymmetric",
     R"(graph opset=13 (x0: f32[1,1,2,4]) -> (y) {
            x2 = constant f32[4] {1,1,1.5,0.6}
            y = Resize(x0, _, x2) {coordinate_transformation_mode="asymmetric", mode="linear"} })",
     {{{1, 1, 3, 2}, {-1.5, -0.75, -1.166667, -0.416667, -1, -0.25}}}},
    {"linear, half_pixel_symmetric",
     R"(graph opset=19 (x0: f32[1,1,1,4]) -> (y) {
            x2 = constant f32[4] {1,1,1,2.9}
            y = Resize(x0, _, x2) {coordinate_transformation_mode="half_pixel_symmetric", mode="linear"} })",
     {{{1, 1, 1, 11},
       {-1.5, -1.288793, -0.685345, -0.081896, 0.017241, -0.5, -1.017241, -0.918103, -0.314655, 0.288793, 0.5}}}},
    {"linear, one axis",
     R"(graph opset=19 (x0: f32[5]) -> (y) {
            x2 = constant f32[1] {1.7}
            y = Resize(x0, _, x2) {mode="linear"} })",
     {{{8}, {-1.5, -0.830882, 0.198529, -0.588235, -0.992647, 0.036765, 0.014706, -0.867647}}}},
    {"linear, three axes",
     R"(graph opset=13 (x0: f32[1,1,2,2,2]) -> (y) {
            x3 = constant i64[5] {1,1,3,2,4}
            y = Resize(x0, _, _, x3) {mode="linear"} })",
     {{{1, 1, 3, 2, 4}, {-1.5, -1.0625, -0.1875, 0.25, -1.25, -0.8125, 0.0625, 0.5,  -1.25, -0.8125, 0.0625, 0.5,
                         -1,   -0.5625, 0.3125,  0.75, -1,    -0.5625, 0.3125, 0.75, -0.75, -0.3125, 0.5625, 1}}}},
    {"linear, all axes",
     R"(graph opset=19 (x0: f32[2,3,2,2]) -> (y) {
            x3 = constant i64[4] {3,2,3,1}
            y = Resize(x0, _, _, x3) {mode="linear"} })",
     {{{3, 2, 3, 1},
       {-0.5, -0.375, -0.25, 0.25, -0.1875, -0.625, -0.4375, -0.3125, -0.1875, 0.3125, -0.101562, -0.515625, -0.375,
        -0.25, -0.125, 0.375, -0.015625, -0.40625}}}},
    {"linear with antialias",
     R"(graph opset=18 (x0: f32[1,1,6,5]) -> (y) {
            x3 = constant i64[4] {1,1,3,2}
            y = Resize(x0, _, _, x3) {antialias=1, mode="linear"} })",
     {{{1, 1, 3, 2}, {-0.37125, -0.07875, -0.28875, -0.11125, -0.005, -0.145}}}},
    {"linear of bytes",
     R"(graph opset=19 (x0: u8[1,1,2,3]) -> (y) {
            x2 = constant f32[4] {1,1,1.5,2}
            y = Resize(x0, _, x2) {mode="linear"} })",
     {{{1, 1, 3, 6}, {255, 191, 64, 64, 191, 255, 128, 128, 128, 128, 128, 128, 0, 64, 191, 191, 64, 0}}}},
    {"linear in double precision",
     R"(graph opset=19 (x0: f64[1,1,2,2]) -> (y) {
            x2 = constant f32[4] {1,1,1.5,1.5}
            y = Resize(x0, _, x2) {mode="linear"} })",
     {{{1, 1, 3, 3}, {-1.5, -0.625, 0.25, -1.375, -0.5, 0.375, -1.25, -0.375, 0.5}}}},
    {"cubic",
     R"(graph opset=13 (x0: f32[1,1,4,4]) -> (y) {
            x2 = constant f32[4] {1,1,1.5,0.8}
            y = Resize(x0, _, x2) {mode="cubic"} })",
     {{{1, 1, 6, 3},
       {-1.345161, -0.257026, -0.272895, -1.098633, -0.029037, 0.153534, -0.693142, 0.458903, 0.096302, -0.397569,
        1.037587, -1.005932, -0.066345, 0.214828, -0.879303, 0.10805, -0.830219, -0.274297}}}},
    {"cubic without what is outside",
     R"(graph opset=13 (x0: f32[1,1,4,4]) -> (y) {
            x2 = constant f32[4] {1,1,1.5,1}
            y = Resize(x0, _, x2) {cubic_coeff_a=-0.5, exclude_outside=1, mode="cubic"} })",
     {{{1, 1, 6, 4}, {-1.532895, 0.217105,  -1.282895, 0.467105,  -1.294118, 0.455882,  -1.044118, 0.882353,
                      -0.919561, 0.868056,  -0.669561, 0.722223,  -0.597801, 1.340278,  -0.347801, -1.222222,
                      -0.073529, -0.044118, 0.176471,  -1.382353, 0.299342,  -1.414474, 0.549342,  -0.967105}}}},
    {"cubic with antialias",
     R"(graph opset=19 (x0: f32[1,1,1,9]) -> (y) {
            x3 = constant i64[4] {1,1,1,4}
            y = Resize(x0, _, _, x3) {antialias=1, mode="cubic"} })",
     {{{1, 1, 1, 4}, {-0.772791, -0.28832, -0.003448, 0.078749}}}},
    {"a region, extrapolated",
     R"(graph opset=13 (x0: f32[1,1,4,4]) -> (y) {
            x1 = constant f32[8] {0,0,0.4,0.6,1,1,1.2,0.9}
            x3 = constant i64[4] {1,1,3,3}
            y = Resize(x0, x1, _, x3) {coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=9.0, mode="linear"} })",
     {{{1, 1, 3, 3}, {-0.35, -0.3625, 0.155, 0.09, -0.2875, -0.895, 9, 9, 9}}}},
    {"a region, nearest",
     R"(graph opset=13 (x0: f32[1,1,4,4]) -> (y) {
            x1 = constant f32[8] {0,0,0.2,0.6,1,1,0.7,1.4}
            x3 = constant i64[4] {1,1,3,3}
            y = Resize(x0, x1, _, x3) {coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=9.0, mode="nearest"} })",
     {{{1, 1, 3, 3}, {-0.75, 1, 9, -0.75, 1, 9, -0.25, -1.5, 9}}}},
    {"some axes, in another order",
     R"(graph opset=18 (x0: f32[1,1,2,3]) -> (y) {
            x2 = constant f32[2] {2,1.5}
            y = Resize(x0, _, x2) {axes=[3,2], mode="linear"} })",
     {{{1, 1, 3, 6},
       {-1.5, -1.0625, -0.1875, -0.125, -0.875, -1.25, -0.5, -0.46875, -0.40625, -0.34375, -0.28125, -0.25, 0.5, 0.125,
        -0.625, -0.5625, 0.3125, 0.75}}}},
    {"not larger",
     R"(graph opset=18 (x0: f32[1,1,2,4]) -> (y) {
            x3 = constant i64[2] {7,8}
            y = Resize(x0, _, _, x3) {axes=[2,3], keep_aspect_ratio_policy="not_larger", mode="nearest"} })",
     {{{1, 1, 4, 8}, {-1.5, -1.5, 0.25, 0.25, -1.25, -1.25, 0.5, 0.5, -1.5, -1.5, 0.25, 0.25, -1.25, -1.25, 0.5, 0.5,
                      -1,   -1,   0.75, 0.75, -0.75, -0.75, 1,   1,   -1,   -1,   0.75, 0.75, -0.75, -0.75, 1,   1}}}},
    {"not smaller",
     R"(graph opset=18 (x0: f32[1,1,2,4]) -> (y) {
            x3 = constant i64[2] {3,8}
            y = Resize(x0, _, _, x3) {axes=[2,3], keep_aspect_ratio_policy="not_smaller", mode="nearest"} })",
     {{{1, 1, 4, 8}, {-1.5, -1.5, 0.25, 0.25, -1.25, -1.25, 0.5, 0.5, -1.5, -1.5, 0.25, 0.25, -1.25, -1.25, 0.5, 0.5,
                      -1,   -1,   0.75, 0.75, -0.75, -0.75, 1,   1,   -1,   -1,   0.75, 0.75, -0.75, -0.75, 1,   1}}}},
    {"opset 10 rounds up where it shrinks",
     R"(graph opset=10 (x0: f32[1,1,2,4]) -> (y) {
            x1 = constant f32[4] {1,1,1,0.6}
            y = Resize(x0, x1) {mode="nearest"} })",
     {{{1, 1, 2, 2}, {-1.5, -1.25, -1, -0.75}}}},
    {"Upsample 9",
     R"(graph opset=9 (x0: f32[1,1,2,2]) -> (y) {
            x1 = constant f32[4] {1,1,2,3}
            y = Upsample(x0, x1) {mode="nearest"} })",
     {{{1, 1, 4, 6}, {-1.5,  -1.5,  -1.5,  0.25, 0.25, 0.25, -1.5,  -1.5,  -1.5,  0.25, 0.25, 0.25,
                      -1.25, -1.25, -1.25, 0.5,  0.5,  0.5,  -1.25, -1.25, -1.25, 0.5,  0.5,  0.5}}}},
    {"Upsample 7, linear",
     R"(graph opset=7 (x0: f32[1,1,2,2]) -> (y) {
            y = Upsample(x0) {mode="linear", scales=[1.0,1.0,2.0,2.0]} })",
     {{{1, 1, 4, 4},
       {-1.5, -0.625, 0.25, 0.25, -1.375, -0.5, 0.375, 0.375, -1.25, -0.375, 0.5, 0.5, -1.25, -0.375, 0.5, 0.5}}}},
};

}  // namespace

TEST_CASE("resized tensors follow the recorded results") { check_cases(cases); }

TEST_CASE("nearest keeps every type as it is") {
    const Tensor scales = floats({1}, {1.5});
    const std::int64_t big = (std::int64_t{1} << 60) + 1;
    CHECK(run_single({"Resize", {i64s({2}, {big, -1}), {}, scales}}) == i64s({3}, {big, big, -1}));
    CHECK(run_single({"Resize", {Tensor::of<bool>({2}, {true, false}), {}, scales}}) ==
          Tensor::of<bool>({3}, {true, true, false}));
    CHECK(run_single({"Resize", {floats({2}, {1, 2}).cast(DataType::bf16), {}, scales}}) ==
          floats({3}, {1, 1, 2}).cast(DataType::bf16));
}

TEST_CASE("integers are rounded to even and saturated") {
    const Tensor bytes = Tensor::of<std::uint8_t>({1, 4}, {0, 255, 255, 0});
    CHECK(run_single({"Resize",
                      {bytes, {}, {}, i64s({2}, {1, 7})},
                      {{"mode", text("cubic")}, {"coordinate_transformation_mode", text("align_corners")}}}) ==
          Tensor::of<std::uint8_t>({1, 7}, {0, 128, 255, 255, 255, 128, 0}));
    CHECK(run_single({"Resize", {i64s({2}, {0, 1}), {}, {}, i64s({1}, {3})}, {{"mode", text("linear")}}}) ==
          i64s({3}, {0, 0, 1}));
}

TEST_CASE("tf_half_pixel_for_nn leaves axes of scale 1 alone, as ONNX Runtime does") {
    CHECK(run_single({"Resize",
                      {floats({2, 2}, {10, 20, 110, 120}), {}, {}, i64s({2}, {2, 4})},
                      {{"mode", text("linear")}, {"coordinate_transformation_mode", text("tf_half_pixel_for_nn")}}}) ==
          floats({2, 4}, {12.5, 17.5, 20, 20, 112.5, 117.5, 120, 120}));
}

TEST_CASE("half precision is interpolated in single") {
    const Tensor x = floats({2}, {1, 2}).cast(DataType::f16);
    CHECK(run_single({"Resize", {x, {}, floats({1}, {2})}, {{"mode", text("linear")}}}) ==
          floats({4}, {1, 1.25, 1.75, 2}).cast(DataType::f16));
}

TEST_CASE("an empty tensor resizes to an empty one, and to nothing else") {
    const Attrs linear{{"mode", text("linear")}};
    CHECK(run_single({"Resize", {floats({0, 2}, {}), {}, floats({2}, {2, 2})}, linear}) == floats({0, 4}, {}));
    CHECK(run_single({"Resize", {counted({2, 2}), {}, {}, i64s({2}, {0, 3})}, linear}) == floats({0, 3}, {}));
    CHECK_THROWS_WITH_AS(run_op({"Resize", {floats({0}, {}), {}, {}, i64s({1}, {2})}}),
                         "Resize 'node': size 2 for a dim of 0", BadInput);
}

TEST_CASE("a scale multiplies in single precision") {
    CHECK(run_single({"Resize", {counted({10}), {}, floats({1}, {0.7F})}}).dims() == Dims{7});
}

TEST_CASE("Upsample of opset 1 has a scale each for height and width") {
    const Attr two = 2.0F;
    CHECK(run_single({"Upsample",
                      {counted({1, 1, 1, 2})},
                      {{"height_scale", two}, {"width_scale", two}, {"mode", text("bilinear")}},
                      1}) == floats({1, 1, 2, 4}, {0, 0.5, 1, 1, 0, 0.5, 1, 1}));
}

TEST_CASE("contradictory resizes are refused") {
    const Tensor x = counted({2, 2});
    const Tensor scales = floats({2}, {2, 2});
    CHECK_THROWS_WITH_AS(run_op({"Resize", {x}}), "Resize 'node': there must be either scales or sizes", BadInput);
    CHECK_THROWS_AS(run_op({"Resize", {x, {}, scales, i64s({2}, {2, 2})}}), BadInput);
    CHECK_THROWS_AS(run_op({"Resize", {x, {}, floats({1}, {2})}}), BadInput);
    CHECK_THROWS_AS(run_op({"Resize", {x, {}, floats({2}, {2, -1})}}), BadInput);
    CHECK_THROWS_AS(run_op({"Resize", {x, {}, scales}, {{"mode", text("quadratic")}}}), BadInput);
    CHECK_THROWS_AS(run_op({"Resize", {x, {}, scales}, {{"antialias", attr(1)}}}), BadInput);
    CHECK_THROWS_AS(run_op({"Resize", {x, {}, scales}, {{"axes", list({0, 0})}}}), BadInput);
    CHECK_THROWS_AS(
        run_op({"Resize", {x, {}, scales}, {{"coordinate_transformation_mode", text("tf_crop_and_resize")}}}),
        BadInput);
}
