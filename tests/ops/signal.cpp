// Fourier transforms, windows, random numbers, n-grams: numbers from the onnx package's reference evaluator or by hand;
// the transform of long lines against the definition.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "compiler/diagnostics.hpp"
#include "tests/ops/run_op.hpp"

using namespace igata;
using namespace igata::test;

namespace {

Tensor scalar(std::int64_t value) { return Tensor::scalar(value); }
Tensor f32(const Dims& dims) { return ramp(DataType::f32, dims); }

}  // namespace

TEST_CASE("DFT: real and complex, cut or filled, one-sided and back") {
    check_near(run_single({"DFT", {f32({1, 5, 1})}}), {1, 5, 2},
               {-3, 0, -1.125, -0.160196, -1.125, -2.39908, -1.125, 2.39908, -1.125, 0.160196});
    check_near(run_single({"DFT", {f32({1, 4, 2}), scalar(3)}, {{"inverse", attr(1)}}}), {1, 3, 2},
               {-1.25, 0.5, -0.0528312, -0.197169, -0.197169, -0.0528312});
    check_near(run_single({"DFT", {f32({1, 6, 1})}, {{"onesided", attr(1)}}}), {1, 4, 2},
               {-2.25, 0, -0.375, 0.649519, -0.375, 0.216506, -5.25, 0});
    const Attrs back{{"inverse", attr(1)}, {"onesided", attr(1)}};
    check_near(run_single({"DFT", {f32({1, 3, 2})}, back}), {1, 4, 1}, {-1.25, -0.375, 0, 0.125});
    check_near(run_single({"DFT", {f32({1, 3, 2}), scalar(5)}, back}), {1, 5, 1},
               {-1.2, -0.497449, 0.148662, -0.186858, 0.235645});
    check_near(run_single({"DFT", {f32({2, 3, 1}), {}, scalar(0)}}), {2, 3, 2},
               {-1, 0, -0.75, 0, -0.5, 0, -2, 0, 1.25, 0, -2, 0});
    check_near(run_single({"DFT", {f32({2, 3, 1})}, {{"axis", attr(0)}}, 17}), {2, 3, 2},
               {-1, 0, -0.75, 0, -0.5, 0, -2, 0, 1.25, 0, -2, 0});
}

TEST_CASE("DFT of every short length, and of long ones with and without small factors") {
    for (std::int64_t n = 1; n <= 70; ++n) run_op({"DFT", {f32({2, n, 2})}});
    for (const std::int64_t n : {169, 210, 251, 1001, 1024, 1021}) {
        run_op({"DFT", {ramp(DataType::f64, {1, n, 1})}, {{"inverse", attr(1)}}});
        run_op({"DFT", {f32({n, 2, 2}), {}, scalar(0)}});
    }
}

TEST_CASE("DFT: what cannot be is said") {
    CHECK(run_single({"DFT", {Tensor(DataType::f32, {0, 4, 1})}}).dims() == Dims{0, 4, 2});
    CHECK_THROWS_AS(run_op({"DFT", {f32({1, 4, 1}), {}, scalar(2)}}), BadInput);
    CHECK_THROWS_AS(run_op({"DFT", {f32({1, 4, 3})}}), BadInput);
    CHECK_THROWS_AS(run_op({"DFT", {f32({1, 4, 1}), scalar(0)}}), BadInput);
    CHECK_THROWS_AS(run_op({"DFT", {f32({1, 1, 2})}, {{"inverse", attr(1)}, {"onesided", attr(1)}}}), BadInput);
}

