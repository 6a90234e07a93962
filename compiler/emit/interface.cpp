#include "compiler/emit/interface.hpp"

#include <fmt/format.h>

#include "compiler/emit/amalgamate.hpp"
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
    Identifiers scope({"batch", "inputs", "outputs", "context", "model", "shapes", "dims"});
    std::vector<std::string> names;
    for (const Ports* ports : {&plan.inputs, &plan.outputs}) {
        for (const Plan::Port& port : *ports) names.push_back(scope.add(port.name));
    }
    return names;
}

std::string pointer_array(const char* type, const char* array, const std::vector<std::string>& names) {
    return names.empty() ? "" : fmt::format("        {} const {}[] = {{{}}};\n", type, array, fmt::join(names, ", "));
}

std::string array_type(const Dims& dims) { return fmt::format("std::array<std::int64_t, {}>", dims.size()); }
std::string array_value(const Dims& dims) {
    return dims.empty() ? "{}" : fmt::format("{{{{{}}}}}", fmt::join(dims, ", "));
}

/// `{{{1, 4}}}`: the dims of all ports of one kind, as InputShapes and OutputShapes take them.
std::string shapes_value(const Ports& ports) {
    std::vector<std::string> values;
    for (const Plan::Port& port : ports) values.push_back(array_value(port.type.dims));
    return fmt::format("{{{}}}", fmt::join(values, ", "));
}

std::string shapes_fields(const Ports& ports, const std::string* names) {
    std::string fields;
    for (std::size_t i = 0; i < ports.size(); ++i)
        fields += fmt::format("    {0} {1} = shape::{1};\n", array_type(ports[i].type.dims), names[i]);
    return fields;
}

/// Tables and functions for calls that state their shapes, where there are several plans.
Slots shaped_slots(std::span<const Plan> plans, const std::string& name, const std::vector<std::string>& names,
                   const Slots& slots) {
    if (plans.size() == 1) return {{"plans", ""}, {"shaped_run", ""}};
    const Plan& first = plans.front();
    std::vector<std::string> input_dims, output_dims;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (i < first.inputs.size()) input_dims.push_back(fmt::format("shapes.{}.data()", names[i]));
        else output_dims.push_back(fmt::format("result.{}.data()", names[i]));
    }
    if (output_dims.empty()) output_dims.emplace_back("nullptr");
    std::string rows;
    for (const Plan& plan : plans)
        rows += fmt::format("    {{{}, {}}},\n", shapes_value(plan.inputs), shapes_value(plan.outputs));
    Slots all = slots;
    all.insert(all.end(), {{"name", name},
                           {"input_fields", shapes_fields(first.inputs, names.data())},
                           {"output_fields", shapes_fields(first.outputs, names.data() + first.inputs.size())},
                           {"plan_rows", rows},
                           {"input_dims", fmt::format("{}", fmt::join(input_dims, ", "))},
                           {"output_dims", fmt::format("{}", fmt::join(output_dims, ", "))}});
    return {{"plans", fill_template("templates/plans.hpp.in", all)},
            {"shaped_run", fill_template("templates/shaped_run.hpp.in", all)}};
}

/// Where the size of an output is found that depends on the data.
std::string size_comment(const Plan& plan, const Plan::Port& port) {
    if (port.open.axis < 0) return {};
    return fmt::format(" at most; along axis {} there are as many as {} says", port.open.axis,
                       describe(plan.outputs.at(port.open.size_output)));
}

/// The ports of each plan as the C header shows them.
std::string ports_comment(std::span<const Plan> plans) {
    std::string comment;
    for (const Plan& plan : plans) {
        if (!comment.empty()) comment += " * or\n";
        for (const Plan::Port& port : plan.inputs) comment += fmt::format(" * input  {}\n", describe(port));
        for (const Plan::Port& port : plan.outputs)
            comment += fmt::format(" * output {}{}\n", describe(port), size_comment(plan, port));
    }
    return comment;
}

}  // namespace

