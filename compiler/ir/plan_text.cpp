// Prints plans.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "compiler/ir/plan_fields.hpp"
#include "compiler/ir/scanner.hpp"
#include "compiler/ir/text.hpp"

namespace igata {

namespace {

using namespace plan_text;
using runtime::MemorySpec;
using runtime::PostOp;
using runtime::Space;

class StepPrinter {
public:
    StepPrinter(const Plan* plan, const Step& step) : plan_(plan), step_(step), text_(kind_of(step)) {}

    /// The step as a line of a plan.
    std::string print() {
        add(print_name(step_.name));
        print_spec(step_.spec);
        std::string origin = step_.origin;
        std::replace(origin.begin(), origin.end(), '\n', ' ');
        return origin.empty() ? text_ : text_ + "  ; " + origin;
    }
    /// Only what kind of step it is; needs no plan.
    std::string print_spec(StepSpecVariant spec) {
        std::visit([&](auto& s) { Fields::visit(*this, s); }, spec);
        return text_;
    }

    void operand(std::string_view label, const MemorySpec& spec) { add(label, place(next_++, spec)); }
    void optional_operand(std::string_view label, const MemorySpec& spec) {
        if (step_.operands.at(next_).buffer == no_buffer) ++next_;
        else operand(label, spec);
    }
    void extra_operand(std::string_view label, const runtime::OptionalOperand& extra, bool) {
        if (extra.is_present()) add(label, place(static_cast<std::size_t>(extra.operand_index), extra.memory));
    }
    void destination(std::string_view label, const MemorySpec& spec) { operand(label, spec); }
    void integer(std::string_view label, std::int64_t value, std::int64_t usual) {
        if (value != usual) add(label, std::to_string(value));
    }
    void integers(std::string_view label, const std::int64_t* values, int count, std::int64_t usual) {
        if (std::all_of(values, values + count, [&](std::int64_t v) { return v == usual; })) return;
        add(label, fmt::format("{}", fmt::join(values, values + count, ",")));
    }
    void real(std::string_view label, float value, float usual) {
        if (value != usual) add(label, print_real(value));
    }
    void reals(std::string_view label, const float* values, int count) {
        if (std::all_of(values, values + count, [](float v) { return v == 0.0F; })) return;
        std::string list;
        for (int i = 0; i < count; ++i) (list += i > 0 ? "," : "") += print_real(values[i]);
        add(label, list);
    }
    void flag(std::string_view label, bool value) {
        if (value) add(label);
    }
    template <class Enum>
    void choice(Enum value, Names names, std::string_view) {
        add(names[static_cast<std::size_t>(value)]);
    }
    template <class Enum>
    void option(std::string_view label, Enum value, Names names) {
        if (value != Enum{}) add(label, names[static_cast<std::size_t>(value)]);
    }
    void kernel_name(std::string_view name) { add(name); }
    void kernel_operands(const runtime::KernelSpec& spec) {
        for (int i = 0; i < spec.operand_count; ++i) {
            const StepOperand& next = step_.operands.at(next_);
            if (next.buffer != no_buffer) {
                operand(next.written ? ">" : "", spec.operands[i]);
            } else {
                add("none");
                ++next_;
            }
        }
    }
    void epilogue(const runtime::Epilogue& epilogue) {
        if (epilogue.count == 0) return;
        std::vector<std::string> texts;
        for (int i = 0; i < epilogue.count; ++i) texts.push_back(post_op(epilogue.ops[i]));
        add("epilogue=", fmt::format("[{}]", fmt::join(texts, " ")));
    }
    void loop(const Loop& loop) {
        std::string box;
        bool reduced = false;
        for (std::size_t d = 0; d < loop.extents.size(); ++d) {
            const bool turns = loop.reduce && loop.reduced.at(d) && !reduced;
            reduced = reduced || turns;
            box += turns ? "|" : d > 0 ? "," : "";
            box += std::to_string(loop.extents[d]);
        }
        add(fmt::format("[{}]", box));
        for (std::size_t i = 0; i < loop.inputs.size(); ++i) loop_operand(fmt::format("x{}=", i), loop.inputs[i]);
        loop_operand("dst=", loop.output);
        if (loop.reduce) {
            add(reduce_names[static_cast<std::size_t>(*loop.reduce)]);
            add(name_of(loop.accumulator));
        }
        add(fmt::format("{{{}}}", expr::print(loop.body)));
        if (loop.finish) add(fmt::format("then {{{}}}", expr::print(loop.finish)));
    }

private:
    void add(std::string_view word, std::string_view more = {}) { ((text_ += ' ') += word) += more; }

