// What must hold of every Plan, whoever made it: operands lie inside their buffers, nothing is read before it is
// written, constants and inputs are never written, no two buffers that live at once share bytes (but for a loop that
// runs in place), and loops are well formed.
#include <algorithm>
#include <set>
#include <stdexcept>

#include <fmt/format.h>

#include "compiler/passes/lifetimes.hpp"
#include "compiler/passes/passes.hpp"

namespace igata {

namespace {

using runtime::Space;

class PlanVerifier {
public:
    explicit PlanVerifier(const Plan& plan) : plan_(plan), written_(plan.buffers.size(), false) {}

    void verify() {
        check_buffers();
        control_regions(plan_);
        for (const Step& step : plan_.steps) {
            step_ = &step;
            if (!names_.insert(step.name).second) fail("another step has its name");
            if (const auto* loop = std::get_if<Loop>(&step.spec)) check_loop(*loop);
            if (const auto* conv = std::get_if<runtime::ConvolutionSpec>(&step.spec)) {
                check_per_channel("scale", conv->scale, conv->src, false);
                check_per_channel("mean", conv->mean, conv->dst, true);
            }
            check_operands();
        }
        step_ = nullptr;
        for (const auto* ports : {&plan_.inputs, &plan_.outputs})
            for (const Plan::Port& port : *ports) check_port(port, ports == &plan_.outputs);
        if (std::any_of(plan_.buffers.begin(), plan_.buffers.end(), is_placed)) check_memory();
    }

private:
    static bool is_placed(const Buffer& buffer) { return buffer.space == Space::arena && buffer.offset >= 0; }

    [[noreturn]] void fail(const std::string& message) const {
        throw std::logic_error(step_ == nullptr
                                   ? fmt::format("plan '{}': {}", plan_.name, message)
                                   : fmt::format("plan '{}', step '{}': {}", plan_.name, step_->name, message));
    }

    void check_buffers() {
        std::set<std::string> names;
        for (const Buffer& buffer : plan_.buffers) {
            if (!names.insert(buffer.name).second) fail(fmt::format("two buffers are named '{}'", buffer.name));
            if (buffer.space == Space::none) fail(fmt::format("buffer '{}' is nowhere", buffer.name));
            const bool constant = buffer.space == Space::weights;
            if (constant != buffer.constant.has_value())
                fail(fmt::format("buffer '{}' {} a constant", buffer.name, constant ? "lacks" : "must not hold"));
            if (constant && static_cast<std::int64_t>(buffer.constant->byte_size()) != buffer.bytes)
                fail(fmt::format("buffer '{}' is not as large as its constant", buffer.name));
            if (constant && buffer.offset >= 0 && buffer.offset + buffer.bytes > plan_.weight_bytes)
                fail(fmt::format("buffer '{}' ends beyond the weights", buffer.name));
        }
    }

    void check_port(const Plan::Port& port, bool is_output) const {
        const Buffer& buffer = plan_.buffer(port.buffer);
        const std::int64_t bytes = element_count(port.type.dims) * static_cast<std::int64_t>(size_of(port.type.dtype));
        if (buffer.space != (is_output ? Space::output : Space::input) || buffer.bytes != bytes)
            fail(fmt::format("port '{}' does not fit its buffer", port.name));
        if (is_output && bytes > 0 && !written_[static_cast<std::size_t>(port.buffer)])
            fail(fmt::format("output '{}' is never written", port.name));
    }

    void check_loop(const Loop& loop) const {
        if (loop.extents.size() > runtime::max_rank) fail("the loop has too many dims");
        if (step_->operands.size() != loop.inputs.size() + 1) fail("the loop has a wrong number of operands");
        std::vector<DataType> types;
        for (const Loop::Operand& input : loop.inputs) {
            if (input.strides.size() != loop.extents.size()) fail("an input's strides do not fit the loop's rank");
            types.push_back(input.dtype);
        }
        if (loop.output.strides.size() != loop.extents.size()) fail("the output's strides do not fit the loop's rank");
        if (!loop.body) fail("the loop has no body");
        if (expr::operand_count(loop.body) > static_cast<int>(types.size())) fail("the body reads an operand too many");
        if (loop.reduce) {
            if (loop.reduced.size() != loop.extents.size()) fail("the reduced dims do not fit the loop's rank");
            if (!std::is_sorted(loop.reduced.begin(), loop.reduced.end()))
                fail("a reduced dim comes before a kept one");
            if (loop.accumulator == DataType::undefined) fail("the reduction has no accumulator type");
            return;
        }
        if (types.empty()) return;
        // As the loop computes it: where only constants decide the type, as in select(x0, 0.0, 1.0), it is the
        // output's.
        const DataType type = expr::typed(loop.body, types, loop.output.dtype)->dtype;
        if (type != loop.output.dtype)
            fail(fmt::format("the body is {}, the output {}", name_of(type), name_of(loop.output.dtype)));
    }

