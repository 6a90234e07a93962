// Branches and repeats: which step comes next, and which operands move with the iterations. Resolved once from the
// rows; a run keeps no more than a counter for each repeat.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/operation.hpp"
#include "runtime/specs.hpp"

namespace igata::runtime {

/// What a step of control knows; the other steps of a program lie between them.
struct ControlStep {
    std::size_t step;
    Control control;
    std::size_t partner;  ///< branch: its otherwise or end; otherwise and repeat: the end; end: the beginning
    std::size_t counter;  ///< of a repeat
};

/// An operand that is further by `advance` bytes with every iteration of a repeat.
struct Movement {
    std::size_t repeat;  ///< step
    std::size_t slot;    ///< step * max_operands + operand
    std::int64_t advance;
};

struct Flow {
    std::vector<std::int32_t> index;  ///< by step: in `steps`, or -1; empty if there is no control
    std::vector<ControlStep> steps;
    std::vector<Movement> movements;  ///< by repeat
    std::size_t counters = 0;
};

/// Throws std::runtime_error if branches and repeats do not nest.
inline Flow flow_of(const ProgramSpec& program) {
    Flow flow;
    std::vector<std::size_t> open;     // in flow.steps: a branch (or its otherwise) or a repeat
    std::vector<std::size_t> repeats;  // steps
    const auto close = [&](std::size_t by) {
        if (open.empty()) throw std::runtime_error(std::string("step '") + program.steps[by].name + "' ends nothing");
        const std::size_t last = open.back();
        open.pop_back();
        flow.steps[last].partner = by;
        return last;
    };
    for (int i = 0; i < program.step_count; ++i) {
        const StepSpec& row = program.steps[i];
        const auto step = static_cast<std::size_t>(i);
        for (int k = 0; k < row.operand_count; ++k)
            if (row.operands[k].advance != 0 && !repeats.empty())
                flow.movements.push_back(
                    {repeats.back(), step * max_operands + static_cast<std::size_t>(k), row.operands[k].advance});
        if (row.kind != StepKind::control) continue;
        ControlStep next{step, static_cast<const ControlSpec*>(row.spec)->control, step, 0};
        if (next.control == Control::otherwise || next.control == Control::end) {
            const std::size_t begin = close(step);
            next.partner = flow.steps[begin].step;
            if (flow.steps[begin].control == Control::repeat) repeats.pop_back();
        }
        if (next.control == Control::repeat) {
            next.counter = flow.counters++;
            repeats.push_back(step);
        }
        if (next.control != Control::end) open.push_back(flow.steps.size());
        flow.index.resize(static_cast<std::size_t>(program.step_count), -1);
        flow.index[step] = static_cast<std::int32_t>(flow.steps.size());
        flow.steps.push_back(next);
    }
    if (!open.empty()) throw std::runtime_error("a branch or repeat has no end");
    return flow;
}

/// A step of control in the list of operations: the context does what it says.
class ControlOperation final : public Operation {
public:
    void run(const Frame&) const override {}
    std::string implementation() const override { return "igata:control"; }
};

inline std::unique_ptr<Operation> make_operation(const Builder&, const ControlSpec&) {
    return std::make_unique<ControlOperation>();
}

/// Where one run is.
class FlowState {
public:
    explicit FlowState(const Flow& flow)
        : flow_(&flow), counters_(flow.counters), starts_(flow.movements.size(), nullptr) {}

    bool is_control(std::size_t step) const { return !flow_->index.empty() && flow_->index[step] >= 0; }

    /// To be called when all addresses are known, before the first step.
    void begin(std::byte* const* addresses) {
        for (std::size_t i = 0; i < starts_.size(); ++i) starts_[i] = addresses[flow_->movements[i].slot];
    }
    /// Addresses are as they were when the last run began.
    void rewind(std::byte** addresses) const {
        for (std::size_t i = 0; i < starts_.size(); ++i) addresses[flow_->movements[i].slot] = starts_[i];
    }

    /// The step that comes after a step of control.
    std::size_t next(std::size_t step, std::byte** addresses) {
        const ControlStep& at = control(step);
        switch (at.control) {
            case Control::branch: return holds(addresses[step * max_operands]) ? step + 1 : at.partner + 1;
            case Control::otherwise: return at.partner + 1;
            case Control::repeat: counters_[at.counter] = 0; return enter(at, addresses);
            case Control::end: break;
        }
        const ControlStep& beginning = control(at.partner);
        if (beginning.control != Control::repeat) return step + 1;
        ++counters_[beginning.counter];
        return enter(beginning, addresses);
    }

private:
    const ControlStep& control(std::size_t step) const {
        return flow_->steps[static_cast<std::size_t>(flow_->index[step])];
    }
    static bool holds(const std::byte* condition) { return *condition != std::byte{0}; }

    std::size_t enter(const ControlStep& repeat, std::byte** addresses) const {
        std::byte* const* operands = addresses + repeat.step * max_operands;
        const std::int64_t iteration = counters_[repeat.counter];
        const bool ended = (operands[0] != nullptr && !holds(operands[0])) ||
                           (operands[1] != nullptr && iteration >= *reinterpret_cast<const std::int64_t*>(operands[1]));
        if (ended) return repeat.partner + 1;
        *reinterpret_cast<std::int64_t*>(operands[2]) = iteration;
        for (std::size_t i = 0; i < starts_.size(); ++i) {
            const Movement& movement = flow_->movements[i];
            if (movement.repeat == repeat.step) addresses[movement.slot] = starts_[i] + movement.advance * iteration;
        }
        return repeat.step + 1;
    }

    const Flow* flow_;
    std::vector<std::int64_t> counters_;
    std::vector<std::byte*> starts_;  ///< by movement: the address at iteration 0
};

}  // namespace igata::runtime
