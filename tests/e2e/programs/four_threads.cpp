// Four contexts of one model, each in a thread, all with the result of a lone run; for ThreadSanitizer.
#include <cstdio>
#include <thread>
#include <vector>

#include "a.hpp"
#include "b.hpp"

int main() {
    std::vector<float> image(a::count::image);
    for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<float>(i % 17) / 8.0F - 1.0F;
    a::Predictor lone;
    std::vector<float> expected(a::count::scores);
    lone.run(image.data(), expected.data());
    std::vector<a::Predictor> predictors;
    for (int i = 0; i < 4; ++i) predictors.push_back(lone.clone());
    std::vector<std::vector<float>> results(4, std::vector<float>(a::count::scores));
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < 4; ++i) {
        threads.emplace_back([&, i] {
            for (int run = 0; run < 20; ++run) predictors[i].run(image.data(), results[i].data());
        });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::vector<float>& result : results) {
        if (result != expected) return std::puts("a thread got another result"), 1;
    }
    return 0;
}
