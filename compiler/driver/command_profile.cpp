#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "compiler/driver/driver.hpp"
#include "compiler/driver/generated_engine.hpp"
#include "compiler/driver/timed_plan.hpp"

namespace igata {

namespace {

std::string json_of(const cli::Profile& profile, const ProfileFlags& flags) {
    auto steps = nlohmann::ordered_json::array();
    for (const cli::StepProfile& step : profile.steps)
        steps.push_back({{"name", step.name},
                         {"kind", step.kind},
                         {"origin", step.origin},
                         {"detail", step.detail},
                         {"implementation", step.implementation},
                         {"flops", step.flops},
                         {"bytes", step.bytes},
                         {"seconds", step.seconds}});
    const nlohmann::ordered_json all = {{"model", flags.model.string()},
                                        {"threads", flags.threads},
                                        {"runs", profile.runs},
                                        {"run_seconds", profile.run_seconds},
                                        {"best_run_seconds", profile.best_run_seconds},
                                        {"peak_flops", profile.peak.flops},
                                        {"peak_bytes", profile.peak.bytes},
                                        {"steps", steps}};
    return all.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

void write(const std::filesystem::path& file, std::string text) {
    if (file.empty()) return;
    write_files(file.parent_path().empty() ? "." : file.parent_path(), {{file.filename().string(), std::move(text)}});
}

}  // namespace

ExitCode command_profile(const ProfileFlags& flags) {
    const TimedPlan timed =
        timed_plan(flags.model, flags.data, flags.pipeline, parse_single_binding(flags.pipeline.bind));
    const cli::Profile profile = GeneratedEngine(timed.plan, flags.threads).profile(timed.inputs, flags.runs);
    fmt::print("{}", cli::profile_table(profile, cli::TableStyle::plain));
    write(flags.markdown, cli::profile_table(profile, cli::TableStyle::markdown));
    write(flags.json, json_of(profile, flags));
    return ExitCode::fine;
}

}  // namespace igata
