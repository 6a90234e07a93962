// Where the time of a run goes, step by step.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/predictor_cli.hpp"
#include "runtime/predictor_peak.hpp"
#include "runtime/predictor_tensor.hpp"

namespace igata::cli {

struct StepProfile {
    std::string name, kind, origin, detail, implementation;
    double flops = 0.0, bytes = 0.0;  ///< of one call
    double seconds = 0.0;             ///< median
};

struct Profile {
    std::vector<StepProfile> steps;  ///< in the order of the program, plan by plan
    double run_seconds = 0.0;        ///< median of whole runs, without a clock between the steps
    double best_run_seconds = 0.0;   ///< the fastest of them: on a busy machine, near the sum of the steps
    int runs = 0;
    Peak peak;

    /// The sum of the steps' times.
    double seconds() const;
};

/// A model with a context and what `run` takes besides them.
struct ProfiledRun {
    const void* model;
    void* context;
    const void* const* inputs;
    const std::int64_t* const* input_dims;
    void* const* outputs;
    int threads;  ///< of the peak
};

/// Times `runs` plain runs and `runs` profiled ones in turn: the steps of those plans that serve the inputs' dims.
/// Throws Failure (4).
Profile measure_profile(const Functions& functions, const ProfiledRun& run, int runs);

enum class TableStyle : std::uint8_t { plain, markdown };

/// The steps, then the totals of each kind and implementation, then the run and the machine's peak.
std::string profile_table(const Profile& profile, TableStyle style);

}  // namespace igata::cli
