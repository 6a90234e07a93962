// Runs the C++ that Igata writes: compiled by the system's compiler into a library, loaded, called through its C
// interface.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "compiler/ir/plan.hpp"
#include "compiler/ir/tensor.hpp"
#include "runtime/predictor_profile.hpp"

namespace igata {

/// Models that are compiled together when the first of them runs: in one translation unit, so that the runtime is
/// compiled once for all of them.
class CompiledTogether {
public:
    CompiledTogether();
    ~CompiledTogether();
    CompiledTogether(const CompiledTogether&) = delete;
    CompiledTogether& operator=(const CompiledTogether&) = delete;

private:
    friend class GeneratedEngine;
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

class GeneratedEngine {
public:
    /// Emits the plans of one model, compiles it with $CXX (else c++) and $CXXFLAGS in a temporary folder, and loads
    /// it. Throws std::runtime_error with the compiler's or the predictor's message. `threads` of a run: 0 for OpenMP's
    /// choice.
    explicit GeneratedEngine(std::span<const Plan> plans, int threads = 0);
    explicit GeneratedEngine(const Plan& plan, int threads = 0) : GeneratedEngine(std::span(&plan, 1), threads) {}
    /// Does so with the models of `together`, which must outlive it, when one of them runs first.
    GeneratedEngine(std::span<const Plan> plans, CompiledTogether& together);
    ~GeneratedEngine();
    GeneratedEngine(const GeneratedEngine&) = delete;
    GeneratedEngine& operator=(const GeneratedEngine&) = delete;

    /// Whether a plan, or several for parts of a batch, serve inputs of these types.
    bool accepts(const std::vector<Tensor>& inputs) const;

    /// Inputs and outputs in the plans' order.
    std::vector<Tensor> run(const std::vector<Tensor>& inputs);

    /// Times each step, medians of `runs`, in runs over such inputs.
    cli::Profile profile(const std::vector<Tensor>& inputs, int runs);

private:
    struct Impl;
    struct Call;
    std::unique_ptr<Impl> impl_;
};

}  // namespace igata
