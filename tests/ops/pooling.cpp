#include "tests/ops/cases.hpp"

using namespace igata;

namespace {

const std::vector<Case> cases{
    {"MaxPool with pads and strides",
     R"(graph opset=21 (x: f32[1,1,5,5]) -> (y) {
            y = MaxPool(x) {kernel_shape=[3,3], pads=[1,1,1,1], strides=[2,2]} })",
     {{{1, 1, 3, 3}, {0.75, 1, 1.25, 0.75, 1, 1.25, 1.25, 1, 1}}}},
    {"MaxPool rounds up",
     R"(graph opset=21 (x: f32[1,1,4,4]) -> (y) {
            y = MaxPool(x) {ceil_mode=1, kernel_shape=[3,3], strides=[2,2]} })",
     {{{1, 1, 2, 2}, {1.25, 1, 1.25, 0.5}}}},
    {"MaxPool drops a window in the padding",
     R"(graph opset=22 (x: f32[1,1,4,6]) -> (y) {
            y = MaxPool(x) {ceil_mode=1, kernel_shape=[1,2], pads=[0,1,0,1], strides=[3,3]} })",
     {{{1, 1, 2, 3}, {-1.5, 0.5, 0.75, 1, 1.25, 0.25}}}},
    {"MaxPool dilated, with places",
     R"(graph opset=21 (x: f32[1,2,4,4]) -> (y, z) {
            y, z = MaxPool(x) {dilations=[2,2], kernel_shape=[2,2]} })",
     {{{1, 2, 2, 2}, {-0.25, 1.25, 0.5, 1, 1, 0.75, 1.25, 1.25}}, {{1, 2, 2, 2}, {10, 9, 14, 7, 18, 27, 20, 31}}}},
    {"MaxPool places, column-major",
     R"(graph opset=21 (x: f32[1,2,3,4]) -> (y, z) {
            y, z = MaxPool(x) {kernel_shape=[2,2], storage_order=1, strides=[1,2]} })",
     {{{1, 2, 2, 2}, {0.75, 1, 1.25, 1, 0.75, 1, 1.25, 1}}, {{1, 2, 2, 2}, {4, 10, 5, 10, 13, 19, 14, 19}}}},
    {"MaxPool SAME_LOWER",
     R"(graph opset=21 (x: f32[1,1,4,4]) -> (y) {
            y = MaxPool(x) {auto_pad="SAME_LOWER", kernel_shape=[2,2]} })",
     {{{1, 1, 4, 4}, {-1.5, 0.25, 0.25, 0.5, -1, 0.75, 0.75, 1, -0.5, 1.25, 1.25, 1, 0.25, 1.25, 1.25, 0.5}}}},
    {"MaxPool of bytes",
     R"(graph opset=21 (x: i8[1,1,3,3]) -> (y) {
            y = MaxPool(x) {kernel_shape=[2,2]} })",
     {{{1, 1, 2, 2}, {0, 0, 1, 1}}}},
    {"MaxPool of one axis",
     R"(graph opset=21 (x: f32[1,2,6]) -> (y) {
            y = MaxPool(x) {kernel_shape=[3], strides=[2]} })",
     {{{1, 2, 2}, {0.25, 0.5, 1, 1.25}}}},
    {"MaxPool of three axes",
     R"(graph opset=21 (x: f32[1,1,2,3,4]) -> (y) {
            y = MaxPool(x) {kernel_shape=[2,2,2], strides=[1,1,2]} })",
     {{{1, 1, 1, 2, 2}, {0.75, 1, 1.25, 1}}}},
    {"AveragePool without the padding",
     R"(graph opset=21 (x: f32[1,1,4,4]) -> (y) {
            y = AveragePool(x) {kernel_shape=[3,3], pads=[1,1,1,1], strides=[2,2]} })",
     {{{1, 1, 2, 2}, {-0.375, 0.0833333, -0.0833333, -0.138889}}}},
    {"AveragePool with the padding",
     R"(graph opset=21 (x: f32[1,1,4,4]) -> (y) {
            y = AveragePool(x) {count_include_pad=1, kernel_shape=[3,3], pads=[1,1,1,1], strides=[2,2]} })",
     {{{1, 1, 2, 2}, {-0.166667, 0.0555556, -0.0555556, -0.138889}}}},
    {"AveragePool rounds up, overhanging the padding",
     R"(graph opset=21 (x: f32[1,1,4,4]) -> (y) {
            y = AveragePool(x) {ceil_mode=1, count_include_pad=1, kernel_shape=[3,3], pads=[0,0,1,1], strides=[2,2]} })",
     {{{1, 1, 2, 2}, {-0.333333, -0.25, 0, -0.25}}}},
    {"AveragePool rounds up without the padding",
     R"(graph opset=21 (x: f32[1,1,4,4]) -> (y) {
            y = AveragePool(x) {ceil_mode=1, kernel_shape=[3,3], strides=[2,2]} })",
     {{{1, 1, 2, 2}, {-0.333333, -0.375, 0, -0.5625}}}},
    {"AveragePool dilated",
     R"(graph opset=21 (x: f32[1,1,5,5]) -> (y) {
            y = AveragePool(x) {count_include_pad=1, dilations=[2,3], kernel_shape=[2,2], pads=[1,0,0,1]} })",
     {{{1, 1, 4, 3}, {0.0625, 0.125, 0.25, -0.625, -0.4375, -0.25, 0.0625, 0.1875, 0.0625, 0, -0.625, -0.3125}}}},
    {"AveragePool SAME_UPPER",
     R"(graph opset=21 (x: f32[1,1,3,4]) -> (y) {
            y = AveragePool(x) {auto_pad="SAME_UPPER", kernel_shape=[2,2], strides=[1,2]} })",
     {{{1, 1, 3, 2}, {-0.375, -0.125, 0.125, -0.375, 0.375, -0.875}}}},
    {"LpPool",
     R"(graph opset=21 (x: f32[1,1,4,4]) -> (y) {
            y = LpPool(x) {kernel_shape=[2,2], p=3, pads=[1,0,0,0], strides=[2,2]} })",
     {{{1, 1, 2, 2}, {1.50231, 1.27612, 1.51829, 1.68833}}}},
    {"GlobalAveragePool",
     R"(graph opset=21 (x: f32[2,3,3,4]) -> (y) {
            y = GlobalAveragePool(x) })",
     {{{2, 3, 1, 1}, {-0.25, -0.104167, -0.229167, -0.0833333, -0.208333, -0.0625}}}},
    {"GlobalMaxPool",
     R"(graph opset=21 (x: f32[2,2,5]) -> (y) {
            y = GlobalMaxPool(x) })",
     {{{2, 2, 1}, {0.5, 1.25, 0.5, 1}}}},
    {"GlobalLpPool",
     R"(graph opset=21 (x: f32[1,3,2,4]) -> (y) {
            y = GlobalLpPool(x) {p=1} })",
     {{{1, 3, 1, 1}, {7, 6.5, 6.25}}}},
    {"GlobalLpPool of order 2",
     R"(graph opset=21 (x: f32[1,3,2,4]) -> (y) {
            y = GlobalLpPool(x) })",
     {{{1, 3, 1, 1}, {2.69258, 2.64575, 2.51247}}}},
};

}  // namespace

TEST_CASE("the pooling operators follow the recorded results") { check_cases(cases); }
