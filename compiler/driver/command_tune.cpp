// Times what could run each convolution and matrix product. All steps of a plan take their next choice at once, and
// the plans that this makes run in turns: so each step is timed amid the others, with what they leave in the caches.
#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "compiler/driver/driver.hpp"
#include "compiler/driver/plan_engine.hpp"
#include "compiler/driver/timed_plan.hpp"
#include "compiler/ir/cost.hpp"
#include "compiler/ir/plan_fields.hpp"
#include "compiler/ir/text.hpp"
#include "runtime/convolution.hpp"
#include "runtime/isa.hpp"
#include "runtime/matmul.hpp"

namespace igata {

namespace {

using plan_text::name_of;
using runtime::ConvolutionSpec;
using runtime::Implementation;
using runtime::MatMulSpec;

/// A choice other than the usual one must be faster by this: less is noise.
constexpr double margin = 0.97;

using Seconds = std::map<Implementation, double>;

struct TunedStep {
    std::vector<Implementation> choices;  ///< the usual one first; empty: there is no choice
    bool follows_strips = false;          ///< usually done by the step before
    Seconds seconds;                      ///< the fastest run of each
};

/// One kernel for those of fixed sizes.
Implementation without_size(Implementation kernel) {
    const bool sized = name_of(kernel).starts_with("depthwise");
    return sized ? Implementation::depthwise : kernel;
}

struct CollectChoices {
    const runtime::Builder& builder;

    std::vector<Implementation> operator()(const ConvolutionSpec& spec) const {
        std::vector<Implementation> choices;
        if (spec.streamed) choices.push_back(Implementation::strips);
        choices.push_back(without_size(runtime::choose_kernel(builder, spec).kernel));
        add_others(choices, runtime::convolution_kernels, spec);
        return choices;
    }
    std::vector<Implementation> operator()(const MatMulSpec& spec) const {
        std::vector<Implementation> choices{runtime::choose_kernel(builder, spec).kernel};
        add_others(choices, runtime::matmul_kernels, spec);
        return choices.size() > 1 ? choices : std::vector<Implementation>{};
    }
    template <class Spec>
    std::vector<Implementation> operator()(const Spec&) const {
        return {};
    }

private:
    /// Those after the usual one, which is the last so far.
    template <class Kernels, class Spec>
    void add_others(std::vector<Implementation>& choices, const Kernels& kernels, const Spec& spec) const {
        const Implementation usual = choices.back();
        for (const Implementation kernel : kernels)
            if (kernel != usual && runtime::fits(builder, runtime::choice_of(kernel, spec))) choices.push_back(kernel);
    }
};

std::vector<TunedStep> collect_choices(const Plan& plan) {
    std::vector<TunedStep> steps;
    bool streamed = false;
    for (const Step& step : plan.steps) {
        const runtime::StepSpec row = step_spec(plan, step);
        const runtime::Builder builder{{}, &row, nullptr, nullptr};
        steps.push_back({std::visit(CollectChoices{builder}, step.spec), streamed, {}});
        const auto* convolution = std::get_if<ConvolutionSpec>(&step.spec);
        streamed = convolution != nullptr && convolution->streamed;
    }
    return steps;
}

/// A step's choice in plan number `round`: the last one where it has no more. What comes after strips begins one later.
Implementation choice_in(const TunedStep& step, std::size_t round) {
    const std::size_t index = step.follows_strips && round > 0 ? round - 1 : round;
    return step.choices.at(std::min(index, step.choices.size() - 1));
}

std::size_t count_rounds(const std::vector<TunedStep>& steps) {
    std::size_t rounds = 1;
    for (const TunedStep& step : steps) rounds = std::max(rounds, step.choices.size() + (step.follows_strips ? 1 : 0));
    return rounds;
}

Plan plan_of_round(Plan plan, const std::vector<TunedStep>& steps, std::size_t round) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (steps[i].choices.empty()) continue;
        const Implementation choice = choice_in(steps[i], round);
        if (choice == Implementation::strips || (steps[i].follows_strips && round == 0)) continue;
        if (auto* spec = std::get_if<ConvolutionSpec>(&plan.steps[i].spec)) {
            spec->streamed = false;
            spec->implementation = choice;
        }
        if (auto* spec = std::get_if<MatMulSpec>(&plan.steps[i].spec)) spec->implementation = choice;
    }
    return plan;
}

void keep_fastest(Seconds& seconds, Implementation choice, double time) {
    const auto [known, fresh] = seconds.emplace(choice, time);
    if (!fresh) known->second = std::min(known->second, time);
}

double fastest(const Seconds& seconds) {
    double least = std::numeric_limits<double>::infinity();
    for (const auto& [choice, time] : seconds) least = std::min(least, time);
    return least;
}