Slots interface_slots(std::span<const Plan> plans, const std::string& predictor) {
    const Plan& plan = plans.front();
    const std::vector<std::string> names = identifiers(plan);
    const auto first_output = names.begin() + static_cast<std::ptrdiff_t>(plan.inputs.size());
    std::string shapes, counts, parameters;
    std::size_t next = 0;
    for (const Ports* ports : {&plan.inputs, &plan.outputs}) {
        const bool is_input = ports == &plan.inputs;
        for (const Plan::Port& port : *ports) {
            const std::string& name = names[next++];
            shapes += fmt::format("inline constexpr {} {}{};\n", array_type(port.type.dims), name,
                                  array_value(port.type.dims));
            counts += fmt::format("inline constexpr std::size_t {} = {};\n", name, element_count(port.type.dims));
            parameters += fmt::format("{}{}{}* {}", parameters.empty() ? "" : ", ", is_input ? "const " : "",
                                      caller_type(port.type.dtype), name);
        }
    }
    Slots slots = {{"ports_comment", ports_comment(plans)},
                   {"shapes", shapes},
                   {"counts", counts},
                   {"example_arguments", fmt::format("{}", fmt::join(names, ", "))},
                   {"pointer_arrays", pointer_array("const void*", "inputs", {names.begin(), first_output}) +
                                          pointer_array("void*", "outputs", {first_output, names.end()})},
                   {"inputs_argument", plan.inputs.empty() ? "nullptr" : "inputs"},
                   {"outputs_argument", plan.outputs.empty() ? "nullptr" : "outputs"},
                   {"batch_argument", plan.batched ? "batch" : "0"}};
    Slots shaped = slots;
    shaped.emplace_back("parameters", (parameters.empty() ? "" : ", ") + parameters);
    shaped = shaped_slots(plans, predictor, names, shaped);
    std::string run_comment = "    /// Row-major tensors of the shapes above. Throws Error.\n";
    if (plan.batched) {
        const std::int64_t unit = (plan.inputs.empty() ? plan.outputs : plan.inputs).front().type.dims.front();
        parameters += fmt::format(", std::int64_t batch = {}", unit);
        run_comment =
            fmt::format("    /// Row-major tensors of the shapes above with `batch` as axis 0, {}. Throws Error.\n",
                        plans.size() > 1 ? "made up of those of the plans" : fmt::format("a multiple of {}", unit));
    }
    slots.insert(slots.end(), {{"parameters", parameters}, {"run_comment", run_comment}});
    slots.insert(slots.end(), shaped.begin(), shaped.end());
    return slots;
}

namespace {

std::string step_info_rows(const Plan& plan) {
    std::string rows;
    for (const Step& step : plan.steps) {
        const StepCost cost = cost_of(step);
        rows += fmt::format("    {{{}, \"{}\", {}, {}, {}, {}}},\n", quote_literal(step.name), kind_of(step),
                            quote_literal(step.origin.empty() ? step.name : step.origin), quote_literal(describe(step)),
                            cost.flops, cost.bytes);
    }
    return rows;
}

/// The tables of a plan's inputs, outputs and steps, whose names end in `suffix`.
std::string plan_tables(const Plan& plan, const std::string& suffix) {
    std::string out;
    for (const Ports* ports : {&plan.inputs, &plan.outputs}) {
        const char* kind = ports == &plan.inputs ? "input" : "output";
        std::string rows;
        for (std::size_t i = 0; i < ports->size(); ++i) {
            const Plan::Port& port = (*ports)[i];
            const Dims& dims = port.type.dims;
            std::string dims_name = "nullptr";
            if (!dims.empty()) {
                dims_name = fmt::format("{}_{}_dims{}", kind, i, suffix);
                out += fmt::format("constexpr std::int64_t {}[] = {{{}}};\n", dims_name, fmt::join(dims, ", "));
            }
            std::string dtype(name_of(port.type.dtype));
            for (char& c : dtype) c = static_cast<char>(c >= 'a' ? c - 'a' + 'A' : c);
            rows +=
                fmt::format("    {{{}, IGATA_{}, {}, {}, {}, {}, {}}},\n", quote_literal(port.name), dtype, dims.size(),
                            dims_name, element_count(dims) * static_cast<std::int64_t>(size_of(port.type.dtype)),
                            port.open.axis, port.open.size_output);
        }
        if (!rows.empty()) out += fmt::format("constexpr igata_tensor_info {}s{}[] = {{\n{}}};\n", kind, suffix, rows);
    }
    if (!plan.steps.empty())
        out += fmt::format("constexpr igata_step_info step_infos{}[] = {{\n{}}};\n", suffix, step_info_rows(plan));
    return out;
}

}  // namespace

std::string port_rows(std::span<const Plan> plans, const std::string& name, bool weights_in_file) {
    std::string out;
    std::string rows;
    for (std::size_t i = 0; i < plans.size(); ++i) {
        const Plan& plan = plans[i];
        const std::string suffix = i == 0 ? "" : fmt::format("_{}", i);
        const auto table = [&](bool is_empty, const char* table_name) {
            return is_empty ? "nullptr" : table_name + suffix;
        };
        out += plan_tables(plan, suffix);
        rows += fmt::format("    {{\"{}\", {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, plans}},\n", name,
                            plan.inputs.size(), plan.outputs.size(), table(plan.inputs.empty(), "inputs"),
                            table(plan.outputs.empty(), "outputs"), plan.batched ? 1 : 0, weights_in_file ? 1 : 0,
                            plan.steps.size(), plan.weight_bytes, plan.arena_bytes,
                            table(plan.steps.empty(), "step_infos"), plans.size());
    }
    return out + fmt::format("constexpr igata_predictor_info plans[{}] = {{\n{}}};\n", plans.size(), rows);
}

}  // namespace igata
