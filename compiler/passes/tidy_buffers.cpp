#include "compiler/passes/tidy_buffers.hpp"

#include <cstddef>
#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace igata {

void tidy_buffers(Plan& plan) {
    std::vector<bool> used(plan.buffers.size(), false);
    const auto mark = [&](BufferId id) {
        if (id != no_buffer) used[static_cast<std::size_t>(id)] = true;
    };
    for (const Step& step : plan.steps)
        for (const StepOperand& operand : step.operands) mark(operand.buffer);
    for (const auto* ports : {&plan.inputs, &plan.outputs})
        for (const Plan::Port& port : *ports) mark(port.buffer);

    std::vector<BufferId> renumbered(plan.buffers.size(), no_buffer);
    std::vector<Buffer> kept;
    std::map<runtime::Space, int> counts;
    std::vector<std::size_t> order;
    for (const auto space :
         {runtime::Space::input, runtime::Space::output, runtime::Space::arena, runtime::Space::weights})
        for (std::size_t i = 0; i < plan.buffers.size(); ++i)
            if (used[i] && plan.buffers[i].space == space) order.push_back(i);
    for (const std::size_t i : order) {
        renumbered[i] = static_cast<BufferId>(kept.size());
        Buffer& buffer = kept.emplace_back(std::move(plan.buffers[i]));
        const int number = ++counts[buffer.space];
        switch (buffer.space) {
            case runtime::Space::weights: buffer.name = fmt::format("w{}", number); break;
            case runtime::Space::input: buffer.name = fmt::format("in{}", buffer.index); break;
            case runtime::Space::output: buffer.name = fmt::format("out{}", buffer.index); break;
            default: buffer.name = fmt::format("b{}", number); break;
        }
    }
    plan.buffers = std::move(kept);
    const auto renumber = [&](BufferId& id) {
        if (id != no_buffer) id = renumbered[static_cast<std::size_t>(id)];
    };
    for (Step& step : plan.steps)
        for (StepOperand& operand : step.operands) renumber(operand.buffer);
    for (auto* ports : {&plan.inputs, &plan.outputs})
        for (Plan::Port& port : *ports) renumber(port.buffer);
}

}  // namespace igata
