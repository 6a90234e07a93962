#include "compiler/passes/lifetimes.hpp"

#include <algorithm>

namespace igata {

namespace {

/// Then what it reads is read until the next step is done.
bool is_streamed(const Step& step) {
    const auto* convolution = std::get_if<runtime::ConvolutionSpec>(&step.spec);
    return convolution != nullptr && convolution->streamed;
}

/// What is there before or after a repeat, or decides whether it goes on, is there in all of its iterations.
void outlive(const Plan& plan, const Region& repeat, std::vector<Lifetime>& lives) {
    const int first = static_cast<int>(repeat.begin);
    const int last = static_cast<int>(repeat.end);
    for (std::size_t i = repeat.begin; i <= repeat.end; ++i)
        for (const StepOperand& operand : plan.steps[i].operands) {
            if (operand.buffer == no_buffer) continue;
            Lifetime& life = lives[static_cast<std::size_t>(operand.buffer)];
            if (!life.used() || (life.first >= first && life.last <= last && !(i == repeat.begin && operand.read)))
                continue;
            life.first = std::min(life.first, first);
            life.last = std::max(life.last, last);
        }
}

}  // namespace

std::vector<Lifetime> lifetimes(const Plan& plan) {
    std::vector<Lifetime> lives(plan.buffers.size());
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        for (const StepOperand& operand : plan.steps[i].operands) {
            if (operand.buffer == no_buffer || plan.buffer(operand.buffer).space != runtime::Space::arena) continue;
            Lifetime& life = lives.at(static_cast<std::size_t>(operand.buffer));
            if (!life.used()) life.first = static_cast<int>(i);
            life.last = std::max(life.last, static_cast<int>(is_streamed(plan.steps[i]) ? i + 1 : i));
        }
    }
    for (const Region& region : control_regions(plan))
        if (region.is_repeat) outlive(plan, region, lives);
    return lives;
}

bool may_run_in_place(const Step& step, BufferId from, BufferId to) {
    const auto* loop = std::get_if<Loop>(&step.spec);
    if (loop == nullptr || loop->reduce || from == to) return false;
    const StepOperand& result = step.operands.back();
    if (result.buffer != to || !result.written) return false;
    bool reads = false;
    for (std::size_t i = 0; i < loop->inputs.size(); ++i) {
        const StepOperand& operand = step.operands[i];
        if (operand.buffer != from) continue;
        reads = true;
        if (operand.offset != result.offset || operand.advance != result.advance ||
            loop->inputs[i].strides != loop->output.strides ||
            size_of(loop->inputs[i].dtype) != size_of(loop->output.dtype))
            return false;
    }
    return reads;
}

std::vector<MemoryGroup> memory_groups(const Plan& plan) {
    const std::vector<Lifetime> lives = lifetimes(plan);
    std::vector<int> group_of(plan.buffers.size(), -1);
    std::vector<MemoryGroup> groups;
    const auto join = [&](BufferId id, int group) {
        MemoryGroup& target = groups[static_cast<std::size_t>(group)];
        const Lifetime& life = lives[static_cast<std::size_t>(id)];
        const std::int64_t bytes = (plan.buffer(id).bytes + memory_alignment - 1) / memory_alignment * memory_alignment;
        target.lifetime.first = target.buffers.empty() ? life.first : std::min(target.lifetime.first, life.first);
        target.lifetime.last = std::max(target.lifetime.last, life.last);
        target.bytes = std::max(target.bytes, bytes);
        target.buffers.push_back(id);
        group_of[static_cast<std::size_t>(id)] = group;
    };
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        const Step& step = plan.steps[i];
        for (const StepOperand& result : step.operands) {
            if (result.buffer == no_buffer || !lives[static_cast<std::size_t>(result.buffer)].used() ||
                group_of[static_cast<std::size_t>(result.buffer)] >= 0)
                continue;
            int group = -1;
            const bool is_born = lives[static_cast<std::size_t>(result.buffer)].first == static_cast<int>(i);
            for (const StepOperand& operand : step.operands) {
                if (operand.buffer == no_buffer) continue;
                const auto source = static_cast<std::size_t>(operand.buffer);
                if (lives[source].used() && lives[source].last == static_cast<int>(i) && is_born &&
                    plan.buffer(operand.buffer).bytes >= plan.buffer(result.buffer).bytes &&
                    may_run_in_place(step, operand.buffer, result.buffer)) {
                    group = group_of[source];
                    break;
                }
            }
            if (group < 0) {
                group = static_cast<int>(groups.size());
                groups.emplace_back();
            }
            join(result.buffer, group);
        }
    }
    return groups;
}

std::int64_t peak_bytes(const std::vector<MemoryGroup>& groups, std::size_t step_count) {
    std::vector<std::int64_t> change(step_count + 1, 0);
    for (const MemoryGroup& group : groups) {
        change[static_cast<std::size_t>(group.lifetime.first)] += group.bytes;
        change[static_cast<std::size_t>(group.lifetime.last) + 1] -= group.bytes;
    }
    std::int64_t alive = 0;
    std::int64_t peak = 0;
    for (const std::int64_t bytes : change) peak = std::max(peak, alive += bytes);
    return peak;
}

}  // namespace igata
