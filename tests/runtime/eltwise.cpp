#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "runtime/eltwise.hpp"
#include "tests/runtime/single_step.hpp"

namespace igata::runtime::test {
namespace {

constexpr int kinds = static_cast<int>(Eltwise::mish) + 1;

bool needs_positive(Eltwise kind) { return kind == Eltwise::sqrt || kind == Eltwise::log; }

/// Values all over the range in which no function leaves the normal numbers.
std::vector<float> sweep(Eltwise kind) {
    std::vector<float> values;
    for (int i = 0; i < 400'000; ++i) {
        const double t = i / 200'000.0 - 1;
        values.push_back(static_cast<float>(i % 2 == 0 ? 86 * t : 8 * std::pow(t, 5)));
        if (needs_positive(kind)) values.back() = std::fabs(values.back());
    }
    return values;
}

/// What rounding of the argument or of an intermediate 1 + x inevitably costs, besides the relative error.
double inherent(Eltwise kind, double x) {
    switch (kind) {
        case Eltwise::gelu_erf:
        case Eltwise::gelu_tanh: return std::fabs(x);
        case Eltwise::linear:
        case Eltwise::hardsigmoid: return 1;
        case Eltwise::hardswish: return std::fabs(x);
        default: return 0;
    }
}

TEST_CASE("every eltwise algorithm is accurate at every instruction set") {
    for (int k = 0; k < kinds; ++k) {
        const auto kind = static_cast<Eltwise>(k);
        for (const Isa isa : {Isa::baseline, Isa::v3, Isa::v4}) {
            if (isa > detect_isa()) continue;
            const std::vector<float> x = sweep(kind);
            std::vector<float> y = x;
            const float alpha = kind == Eltwise::clip ? -3.0F : 0.5F;
            eltwise_function(kind, isa)(y.data(), static_cast<std::int64_t>(y.size()), alpha, 0.5F);
            double worst = 0;
            for (std::size_t i = 0; i < x.size(); ++i) {
                const auto value = static_cast<double>(x[i]);
                const double expected = reference_eltwise(kind, value, static_cast<double>(alpha), 0.5);
                if (expected > 1e38) continue;
                const double error = std::fabs(static_cast<double>(y[i]) - expected);
                worst = std::max(worst, error / (std::fabs(expected) + inherent(kind, value) + 1e-36));
            }
            INFO("algorithm " << k << ", instruction set " << static_cast<int>(isa));
            CHECK(worst < 2e-6);
        }
    }
}

TEST_CASE("activations give what a pass for each gives, a scale after them or not") {
    for (int k = 0; k < kinds; ++k) {
        const auto kind = static_cast<Eltwise>(k);
        PostOp first, linear;
        first.eltwise = kind;
        first.alpha = kind == Eltwise::clip ? -3.0F : 0.5F;
        first.beta = 0.5F;
        linear.eltwise = Eltwise::linear;
        linear.alpha = -2.0F;
        linear.beta = 0.25F;
        for (const Isa isa : {Isa::baseline, Isa::v3, Isa::v4}) {
            if (isa > detect_isa()) continue;
            const std::vector<float> x = sweep(kind);
            const auto count = static_cast<std::int64_t>(x.size());
            Activations activations;
            CHECK(activations.empty());
            for (const PostOp& op : {linear, first, linear, linear}) activations.append(op, isa);
            std::vector<float> got = x;
            activations.apply(got.data(), count);
            std::vector<float> expected = x;
            for (const PostOp& op : {linear, first, linear, linear})
                eltwise_function(op.eltwise, isa)(expected.data(), count, op.alpha, op.beta);
            int wrong = 0;
            for (std::size_t i = 0; i < x.size(); ++i)
                if (!(got[i] == doctest::Approx(expected[i])) && !(std::isnan(got[i]) && std::isnan(expected[i])) &&
                    got[i] != expected[i])
                    ++wrong;
            INFO("algorithm " << k << ", instruction set " << static_cast<int>(isa));
            CHECK(wrong == 0);
        }
    }
}

TEST_CASE("eltwise passes handle every count") {
    for (std::int64_t count = 0; count < 70; ++count) {
        std::vector<float> y(static_cast<std::size_t>(count) + 1, 1.0F);
        eltwise_function(Eltwise::swish)(y.data(), count, 1.0F, 0.0F);
        for (std::int64_t i = 0; i < count; ++i) CHECK(y[static_cast<std::size_t>(i)] == doctest::Approx(0.7310586));
        CHECK(y.back() == 1.0F);
    }
}

TEST_CASE("eltwise algorithms at the ends of the line") {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    const auto value = [](Eltwise kind, float x) {
        eltwise_function(kind)(&x, 1, 1.0F, 0.0F);
        return x;
    };
    for (int k = 0; k < kinds; ++k) {
        const auto kind = static_cast<Eltwise>(k);
        INFO("algorithm " << k);
        CHECK(std::isnan(value(kind, std::numeric_limits<float>::quiet_NaN())));
    }
    CHECK(value(Eltwise::exp, infinity) == infinity);
    CHECK(value(Eltwise::exp, 89.0F) == infinity);
    CHECK(value(Eltwise::exp, -infinity) == 0.0F);
    CHECK(value(Eltwise::exp, 0.0F) == 1.0F);
    CHECK(value(Eltwise::sigmoid, infinity) == 1.0F);
    CHECK(value(Eltwise::sigmoid, -infinity) == doctest::Approx(0.0));
    CHECK(value(Eltwise::swish, infinity) == infinity);
    CHECK(value(Eltwise::tanh, infinity) == 1.0F);
    CHECK(value(Eltwise::tanh, -infinity) == -1.0F);
    CHECK(value(Eltwise::log, 0.0F) == -infinity);
    CHECK(value(Eltwise::log, infinity) == infinity);
    CHECK(std::isnan(value(Eltwise::log, -1.0F)));
    CHECK(value(Eltwise::softplus, infinity) == infinity);
    CHECK(value(Eltwise::softplus, -infinity) == doctest::Approx(0.0));
    CHECK(value(Eltwise::elu, -infinity) == -1.0F);
    CHECK(value(Eltwise::mish, infinity) == infinity);
    CHECK(value(Eltwise::gelu_erf, infinity) == infinity);
    CHECK(value(Eltwise::relu, infinity) == infinity);
}

}  // namespace
}  // namespace igata::runtime::test