TEST_CASE("STFT of overlapping frames") {
    check_near(run_single({"STFT", {f32({1, 6, 1}), scalar(2), floats({4}, {0.5F, 1, 0.5F, 0.25F})}}), {1, 2, 3, 2},
               {-1, 0, -0.125, -0.125, -1.75, 0, -0.4375, 0, -0.125, -0.3125, -1.8125, 0});
    check_near(run_single({"STFT", {f32({1, 5, 1}), scalar(2), {}, scalar(3)}, {{"onesided", attr(0)}}}), {1, 2, 3, 2},
               {-2.5, 0, -1, -1.29904, -1, 1.29904, -1.75, 0, -1, -1.29904, -1, 1.29904});
    check_near(run_single({"STFT", {f32({1, 5}), scalar(2), {}, scalar(3)}, {{"onesided", attr(0)}}}), {1, 2, 3, 2},
               {-2.5, 0, -1, -1.29904, -1, 1.29904, -1.75, 0, -1, -1.29904, -1, 1.29904});
    CHECK_THROWS_AS(run_op({"STFT", {f32({1, 6, 1}), scalar(0), {}, scalar(3)}}), BadInput);
    CHECK_THROWS_AS(run_op({"STFT", {f32({1, 6, 1}), scalar(1), {}, scalar(7)}}), BadInput);
    CHECK_THROWS_AS(run_op({"STFT", {f32({1, 6, 1}), scalar(1), f32({2}), scalar(3)}}), BadInput);
}

TEST_CASE("windows, periodic and symmetric") {
    const Attrs symmetric{{"periodic", attr(0)}};
    check_near(run_single({"HannWindow", {scalar(4)}}), {4}, {0, 0.5, 1, 0.5});
    check_near(run_single({"HannWindow", {scalar(4)}, symmetric}), {4}, {0, 0.75, 0.75, 0});
    check_near(run_single({"HammingWindow", {scalar(4)}}), {4}, {0.0869565, 0.543478, 1, 0.543478});
    check_near(run_single({"HammingWindow", {scalar(4)}, symmetric}), {4}, {0.0869565, 0.771739, 0.771739, 0.0869565});
    check_near(run_single({"BlackmanWindow", {scalar(4)}}), {4}, {0, 0.34, 1, 0.34});
    check_near(run_single({"BlackmanWindow", {scalar(4)}, symmetric}), {4}, {0, 0.63, 0.63, 0});
    CHECK(run_single({"HannWindow", {scalar(1)}, symmetric}) == floats({1}, {1}));
    CHECK(run_single({"HannWindow", {scalar(0)}, {{"output_datatype", attr(11)}}}) == Tensor(DataType::f64, {0}));
    CHECK_THROWS_AS(run_op({"HannWindow", {scalar(-1)}}), BadInput);
    CHECK_THROWS_WITH_AS(run_op({"HannWindow", {scalar(1 << 28)}}),
                         "HannWindow 'node': size is 268435456, not from 0 to 16777216", BadInput);
}