    std::string address(std::size_t i) const {
        const StepOperand& operand = step_.operands.at(i);
        const std::string& name = plan_->buffer(operand.buffer).name;
        std::string text = operand.offset == 0 ? name : fmt::format("{}+{}", name, operand.offset);
        if (operand.advance != 0) text += fmt::format("^{}", operand.advance);
        return text;
    }
    std::string place(std::size_t i, const MemorySpec& spec) const {
        const Dims dims(spec.dims, spec.dims + spec.rank);
        const Dims strides(spec.strides, spec.strides + spec.rank);
        std::string text = plan_ != nullptr ? address(i) + ":" : "";
        text += fmt::format("{}{}", name_of(spec.dtype), to_string(dims));
        if (strides == row_major_strides(dims)) return text;
        if (const auto tag = channels_last_tag(dims.size()); !tag.empty() && strides == channels_last_strides(dims))
            return fmt::format("{}@{}", text, tag);
        return fmt::format("{}({})", text, fmt::join(strides, ","));
    }
    void loop_operand(std::string_view label, const Loop::Operand& operand) {
        add(label, fmt::format("{}:{}({})", address(next_), name_of(operand.dtype), fmt::join(operand.strides, ",")));
        ++next_;
    }
    std::string post_op(const PostOp& op) const {
        if (op.kind == PostOp::Kind::sum) return "sum";
        if (op.kind == PostOp::Kind::binary)
            return fmt::format("{}({})", plan_text::name_of(op.binary),
                               place(static_cast<std::size_t>(op.operand_index), op.operand));
        const std::string_view name = plan_text::name_of(op.eltwise);
        if (op.beta != 0.0F) return fmt::format("{}({},{})", name, print_real(op.alpha), print_real(op.beta));
        return op.alpha != 0.0F ? fmt::format("{}({})", name, print_real(op.alpha)) : std::string(name);
    }

    const Plan* plan_;
    const Step& step_;
    std::string text_;
    std::size_t next_ = 0;
};

std::string print_declared(const std::vector<SymbolicDim>& dims) {
    std::vector<std::string> texts;
    for (const SymbolicDim& dim : dims)
        texts.push_back(dim.symbol == "?" || (dim.symbol.empty() && !dim.known()) ? "?"
                        : dim.symbol.empty()                                      ? std::to_string(dim.value)
                                                                                  : print_name(dim.symbol));
    return fmt::format("[{}]", fmt::join(texts, ","));
}

std::string print_buffer(const Plan& plan, BufferId id) {
    const Buffer& buffer = plan.buffer(id);
    const auto port = [&](const std::vector<Plan::Port>& ports, std::string_view kind) {
        const Plan::Port& p = ports.at(static_cast<std::size_t>(buffer.index));
        return fmt::format("{} = {} {} {} declared={}", buffer.name, kind, print_name(p.name), to_string(p.type),
                           print_declared(p.declared));
    };
    switch (buffer.space) {
        case Space::input: return port(plan.inputs, "input");
        case Space::output: return port(plan.outputs, "output");
        case Space::weights:
            return fmt::format("{} = weights{} {}", buffer.name,
                               buffer.offset >= 0 ? fmt::format("+{}", buffer.offset) : "",
                               print_tensor(buffer.constant.value()));
        default:
            return fmt::format("{} = buffer {} {}{}", buffer.name, name_of(buffer.dtype), buffer.bytes,
                               buffer.offset >= 0 ? fmt::format(" arena+{}", buffer.offset) : "");
    }
}

}  // namespace

std::string print(const Plan& plan) {
    std::string text =
        fmt::format("plan {} arena={} weights={}{} {{\n", print_name(plan.name.empty() ? "plan" : plan.name),
                    plan.arena_bytes, plan.weight_bytes, plan.batched ? " batched" : "");
    for (std::size_t i = 0; i < plan.buffers.size(); ++i)
        text += fmt::format("  {}\n", print_buffer(plan, static_cast<BufferId>(i)));
    for (const Step& step : plan.steps) text += fmt::format("  {}\n", StepPrinter(&plan, step).print());
    return text + "}\n";
}

std::string print_geometry(const Step& step) {
    StepSpecVariant spec = step.spec;
    if (auto* convolution = std::get_if<runtime::ConvolutionSpec>(&spec)) {
        convolution->streamed = false;
        convolution->implementation = {};
    }
    if (auto* matmul = std::get_if<runtime::MatMulSpec>(&spec)) matmul->implementation = {};
    return StepPrinter(nullptr, step).print_spec(spec);
}

}  // namespace igata
