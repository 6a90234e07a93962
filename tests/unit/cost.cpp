// What steps cost on paper, for steps whose cost can be worked out by hand.
#include <doctest/doctest.h>

#include "compiler/ir/cost.hpp"
#include "compiler/ir/text.hpp"

using namespace igata;

namespace {

runtime::MemorySpec dense(const Dims& dims) {
    return memory_spec({0, 0, DataType::f32, dims, strides_for_order(dims, row_major_order(dims.size()))});
}

}  // namespace

TEST_CASE("a convolution costs two operations a multiply-add, and moves each operand once") {
    runtime::ConvolutionSpec spec;
    spec.src = dense({2, 3, 8, 8});
    spec.weights = dense({16, 3, 3, 3});
    spec.dst = dense({2, 16, 4, 4});
    spec.strides[0] = spec.strides[1] = 2;
    Step step{"conv", "", spec, {{0}, {1}, {no_buffer}, {2, 0, true, false}}};
    CHECK(cost_of(step).flops == 2 * (2 * 16 * 4 * 4) * (3 * 3 * 3));
    CHECK(cost_of(step).bytes == 4 * (2 * 3 * 8 * 8 + 16 * 3 * 3 * 3 + 2 * 16 * 4 * 4));
    CHECK(describe(step) == "3x3 s2 2*3x8x8 -> 2*16x4x4");
    SUBCASE("with a sum, the result is read too") {
        step.operands[3].read = true;
        CHECK(cost_of(step).bytes == 4 * (2 * 3 * 8 * 8 + 16 * 3 * 3 * 3 + 2 * 2 * 16 * 4 * 4));
    }
    SUBCASE("a scale of the source is read, a mean of the result written") {
        spec.scale = {dense({1, 3, 1, 1}), 4};
        spec.mean = {dense({2, 16, 1, 1}), 5};
        step.spec = spec;
        step.operands.push_back({3});
        step.operands.push_back({4, 0, true, false});
        CHECK(cost_of(step).bytes == 4 * (2 * 3 * 8 * 8 + 16 * 3 * 3 * 3 + 2 * 16 * 4 * 4 + 3 + 2 * 16));
        CHECK(describe(step) == "3x3 s2 scaled 2*3x8x8 -> 2*16x4x4 mean");
    }
    SUBCASE("depthwise: one input channel a filter") {
        spec.groups = 3;
        spec.weights = dense({3, 1, 3, 3});
        spec.dst = dense({2, 3, 4, 4});
        spec.epilogue.count = 1;
        spec.epilogue.ops[0].eltwise = runtime::Eltwise::swish;
        step.spec = spec;
        CHECK(cost_of(step).flops == 2 * (2 * 3 * 4 * 4) * (3 * 3));
        CHECK(describe(step) == "3x3 s2 depthwise 2*3x8x8 -> 2*3x4x4 swish");
    }
}

TEST_CASE("a matrix product costs two operations a multiply-add") {
    runtime::MatMulSpec spec;
    spec.a = dense({5, 7, 11});
    spec.b = dense({1, 11, 13});
    spec.dst = dense({5, 7, 13});
    const Step step{"product", "", spec, {{0}, {1}, {no_buffer}, {2, 0, true, false}}};
    CHECK(cost_of(step).flops == 2 * 5 * 7 * 13 * 11);
    CHECK(cost_of(step).bytes == 4 * (5 * 7 * 11 + 11 * 13 + 5 * 7 * 13));
    CHECK(describe(step) == "[5,7,11] x [1,11,13]");
}

TEST_CASE("a loop moves a repeated element once, and a reduced result once") {
    Loop loop;
    loop.extents = {6, 10};
    loop.inputs = {{DataType::f32, {10, 1}}, {DataType::i64, {0, 1}}};
    loop.output = {DataType::f32, {1, 0}};
    loop.reduce = Reduce::sum;
    loop.reduced = {false, true};
    const Step step{"sums", "", loop, {{0}, {1}, {2, 0, true, false}}};
    CHECK(cost_of(step).flops == 0);
    CHECK(cost_of(step).bytes == 4 * 60 + 8 * 10 + 4 * 6);
    CHECK(describe(step) == "sum [6,10] -> [6,1]");
}

TEST_CASE("a transposed convolution costs two operations for each element of its source and tap") {
    runtime::DeconvolutionSpec spec;
    spec.src = dense({2, 3, 8, 8});
    spec.weights = dense({3, 16, 2, 2});
    spec.dst = dense({2, 16, 16, 16});
    spec.strides[0] = spec.strides[1] = 2;
    const Step step{"up", "", spec, {{0}, {1}, {no_buffer}, {2, 0, true, false}}};
    CHECK(cost_of(step).flops == 2 * (2 * 3 * 8 * 8) * (16 * 2 * 2));
    CHECK(cost_of(step).bytes == 4 * (2 * 3 * 8 * 8 + 3 * 16 * 2 * 2 + 2 * 16 * 16 * 16));
    CHECK(describe(step) == "2x2 s2 2*3x8x8 -> 2*16x16x16");
}
