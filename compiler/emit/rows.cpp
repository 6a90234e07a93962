#include "compiler/emit/rows.hpp"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <stdexcept>

#include "compiler/emit/names.hpp"
#include "compiler/ir/plan_fields.hpp"

namespace igata {

using namespace runtime;

std::string row(DataType dtype) {
    return dtype == DataType::undefined
               ? "DataType::undefined"
               : fmt::format("DataType::{}", dtype == DataType::boolean ? "boolean" : name_of(dtype));
}

std::string float_literal(double value, bool single) {
    const char* type = single ? "float" : "double";
    if (std::isnan(value)) return fmt::format("std::numeric_limits<{}>::quiet_NaN()", type);
    if (std::isinf(value)) return fmt::format("{}std::numeric_limits<{}>::infinity()", value < 0 ? "-" : "", type);
    std::string digits = single ? fmt::format("{}", static_cast<float>(value)) : fmt::format("{}", value);
    if (digits.find_first_of(".e") == std::string::npos) digits += ".0";
    return single ? digits + "F" : digits;
}

namespace {

/// The array up to its last element that is not `rest`, in braces.
template <class T>
std::string array(const T* values, std::size_t count, T rest) {
    while (count > 0 && values[count - 1] == rest) --count;
    return fmt::format("{{{}}}", fmt::join(values, values + count, ", "));
}

/// Leading `count` elements, in braces.
std::string leading(const std::int64_t* values, int count) {
    return fmt::format("{{{}}}", fmt::join(values, values + count, ", "));
}

std::string row(const MemorySpec& m) {
    if (m.dtype == DataType::undefined) return "{}";
    return fmt::format("{{{}, {}, {}, {}}}", igata::row(m.dtype), m.rank, leading(m.dims, m.rank),
                       leading(m.strides, m.rank));
}

using plan_text::name_of;

std::string_view name_of(Space space) {
    static constexpr std::string_view names[] = {"none", "arena", "weights", "input", "output"};
    return names[static_cast<std::size_t>(space)];
}

std::string row(const PostOp& op) {
    static constexpr std::string_view kinds[] = {"eltwise", "sum", "binary"};
    return fmt::format("{{PostOp::Kind::{}, Eltwise::{}, Binary::{}, {}, {}, {}, {}}}",
                       kinds[static_cast<std::size_t>(op.kind)], name_of(op.eltwise), name_of(op.binary),
                       float_literal(static_cast<double>(op.alpha), true),
                       float_literal(static_cast<double>(op.beta), true), row(op.operand), op.operand_index);
}

std::string row(const Epilogue& epilogue) {
    std::string ops;
    for (int i = 0; i < epilogue.count; ++i) ops += (i > 0 ? ", " : "") + row(epilogue.ops[i]);
    return fmt::format("{{{}, {{{}}}}}", epilogue.count, ops);
}

std::string row(const OptionalOperand& operand) {
    return operand.is_present() ? fmt::format("{{{}, {}}}", row(operand.memory), operand.operand_index) : "{}";
}

using Fields = std::vector<std::pair<std::string_view, std::string>>;

struct SpecRow {
    std::string_view type;
    Fields fields;

