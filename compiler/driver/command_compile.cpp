#include <fmt/format.h>

#include "compiler/driver/bf16_error.hpp"
#include "compiler/driver/driver.hpp"
#include "compiler/driver/needs.hpp"
#include "compiler/emit/emitter.hpp"
#include "compiler/emit/names.hpp"

namespace igata {

namespace {

EmitOptions::Weights weights_from_name(const std::string& name) {
    for (const auto weights : {EmitOptions::Weights::literal, EmitOptions::Weights::incbin, EmitOptions::Weights::file})
        if (name == name_of(weights)) return weights;
    throw Error(ExitCode::usage, fmt::format("--weights {}: there are literal, incbin and file", name));
}

void print_errors(const std::vector<Bf16Error>& errors) {
    for (const Bf16Error& error : errors)
        fmt::print("{}: with bf16, at most {:.2g} from f32, where results reach {:.2g}\n", error.output, error.absolute,
                   error.largest);
}

}  // namespace

ExitCode command_compile(const CompileFlags& flags) {
    const std::vector<Bindings> bindings = parse_bindings(flags.pipeline.bind);
    EmitOptions options{flags.name.empty() ? to_identifier(flags.model.stem().string()) : flags.name,
                        weights_from_name(flags.weights)};
    Remarks remarks;
    Graph graph = load_model(flags.model, remarks);
    if (flags.pipeline.precision == "bf16" && !flags.data.empty()) print_errors(measure_bf16_error(graph, flags.data));
    const std::vector<Plan> plans = make_plans(flags.model, std::move(graph), flags.pipeline, bindings, remarks);
    print_remarks(flags.pipeline, remarks);
    if (!flags.pipeline.stop_after.empty()) return ExitCode::fine;
    options.needs = needs_of(plans);
    std::vector<std::pair<std::string, std::string>> files;
    for (EmittedFile& file : emit(plans, options, remarks)) files.emplace_back(file.path, std::move(file.bytes));
    write_files(flags.folder, files);
    return ExitCode::fine;
}

}  // namespace igata
