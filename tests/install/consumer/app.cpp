#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <vector>

#include "classifier.hpp"
#include "perceptron.hpp"

extern "C" int run_from_c(float* scores);

int main(int argc, char** argv) {
    static_assert(classifier::count::image == 3 * 32 * 32 && classifier::shape::scores[1] == 5);
    const std::vector<float> image(2 * classifier::count::image, 0.5F);
    std::array<float, 10> scores{};
    classifier::Predictor predictor;
    predictor.run(image.data(), scores.data(), 2);
    float sum = 0.0F;
    for (std::size_t i = 0; i < 5; ++i) sum += scores[i];
    std::array<float, 5> from_c{};
    const bool same = run_from_c(from_c.data()) == 0 && std::equal(from_c.begin(), from_c.end(), scores.begin());

    perceptron::Options options;
    options.weights = argc > 1 ? argv[1] : "";
    perceptron::Predictor second(options);
    const std::array<float, 12> x{};
    std::array<float, 4> logits{};
    std::array<float, 16> hidden{};
    second.run(x.data(), logits.data(), hidden.data());
    bool refused = false;
    try {
        perceptron::Predictor none(perceptron::Options{0, "/nonexistent"});
    } catch (const perceptron::Error& error) {
        refused = error.status() == IGATA_BAD_WEIGHTS;
    }
    std::printf("sum %.4f, same %d, refused %d, steps %d\n", static_cast<double>(sum), same, refused,
                perceptron::Predictor::info().step_count);
    return std::abs(sum - 1.0F) < 1e-5F && same && refused && scores[0] == scores[5] ? 0 : 1;
}
