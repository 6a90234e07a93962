// Runs a Plan in this process, on the runtime that generated code uses, with loops interpreted.
#pragma once

#include <memory>
#include <vector>

#include "compiler/ir/plan.hpp"
#include "compiler/ir/tensor.hpp"

namespace igata {

/// Where a step's operand lies, as the runtime reads it: a byte offset into its space. Buffers must have their offsets
/// (plan_memory, pool_weights).
runtime::OperandSpec operand_spec(const Plan& plan, const StepOperand& operand);
/// The step's kind and operands. `spec` stays null: it must point to the step's struct, or to a LoopSpec for a loop.
/// `name` is the step's own string.
runtime::StepSpec step_spec(const Plan& plan, const Step& step);
/// Extent, work and so on of a loop; `function` stays null.
runtime::LoopSpec loop_spec(const Loop& loop);
/// The constant pool: `weight_bytes` bytes with every constant buffer at its offset. 64-byte aligned.
Tensor weight_pool(const Plan& plan);

/// A plan made ready to run, with one context. Not for several threads at once.
class PlanEngine {
public:
    /// Throws std::runtime_error with the step's name if a primitive cannot be made. Keeps no reference to the plan.
    explicit PlanEngine(const Plan& plan, int threads = 1);
    ~PlanEngine();
    PlanEngine(PlanEngine&&) noexcept;
    PlanEngine& operator=(PlanEngine&&) noexcept;

    /// `inputs` in the plan's order; throws BadInput if one has another type. If the plan is batched, axis 0 of all
    /// inputs may be the same multiple of the plan's, and the plan runs once per part.
    std::vector<Tensor> run(const std::vector<Tensor>& inputs);
    /// Likewise, and adds the time of each step to seconds[0 .. number of steps). Loops are interpreted, and slow.
    std::vector<Tensor> profile(const std::vector<Tensor>& inputs, std::vector<double>& seconds);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace igata
