// Orders the steps so that less memory is alive at once; dependencies hold. The order of the model stays unless the
// greedy one, which always takes the ready step after which the least is alive, has a lower peak.
//
//     b1 = f(x); b2 = g(x); b3 = h(b1); b4 = h(b2)   becomes   b1 = f(x); b3 = h(b1); b2 = g(x); b4 = h(b2)
//
// A step that writes over its operand (a sum post-op) stays after every other reader of it. Plans with branches or
// repeats keep their order.
#include <algorithm>
#include <set>

#include "compiler/passes/lifetimes.hpp"
#include "compiler/passes/passes.hpp"

namespace igata {

namespace {

struct Dependencies {
    std::vector<std::vector<std::size_t>> successors;
    std::vector<int> missing;
};

Dependencies dependencies_of(const Plan& plan) {
    const std::size_t count = plan.steps.size();
    std::vector<std::set<std::size_t>> before(count);
    std::vector<std::vector<std::size_t>> writers(plan.buffers.size());
    std::vector<std::vector<std::size_t>> readers(plan.buffers.size());
    for (std::size_t i = 0; i < count; ++i) {
        const auto after = [&](const std::vector<std::size_t>& steps) { before[i].insert(steps.begin(), steps.end()); };
        for (const StepOperand& operand : plan.steps[i].operands) {
            if (operand.buffer == no_buffer) continue;
            const auto id = static_cast<std::size_t>(operand.buffer);
            after(writers[id]);
            if (operand.written) after(readers[id]);
        }
        for (const StepOperand& operand : plan.steps[i].operands) {
            if (operand.buffer == no_buffer) continue;
            const auto id = static_cast<std::size_t>(operand.buffer);
            if (operand.written) writers[id].push_back(i);
            if (operand.read) readers[id].push_back(i);
        }
    }
    Dependencies result{std::vector<std::vector<std::size_t>>(count), std::vector<int>(count, 0)};
    for (std::size_t i = 0; i < count; ++i) {
        before[i].erase(i);
        result.missing[i] = static_cast<int>(before[i].size());
        for (const std::size_t earlier : before[i]) result.successors[earlier].push_back(i);
    }
    return result;
}

/// The distinct arena buffers that each step mentions.
std::vector<std::vector<BufferId>> mentions_of(const Plan& plan) {
    std::vector<std::vector<BufferId>> mentions;
    for (const Step& step : plan.steps) {
        std::set<BufferId> ids;
        for (const StepOperand& operand : step.operands)
            if (operand.buffer != no_buffer && plan.buffer(operand.buffer).space == runtime::Space::arena)
                ids.insert(operand.buffer);
        mentions.emplace_back(ids.begin(), ids.end());
    }
    return mentions;
}

std::vector<std::size_t> greedy_order(const Plan& plan) {
    Dependencies dependencies = dependencies_of(plan);
    const auto mentions = mentions_of(plan);
    std::vector<int> left(plan.buffers.size(), 0);
    std::vector<bool> alive(plan.buffers.size(), false);
    for (const auto& ids : mentions)
        for (const BufferId id : ids) ++left[static_cast<std::size_t>(id)];
    const auto growth = [&](std::size_t step) {
        std::int64_t bytes = 0;
        for (const BufferId id : mentions[step]) {
            const auto index = static_cast<std::size_t>(id);
            if (!alive[index]) bytes += plan.buffer(id).bytes;
            if (left[index] == 1) bytes -= plan.buffer(id).bytes;
        }
        return bytes;
    };
    std::set<std::size_t> ready;
    for (std::size_t i = 0; i < plan.steps.size(); ++i)
        if (dependencies.missing[i] == 0) ready.insert(i);
    std::vector<std::size_t> order;
    while (!ready.empty()) {
        const std::size_t next = *std::min_element(ready.begin(), ready.end(),
                                                   [&](std::size_t a, std::size_t b) { return growth(a) < growth(b); });
        ready.erase(next);
        order.push_back(next);
        for (const BufferId id : mentions[next]) {
            alive[static_cast<std::size_t>(id)] = true;
            --left[static_cast<std::size_t>(id)];
        }
        for (const std::size_t successor : dependencies.successors[next])
            if (--dependencies.missing[successor] == 0) ready.insert(successor);
    }
    return order;
}

}  // namespace

void schedule(Plan& plan) {
    if (!control_regions(plan).empty()) return;
    std::vector<Step> steps;
    for (const std::size_t i : greedy_order(plan)) steps.push_back(plan.steps[i]);
    const std::int64_t peak_before = peak_bytes(memory_groups(plan), plan.steps.size());
    std::swap(plan.steps, steps);
    if (peak_bytes(memory_groups(plan), plan.steps.size()) >= peak_before) std::swap(plan.steps, steps);
}

}  // namespace igata