    SpecRow operator()(const ConvolutionSpec& s) const {
        return {"ConvolutionSpec",
                {{"src", row(s.src)},
                 {"weights", row(s.weights)},
                 {"bias", row(s.bias)},
                 {"dst", row(s.dst)},
                 {"spatial", std::to_string(s.spatial)},
                 {"groups", std::to_string(s.groups)},
                 {"strides", leading(s.strides, max_spatial)},
                 {"dilations", leading(s.dilations, max_spatial)},
                 {"pads_begin", leading(s.pads_begin, max_spatial)},
                 {"pads_end", leading(s.pads_end, max_spatial)},
                 {"epilogue", row(s.epilogue)},
                 {"scale", row(s.scale)},
                 {"mean", row(s.mean)},
                 {"streamed", s.streamed ? "true" : "false"},
                 {"bf16", s.bf16 ? "true" : "false"},
                 {"implementation", fmt::format("Implementation::{}", name_of(s.implementation))}}};
    }
    SpecRow operator()(const DeconvolutionSpec& s) const {
        return {"DeconvolutionSpec",
                {{"src", row(s.src)},
                 {"weights", row(s.weights)},
                 {"bias", row(s.bias)},
                 {"dst", row(s.dst)},
                 {"spatial", std::to_string(s.spatial)},
                 {"groups", std::to_string(s.groups)},
                 {"strides", leading(s.strides, max_spatial)},
                 {"dilations", leading(s.dilations, max_spatial)},
                 {"pads_begin", leading(s.pads_begin, max_spatial)},
                 {"pads_end", leading(s.pads_end, max_spatial)},
                 {"epilogue", row(s.epilogue)}}};
    }
    SpecRow operator()(const MatMulSpec& s) const {
        return {"MatMulSpec",
                {{"a", row(s.a)},
                 {"b", row(s.b)},
                 {"bias", row(s.bias)},
                 {"dst", row(s.dst)},
                 {"b_is_constant", s.b_is_constant ? "true" : "false"},
                 {"bf16", s.bf16 ? "true" : "false"},
                 {"epilogue", row(s.epilogue)},
                 {"implementation", fmt::format("Implementation::{}", name_of(s.implementation))}}};
    }
    SpecRow operator()(const PoolingSpec& s) const {
        return {"PoolingSpec",
                {{"algorithm", fmt::format("Pooling::{}", name_of(s.algorithm))},
                 {"src", row(s.src)},
                 {"dst", row(s.dst)},
                 {"spatial", std::to_string(s.spatial)},
                 {"kernel", leading(s.kernel, max_spatial)},
                 {"strides", leading(s.strides, max_spatial)},
                 {"dilations", leading(s.dilations, max_spatial)},
                 {"pads_begin", leading(s.pads_begin, max_spatial)},
                 {"pads_end", leading(s.pads_end, max_spatial)}}};
    }
    SpecRow operator()(const SoftmaxSpec& s) const {
        return {"SoftmaxSpec",
                {{"src", row(s.src)},
                 {"dst", row(s.dst)},
                 {"axis", std::to_string(s.axis)},
                 {"logarithm", s.logarithm ? "true" : "false"}}};
    }
    SpecRow operator()(const LrnSpec& s) const {
        return {"LrnSpec",
                {{"src", row(s.src)},
                 {"dst", row(s.dst)},
                 {"size", std::to_string(s.size)},
                 {"alpha", float_literal(static_cast<double>(s.alpha), true)},
                 {"beta", float_literal(static_cast<double>(s.beta), true)},
                 {"bias", float_literal(static_cast<double>(s.bias), true)}}};
    }
    SpecRow operator()(const KernelSpec& s) const {
        std::string operands;
        for (int i = 0; i < s.operand_count; ++i) operands += (i > 0 ? ", " : "") + row(s.operands[i]);
        std::string floats;
        for (const float value : s.floats)
            floats += (floats.empty() ? "" : ", ") + float_literal(static_cast<double>(value), true);
        return {"KernelSpec",
                {{"name", fmt::format("\"{}\"", s.name)},
                 {"make", fmt::format("make_{}", s.name)},
                 {"operand_count", std::to_string(s.operand_count)},
                 {"operands", "{" + operands + "}"},
                 {"ints", array<std::int64_t>(s.ints, std::size(s.ints), 0)},
                 {"floats", "{" + floats + "}"}}};
    }
    SpecRow operator()(const ControlSpec& s) const {
        return {"ControlSpec",
                {{"control", fmt::format("Control::{}", name_of(s.control))},
                 {"condition", row(s.condition)},
                 {"trips", row(s.trips)},
                 {"iteration", row(s.iteration)}}};
    }
    SpecRow operator()(const Loop&) const { return {}; }
};

}  // namespace

std::string spec_row(const std::string& identifier, const Step& step) {
    const SpecRow spec = std::visit(SpecRow{}, step.spec);
    if (spec.fields.empty()) return {};
    std::string out = fmt::format("constexpr {} {}{{\n", spec.type, identifier);
    for (const auto& [name, value] : spec.fields) out += fmt::format("    /*{}*/ {},\n", name, value);
    return out + "};\n";
}

std::string step_row(const std::string& identifier, const Plan& plan, const Step& step) {
    static constexpr std::string_view kinds[] = {"convolution", "deconvolution", "matmul",  "pooling", "softmax",
                                                 "lrn",         "kernel",        "control", "loop"};
    std::string operands;
    for (const StepOperand& operand : step.operands) {
        if (!operands.empty()) operands += ", ";
        if (operand.buffer == no_buffer) {
            operands += "{Space::none, 0, 0}";
            continue;
        }
        const Buffer& buffer = plan.buffer(operand.buffer);
        const bool placed = buffer.space == Space::arena || buffer.space == Space::weights;
        operands += fmt::format("{{Space::{}, {}, {}{}}}", name_of(buffer.space), placed ? 0 : buffer.index,
                                operand.offset + (placed ? buffer.offset : 0),
                                operand.advance != 0 ? fmt::format(", {}", operand.advance) : "");
    }
    return fmt::format("    {{StepKind::{}, &{}, {}, {}, {{{}}}}},\n", kinds[step.spec.index()], identifier,
                       quote_literal(step.name), step.operands.size(), operands);
}

}  // namespace igata
