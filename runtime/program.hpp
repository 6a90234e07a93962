// A program made ready: specs turned into primitives with packed weights, run over an arena.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "runtime/specs.hpp"

namespace igata::runtime {

class Context;

/// The steps, made ready once: primitives, packed weights. Immutable after construction and shared by any number of
/// contexts.
///
///     Program program(spec, weights);
///     Context context(program);         // one per thread
///     context.run(inputs, outputs);     // allocates nothing
class Program {
public:
    /// `spec`, its rows and `weights` (64-byte aligned) must outlive the program. `threads`: how many OpenMP threads a run
    /// uses, 0 = as many as OpenMP would. Throws std::runtime_error with the step's name if a primitive cannot be made.
    Program(const ProgramSpec& spec, const std::byte* weights, int threads = 0);
    ~Program();
    Program(Program&&) noexcept;
    Program& operator=(Program&&) noexcept;
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    /// What each context allocates: the plan's arena and the steps' scratch memory.
    std::size_t arena_bytes() const;
    int threads() const;

private:
    friend class Context;
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// The memory that one run needs: arena and prebuilt arguments. One per thread; contexts of one program may run at the same
/// time. The program must outlive it.
class Context {
public:
    /// Throws std::bad_alloc or std::runtime_error.
    explicit Context(const Program& program);
    ~Context();
    Context(Context&&) noexcept;
    Context& operator=(Context&&) noexcept;
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

    /// inputs[i] and outputs[i] are row-major tensors of the plan's types. Allocates, locks and prints nothing. Throws
    /// std::runtime_error if a primitive fails.
    void run(const void* const* inputs, void* const* outputs);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace igata::runtime
