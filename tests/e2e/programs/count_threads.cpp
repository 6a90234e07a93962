// Runs with as many threads as there may be: `several` of them, or else only the calling one, oneDNN's own included.
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "a.hpp"
#include "b.hpp"

int main(int argc, char** argv) {
    const bool several = argc > 1 && std::string(argv[1]) == "several";
    a::Predictor predictor;
    const std::vector<float> image(a::count::image, 0.5F);
    std::vector<float> scores(a::count::scores);
    predictor.run(image.data(), scores.data());
    const std::filesystem::directory_iterator threads("/proc/self/task");
    const auto count = std::distance(begin(threads), end(threads));
    std::string refusal = "none";
    try {
        const a::Predictor two(a::Options{2, ""});
    } catch (const a::Error& error) {
        refusal = error.what();
    }
    std::printf("%d threads, refusal: %s\n", static_cast<int>(count), refusal.c_str());
    const bool refused = refusal == "bad argument: this predictor was compiled without OpenMP: threads must be 0 or 1";
    return several ? !(count > 1 && refusal == "none") : !(count == 1 && refused);
}