std::vector<TunedStep> time_choices(const TimedPlan& timed, const TuneFlags& flags) {
    std::vector<TunedStep> steps = collect_choices(timed.plan);
    std::vector<PlanEngine> engines;
    for (std::size_t round = 0; round < count_rounds(steps); ++round)
        engines.emplace_back(plan_of_round(timed.plan, steps, round), flags.threads);
    for (int run = 0; run <= flags.runs; ++run) {
        for (std::size_t round = 0; round < engines.size(); ++round) {
            std::vector<double> seconds;
            engines[round].profile(timed.inputs, seconds);
            if (run == 0) continue;  // to warm up
            for (std::size_t i = 0; i < steps.size(); ++i) {
                if (steps[i].choices.empty() || (steps[i].follows_strips && round == 0)) continue;
                const Implementation choice = choice_in(steps[i], round);
                const bool both = choice == Implementation::strips;
                keep_fastest(steps[i].seconds, choice, seconds[i] + (both ? seconds.at(i + 1) : 0.0));
            }
        }
    }
    // Strips do the work of two steps: so that they compare, the next one's goes to the others, too.
    for (std::size_t i = 0; i + 1 < steps.size(); ++i)
        for (auto& [choice, time] : steps[i].seconds)
            if (steps[i + 1].follows_strips && choice != Implementation::strips) time += fastest(steps[i + 1].seconds);
    return steps;
}

/// All steps of one geometry.
struct Alike {
    Implementation usual = Implementation::automatic;
    int count = 0;
    std::string what;
    Seconds seconds;  ///< the sums
};

std::map<std::string, Alike> group(const Plan& plan, const std::vector<TunedStep>& steps) {
    std::map<std::string, Alike> groups;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (steps[i].choices.empty()) continue;
        Alike& alike = groups[print_geometry(plan.steps[i])];
        alike.usual = steps[i].choices.front();
        alike.what = describe(plan.steps[i]);
        ++alike.count;
        for (const auto& [choice, time] : steps[i].seconds) alike.seconds[choice] += time;
    }
    return groups;
}

/// Adds where another choice than the usual one is the fastest, and prints a line for each.
Tuning choose(const std::map<std::string, Alike>& groups) {
    Tuning tuning;
    for (const auto& [geometry, alike] : groups) {
        const auto best = std::min_element(alike.seconds.begin(), alike.seconds.end(),
                                           [](const auto& a, const auto& b) { return a.second < b.second; });
        const double usual = alike.seconds.at(alike.usual);
        if (best->second >= margin * usual) continue;
        tuning.emplace(geometry, best->first);
        fmt::print("  {:7.1f} us instead of {:7.1f}  {}{}: {} instead of {}\n", best->second * 1e6, usual * 1e6,
                   alike.count > 1 ? fmt::format("{} of ", alike.count) : "", alike.what, name_of(best->first),
                   name_of(alike.usual));
    }
    return tuning;
}

/// The usual choices' median time over the tuned ones', of all steps that have a choice; the two take turns.
double measure_gain(const TimedPlan& timed, const std::vector<TunedStep>& steps, const Tuning& tuning,
                    const TuneFlags& flags) {
    Plan tuned = timed.plan;
    Remarks remarks;
    apply_tuning(tuned, tuning, remarks);
    PlanEngine engines[] = {PlanEngine(timed.plan, flags.threads), PlanEngine(tuned, flags.threads)};
    std::vector<double> sums[2];
    for (int run = 0; run <= flags.runs; ++run) {
        for (int e = 0; e < 2; ++e) {
            std::vector<double> seconds;
            engines[e].profile(timed.inputs, seconds);
            double sum = 0.0;
            for (std::size_t i = 0; i < steps.size(); ++i) sum += steps[i].choices.empty() ? 0.0 : seconds[i];
            if (run > 0) sums[e].push_back(sum);
        }
    }
    for (std::vector<double>& all : sums) std::sort(all.begin(), all.end());
    return sums[0][sums[0].size() / 2] / sums[1][sums[1].size() / 2];
}

}  // namespace

ExitCode command_tune(const TuneFlags& flags) {
    Tuning all;
    for (const Bindings& bindings : parse_bindings(flags.pipeline.bind)) {
        const TimedPlan timed = timed_plan(flags.model, flags.data, flags.pipeline, bindings);
        for (const Plan::Port& port : timed.plan.inputs) fmt::print("{} {}\n", port.name, to_string(port.type));
        const std::vector<TunedStep> steps = time_choices(timed, flags);
        const Tuning tuning = choose(group(timed.plan, steps));
        if (tuning.empty()) {
            fmt::print("  the usual choices are the fastest\n");
            continue;
        }
        const double gain = measure_gain(timed, steps, tuning, flags);
        fmt::print("  all convolutions and products, before / after: {:.3f}{}\n", gain,
                   gain > 1.0 ? "" : ": the usual choices stay");
        if (gain > 1.0) all.insert(tuning.begin(), tuning.end());
    }
    const std::string comment =
        fmt::format("what runs these steps fastest, by `igata tune` on {} thread{} ({})", flags.threads,
                    flags.threads == 1 ? "" : "s", runtime::name_of(runtime::detect_isa()));
    write_files(flags.file.parent_path().empty() ? "." : flags.file.parent_path(),
                {{flags.file.filename().string(), print(all, comment)}});
    return ExitCode::fine;
}

}  // namespace igata
