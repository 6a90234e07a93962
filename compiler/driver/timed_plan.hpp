// What is timed: a plan, and inputs for it.
#pragma once

#include <filesystem>
#include <vector>

#include "compiler/driver/driver.hpp"

namespace igata {

struct TimedPlan {
    Plan plan;
    std::vector<Tensor> inputs;  ///< in the plan's order
};

/// The inputs are the first of those recorded in `data`'s test_data_set_*, which also give the dims; without `data`
/// they are invented. Throws a usage Error where both `data` and `bindings` are given, BadInput where there are no
/// sets.
TimedPlan timed_plan(const std::filesystem::path& model, const std::filesystem::path& data, const PipelineFlags& flags,
                     Bindings bindings);

}  // namespace igata
