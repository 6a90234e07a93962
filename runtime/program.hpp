// A program made ready: specs turned into oneDNN primitives with packed weights, run over an arena.
#pragma once

#include <cstddef>
#include <memory>

#include "runtime/specs.hpp"

namespace igata::runtime {

/// Immutable after construction and safe to run from several threads at once, each with an arena of its own. Construction
/// pays every cost: primitives, packed weights. `run` allocates nothing, locks nothing and prints nothing.
class Program {
public:
    /// `spec` and `weights` (64-byte aligned) must outlive the program. `threads`: how many OpenMP threads a run may use, 0 =
    /// OpenMP's own choice. Throws std::runtime_error with the step's name if a primitive cannot be made.
    Program(const ProgramSpec& spec, const std::byte* weights, int threads = 0);
    ~Program();
    Program(Program&&) noexcept;
    Program& operator=(Program&&) noexcept;
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    /// Size of the arena that `run` needs: the plan's, plus the primitives' scratchpads. Must be 64-byte aligned.
    std::size_t arena_bytes() const;
    /// inputs[i] and outputs[i] are row-major tensors of the plan's types.
    void run(std::byte* arena, const void* const* inputs, void* const* outputs) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace igata::runtime
