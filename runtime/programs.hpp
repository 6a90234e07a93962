// The programs of one model: one for each set of shapes that it was cast for, over the same weights.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "runtime/program.hpp"

namespace igata::runtime {

/// Constants that several programs pack alike are there once.
///
///     Programs programs(specs, 3, weights);
///     Contexts contexts(programs);             // one per thread
///     contexts[2].run(inputs, outputs);
class Programs {
public:
    /// As for Program.
    Programs(const ProgramSpec* specs, std::size_t count, const std::byte* weights, int threads = 0) {
        PackedConstants packed;
        for (std::size_t i = 0; i < count; ++i) programs_.emplace_back(specs[i], weights, threads, &packed);
    }

    std::size_t count() const { return programs_.size(); }
    const Program& operator[](std::size_t i) const { return programs_.at(i); }

    /// What serves any of them.
    std::size_t arena_bytes() const {
        std::size_t most = 0;
        for (const Program& program : programs_) most = std::max(most, program.arena_bytes());
        return most;
    }

private:
    std::deque<Program> programs_;  // they stay where they are
};

/// The memory of one run at a time of any of the programs, which must outlive it.
class Contexts {
public:
    explicit Contexts(const Programs& programs) {
        const AlignedMemory arena(programs.arena_bytes());
        for (std::size_t i = 0; i < programs.count(); ++i) contexts_.emplace_back(programs[i], arena);
    }
    Context& operator[](std::size_t i) { return contexts_[i]; }

private:
    std::deque<Context> contexts_;
};

}  // namespace igata::runtime
