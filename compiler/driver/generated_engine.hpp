// Runs the C++ that Igata writes: compiled by the system's compiler into a library, loaded, called through its C
// interface.
#pragma once

#include <memory>
#include <vector>

#include "compiler/ir/plan.hpp"
#include "compiler/ir/tensor.hpp"

namespace igata {

class GeneratedEngine {
public:
    /// Emits the plan, compiles it with $CXX (else c++) and $CXXFLAGS in a temporary folder, and loads it. Throws
    /// std::runtime_error with the compiler's or the predictor's message.
    explicit GeneratedEngine(const Plan& plan);
    ~GeneratedEngine();
    GeneratedEngine(const GeneratedEngine&) = delete;
    GeneratedEngine& operator=(const GeneratedEngine&) = delete;

    /// Inputs and outputs in the plan's order. If the plan is batched, axis 0 may be a multiple of the plan's.
    std::vector<Tensor> run(const std::vector<Tensor>& inputs);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace igata
