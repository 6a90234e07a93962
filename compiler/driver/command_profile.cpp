#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "compiler/driver/data_set.hpp"
#include "compiler/driver/driver.hpp"
#include "compiler/driver/generated_engine.hpp"

namespace igata {

namespace {

/// Numbers between 0 and 1 that never repeat soon; zeros for other types, which are any index's first.
Tensor plain_input(const ValueType& type) {
    Tensor tensor(type.dtype, type.dims);
    if (type.dtype != DataType::f32) return tensor;
    std::uint32_t state = 1;
    for (float& value : tensor.mutable_values<float>()) {
        state = state * 1664525U + 1013904223U;
        value = static_cast<float>(state >> 8) * 0x1p-24F;
    }
    return tensor;
}

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
    Bindings bindings = parse_single_binding(flags.pipeline.bind);
    Remarks remarks;
    Graph graph = load_model(flags.model, remarks);
    std::vector<Tensor> inputs;
    if (!flags.data.empty()) {
        if (!bindings.empty()) throw Error(ExitCode::usage, "--data already gives the dims: leave out --bind");
        const auto folders = find_data_sets(flags.data);
        if (folders.empty()) throw BadInput(fmt::format("{}: holds no test_data_set_*", flags.data.string()));
        inputs = read_data_set(folders.front(), graph).inputs;
        bindings = bindings_of(graph, inputs);
    }
    const Plan plan = run_pipeline(flags.model, std::move(graph), flags.pipeline, bindings, remarks).plan;
    if (flags.data.empty())
        for (const Plan::Port& port : plan.inputs) inputs.push_back(plain_input(port.type));
    const cli::Profile profile = GeneratedEngine(plan, flags.threads).profile(inputs, flags.runs);
    fmt::print("{}", cli::profile_table(profile, cli::TableStyle::plain));
    write(flags.markdown, cli::profile_table(profile, cli::TableStyle::markdown));
    write(flags.json, json_of(profile, flags));
    return ExitCode::fine;
}

}  // namespace igata
