#include "tests/ops/cases.hpp"

using namespace igata;

namespace {

const std::vector<Case> cases{
    {"MatMul of matrices",
     R"(graph opset=21 (x: f32[2,3], w: f32[3,4]) -> (y) {
            y = MatMul(x, w) })",
     {{{2, 4}, {2.625, -1.75, 2, 1.375, -0.125, 0.3125, -0.0625, -1.875}}}},
    {"MatMul of two vectors",
     R"(graph opset=21 (x: f32[5], w: f32[5]) -> (y) {
            y = MatMul(x, w) })",
     {{{}, {5.125}}}},
    {"MatMul of a vector and a batch",
     R"(graph opset=21 (x: f32[3], w: f32[2,3,2]) -> (y) {
            y = MatMul(x, w) })",
     {{{2, 2}, {3.1875, -1.1875, 1.3125, 0.6875}}}},
    {"MatMul of a batch and a vector",
     R"(graph opset=21 (x: f32[2,2,3], w: f32[3]) -> (y) {
            y = MatMul(x, w) })",
     {{{2, 2}, {3.875, -1.9375, 2, -0.0625}}}},
    {"MatMul broadcasts the batch",
     R"(graph opset=21 (x: f32[2,1,2,3], w: f32[3,3,2]) -> (y) {
            y = MatMul(x, w) })",
     {{{2, 3, 2, 2},
       {3.1875, -1.1875, -0.25,   0.1875,  1.3125, 0.6875, -0.0625, -1.875, -1.1875, 2.5625, 0.1875,  -0.1875,
        0.375,  -0.0625, -0.0625, -0.9375, 0.1875, 1.25,   -0.4375, 3.1875, -0.0625, 0.3125, -0.9375, -0.1875}}}},
    {"MatMul of integers",
     R"(graph opset=21 (x: i64[2,3], w: i64[3,2]) -> (y) {
            y = MatMul(x, w) })",
     {{{2, 2}, {2, 0, 1, 0}}}},
    {"MatMul in double precision",
     R"(graph opset=21 (x: f64[2,2,3], w: f64[3,2]) -> (y) {
            y = MatMul(x, w) })",
     {{{2, 2, 2}, {3.1875, -1.1875, -0.25, 0.1875, 0.375, -0.0625, -0.0625, -0.9375}}}},
    {"Gemm",
     R"(graph opset=21 (x: f32[2,3], w: f32[3,4], b: f32[4]) -> (y) {
            y = Gemm(x, w, b) })",
     {{{2, 4}, {1.125, -1.5, 0.75, 1.875, -1.625, 0.5625, -1.3125, -1.375}}}},
    {"Gemm transposed and scaled",
     R"(graph opset=21 (x: f32[3,2], w: f32[4,3], b: f32[2,1]) -> (y) {
            y = Gemm(x, w, b) {alpha=0.5, beta=0.25, transA=1, transB=1} })",
     {{{2, 4}, {1.21875, -0.5, -0.1875, -0.40625, -0.53125, 0.15625, 0.03125, -0.40625}}}},
    {"Gemm with a whole C",
     R"(graph opset=21 (x: f32[2,3], w: f32[3,2], b: f32[2,2]) -> (y) {
            y = Gemm(x, w, b) {beta=2.0} })",
     {{{2, 2}, {0.1875, -0.6875, -2.75, 1.1875}}}},
    {"Gemm with a scalar C",
     R"(graph opset=21 (x: f32[2,3], w: f32[3,2], b: f32[]) -> (y) {
            y = Gemm(x, w, b) {alpha=0.5} })",
     {{{2, 2}, {0.09375, -2.09375, -1.625, -1.40625}}}},
    {"Gemm in double precision",
     R"(graph opset=21 (x: f64[2,3], w: f64[3,2], b: f64[2]) -> (y) {
            y = Gemm(x, w, b) {alpha=2.0, beta=0.5} })",
     {{{2, 2}, {5.625, -2.25, -1.25, 0.5}}}},
};

}  // namespace

TEST_CASE("matrix products follow the recorded results") { check_cases(cases); }
