// Parses the text form of plans.
#include <algorithm>
#include <cctype>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "compiler/ir/plan_fields.hpp"
#include "compiler/ir/scanner.hpp"
#include "compiler/ir/text.hpp"

namespace igata {

namespace {

using namespace plan_text;
using runtime::MemorySpec;
using runtime::PostOp;
using runtime::Space;

class PlanParser {
public:
    explicit PlanParser(std::string_view text) : scanner_(text) {}

    Plan parse() {
        scanner_.expect("plan");
        plan_.name = scanner_.name("the plan's name");
        scanner_.expect("arena=");
        plan_.arena_bytes = scanner_.integer("the arena's size");
        scanner_.expect("weights=");
        plan_.weight_bytes = scanner_.integer("the weights' size");
        plan_.batched = scanner_.accept("batched");
        scanner_.expect("{");
        while (!scanner_.accept("}")) {
            const std::size_t begin = scanner_.position();
            const std::string first = scanner_.word("a step or a buffer");
            if (scanner_.accept("=")) {
                parse_buffer(first);
            } else if (!parse_step(first)) {
                scanner_.fail_at(begin, fmt::format("unknown kind of step '{}'", first));
            }
        }
        if (!scanner_.at_end()) scanner_.fail("expected the end of the text");
        return std::move(plan_);
    }

    void operand(std::string_view label, MemorySpec& spec) {
        scanner_.expect(label);
        spec = place(false);
    }
    void optional_operand(std::string_view label, MemorySpec& spec) {
        if (scanner_.accept(label)) spec = place(false);
        else step_.operands.push_back({});
    }
    void extra_operand(std::string_view label, runtime::OptionalOperand& extra, bool written) {
        if (!scanner_.accept(label)) return;
        extra.operand_index = static_cast<std::int32_t>(step_.operands.size());
        extra.memory = place(written);
    }
    void destination(std::string_view label, MemorySpec& spec) {
        scanner_.expect(label);
        destination_ = step_.operands.size();
        spec = place(true);
    }
    void integer(std::string_view label, std::int64_t& value, std::int64_t usual) {
        value = scanner_.accept(label) ? scanner_.integer("an integer") : usual;
    }
    void integers(std::string_view label, std::int64_t* values, int count, std::int64_t usual) {
        std::fill_n(values, count, usual);
        if (!scanner_.accept(label)) return;
        for (int i = 0; i < count && (i == 0 || scanner_.accept(",")); ++i) values[i] = scanner_.integer("an integer");
    }
    void real(std::string_view label, float& value, float usual) {
        value = scanner_.accept(label) ? static_cast<float>(scanner_.real("a number")) : usual;
    }
    void reals(std::string_view label, float* values, int count) {
        if (!scanner_.accept(label)) return;
        for (int i = 0; i < count && (i == 0 || scanner_.accept(",")); ++i)
            values[i] = static_cast<float>(scanner_.real("a number"));
    }
    void flag(std::string_view label, bool& value) { value = scanner_.accept(label); }
    template <class Enum>
    void choice(Enum& value, Names names, std::string_view what) {
        value = static_cast<Enum>(find_name(names, what));
    }
    template <class Enum>
    void option(std::string_view label, Enum& value, Names names) {
        if (scanner_.accept(label)) value = static_cast<Enum>(find_name(names, "a choice"));
    }
    void kernel_name(const char*& name) {
        const std::string word = scanner_.name("a kernel");
        for (const char* known : kernel_names())
            if (word == known) return void(name = known);
        scanner_.fail(fmt::format("there is no kernel '{}'", word));
    }
    void kernel_operands(runtime::KernelSpec& spec) {
        while (spec.operand_count < static_cast<int>(std::size(spec.operands))) {
            if (scanner_.accept("none")) {
                step_.operands.emplace_back();
                ++spec.operand_count;
                continue;
            }
            const bool written = scanner_.accept(">");
            if (!written && !peek_buffer()) return;
            spec.operands[spec.operand_count++] = place(written);
        }
    }
    void epilogue(runtime::Epilogue& epilogue) {
        if (!scanner_.accept("epilogue=")) return;
        scanner_.expect("[");
        while (!scanner_.accept("]")) {
            if (epilogue.count == runtime::max_post_ops) scanner_.fail("too many post-ops");
            epilogue.ops[epilogue.count++] = post_op();
        }
    }
    void loop(Loop& loop) {
        bool reduced = false;
        scanner_.expect("[");
        while (!scanner_.accept("]")) {
            if (scanner_.accept("|")) reduced = true;
            else if (!loop.extents.empty()) scanner_.expect(",");
            loop.extents.push_back(scanner_.integer("an extent"));
            loop.reduced.push_back(reduced);
        }
        for (std::size_t i = 0; scanner_.accept(fmt::format("x{}=", i)); ++i)
            loop.inputs.push_back(loop_operand(false));
        scanner_.expect("dst=");
        loop.output = loop_operand(true);
        if (reduced || !scanner_.peek("{")) {
            loop.reduce = static_cast<Reduce>(find_name(reduce_names, "a reduction"));
            loop.accumulator = scanner_.dtype();
        } else {
            loop.reduced.clear();
        }
        loop.body = expression();
        if (scanner_.accept("then")) loop.finish = expression();
    }

private:
    template <std::size_t i = 0>
    bool parse_step(const std::string& kind) {
        if constexpr (i == std::variant_size_v<StepSpecVariant>) {
            return false;
        } else {
            step_ = {};
            auto& spec = step_.spec.emplace<i>();
            if (kind_of(step_) != kind) return parse_step<i + 1>(kind);
            step_.name = scanner_.name("the step's name");
            Fields::visit(*this, spec);
            step_.origin = scanner_.trailing_comment();
            plan_.steps.push_back(std::move(step_));
            return true;
        }
    }

