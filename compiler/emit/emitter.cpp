#include "compiler/emit/emitter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "compiler/emit/amalgamate.hpp"
#include "compiler/emit/embedded.hpp"
#include "compiler/emit/interface.hpp"
#include "compiler/emit/loop_vectors.hpp"
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
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\\'; }, ' ');
    return text;
}

/// The steps of all plans: equal specs and loops are defined once.
class StepsWriter {
public:
    std::string specs;     ///< definitions
    std::string tables;    ///< the rows of each plan
    std::string programs;  ///< a row for each plan

    void add(const Plan& plan, const std::string& suffix) {
        std::string rows;
        for (const Step& step : plan.steps) rows += step_row(spec_of(step), plan, step);
        if (plan.steps.empty()) rows = "    {},\n";
        tables += fmt::format("constexpr StepSpec steps{}[] = {{\n{}}};\n", suffix, rows);
        programs += fmt::format("    {{steps{}, {}, {}, {}}},\n", suffix, plan.steps.size(), plan.arena_bytes,
                                plan.weight_bytes);
    }

private:
    /// The identifier of the step's spec, which is defined if it is new.
    std::string spec_of(const Step& step) {
        const auto [known, is_new] = known_.emplace(definition(step, "", ""), "");
        if (!is_new) return known->second;
        const std::string identifier = scope_.add(step.name);
        if (!specs.empty()) specs += '\n';
        specs += definition(step, identifier, comment_line(step.origin.empty() ? step.name : step.origin));
        return known->second = identifier + "_spec";
    }

    static std::string definition(const Step& step, const std::string& identifier, const std::string& comment) {
        const std::string spec = identifier + "_spec";
        const auto* loop = std::get_if<Loop>(&step.spec);
        if (loop == nullptr) return fmt::format("// {}\n{}", comment, spec_row(spec, step));
        const LoopCode code = loop_code(*loop, identifier, comment);
        return code.body + fmt::format("constexpr LoopSpec {}{{run_loop<{}_body>, nullptr, {}, {}}};\n", spec,
                                       identifier, code.outer, code.work);
    }

    Identifiers scope_;
    std::map<std::string, std::string> known_;
};

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

/// The text of runtime/needs.hpp for a program with these needs.
std::string needs_header(const runtime::Needs& needs) {
    return fmt::format(
        "#include \"runtime/specs.hpp\"\n\nnamespace igata::runtime {{\n\n"
        "inline constexpr Needs needs{{{:#x}, {:#x}, {:#x}}};  // the rest is left out\n\n}}  // namespace "
        "igata::runtime\n",
        needs.kinds, needs.activations, needs.implementations);
}

/// Adds what the plans' kernels and loops need to the files of the runtime.
void add_roots(Plans plans, std::vector<std::string>& roots) {
    for (const Plan& plan : plans) {
        for (const Step& step : plan.steps) {
            if (const auto* kernel = std::get_if<runtime::KernelSpec>(&step.spec))
                roots.push_back(fmt::format("runtime/kernels/{}.hpp", kernel->name));
            const auto* loop = std::get_if<Loop>(&step.spec);
            if (loop != nullptr && is_vectorised(*loop)) roots.emplace_back("runtime/loop_vectors.hpp");
        }
    }
}

std::string upper_case(std::string name) {
    for (char& c : name) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    return name;
}

/// Slots of the headers and of the predictor's part of the C++ file.
Slots slots_of(Plans plans, const std::string& name) {
    Slots slots = interface_slots(plans, name);
    slots.insert(slots.end(), {{"name", name},
                               {"guard", upper_case(name)},
                               {"version", IGATA_VERSION},
                               {"abi", std::string(embedded_file("runtime/predictor_abi.h"))}});
    return slots;
}

/// A predictor without the runtime, in namespace igata::runtime::`space`.
std::string predictor_part(Plans plans, const EmitOptions& options, Slots slots, const std::string& space,
                           const std::string& pool) {
    StepsWriter steps;
    for (std::size_t i = 0; i < plans.size(); ++i) steps.add(plans[i], i == 0 ? "" : fmt::format("_{}", i));
    const Plan& plan = plans.front();
    slots.insert(slots.end(),
                 {{"space", space},
                  {"weights", weights_text(options, upper_case(options.name), pool)},
                  {"specs", std::move(steps.specs)},
                  {"steps", std::move(steps.tables)},
                  {"programs", std::move(steps.programs)},
                  {"plan_count", std::to_string(plans.size())},
                  {"input_slots", std::to_string(std::max<std::size_t>(plan.inputs.size(), 1))},
                  {"output_slots", std::to_string(std::max<std::size_t>(plan.outputs.size(), 1))},
                  {"ports", port_rows(plans, options.name, options.weights == EmitOptions::Weights::file)}});
    return fill_template("templates/predictor_part.in", slots);
}

