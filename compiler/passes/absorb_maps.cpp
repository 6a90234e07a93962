// What is cheap to compute and only a reduction reads is part of the reduction's expression, and never stored.
//
//     loop dequantize [94080] x0=b1:u8(1) dst=b2:f32(1) {cast<f32>(cast<i32>(x0) - 5) * 0.02}
//     loop squeeze [480|196] x0=b2:f32(1,480) dst=b3:f32(1,0) sum f32 {x0} then {x0 / 196}
//   becomes
//     loop squeeze [480|196] x0=b1:u8(1,480) dst=b3:f32(1,0) sum f32 {cast<f32>(cast<i32>(x0) - 5) * 0.02} then {x0 /
//     196}
//
// Not if anything else reads it, if the reduction reads an element more than once, or if what the element is made of is
// overwritten in between; and not in plans with branches or repeats.
#include <fmt/format.h>

#include <string>
#include <utility>

#include "compiler/passes/loop_strides.hpp"
#include "compiler/passes/passes.hpp"
#include "compiler/passes/tidy_buffers.hpp"

namespace igata {

namespace {

/// A few operations that every processor has for whole registers: what is reduced element by element pays them again.
bool is_cheap(const ExprPtr& e) {
    constexpr int most = 8;
    bool plain = true;
    expr::rewrite(e, [&](const ExprPtr& part) {
        switch (part->op) {
            case ExprOp::constant:
            case ExprOp::operand:
            case ExprOp::neg:
            case ExprOp::abs:
            case ExprOp::cast:
            case ExprOp::add:
            case ExprOp::sub:
            case ExprOp::mul:
            case ExprOp::min:
            case ExprOp::max: break;
            default: plain = false;
        }
        return part;
    });
    return plain && expr::cost(e) <= most;
}

/// The loop if the step is one, with or without a reduction.
const Loop* loop_of(const Step& step, bool reduces) {
    const auto* loop = std::get_if<Loop>(&step.spec);
    return loop != nullptr && loop->reduce.has_value() == reduces ? loop : nullptr;
}

class MapAbsorber {
public:
    MapAbsorber(Plan& plan, Remarks& remarks, Budget budget)
        : plan_(plan), remarks_(remarks), budget_(std::move(budget)) {}

    void run() {
        absorb_steps(plan_, [this](std::size_t i) { return absorb(i); });
    }

private:
    /// True if the one reduction that reads step `at` now computes it itself.
    bool absorb(std::size_t at) {
        const Step& step = plan_.steps[at];
        const Loop* map = loop_of(step, false);
        if (map == nullptr || map->output.dtype != DataType::f32 || map->inputs.empty() || !is_cheap(map->body))
            return false;
        const BufferId made = step.operands.back().buffer;
        if (plan_.buffer(made).space != runtime::Space::arena || is_mentioned(plan_, made, 0, at)) return false;
        std::size_t reader = at + 1;
        while (reader < plan_.steps.size() && !is_mentioned(plan_, made, reader, reader + 1)) ++reader;
        if (reader == plan_.steps.size() || is_mentioned(plan_, made, reader + 1, plan_.steps.size())) return false;
        const auto merged = with_map(at, reader);
        if (!merged || !budget_.take()) return false;
        remarks_.done("absorb_maps", merged->name, fmt::format("computes what it reduces, takes in '{}'", step.name));
        plan_.steps[reader] = *merged;
        return true;
    }

    /// The reduction with the map in the place of what it reads; nothing if that is not the same.
    std::optional<Step> with_map(std::size_t at, std::size_t reader) const {
        const Step& step = plan_.steps[at];
        const Loop& map = std::get<Loop>(step.spec);
        Step result = plan_.steps[reader];
        const Loop* reduction = loop_of(result, true);
        if (reduction == nullptr) return std::nullopt;
        const StepOperand made = step.operands.back();
        Loop loop = *reduction;
        loop.inputs.clear();
        std::vector<StepOperand> operands;
        std::vector<ExprPtr> bodies;
        const auto add = [&](const Loop::Operand& input, const StepOperand& operand) {
            loop.inputs.push_back(input);
            operands.push_back(operand);
            return expr::operand(static_cast<int>(operands.size()) - 1);
        };
        for (std::size_t i = 0; i < reduction->inputs.size(); ++i) {
            const Loop::Operand& input = reduction->inputs[i];
            if (result.operands[i].buffer != made.buffer) {
                bodies.push_back(add(input, result.operands[i]));
                continue;
            }
            if (result.operands[i].offset != made.offset) return std::nullopt;
            std::vector<ExprPtr> parts;
            const auto visited = memory_spec({no_buffer, 0, input.dtype, reduction->extents, input.strides});
            for (std::size_t k = 0; k < map.inputs.size(); ++k) {
                const auto strides = strides_along(map, map.output, map.inputs[k], visited);
                if (!strides || is_written(plan_, step.operands[k].buffer, at + 1, reader + 1)) return std::nullopt;
                parts.push_back(add({map.inputs[k].dtype, *strides}, step.operands[k]));
            }
            bodies.push_back(expr::replace_operands(map.body, parts));
        }
        operands.push_back(result.operands.back());
        if (operands.size() > runtime::max_operands) return std::nullopt;
        loop.body = expr::replace_operands(reduction->body, bodies);
        result.operands = std::move(operands);
        result.spec = std::move(loop);
        return result;
    }

    Plan& plan_;
    Remarks& remarks_;
    Budget budget_;
};

}  // namespace

void absorb_maps(Plan& plan, Remarks& remarks, Budget budget) {
    if (!control_regions(plan).empty()) return;
    MapAbsorber(plan, remarks, std::move(budget)).run();
}

}  // namespace igata