TEST_CASE("MelWeightMatrix") {
    const auto mel = [](std::int64_t bands, float low, float high) {
        return run_single(
            {"MelWeightMatrix", {scalar(bands), scalar(8), scalar(8000), Tensor::scalar(low), Tensor::scalar(high)}});
    };
    check_near(mel(3, 0, 4000), {5, 3}, {1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    CHECK(mel(2, 100, 1e9F).dims() == Dims{5, 2});
    CHECK_THROWS_AS(mel(2, 100, 50), BadInput);
}

TEST_CASE("random numbers follow from their seed, and spread as they should") {
    const Attr shape = Dims{20000};
    const Tensor uniform =
        run_single({"RandomUniform", {}, {{"shape", shape}, {"low", 2.0F}, {"high", 4.0F}, {"seed", 1.0F}}});
    const Tensor normal =
        run_single({"RandomNormal", {}, {{"shape", shape}, {"mean", 1.0F}, {"scale", 2.0F}, {"seed", 2.0F}}});
    CHECK(uniform ==
          run_single({"RandomUniform", {}, {{"shape", shape}, {"low", 2.0F}, {"high", 4.0F}, {"seed", 1.0F}}}));
    const auto moments = [](const Tensor& tensor) {
        double mean = 0;
        double square = 0;
        for (const double x : tensor.to_f64()) mean += x / 20000, square += x * x / 20000;
        return std::pair(mean, square - mean * mean);
    };
    CHECK(moments(uniform).first == doctest::Approx(3).epsilon(0.01));
    CHECK(moments(uniform).second == doctest::Approx(1.0 / 3).epsilon(0.02));
    CHECK(moments(normal).first == doctest::Approx(1).epsilon(0.05));
    CHECK(moments(normal).second == doctest::Approx(4).epsilon(0.03));
    CHECK(run_single({"RandomNormalLike", {f32({2, 3})}, {{"dtype", attr(10)}}}).type() ==
          ValueType{DataType::f16, {2, 3}});
    CHECK_THROWS_AS(run_op({"RandomUniformLike", {scalar(1)}}), BadInput);
}

TEST_CASE("the generator is Philox4x32-10") {
    // The known answer for counter 0 and key 0: 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
    const Tensor x = run_single({"RandomUniform", {}, {{"shape", Dims{1}}, {"dtype", attr(11)}, {"seed", 0.0F}}});
    CHECK(x.scalar_f64() == static_cast<double>(0xe169c58d6627e8d5U >> 11U) * 0x1p-53);
}

TEST_CASE("Bernoulli and Multinomial draw with the given chances") {
    const Tensor hits = run_single({"Bernoulli", {floats({4, 1}, {0, 1, 0, 1})}, {{"dtype", attr(9)}, {"seed", 3.0F}}});
    CHECK(hits == Tensor::of<bool>({4, 1}, {false, true, false, true}));
    const float never = -std::numeric_limits<float>::infinity();
    const Tensor drawn = run_single({"Multinomial",
                                     {floats({2, 3}, {never, 0, never, 0, never, std::log(3.0F)})},
                                     {{"sample_size", attr(4000)}, {"dtype", attr(7)}}});
    const auto choices = drawn.values<std::int64_t>();
    CHECK(std::accumulate(choices.begin(), choices.begin() + 4000, 0) == 4000);
    CHECK(std::accumulate(choices.begin() + 4000, choices.end(), 0) / 8000.0 == doctest::Approx(0.75).epsilon(0.05));
    CHECK_THROWS_AS(run_op({"Multinomial", {Tensor(DataType::f32, {2, 0})}}), BadInput);
}

TEST_CASE("TfIdfVectorizer counts n-grams with tokens between") {
    const auto attrs = [](const char* mode, std::int64_t least, std::int64_t skipped) {
        return Attrs{{"mode", std::string(mode)},
                     {"min_gram_length", attr(least)},
                     {"max_gram_length", attr(2)},
                     {"max_skip_count", attr(skipped)},
                     {"ngram_counts", Dims{0, 4}},
                     {"ngram_indexes", Dims{0, 1, 2, 3, 4, 5, 6}},
                     {"pool_int64s", Dims{2, 3, 5, 4, 5, 6, 7, 8, 6, 7}},
                     {"weights", std::vector<float>{1, 1, 2, 1, 3, 1, 0.5F}}};
    };
    const Tensor row = Tensor::of<std::int64_t>({12}, {1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8});
    CHECK(run_single({"TfIdfVectorizer", {row}, attrs("TF", 2, 0)}) == floats({7}, {0, 0, 0, 0, 1, 1, 1}));
    CHECK(run_single({"TfIdfVectorizer", {row}, attrs("TF", 1, 5)}) == floats({7}, {0, 3, 1, 0, 1, 3, 1}));
    CHECK(run_single({"TfIdfVectorizer", {row}, attrs("TFIDF", 1, 5)}) == floats({7}, {0, 3, 2, 0, 3, 3, 0.5F}));
    const Tensor rows = Tensor::of<std::int32_t>({2, 6}, {1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8});
    CHECK(run_single({"TfIdfVectorizer", {rows}, attrs("IDF", 2, 5)}) ==
          floats({2, 7}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 1, 0.5F}));
    CHECK(run_single({"TfIdfVectorizer", {Tensor(DataType::i32, {0, 6})}, attrs("TF", 1, 0)}).dims() == Dims{0, 7});
    CHECK_THROWS_AS(run_op({"TfIdfVectorizer", {f32({2})}, attrs("TF", 1, 0)}), BadInput);
}
