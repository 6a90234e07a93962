#include <doctest/doctest.h>

#include "runtime/convolution.hpp"
#include "tests/runtime/tiled_kernel.hpp"

namespace igata::runtime::test {
namespace {

struct Case {
    ConvolutionSpec spec;
    Operand src, weights, bias, dst;
};

Case random_case(Random& random) {
    const std::int64_t n = pick(random, 1, 3);
    const std::int64_t ic = pick(random, 1, 40);
    const std::int64_t oc = pick(random, 1, 70);
    Case c;
    ConvolutionSpec& s = c.spec;
    std::int64_t dst[2];
    std::int64_t src[2];
    for (int i = 0; i < 2; ++i) {
        dst[i] = pick(random, 1, 14);
        s.pads_begin[i] = pick(random, 0, 3);
        s.pads_end[i] = pick(random, 0, 3);
        src[i] = std::max<std::int64_t>(1, dst[i] + 2 - s.pads_begin[i] - s.pads_end[i]);
        dst[i] = src[i] + s.pads_begin[i] + s.pads_end[i] - 2;
        if (dst[i] < 1) dst[i] = 1, s.pads_end[i] = 3 - src[i] - s.pads_begin[i];
    }
    const auto gap = [&] { return pick(random, 0, 3) == 0 ? 3 : 0; };
    s.spatial = 2;
    s.src = layout(DataType::f32, {n, ic, src[0], src[1]}, channels_last(4), gap());
    s.weights = layout(DataType::f32, {oc, ic, 3, 3});
    if (pick(random, 0, 2) > 0) s.bias = layout(DataType::f32, {oc});
    s.dst = layout(DataType::f32, {n, oc, dst[0], dst[1]}, channels_last(4), gap());
    s.epilogue = random_tile_epilogue(random);
    c.src = random_operand(random, s.src);
    c.weights = random_operand(random, s.weights);
    c.bias = random_operand(random, s.bias);
    c.dst = random_operand(random, s.dst);
    return c;
}

double expected(Case& c, const std::int64_t* at) {
    const ConvolutionSpec& s = c.spec;
    double sum = s.bias.rank > 0 ? static_cast<double>(c.bias.data()[at[1]]) : 0.0;
    for (std::int64_t i = 0; i < 9 * s.src.dims[1]; ++i) {
        const std::int64_t filter[] = {at[1], i / 9, i / 3 % 3, i % 3};
        const std::int64_t from[] = {at[0], i / 9, at[2] + filter[2] - s.pads_begin[0],
                                     at[3] + filter[3] - s.pads_begin[1]};
        const bool there = from[2] >= 0 && from[2] < s.src.dims[2] && from[3] >= 0 && from[3] < s.src.dims[3];
        if (there) sum += static_cast<double>(c.src.at(from)) * static_cast<double>(c.weights.at(filter));
    }
    std::vector<Operand*> none;
    return reference_epilogue(s.epilogue, none, at, 4, sum, static_cast<double>(c.dst.at(at)));
}

template <int outputs>
std::vector<std::byte> run(Case& c, Isa isa, int threads) {
    Operand* const bias = c.spec.bias.rank > 0 ? &c.bias : nullptr;
    return run_kernel<WinogradConvolution<outputs>>(c.spec, {&c.src, &c.weights, bias, &c.dst}, isa, threads);
}

/// The image `index` of the case's, alone.
Case alone(Case& c, std::int64_t index) {
    Case one = c;
    for (const auto& [spec, operand, from] :
         {std::tuple{&one.spec.src, &one.src, &c.src}, std::tuple{&one.spec.dst, &one.dst, &c.dst}}) {
        spec->dims[0] = 1;
        *operand = make_operand(*spec);
        std::memcpy(operand->bytes.data(), from->data() + index * spec->strides[0], operand->bytes.size());
    }
    return one;
}

TEST_CASE_TEMPLATE("a 3x3 convolution by Winograd's filtering equals its definition at every level of instructions",
                   Outputs, std::integral_constant<int, 2>, std::integral_constant<int, 4>) {
    for (unsigned seed = 0; seed < 100; ++seed) {
        Random random(seed);
        Case c = random_case(random);
        for (const Isa isa : instruction_sets()) {
            Operand result = c.dst;
            result.bytes = run<Outputs::value>(c, isa, 1);
            int wrong = 0;
            for_each_index(c.spec.dst, [&](const std::int64_t* at) {
                if (!close(expected(c, at), result.at(at), 5e-5)) ++wrong;
            });
            INFO("seed " << seed << " level " << static_cast<int>(isa));
            CHECK(wrong == 0);
            CHECK(run<Outputs::value>(c, isa, 2) == result.bytes);
            CHECK(run<Outputs::value>(c, isa, 3) == result.bytes);
            const std::int64_t last = c.spec.dst.dims[0] - 1;
            Case one = alone(c, last);
            const std::vector<std::byte> bytes = run<Outputs::value>(one, isa, 1);
            CHECK(std::memcmp(bytes.data(), result.data() + last * c.spec.dst.strides[0], bytes.size()) == 0);
        }
    }
}

TEST_CASE("many and few weights, blocks of several register tiles and blocks for several threads") {
    struct Shape {
        std::int64_t channels, size;
    };
    for (const Shape& shape : {Shape{32, 41}, Shape{96, 27}}) {
        Random random(1);
        Case c = random_case(random);
        c.spec.src = layout(DataType::f32, {2, shape.channels, shape.size, shape.size}, channels_last(4));
        c.spec.dst = c.spec.src;
        c.spec.weights = layout(DataType::f32, {shape.channels, shape.channels, 3, 3});
        c.spec.bias = layout(DataType::f32, {shape.channels});
        for (int i = 0; i < 2; ++i) c.spec.pads_begin[i] = c.spec.pads_end[i] = 1;
        c.src = random_operand(random, c.spec.src);
        c.weights = random_operand(random, c.spec.weights, -0.1F, 0.1F);
        c.bias = random_operand(random, c.spec.bias);
        c.dst = random_operand(random, c.spec.dst);
        Operand result = c.dst;
        result.bytes = run<4>(c, detect_isa(), 1);
        int wrong = 0;
        for (std::int64_t i = 0; i < 2000; ++i) {
            std::int64_t at[4] = {};
            unflatten(c.spec.dst, pick(random, 0, element_count(c.spec.dst) - 1), at);
            if (!close(expected(c, at), result.at(at), 5e-5)) ++wrong;
        }
        CHECK(wrong == 0);
        CHECK(run<4>(c, detect_isa(), 2) == result.bytes);
        CHECK(run<4>(c, detect_isa(), 3) == result.bytes);
    }
}

TEST_CASE("Winograd's filtering is chosen where images and channels are large enough") {
    const auto chosen = [](std::int64_t channels, std::int64_t size, Isa isa) {
        ConvolutionSpec s;
        s.spatial = 2;
        s.src = s.dst = layout(DataType::f32, {1, channels, size, size}, channels_last(4));
        s.weights = layout(DataType::f32, {channels, channels, 3, 3});
        for (int i = 0; i < 2; ++i) s.pads_begin[i] = s.pads_end[i] = 1;
        StepSpec row;
        row.operands[1].space = Space::weights;
        return choose_kernel({{}, &row, nullptr, nullptr}, s, isa).kernel;
    };
    CHECK(chosen(64, 28, Isa::v4) == Implementation::winograd4);
    CHECK(chosen(64, 14, Isa::v4) == Implementation::winograd2);
    CHECK(chosen(64, 7, Isa::v4) == Implementation::onednn_convolution);
    CHECK(chosen(64, 14, Isa::v3) == Implementation::winograd4);
    CHECK(chosen(64, 7, Isa::v3) == Implementation::winograd2);
    CHECK(chosen(64, 6, Isa::v3) == Implementation::onednn_convolution);
    for (const Isa isa : {Isa::v3, Isa::v4}) CHECK(chosen(8, 56, isa) == Implementation::onednn_convolution);
}

}  // namespace
}  // namespace igata::runtime::test