    /// One value a channel, and for a mean an image, of `tensor`.
    void check_per_channel(const char* name, const runtime::OptionalOperand& operand, const runtime::MemorySpec& tensor,
                           bool is_mean) const {
        if (!operand.is_present()) return;
        const auto index = static_cast<std::size_t>(operand.operand_index);
        const runtime::MemorySpec& memory = operand.memory;
        if (index >= step_->operands.size() || step_->operands[index].buffer == no_buffer)
            fail(fmt::format("its {} is described but absent", name));
        if (step_->operands[index].written != is_mean || step_->operands[index].read == is_mean)
            fail(fmt::format("its {} must be {}", name, is_mean ? "written" : "read"));
        bool fits = memory.rank == tensor.rank && memory.dims[1] == tensor.dims[1] &&
                    (memory.dims[0] == tensor.dims[0] || (memory.dims[0] == 1 && !is_mean));
        for (int axis = 2; axis < memory.rank; ++axis) fits = fits && memory.dims[axis] == 1;
        for (const DataType dtype : {memory.dtype, tensor.dtype}) fits = fits && dtype == DataType::f32;
        if (!fits) fail(fmt::format("its {} does not hold one f32 a channel", name));
    }

    void check_operands() {
        for (std::size_t i = 0; i < step_->operands.size(); ++i) {
            const StepOperand& operand = step_->operands[i];
            const runtime::MemorySpec spec = operand_spec(*step_, i);
            if (operand.buffer == no_buffer) {
                if (spec.dtype != DataType::undefined) fail(fmt::format("operand {} is described but absent", i));
                continue;
            }
            check_range(i, operand, spec);
            const Buffer& buffer = plan_.buffer(operand.buffer);
            const bool given = buffer.space == Space::input || buffer.space == Space::weights;
            if (operand.written && given) fail(fmt::format("writes to '{}'", buffer.name));
            if (operand.read && !given && buffer.bytes > 0 && !written_[static_cast<std::size_t>(operand.buffer)])
                fail(fmt::format("reads '{}' before it is written", buffer.name));
        }
        for (const StepOperand& operand : step_->operands)
            if (operand.written) written_[static_cast<std::size_t>(operand.buffer)] = true;
    }

    void check_range(std::size_t i, const StepOperand& operand, const runtime::MemorySpec& spec) const {
        std::int64_t lowest = 0;
        std::int64_t highest = 0;
        for (int axis = 0; axis < spec.rank; ++axis) {
            if (spec.dims[axis] == 0) return;
            (spec.strides[axis] < 0 ? lowest : highest) += (spec.dims[axis] - 1) * spec.strides[axis];
        }
        const auto width = static_cast<std::int64_t>(size_of(spec.dtype));
        const Buffer& buffer = plan_.buffer(operand.buffer);
        if (operand.offset + lowest * width < 0 || operand.offset + (highest + 1) * width > buffer.bytes)
            fail(fmt::format("operand {} lies outside of '{}'", i, buffer.name));
    }

    void check_memory() const {
        const std::vector<Lifetime> lives = lifetimes(plan_);
        for (std::size_t a = 0; a < lives.size(); ++a) {
            if (!lives[a].used()) continue;
            const Buffer& first = plan_.buffers[a];
            if (first.offset < 0 || first.offset % memory_alignment != 0 ||
                first.offset + first.bytes > plan_.arena_bytes)
                fail(fmt::format("buffer '{}' has no proper place in the arena", first.name));
            for (std::size_t b = a + 1; b < lives.size(); ++b) {
                const Buffer& second = plan_.buffers[b];
                if (!lives[b].used() || !lives[a].overlaps(lives[b])) continue;
                const bool apart =
                    first.offset + first.bytes <= second.offset || second.offset + second.bytes <= first.offset;
                if (!apart && !in_place(a, b, lives) && !in_place(b, a, lives))
                    fail(fmt::format("buffers '{}' and '{}' overlap while both are alive", first.name, second.name));
            }
        }
    }

    bool in_place(std::size_t from, std::size_t to, const std::vector<Lifetime>& lives) const {
        if (lives[from].last != lives[to].first || plan_.buffers[from].offset != plan_.buffers[to].offset) return false;
        const Step& step = plan_.steps[static_cast<std::size_t>(lives[to].first)];
        return may_run_in_place(step, static_cast<BufferId>(from), static_cast<BufferId>(to));
    }

    const Plan& plan_;
    const Step* step_ = nullptr;
    std::vector<bool> written_;
    std::set<std::string> names_;
};

}  // namespace

void verify(const Plan& plan) { PlanVerifier(plan).verify(); }

}  // namespace igata
