#include "compiler/emit/interface.hpp"

#include <fmt/format.h>

#include "compiler/emit/names.hpp"
#include "compiler/ir/cost.hpp"

namespace igata {

namespace {

using Ports = std::vector<Plan::Port>;

std::string caller_type(DataType dtype) {
    if (is_small(dtype)) return is_floating(dtype) || !is_signed(dtype) ? "std::uint8_t" : "std::int8_t";
    switch (dtype) {
        case DataType::f32: return "float";
        case DataType::f64: return "double";
        case DataType::boolean: return "bool";
        case DataType::f16:
        case DataType::bf16: return "std::uint16_t";
        default: return fmt::format("std::{}int{}_t", is_signed(dtype) ? "" : "u", 8 * size_of(dtype));
    }
}

/// `image f32[1,224,224,3]`, safe inside a comment.
std::string describe(const Plan::Port& port) {
    std::string name = port.name;
    for (char& c : name) {
        if (c == '*' || c == '\\' || static_cast<unsigned char>(c) < 0x20) c = '_';
    }
    return fmt::format("{} {}", name, to_string(port.type));
}

std::vector<std::string> identifiers(const Plan& plan) {
    Identifiers scope({"batch", "inputs", "outputs", "context", "model"});
    std::vector<std::string> names;
    for (const Ports* ports : {&plan.inputs, &plan.outputs}) {
        for (const Plan::Port& port : *ports) names.push_back(scope.add(port.name));
    }
    return names;
}

std::string pointer_array(const char* type, const char* array, const std::vector<std::string>& names) {
    return names.empty() ? "" : fmt::format("        {} const {}[] = {{{}}};\n", type, array, fmt::join(names, ", "));
}

}  // namespace

Slots interface_slots(const Plan& plan) {
    const std::vector<std::string> names = identifiers(plan);
    const auto first_output = names.begin() + static_cast<std::ptrdiff_t>(plan.inputs.size());
    std::string comment, shapes, counts, parameters;
    std::size_t next = 0;
    for (const Ports* ports : {&plan.inputs, &plan.outputs}) {
        const bool is_input = ports == &plan.inputs;
        for (const Plan::Port& port : *ports) {
            const std::string& name = names[next++];
            comment += fmt::format(" * {} {}\n", is_input ? "input " : "output", describe(port));
            shapes += fmt::format("inline constexpr std::array<std::int64_t, {}> {}{{{}}};\n", port.type.dims.size(), name,
                                  port.type.dims.empty() ? "" : fmt::format("{{{}}}", fmt::join(port.type.dims, ", ")));
            counts += fmt::format("inline constexpr std::size_t {} = {};\n", name, element_count(port.type.dims));
            parameters += fmt::format("{}{}{}* {}", parameters.empty() ? "" : ", ", is_input ? "const " : "",
                                      caller_type(port.type.dtype), name);
        }
    }
    std::string run_comment = "    /// Row-major tensors of the shapes above. Throws Error.\n";
    if (plan.batched) {
        const std::int64_t unit = (plan.inputs.empty() ? plan.outputs : plan.inputs).front().type.dims.front();
        parameters += fmt::format(", std::int64_t batch = {}", unit);
        run_comment = fmt::format("    /// Row-major tensors of the shapes above with `batch` as axis 0, a multiple of {}. Throws Error.\n", unit);
    }
    return {{"ports_comment", comment},
            {"shapes", shapes},
            {"counts", counts},
            {"parameters", parameters},
            {"run_comment", run_comment},
            {"example_arguments", fmt::format("{}", fmt::join(names, ", "))},
            {"pointer_arrays", pointer_array("const void*", "inputs", {names.begin(), first_output}) +
                                   pointer_array("void*", "outputs", {first_output, names.end()})},
            {"inputs_argument", plan.inputs.empty() ? "nullptr" : "inputs"},
            {"outputs_argument", plan.outputs.empty() ? "nullptr" : "outputs"},
            {"batch_argument", plan.batched ? "batch" : "0"}};
}

namespace {

std::string step_info_rows(const Plan& plan) {
    std::string rows;
    for (const Step& step : plan.steps) {
        const StepCost cost = cost_of(step);
        rows += fmt::format("    {{{}, \"{}\", {}, {}, {}, {}}},\n", quote_literal(step.name), kind_of(step),
                            quote_literal(step.origin.empty() ? step.name : step.origin), quote_literal(describe(step)), cost.flops,
                            cost.bytes);
    }
    return rows;
}

}  // namespace

std::string port_rows(const Plan& plan, const std::string& name, bool weights_in_file) {
    std::string out;
    for (const Ports* ports : {&plan.inputs, &plan.outputs}) {
        const char* kind = ports == &plan.inputs ? "input" : "output";
        std::string rows;
        for (std::size_t i = 0; i < ports->size(); ++i) {
            const Plan::Port& port = (*ports)[i];
            const Dims& dims = port.type.dims;
            std::string dims_name = "nullptr";
            if (!dims.empty()) {
                dims_name = fmt::format("{}_{}_dims", kind, i);
                out += fmt::format("constexpr std::int64_t {}[] = {{{}}};\n", dims_name, fmt::join(dims, ", "));
            }
            std::string dtype(name_of(port.type.dtype));
            for (char& c : dtype) c = static_cast<char>(c >= 'a' ? c - 'a' + 'A' : c);
            rows += fmt::format("    {{{}, IGATA_{}, {}, {}, {}}},\n", quote_literal(port.name), dtype, dims.size(), dims_name,
                                element_count(dims) * static_cast<std::int64_t>(size_of(port.type.dtype)));
        }
        if (!rows.empty()) out += fmt::format("constexpr igata_tensor_info {}s[] = {{\n{}}};\n", kind, rows);
    }
    if (!plan.steps.empty()) out += fmt::format("constexpr igata_step_info step_infos[] = {{\n{}}};\n", step_info_rows(plan));
    return out + fmt::format("constexpr igata_predictor_info info{{\"{}\", {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}};\n", name,
                             plan.inputs.size(), plan.outputs.size(), plan.inputs.empty() ? "nullptr" : "inputs",
                             plan.outputs.empty() ? "nullptr" : "outputs", plan.batched ? 1 : 0, weights_in_file ? 1 : 0,
                             plan.steps.size(), plan.weight_bytes, plan.arena_bytes,
                             plan.steps.empty() ? "nullptr" : "step_infos");
}

}  // namespace igata
