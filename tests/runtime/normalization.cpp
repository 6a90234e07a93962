#include <doctest/doctest.h>

#include "tests/runtime/single_step.hpp"

namespace igata::runtime::test {
namespace {

std::vector<int> random_order(Random& random, int rank) {
    std::vector<int> order;
    for (int i = 0; i < rank; ++i) order.push_back(i);
    if (pick(random, 0, 1) == 0) std::shuffle(order.begin(), order.end(), random);
    return order;
}

TEST_CASE("softmax and log-softmax equal their definition along every axis and layout") {
    for (unsigned seed = 0; seed < 80; ++seed) {
        Random random(seed);
        const int rank = static_cast<int>(pick(random, 1, 4));
        std::vector<std::int64_t> dims;
        for (int i = 0; i < rank; ++i) dims.push_back(pick(random, 1, 19));
        SoftmaxSpec spec;
        if (seed % 8 == 0) dims.back() = pick(random, 60, 140);
        spec.src = layout(DataType::f32, dims, random_order(random, rank));
        spec.dst = seed % 4 < 2 ? spec.src : layout(DataType::f32, dims, random_order(random, rank));
        spec.axis = static_cast<int>(pick(random, 0, rank - 1));
        spec.logarithm = seed % 2 == 1;
        Operand src = random_operand(random, spec.src, -20.0F, 20.0F);
        Operand dst = make_operand(spec.dst);
        dst.written = true;
        SingleStep(StepKind::softmax, &spec, {&src, &dst}).run();
        int wrong = 0;
        for_each_index(spec.dst, [&](const std::int64_t* index) {
            std::int64_t at[max_rank] = {};
            std::copy(index, index + rank, at);
            double highest = -1e30;
            for (at[spec.axis] = 0; at[spec.axis] < dims[static_cast<std::size_t>(spec.axis)]; ++at[spec.axis]) {
                highest = std::max(highest, static_cast<double>(src.at(at)));
            }
            double total = 0;
            for (at[spec.axis] = 0; at[spec.axis] < dims[static_cast<std::size_t>(spec.axis)]; ++at[spec.axis]) {
                total += std::exp(static_cast<double>(src.at(at)) - highest);
            }
            const double exponent = static_cast<double>(src.at(index)) - highest;
            const double expected = spec.logarithm ? exponent - std::log(total) : std::exp(exponent) / total;
            if (!close(expected, dst.at(index), 1e-5)) ++wrong;
        });
        INFO("seed " << seed);
        CHECK(wrong == 0);
    }
}

TEST_CASE("local response normalisation equals its definition") {
    for (unsigned seed = 0; seed < 40; ++seed) {
        Random random(seed);
        const std::vector<std::int64_t> dims{pick(random, 1, 2), pick(random, 1, 40), pick(random, 1, 9),
                                             pick(random, 1, 9)};
        LrnSpec spec;
        const auto order = [&] { return pick(random, 0, 1) == 0 ? std::vector<int>{} : channels_last(4); };
        spec.src = layout(DataType::f32, dims, order());
        spec.dst = layout(DataType::f32, dims, order());
        spec.size = 2 * pick(random, 0, 3) + 1;
        spec.alpha = 0.3F;
        spec.bias = 1.5F;
        Operand src = random_operand(random, spec.src, -3.0F, 3.0F);
        Operand dst = make_operand(spec.dst);
        dst.written = true;
        SingleStep(StepKind::lrn, &spec, {&src, &dst}).run();
        int wrong = 0;
        for_each_index(spec.dst, [&](const std::int64_t* index) {
            std::int64_t at[max_rank] = {};
            std::copy(index, index + 4, at);
            double squares = 0;
            const std::int64_t half = (spec.size - 1) / 2;
            for (at[1] = std::max<std::int64_t>(0, index[1] - half); at[1] <= std::min(dims[1] - 1, index[1] + half);
                 ++at[1]) {
                squares += std::pow(static_cast<double>(src.at(at)), 2);
            }
            const double scale = static_cast<double>(spec.bias) +
                                 static_cast<double>(spec.alpha) / static_cast<double>(spec.size) * squares;
            if (!close(static_cast<double>(src.at(index)) / std::pow(scale, 0.75), dst.at(index), 1e-4)) ++wrong;
        });
        INFO("seed " << seed);
        CHECK(wrong == 0);
    }
}

}  // namespace
}  // namespace igata::runtime::test