    void parse_buffer(const std::string& name) {
        Buffer buffer;
        buffer.name = name;
        const auto id = static_cast<BufferId>(plan_.buffers.size());
        if (scanner_.accept("buffer")) {
            buffer.dtype = scanner_.dtype();
            buffer.bytes = scanner_.integer("the buffer's size");
            if (scanner_.accept("arena+")) buffer.offset = scanner_.integer("an offset");
        } else if (scanner_.accept("weights")) {
            buffer.space = Space::weights;
            if (scanner_.accept("+")) buffer.offset = scanner_.integer("an offset");
            buffer.constant = scanner_.tensor();
            buffer.dtype = buffer.constant->dtype();
            buffer.bytes = static_cast<std::int64_t>(buffer.constant->byte_size());
        } else {
            const bool is_input = scanner_.accept("input");
            if (!is_input) scanner_.expect("output");
            auto& ports = is_input ? plan_.inputs : plan_.outputs;
            Plan::Port port{scanner_.name("a name"), scanner_.type(), declared(), id};
            buffer.space = is_input ? Space::input : Space::output;
            buffer.index = static_cast<int>(ports.size());
            buffer.dtype = port.type.dtype;
            buffer.bytes = element_count(port.type.dims) * static_cast<std::int64_t>(size_of(port.type.dtype));
            ports.push_back(std::move(port));
        }
        if (!buffers_.emplace(name, id).second) scanner_.fail(fmt::format("buffer '{}' is defined twice", name));
        plan_.buffers.push_back(std::move(buffer));
    }

    std::vector<SymbolicDim> declared() {
        std::vector<SymbolicDim> dims;
        scanner_.expect("declared=");
        scanner_.expect("[");
        while (!scanner_.accept("]")) {
            if (!dims.empty()) scanner_.expect(",");
            SymbolicDim& dim = dims.emplace_back();
            if (scanner_.accept("?")) continue;
            const std::size_t begin = scanner_.position();
            if (scanner_.peek_quoted()) dim.symbol = scanner_.quoted();
            else if (const std::string_view token = scanner_.rest_of_line(",]");
                     std::isdigit(static_cast<unsigned char>(token.at(0))) != 0) {
                scanner_.rewind(begin);
                dim.value = scanner_.integer("a dim");
            } else {
                dim.symbol = token;
            }
        }
        return dims;
    }

