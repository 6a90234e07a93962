#include <doctest/doctest.h>

#include "runtime/pointwise.hpp"
#include "tests/runtime/tiled_kernel.hpp"

namespace igata::runtime::test {
namespace {

struct Case {
    ConvolutionSpec spec;
    Operand src, weights, bias, scale, dst;
};

Case random_case(Random& random) {
    const std::int64_t n = pick(random, 1, 3);
    const std::int64_t ic = pick(random, 1, 70);
    const std::int64_t oc = pick(random, 1, 120);
    const std::int64_t stride = pick(random, 1, 2);
    const std::int64_t oh = pick(random, 1, 9);
    const std::int64_t ow = pick(random, 1, 12);
    const auto gap = [&] { return pick(random, 0, 3) == 0 ? 3 : 0; };
    Case c;
    ConvolutionSpec& s = c.spec;
    s.src = layout(DataType::f32, {n, ic, (oh - 1) * stride + pick(random, 1, stride), ow * stride}, channels_last(4),
                   gap());
    s.weights = layout(DataType::f32, {oc, ic, 1, 1});
    if (pick(random, 0, 2) > 0) s.bias = layout(DataType::f32, {oc});
    s.dst = layout(DataType::f32, {n, oc, oh, ow}, channels_last(4), gap());
    s.strides[0] = s.strides[1] = stride;
    s.epilogue = random_tile_epilogue(random);
    if (pick(random, 0, 1) == 0) {
        s.scale.memory = layout(DataType::f32, {pick(random, 0, 1) == 0 ? 1 : n, ic, 1, 1}, channels_last(4));
        s.scale.operand_index = 4;
    }
    c.src = random_operand(random, s.src);
    c.weights = random_operand(random, s.weights);
    c.bias = random_operand(random, s.bias);
    c.scale = random_operand(random, s.scale.memory);
    c.dst = random_operand(random, s.dst);
    return c;
}

/// As the kernel multiplies it.
double factor(const ConvolutionSpec& spec, float x) {
    return static_cast<double>(spec.bf16 ? scalar::load(scalar::to_bf16(x)) : x);
}

double expected(Case& c, const std::int64_t* at) {
    const ConvolutionSpec& s = c.spec;
    double sum = s.bias.rank > 0 ? static_cast<double>(c.bias.data()[at[1]]) : 0.0;
    for (std::int64_t k = 0; k < s.src.dims[1]; ++k) {
        const std::int64_t from[] = {at[0], k, at[2] * s.strides[0], at[3] * s.strides[1]};
        const std::int64_t gate[] = {s.scale.memory.dims[0] > 1 ? at[0] : 0, k, 0, 0};
        const std::int64_t filter[] = {at[1], k, 0, 0};
        const float x = c.src.at(from) * (s.scale.is_present() ? c.scale.at(gate) : 1.0F);
        sum += factor(s, x) * factor(s, c.weights.at(filter));
    }
    std::vector<Operand*> none;
    return reference_epilogue(s.epilogue, none, at, 4, sum, static_cast<double>(c.dst.at(at)));
}

std::vector<std::byte> run(Case& c, Isa isa, int threads) {
    Operand* const bias = c.spec.bias.rank > 0 ? &c.bias : nullptr;
    return run_kernel<PointwiseConvolution>(c.spec, {&c.src, &c.weights, bias, &c.dst, &c.scale}, isa, threads);
}

TEST_CASE("a 1x1 convolution of our own equals its definition at every level of instructions, with any threads") {
    for (unsigned seed = 0; seed < 150; ++seed) {
        Random random(seed);
        Case c = random_case(random);
        for (const Isa isa : instruction_sets()) {
            Operand result = c.dst;
            result.bytes = run(c, isa, 1);
            int wrong = 0;
            for_each_index(c.spec.dst, [&](const std::int64_t* at) {
                if (!close(expected(c, at), result.at(at))) ++wrong;
            });
            INFO("seed " << seed << " level " << static_cast<int>(isa));
            CHECK(wrong == 0);
            CHECK(run(c, isa, 2) == result.bytes);
            CHECK(run(c, isa, 3) == result.bytes);
        }
    }
}

TEST_CASE("a 1x1 convolution of our own in bf16 rounds its factors, and nothing else, with any threads") {
    if (!onednn::has_bf16()) return;
    for (unsigned seed = 0; seed < 150; ++seed) {
        Random random(seed);
        Case c = random_case(random);
        c.spec.bf16 = true;
        Operand result = c.dst;
        result.bytes = run(c, Isa::v4, 1);
        int wrong = 0;
        for_each_index(c.spec.dst, [&](const std::int64_t* at) {
            if (!close(expected(c, at), result.at(at))) ++wrong;
        });
        INFO("seed " << seed);
        CHECK(wrong == 0);
        CHECK(run(c, Isa::v4, 2) == result.bytes);
        CHECK(run(c, Isa::v4, 3) == result.bytes);
    }
}

}  // namespace
}  // namespace igata::runtime::test
