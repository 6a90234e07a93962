// What is printed of a profile, for times that are known.
#include <doctest/doctest.h>

#include "runtime/predictor_profile.hpp"

using namespace igata::cli;

namespace {

/// Two convolutions of one implementation and a loop.
Profile known_profile() {
    Profile profile;
    profile.steps = {{"stem", "convolution", "a + b", "3x3", "jit", 2e6, 1e6, 100e-6},
                     {"sums", "loop", "c", "[4]", "igata:loop", 0.0, 1e5, 50e-6},
                     {"head", "convolution", "d", "1x1 8x8", "jit", 8e6, 1e6, 100e-6}};
    profile.run_seconds = 300e-6;
    profile.best_run_seconds = 251e-6;
    profile.runs = 7;
    profile.peak = {123.4e9, 9.87e9};
    return profile;
}

}  // namespace

TEST_CASE("a profile's table has the steps in order, the totals by time, and the machine's peak") {
    CHECK(profile_table(known_profile(), TableStyle::plain) ==
          "   us     %  GFLOP/s  GB/s  kind         what     implementation  step\n"
          "100.0  40.0     20.0  10.0  convolution  3x3      jit             stem\n"
          " 50.0  20.0            2.0  loop         [4]      igata:loop      sums\n"
          "100.0  40.0     80.0  10.0  convolution  1x1 8x8  jit             head\n"
          "\n"
          "   us      %  GFLOP/s  GB/s  steps  kind         implementation\n"
          "200.0   80.0     50.0  10.0      2  convolution  jit\n"
          " 50.0   20.0            2.0      1  loop         igata:loop\n"
          "250.0  100.0     40.0   8.4      3  all          \n"
          "\n"
          "a run 0.300 ms, at best 0.251 ms; its steps 0.250 ms (medians of 7)\n"
          "the machine's peak 123.4 GFLOP/s, reading memory 9.9 GB/s; there, the operations alone take 0.081 ms\n");
}

TEST_CASE("a profile's table as Markdown") {
    const std::string text = profile_table(known_profile(), TableStyle::markdown);
    CHECK(text.rfind("| us | % | GFLOP/s | GB/s | kind | what | implementation | step |\n"
                     "|---:|---:|---:|---:|---|---|---|---|\n"
                     "| 100.0 | 40.0 | 20.0 | 10.0 | convolution | 3x3 | jit | stem |\n",
                     0) == 0);
}

TEST_CASE("the measured peak is one that a machine can have") {
    const Peak peak = measure_peak(2);
    CHECK(peak.flops > 1e9);  // any processor of this century
    CHECK(peak.bytes > 1e8);
    CHECK(peak.flops < 2e13);  // an elided loop would be beyond this
    CHECK(peak.bytes < 1e12);
}