/// The C++ file: the runtime, of which `roots` are needed beside what all predictors need, then the predictors.
std::string predictor_cpp(const std::string& name, std::string headers, std::vector<std::string> roots,
                          const runtime::Needs& needs, std::string predictors) {
    roots.insert(roots.begin(), {"runtime/programs.hpp", "runtime/loop_arithmetic.hpp", "runtime/predictor_calls.hpp"});
    Amalgamation runtime = amalgamate(roots, {"cstddef", "cstdint"}, {{"runtime/needs.hpp", needs_header(needs)}});
    return fill_template("templates/predictor.cpp.in", {{"name", name},
                                                        {"version", IGATA_VERSION},
                                                        {"headers", std::move(headers)},
                                                        {"includes", std::move(runtime.includes)},
                                                        {"runtime", std::move(runtime.body)},
                                                        {"predictors", std::move(predictors)}});
}

std::string include_line(const std::string& name) { return fmt::format("#include \"{}.h\"\n", name); }

/// g++ takes some 30 bytes of memory for each byte of literals; code reaches data of its program within 2 GB.
void require_room(const EmitOptions& options, std::int64_t weight_bytes) {
    constexpr std::int64_t mb = 1000 * 1000;
    const auto refuse = [&](const char* limit, const char* instead) {
        throw Error(ExitCode::usage, fmt::format("--weights {}: {} MB of weights are more than {}; use --weights {}",
                                                 name_of(options.weights), weight_bytes / mb, limit, instead));
    };
    if (options.weights == EmitOptions::Weights::literal && weight_bytes > 256 * mb)
        refuse("the 256 MB that a C++ compiler can be asked to read as literals", "incbin or file");
    if (options.weights == EmitOptions::Weights::incbin && weight_bytes > 2000 * mb)
        refuse("the 2000 MB that a program can hold", "file");
}

}  // namespace

std::vector<EmittedFile> emit(Plans plans, const EmitOptions& options, const Remarks& remarks) {
    if (!is_identifier(options.name))
        throw Error(ExitCode::usage,
                    fmt::format("the name '{}' is no C++ identifier: pass another with --name, for example {}",
                                options.name, to_identifier(options.name)));
    require_room(options, plans.front().weight_bytes);
    const Slots slots = slots_of(plans, options.name);
    std::string pool = pooled_weights(plans);
    std::vector<std::string> roots;
    if (options.weights == EmitOptions::Weights::file) roots.emplace_back("runtime/predictor_weights.hpp");
    add_roots(plans, roots);
    std::vector<EmittedFile> files;
    files.push_back(
        {options.name + ".cpp", predictor_cpp(options.name, include_line(options.name), roots, options.needs,
                                              predictor_part(plans, options, slots, "model", pool))});
    files.push_back({options.name + ".h", fill_template("templates/predictor.h.in", slots)});
    files.push_back({options.name + ".hpp", fill_template("templates/predictor.hpp.in", slots)});
    files.push_back({options.name + ".json", summary_json(plans, options, remarks)});
    if (options.weights != EmitOptions::Weights::literal) files.push_back({options.name + ".bin", std::move(pool)});
    return files;
}

std::vector<EmittedFile> emit_together(std::span<const PredictorSource> predictors, const std::string& name,
                                       const runtime::Needs& needs) {
    std::vector<EmittedFile> files;
    std::vector<std::string> roots;
    std::string headers;
    std::string parts;
    for (const PredictorSource& predictor : predictors) {
        const Slots slots = slots_of(predictor.plans, predictor.name);
        const EmitOptions options{predictor.name, EmitOptions::Weights::literal, needs};
        add_roots(predictor.plans, roots);
        headers += include_line(predictor.name);
        if (!parts.empty()) parts += "\nnamespace {\n\n";
        parts +=
            predictor_part(predictor.plans, options, slots, "model_" + predictor.name, pooled_weights(predictor.plans));
        files.push_back({predictor.name + ".h", fill_template("templates/predictor.h.in", slots)});
    }
    files.push_back({name + ".cpp", predictor_cpp(name, headers, roots, needs, std::move(parts))});
    return files;
}

}  // namespace igata
