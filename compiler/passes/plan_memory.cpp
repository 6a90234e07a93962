// Lifetimes to arena offsets, 64-byte aligned.
//
//     b1 = buffer f32 4816896              b1 = buffer f32 4816896 arena+0
//     b2 = buffer f32 1204224    becomes   b2 = buffer f32 1204224 arena+4816896
//     b3 = buffer f32 4816896              b3 = buffer f32 4816896 arena+0          (b1 is dead when b3 is made)
//
// Greedy by size: the largest goes first, each into the tightest gap between those that live at the same time. A loop
// whose operand dies there writes over it where every element depends on the one at its own place only.
#include <algorithm>
#include <limits>

#include "compiler/passes/lifetimes.hpp"
#include "compiler/passes/passes.hpp"

namespace igata {

namespace {

struct Placed {
    std::int64_t begin;
    std::int64_t end;
    const MemoryGroup* group;
};

/// The start of the tightest gap that holds the group; above everything if there is none.
std::int64_t best_offset(const MemoryGroup& group, const std::vector<Placed>& by_offset) {
    std::int64_t best = -1;
    std::int64_t best_gap = std::numeric_limits<std::int64_t>::max();
    std::int64_t free_from = 0;
    for (const Placed& other : by_offset) {
        if (!other.group->lifetime.overlaps(group.lifetime)) continue;
        const std::int64_t gap = other.begin - free_from;
        if (gap >= group.bytes && gap < best_gap) {
            best = free_from;
            best_gap = gap;
        }
        free_from = std::max(free_from, other.end);
    }
    return best >= 0 ? best : free_from;
}

}  // namespace

void plan_memory(Plan& plan) {
    std::vector<MemoryGroup> groups = memory_groups(plan);
    std::stable_sort(groups.begin(), groups.end(),
                     [](const MemoryGroup& a, const MemoryGroup& b) { return a.bytes > b.bytes; });
    std::vector<Placed> placed;
    plan.arena_bytes = 0;
    for (const MemoryGroup& group : groups) {
        const std::int64_t offset = best_offset(group, placed);
        const Placed entry{offset, offset + group.bytes, &group};
        placed.insert(std::upper_bound(placed.begin(), placed.end(), entry,
                                       [](const Placed& a, const Placed& b) { return a.begin < b.begin; }),
                      entry);
        plan.arena_bytes = std::max(plan.arena_bytes, entry.end);
        for (const BufferId id : group.buffers) plan.buffer(id).offset = offset;
    }
}

}  // namespace igata
