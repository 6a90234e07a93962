#include <doctest/doctest.h>

#include <limits>

#include "runtime/softmax.hpp"
#include "tests/runtime/single_step.hpp"

namespace igata::runtime::test {
namespace {

std::vector<int> random_order(Random& random, int rank) {
    std::vector<int> order;
    for (int i = 0; i < rank; ++i) order.push_back(i);
    if (pick(random, 0, 1) == 0) std::shuffle(order.begin(), order.end(), random);
    return order;
}

/// Some elements become -infinity, as masks do; some also +infinity or NaN; some lines nothing but -infinity.
void spoil(Random& random, Operand& operand, std::int64_t line) {
    auto* values = reinterpret_cast<float*>(operand.bytes.data());
    const auto count = static_cast<std::int64_t>(operand.bytes.size() / sizeof(float));
    constexpr float infinity = std::numeric_limits<float>::infinity();
    const float odd[] = {infinity, std::numeric_limits<float>::quiet_NaN(), scalar::from_bits(0x7fd5a5a5)};
    for (std::int64_t i = pick(random, 0, 3); i < count; i += pick(random, 1, 3)) values[i] = -infinity;
    for (std::int64_t i = pick(random, 0, line); i < count; i += pick(random, 1, 8 * line)) values[i] = odd[i % 3];
    if (pick(random, 0, 1) == 0) std::fill_n(values + count / line / 2 * line, line, -infinity);
}

double reference_softmax(const SoftmaxSpec& spec, Operand& src, const std::int64_t* index) {
    std::int64_t at[max_rank] = {};
    std::copy(index, index + spec.src.rank, at);
    double highest = -std::numeric_limits<double>::infinity();
    for (at[spec.axis] = 0; at[spec.axis] < spec.src.dims[spec.axis]; ++at[spec.axis])
        highest = std::max(highest, static_cast<double>(src.at(at)));
    double total = 0;
    for (at[spec.axis] = 0; at[spec.axis] < spec.src.dims[spec.axis]; ++at[spec.axis])
        total += std::exp(static_cast<double>(src.at(at)) - highest);
    const double exponent = static_cast<double>(src.at(index)) - highest;
    return spec.logarithm ? exponent - std::log(total) : std::exp(exponent) / total;
}

TEST_CASE("softmax and log-softmax equal their definition along every axis and layout, of any floats") {
    for (unsigned seed = 0; seed < 120; ++seed) {
        Random random(seed);
        const int rank = static_cast<int>(pick(random, 1, 4));
        std::vector<std::int64_t> dims;
        for (int i = 0; i < rank; ++i) dims.push_back(pick(random, 1, 19));
        SoftmaxSpec spec;
        if (seed % 8 == 0) dims.back() = pick(random, 60, 140);
        spec.src = spec.dst = layout(DataType::f32, dims, random_order(random, rank));
        spec.axis = static_cast<int>(pick(random, 0, rank - 1));
        spec.logarithm = seed % 2 == 1;
        Operand src = random_operand(random, spec.src, -20.0F, 20.0F);
        if (seed % 3 == 0) spoil(random, src, dims[static_cast<std::size_t>(spec.axis)]);
        for (const Isa isa : {Isa::baseline, Isa::v3, Isa::v4}) {
            if (isa > detect_isa()) continue;
            Operand dst = make_operand(spec.dst);
            std::byte* operands[] = {src.bytes.data(), dst.bytes.data()};
            Softmax(spec, isa).run({operands, nullptr, nullptr, nullptr});
            int wrong = 0;
            for_each_index(spec.dst, [&](const std::int64_t* index) {
                const double expected = reference_softmax(spec, src, index);
                const float actual = dst.at(index);
                if (std::isfinite(expected)
                        ? !close(expected, actual, 1e-5)
                        : !(std::isnan(expected) ? std::isnan(actual) : expected == static_cast<double>(actual)))
                    ++wrong;
            });
            INFO("seed " << seed << ", instruction set " << static_cast<int>(isa));
            CHECK(wrong == 0);
        }
    }
}

TEST_CASE("softmax gives nothing to what a mask hides") {
    const std::vector<float> src{1.0F, -std::numeric_limits<float>::infinity(), 2.0F, -1e9F, 0.5F};
    SoftmaxSpec spec;
    spec.src = spec.dst = layout(DataType::f32, {5});
    Operand source = make_operand(spec.src);
    Operand result = make_operand(spec.dst);
    std::memcpy(source.bytes.data(), src.data(), sizeof(float) * src.size());
    result.written = true;
    SingleStep(StepKind::softmax, &spec, {&source, &result}).run();
    for (const std::int64_t hidden : {1, 3}) CHECK(result.at(&hidden) == 0.0F);
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
