// When the arena's buffers are needed: what schedule, plan_memory and verify(Plan) reckon with.
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/ir/plan.hpp"

namespace igata {

/// The first and the last step that mention a buffer; -1 if none does.
struct Lifetime {
    int first = -1;
    int last = -1;

    bool used() const { return first >= 0; }
    bool overlaps(const Lifetime& other) const { return first <= other.last && other.first <= last; }
};

/// By BufferId; only of buffers in the arena.
std::vector<Lifetime> lifetimes(const Plan& plan);

/// Whether the step may store its result `to` over its operand `from`: it is an elementwise loop that reads each
/// element of `from` only for the element at the same place.
bool may_run_in_place(const Step& step, BufferId from, BufferId to);

/// Buffers that share memory because each is made in place over the one before.
struct MemoryGroup {
    std::vector<BufferId> buffers;
    Lifetime lifetime;
    std::int64_t bytes = 0;  ///< rounded up to the alignment
};

inline constexpr std::int64_t memory_alignment = 64;

std::vector<MemoryGroup> memory_groups(const Plan& plan);
/// The most bytes that are alive at once: no arena can be smaller.
std::int64_t peak_bytes(const std::vector<MemoryGroup>& groups, std::size_t step_count);

}  // namespace igata
