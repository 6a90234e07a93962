// Transposed convolutions of random shapes against the definition: each element of the source adds its multiple of the
// kernel to the result.
#include <doctest/doctest.h>

#include "runtime/phased_deconvolution.hpp"
#include "tests/runtime/tiled_kernel.hpp"

namespace igata::runtime::test {
namespace {

/// All accumulated results, row-major.
std::vector<double> reference_deconvolution(const DeconvolutionSpec& s, Operand& src, Operand& weights, Operand* bias) {
    const MemorySpec dense = layout(DataType::f32, {s.dst.dims, s.dst.dims + s.dst.rank});
    std::vector<double> sums(static_cast<std::size_t>(element_count(s.dst)));
    for_each_index(dense, [&](const std::int64_t* index) {
        if (bias != nullptr)
            sums[static_cast<std::size_t>(offset_of(dense, index))] = static_cast<double>(bias->data()[index[1]]);
    });
    const std::int64_t in = s.weights.dims[0] / s.groups;
    MemorySpec filter = s.weights;
    filter.dims[0] = 1;
    for_each_index(s.src, [&](const std::int64_t* from) {
        for_each_index(filter, [&](const std::int64_t* w) {
            std::int64_t to[max_rank] = {from[0], from[1] / in * s.weights.dims[1] + w[1]};
            std::int64_t tap[max_rank] = {from[1], w[1]};
            for (int i = 0; i < s.spatial; ++i) {
                to[2 + i] = from[2 + i] * s.strides[i] + w[2 + i] * s.dilations[i] - s.pads_begin[i];
                tap[2 + i] = w[2 + i];
                if (to[2 + i] < 0 || to[2 + i] >= s.dst.dims[2 + i]) return;
            }
            sums[static_cast<std::size_t>(offset_of(dense, to))] +=
                static_cast<double>(src.at(from)) * static_cast<double>(weights.at(tap));
        });
    });
    return sums;
}

DeconvolutionSpec random_deconvolution(Random& random, std::vector<Operand>& extra) {
    DeconvolutionSpec s;
    const bool disjoint = pick(random, 0, 2) == 0;  // no two taps meet
    s.spatial = static_cast<int>(pick(random, 1, 3));
    s.groups = disjoint ? 1 : pick(random, 1, 3);
    std::vector<std::int64_t> src{pick(random, 1, 2), s.groups * pick(random, 1, 9)};
    std::vector<std::int64_t> weights{src[1], pick(random, 0, 4) == 0 ? pick(random, 16, 70) : pick(random, 1, 9)};
    std::vector<std::int64_t> dst{src[0], weights[1] * s.groups};
    for (int i = 0; i < s.spatial; ++i) {
        src.push_back(pick(random, 1, 5));
        weights.push_back(pick(random, 1, 4));
        s.strides[i] = pick(random, 1, 3);
        s.dilations[i] = pick(random, 1, 2);
        s.pads_begin[i] = pick(random, 0, 1);
        s.pads_end[i] = pick(random, 1 - s.strides[i], 1);
        if (disjoint) {
            s.strides[i] = weights.back();
            s.dilations[i] = 1;
            s.pads_begin[i] = s.pads_end[i] = 0;
        }
        const std::int64_t whole = (src.back() - 1) * s.strides[i] + (weights.back() - 1) * s.dilations[i] + 1;
        if (whole - s.pads_begin[i] - s.pads_end[i] < 1) s.pads_begin[i] = s.pads_end[i] = 0;
        dst.push_back(whole - s.pads_begin[i] - s.pads_end[i]);
    }
    const std::vector<int> order = channels_last(s.spatial + 2);
    s.src = layout(DataType::f32, src, order);
    s.dst = layout(DataType::f32, dst, order);
    s.weights = layout(DataType::f32, weights);
    if (pick(random, 0, 1) == 1) s.bias = layout(DataType::f32, {dst[1]});
    s.epilogue = random_epilogue(random, s.dst, 4, extra);
    return s;
}

/// What is wrong with `dst`, given what it held before.
int wrong_elements(const DeconvolutionSpec& spec, const std::vector<Operand*>& operands, Operand& before,
                   Operand& dst) {
    const std::vector<double> sums = reference_deconvolution(spec, *operands[0], *operands[1], operands[2]);
    int wrong = 0;
    std::size_t next = 0;
    for_each_index(spec.dst, [&](const std::int64_t* index) {
        const double expected = reference_epilogue(spec.epilogue, operands, index, spec.dst.rank, sums[next++],
                                                   static_cast<double>(before.at(index)));
        if (!close(expected, dst.at(index))) ++wrong;
    });
    return wrong;
}

}  // namespace

TEST_CASE("transposed convolutions by phases, at every level of instructions, with any threads") {
    int compared = 0;
    for (unsigned seed = 0; seed < 200; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        std::vector<Operand> extra;
        extra.reserve(max_post_ops);
        DeconvolutionSpec spec = random_deconvolution(random, extra);
        if (spec.groups != 1) continue;
        spec.epilogue = random_tile_epilogue(random);
        Operand src = random_operand(random, spec.src);
        Operand weights = random_operand(random, spec.weights);
        Operand bias = random_operand(random, spec.bias);
        Operand dst = random_operand(random, spec.dst);
        const std::vector<Operand*> operands{&src, &weights, spec.bias.rank > 0 ? &bias : nullptr, &dst};
        for (const Isa isa : instruction_sets()) {
            Operand result = dst;
            result.bytes = run_kernel<PhasedDeconvolution>(spec, operands, isa, 1);
            CHECK(wrong_elements(spec, operands, dst, result) == 0);
            CHECK(run_kernel<PhasedDeconvolution>(spec, operands, isa, 3) == result.bytes);
            ++compared;
        }
    }
    CHECK(compared > 50);
}

TEST_CASE("transposed convolutions, with any epilogue") {
    Random random(7);
    int own = 0;
    for (int round = 0; round < 160; ++round) {
        CAPTURE(round);
        std::vector<Operand> extra;
        extra.reserve(max_post_ops);
        const DeconvolutionSpec spec = random_deconvolution(random, extra);
        Operand src = random_operand(random, spec.src);
        Operand weights = random_operand(random, spec.weights);
        Operand bias = random_operand(random, spec.bias);
        Operand dst = random_operand(random, spec.dst);
        weights.constant = bias.constant = pick(random, 0, 3) > 0;
        dst.written = true;
        Operand* given_bias = spec.bias.rank > 0 ? &bias : nullptr;
        std::vector<Operand*> operands{&src, &weights, given_bias, &dst};
        for (Operand& operand : extra) operands.push_back(&operand);
        Operand before = dst;
        SingleStep step(StepKind::deconvolution, &spec, operands, static_cast<int>(pick(random, 1, 2)));
        step.run();
        own += step.implementation().find("igata") == 0 ? 1 : 0;
        CHECK(wrong_elements(spec, operands, before, dst) == 0);
    }
    CHECK(own > 20);
}

}  // namespace igata::runtime::test
