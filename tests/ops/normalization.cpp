#include "tests/ops/cases.hpp"

using namespace igata;

namespace {

const std::vector<Case> cases{
    {"InstanceNormalization",
     R"(graph opset=21 (x: f32[1,2,2,3], w: f32[2], b: f32[2]) -> (y) {
            y = InstanceNormalization(x, w, b) {epsilon=0.01} })",
     {{{1, 2, 2, 3},
       {0.366617, -2.53701, -0.0481868, -2.95181, -0.462991, -3.36662, 0.0890365, 0.539734, 0.153422, 0.60412, 0.217807,
        -0.10412}}}},
    {"GroupNormalization",
     R"(graph opset=21 (x: f32[1,4,2,2], w: f32[4], b: f32[4]) -> (y) {
            y = GroupNormalization(x, w, b) {num_groups=2} })",
     {{{1, 4, 2, 2},
       {0.541229, -2.31649, 0.132984, -2.72474, 0.0458771, 0.522164, 0.113918, 0.590205, -0.984171, -3.46524, -1.33861,
        0.433582, 0.818995, -0.0316575, 0.96077, 0.110118}}}},
    {"LayerNormalization",
     R"(graph opset=17 (x: f32[2,2,3], w: f32[2,3], b: f32[3]) -> (y, z, u) {
            y, z, u = LayerNormalization(x, w, b) {axis=1} })",
     {{{2, 2, 3},
       {0.378131, 0.423901, -0.0326929, -1.01308, 0.945604, -0.310935, -0.529059, 0.541282, -0.764529, -0.787976,
        0.379459, -2.31804}},
      {{2, 1, 1}, {-0.375, -0.125}},
      {{2, 1, 1}, {1.11297, 1.03567}}}},
    {"LayerNormalization without bias",
     R"(graph opset=21 (x: f32[2,4], w: f32[4]) -> (y) {
            y = LayerNormalization(x, w) })",
     {{{2, 4}, {1.69705, 0.212131, 1.06065, 0.565682, 1.69705, 0.212131, 1.06065, 0.565682}}}},
    {"MeanVarianceNormalization",
     R"(graph opset=21 (x: f32[2,2,1,3]) -> (y) {
            y = MeanVarianceNormalization(x) })",
     {{{2, 2, 1, 3},
       {-1.21268, 0.824621, -0.921635, 0.556859, -0.985212, 0.813871, -0.33955, 1.69775, -0.0485071, 1.32789, -0.214176,
        -1.49924}}}},
    {"MeanVarianceNormalization over some axes",
     R"(graph opset=21 (x: f32[2,2,3]) -> (y) {
            y = MeanVarianceNormalization(x) {axes=[0,-1]} })",
     {{{2, 2, 3},
       {-1.21268, 0.824621, -0.921635, 0.556859, -0.985212, 0.813871, -0.33955, 1.69775, -0.0485071, 1.32789, -0.214176,
        -1.49924}}}},
    {"LRN of an odd size",
     R"(graph opset=21 (x: f32[1,5,1,2]) -> (y) {
            y = LRN(x) {alpha=0.5, beta=0.5, bias=2.0, size=3} })",
     {{{1, 5, 1, 2},
       {-0.923989, 0.174519, -0.74674, 0.341328, -0.629837, 0.494312, -0.494312, 0.629837, -0.34216, 0.802357}}}},
    {"RMSNormalization",
     R"(graph opset=23 (x: f32[2,4], w: f32[4]) -> (y) {
            y = RMSNormalization(x, w) {epsilon=0.1} })",
     {{{2, 4}, {2.11545, 0.0587626, 1.46906, 0.23505, 1.59787, 0.199734, 0.998669, 0.532624}}}},
    {"LRN of an even size",
     R"(graph opset=21 (x: f32[1,5,1,2]) -> (y) {
            y = LRN(x) {alpha=0.5, beta=0.5, size=2} })",
     {{{1, 5, 1, 2},
       {-1.07331, 0.240772, -0.9759, 0.455842, -0.847998, 0.635999, -0.683763, 0.78072, -0.485071, 1.06}}}},
};

}  // namespace

TEST_CASE("normalisations follow the recorded results") { check_cases(cases); }
