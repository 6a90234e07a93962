#include "compiler/emit/emitter.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "compiler/emit/amalgamate.hpp"
#include "compiler/emit/embedded.hpp"
#include "compiler/emit/interface.hpp"
#include "compiler/emit/loops.hpp"
#include "compiler/emit/names.hpp"
#include "compiler/emit/rows.hpp"
#include "compiler/emit/weights.hpp"
#include "runtime/checksum.hpp"

namespace igata {

std::string_view name_of(EmitOptions::Weights weights) {
    switch (weights) {
        case EmitOptions::Weights::literal: return "literal";
        case EmitOptions::Weights::incbin: return "incbin";
        case EmitOptions::Weights::file: return "file";
    }
    return {};
}

namespace {

std::string comment_line(std::string text) {
    std::replace_if(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\\'; }, ' ');
    return text;
}

struct StepsText {
    std::string specs;  ///< definitions
    std::string rows;   ///< the table
};

StepsText steps_text(const Plan& plan) {
    StepsText text;
    Identifiers scope;
    for (const Step& step : plan.steps) {
        const std::string identifier = scope.add(step.name);
        const std::string spec = identifier + "_spec";
        const std::string comment = comment_line(step.origin.empty() ? step.name : step.origin);
        if (const auto* loop = std::get_if<Loop>(&step.spec)) {
            const LoopCode code = loop_code(*loop, identifier, comment);
            text.specs += code.body;
            text.specs += fmt::format("constexpr LoopSpec {}{{run_loop<{}_body>, nullptr, {}, {}}};\n\n", spec, identifier,
                                      code.outer, code.work);
        } else {
            text.specs += fmt::format("// {}\n{}\n", comment, spec_row(spec, step));
        }
        text.rows += step_row(spec, plan, step);
    }
    if (plan.steps.empty()) text.rows = "    {},\n";
    else text.specs.pop_back();  // the last blank line
    return text;
}

std::string weights_text(const EmitOptions& options, const std::string& guard, const std::string& pool) {
    switch (options.weights) {
        case EmitOptions::Weights::literal: {
            std::string literal = literal_lines(pool);
            literal.pop_back();
            return fill_template("templates/weights_literal.in", {{"literal", std::move(literal)}});
        }
        case EmitOptions::Weights::incbin:
            return fill_template("templates/weights_incbin.in", {{"name", options.name}, {"guard", guard}});
        case EmitOptions::Weights::file:
            return fill_template("templates/weights_file.in",
                                 {{"weight_bytes", std::to_string(pool.size())},
                                  {"checksum", std::to_string(runtime::checksum(pool.data(), pool.size()))}});
    }
    return {};
}

std::string predictor_cpp(const Plan& plan, const EmitOptions& options, Slots slots, const std::string& guard,
                          const std::string& pool) {
    const bool in_file = options.weights == EmitOptions::Weights::file;
    std::vector<std::string> roots = {"runtime/program.hpp", "runtime/loop_arithmetic.hpp", "runtime/predictor_calls.hpp"};
    if (in_file) roots.emplace_back("runtime/predictor_weights.hpp");
    for (const Step& step : plan.steps)
        if (const auto* kernel = std::get_if<runtime::KernelSpec>(&step.spec))
            roots.push_back(fmt::format("runtime/kernels/{}.hpp", kernel->name));
    Amalgamation runtime = amalgamate(roots, {"cstddef", "cstdint"});
    StepsText steps = steps_text(plan);
    slots.insert(slots.end(), {{"includes", std::move(runtime.includes)},
                               {"runtime", std::move(runtime.body)},
                               {"weights", weights_text(options, guard, pool)},
                               {"specs", std::move(steps.specs)},
                               {"steps", std::move(steps.rows)},
                               {"step_count", std::to_string(plan.steps.size())},
                               {"arena_bytes", std::to_string(plan.arena_bytes)},
                               {"weight_bytes", std::to_string(plan.weight_bytes)},
                               {"input_slots", std::to_string(std::max<std::size_t>(plan.inputs.size(), 1))},
                               {"output_slots", std::to_string(std::max<std::size_t>(plan.outputs.size(), 1))},
                               {"ports", port_rows(plan, options.name, in_file)}});
    return fill_template("templates/predictor.cpp.in", slots);
}

}  // namespace

std::vector<EmittedFile> emit(const Plan& plan, const EmitOptions& options, const Remarks& remarks) {
    if (!is_identifier(options.name))
        throw Error(ExitCode::usage, fmt::format("the name '{}' is no C++ identifier: pass another with --name, for example {}",
                                                 options.name, to_identifier(options.name)));
    std::string guard = options.name;
    for (char& c : guard) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    Slots slots = interface_slots(plan);
    slots.insert(slots.end(), {{"name", options.name},
                               {"guard", guard},
                               {"version", IGATA_VERSION},
                               {"abi", std::string(embedded_file("runtime/predictor_abi.h"))}});
    const std::string pool = pooled_weights(plan);
    std::vector<EmittedFile> files;
    files.push_back({options.name + ".cpp", predictor_cpp(plan, options, slots, guard, pool)});
    files.push_back({options.name + ".h", fill_template("templates/predictor.h.in", slots)});
    files.push_back({options.name + ".hpp", fill_template("templates/predictor.hpp.in", slots)});
    files.push_back({options.name + ".json", summary_json(plan, options, remarks)});
    if (options.weights != EmitOptions::Weights::literal) files.push_back({options.name + ".bin", pool});
    return files;
}

}  // namespace igata