    std::size_t find_name(Names names, std::string_view what) {
        const std::size_t begin = scanner_.position();
        const auto found = std::find(names.begin(), names.end(), scanner_.word(what));
        if (found == names.end()) scanner_.fail_at(begin, fmt::format("expected {}", what));
        return static_cast<std::size_t>(found - names.begin());
    }

    bool peek_buffer() {
        const std::size_t begin = scanner_.position();
        bool found = false;
        if (!scanner_.peek("}") && !scanner_.peek("ints=") && !scanner_.peek("floats=")) {
            const std::string name = scanner_.word("an operand");
            found = buffers_.contains(name) && (scanner_.peek(":") || scanner_.peek("+") || scanner_.peek("^"));
        }
        scanner_.rewind(begin);
        return found;
    }

    void address(bool written) {
        const std::size_t begin = scanner_.position();
        const std::string name = scanner_.word("a buffer");
        const auto found = buffers_.find(name);
        if (found == buffers_.end()) scanner_.fail_at(begin, fmt::format("unknown buffer '{}'", name));
        StepOperand operand{found->second, 0, written, !written};
        if (scanner_.accept("+")) operand.offset = scanner_.integer("an offset");
        if (scanner_.accept("^")) operand.advance = scanner_.integer("an advance");
        step_.operands.push_back(operand);
        scanner_.expect(":");
    }

    Dims strides() {
        Dims result;
        while (!scanner_.accept(")")) {
            if (!result.empty()) scanner_.expect(",");
            result.push_back(scanner_.integer("a stride"));
        }
        return result;
    }

    MemorySpec place(bool written) {
        address(written);
        const ValueType type = scanner_.type();
        View view{no_buffer, 0, type.dtype, type.dims, row_major_strides(type.dims)};
        if (scanner_.accept("(")) {
            view.strides = strides();
        } else if (scanner_.accept("@")) {
            scanner_.expect(channels_last_tag(type.dims.size()));
            view.strides = channels_last_strides(type.dims);
        }
        if (view.strides.size() != view.dims.size()) scanner_.fail("expected one stride a dim");
        return memory_spec(view);
    }

    Loop::Operand loop_operand(bool written) {
        address(written);
        Loop::Operand operand{scanner_.dtype(), {}};
        scanner_.expect("(");
        operand.strides = strides();
        return operand;
    }

    PostOp post_op() {
        PostOp op;
        const std::size_t begin = scanner_.position();
        const std::string name = scanner_.word("a post-op");
        const auto binary = std::find(binary_names.begin(), binary_names.end(), name);
        const auto eltwise = std::find(eltwise_names.begin(), eltwise_names.end(), name);
        if (name == "sum") {
            op.kind = PostOp::Kind::sum;
            step_.operands.at(destination_).read = true;
        } else if (binary != binary_names.end()) {
            op.kind = PostOp::Kind::binary;
            op.binary = static_cast<runtime::Binary>(binary - binary_names.begin());
            op.operand_index = static_cast<std::int32_t>(step_.operands.size());
            scanner_.expect("(");
            op.operand = place(false);
            scanner_.expect(")");
        } else if (eltwise != eltwise_names.end()) {
            op.eltwise = static_cast<runtime::Eltwise>(eltwise - eltwise_names.begin());
            if (!scanner_.accept("(")) return op;
            op.alpha = static_cast<float>(scanner_.real("alpha"));
            if (scanner_.accept(",")) op.beta = static_cast<float>(scanner_.real("beta"));
            scanner_.expect(")");
        } else {
            scanner_.fail_at(begin, fmt::format("unknown post-op '{}'", name));
        }
        return op;
    }

    ExprPtr expression() {
        scanner_.expect("{");
        const std::size_t begin = scanner_.position();
        const std::string_view text = scanner_.rest_of_line("}");
        scanner_.expect("}");
        try {
            return expr::parse(text);
        } catch (const std::invalid_argument& error) {
            scanner_.fail_at(begin, error.what());
        }
    }

    Scanner scanner_;
    Plan plan_;
    Step step_;
    std::size_t destination_ = 0;
    std::unordered_map<std::string, BufferId> buffers_;
};

}  // namespace

Plan parse_plan(std::string_view text) { return PlanParser(text).parse(); }

}  // namespace igata
