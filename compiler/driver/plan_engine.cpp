#include "compiler/driver/plan_engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <stdexcept>

#include "compiler/diagnostics.hpp"
#include "compiler/driver/kernel_table.hpp"
#include "compiler/ir/interpret.hpp"
#include "runtime/program.hpp"

namespace igata {

runtime::OperandSpec operand_spec(const Plan& plan, const StepOperand& operand) {
    if (operand.buffer == no_buffer) return {};
    const Buffer& buffer = plan.buffer(operand.buffer);
    const bool placed = buffer.space == runtime::Space::arena || buffer.space == runtime::Space::weights;
    if (placed && buffer.offset < 0) throw std::logic_error("buffer '" + buffer.name + "' has no offset");
    return {buffer.space, buffer.index, (placed ? buffer.offset : 0) + operand.offset, operand.advance};
}

runtime::StepSpec step_spec(const Plan& plan, const Step& step) {
    if (step.operands.size() > runtime::max_operands)
        throw std::logic_error("step '" + step.name + "' has too many operands");
    constexpr runtime::StepKind kinds[] = {
        runtime::StepKind::convolution, runtime::StepKind::deconvolution, runtime::StepKind::matmul,
        runtime::StepKind::pooling,     runtime::StepKind::softmax,       runtime::StepKind::lrn,
        runtime::StepKind::kernel,      runtime::StepKind::control,       runtime::StepKind::loop};
    static_assert(std::size(kinds) == std::variant_size_v<StepSpecVariant>);
    runtime::StepSpec row;
    row.kind = kinds[step.spec.index()];
    row.name = step.name.c_str();
    for (const StepOperand& operand : step.operands) row.operands[row.operand_count++] = operand_spec(plan, operand);
    return row;
}

runtime::LoopSpec loop_spec(const Loop& loop) {
    runtime::LoopSpec spec;
    const bool whole = loop.extents.empty() || (loop.reduce.has_value() && loop.reduced.at(0));
    spec.outer = whole ? 1 : loop.extents.front();
    spec.work = element_count(loop.extents);
    return spec;
}

Tensor weight_pool(const Plan& plan) {
    Tensor pool(DataType::u8, {plan.weight_bytes});
    const auto bytes = pool.mutable_bytes();
    for (const Buffer& buffer : plan.buffers) {
        if (!buffer.constant) continue;
        const auto source = buffer.constant->bytes();
        const auto start = static_cast<std::size_t>(buffer.offset);
        if (buffer.offset < 0 || start + source.size() > bytes.size()) {
            throw std::logic_error("constant '" + buffer.name + "' lies outside the weight pool");
        }
        std::copy(source.begin(), source.end(), bytes.begin() + static_cast<std::ptrdiff_t>(start));
    }
    return pool;
}

namespace {

void interpret_split(const void* state, std::byte* const* operands, std::int64_t begin, std::int64_t end) {
    run_loop(*static_cast<const Loop*>(state), operands, begin, end);
}

/// A loop whose outermost dim is reduced cannot be split, so it comes as one iteration.
void interpret_whole(const void* state, std::byte* const* operands, std::int64_t /*begin*/, std::int64_t /*end*/) {
    const auto& loop = *static_cast<const Loop*>(state);
    run_loop(loop, operands, 0, loop.extents.empty() ? 1 : loop.extents.front());
}

/// Number of times that the plan has to run to cover these inputs.
std::int64_t count_parts(const Plan& plan, const std::vector<Tensor>& inputs) {
    if (inputs.size() != plan.inputs.size()) {
        throw BadInput(fmt::format("the model takes {} inputs, got {}", plan.inputs.size(), inputs.size()));
    }
    std::int64_t parts = 1;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const Plan::Port& port = plan.inputs[i];
        Dims dims = inputs[i].dims();
        if (plan.batched && !dims.empty() && !port.type.dims.empty() && port.type.dims[0] > 0 && dims[0] > 0 &&
            dims[0] % port.type.dims[0] == 0) {
            const std::int64_t own = dims[0] / port.type.dims[0];
            if (i == 0) parts = own;
            if (own == parts) dims[0] = port.type.dims[0];
        }
        if (inputs[i].dtype() != port.type.dtype || dims != port.type.dims) {
            throw BadInput(fmt::format("input '{}' must be {}, got {}", port.name, to_string(port.type),
                                       to_string(inputs[i].type())));
        }
    }
    return parts;
}

}  // namespace

struct PlanEngine::Impl {
    Impl(const Plan& source, int threads)
        : plan(source), weights(weight_pool(plan)), program(rows(), weights.bytes().data(), threads) {
        for (Buffer& buffer : plan.buffers) buffer.constant.reset();
        context.emplace(program);
    }

    /// Fills `steps` and `loops`; what it returns is valid until they change.
    runtime::ProgramSpec rows() {
        for (Step& step : plan.steps) {
            if (auto* kernel = std::get_if<runtime::KernelSpec>(&step.spec)) kernel->make = kernel_maker(kernel->name);
            runtime::StepSpec row = step_spec(plan, step);
            std::visit([&](const auto& spec) { row.spec = spec_address(spec); }, step.spec);
            steps.push_back(row);
        }
        return {steps.data(), static_cast<int>(steps.size()), plan.arena_bytes, plan.weight_bytes};
    }

    template <class Spec>
    const void* spec_address(const Spec& spec) {
        return &spec;
    }
    const void* spec_address(const Loop& loop) {
        runtime::LoopSpec spec = loop_spec(loop);
        spec.function = spec.outer > 1 ? interpret_split : interpret_whole;
        spec.state = &loop;
        return &loops.emplace_back(spec);
    }

    /// run_part(inputs, outputs) for each repeat of the plan.
    template <class RunPart>
    std::vector<Tensor> run(const std::vector<Tensor>& inputs, const RunPart& run_part) const {
        const std::int64_t parts = count_parts(plan, inputs);
        std::vector<Tensor> outputs;
        for (const Plan::Port& port : plan.outputs) {
            Dims dims = port.type.dims;
            if (parts != 1) dims.at(0) *= parts;
            outputs.emplace_back(port.type.dtype, dims);
        }
        const auto count = static_cast<std::size_t>(parts);
        for (std::size_t part = 0; part < count; ++part) {
            std::vector<const void*> from;
            std::vector<void*> to;
            for (const Tensor& input : inputs) from.push_back(input.bytes().data() + input.byte_size() / count * part);
            for (Tensor& output : outputs)
                to.push_back(output.mutable_bytes().data() + output.byte_size() / count * part);
            run_part(from.data(), to.data());
        }
        return outputs;
    }

    Plan plan;
    Tensor weights;
    std::deque<runtime::LoopSpec> loops;
    std::vector<runtime::StepSpec> steps;
    runtime::Program program;
    std::optional<runtime::Context> context;
};

PlanEngine::PlanEngine(const Plan& plan, int threads) : impl_(std::make_unique<Impl>(plan, threads)) {}
PlanEngine::~PlanEngine() = default;
PlanEngine::PlanEngine(PlanEngine&&) noexcept = default;
PlanEngine& PlanEngine::operator=(PlanEngine&&) noexcept = default;

std::vector<Tensor> PlanEngine::run(const std::vector<Tensor>& inputs) {
    return impl_->run(inputs, [&](const auto* from, auto* to) { impl_->context->run(from, to); });
}

std::vector<Tensor> PlanEngine::profile(const std::vector<Tensor>& inputs, std::vector<double>& seconds) {
    seconds.resize(impl_->plan.steps.size());
    return impl_->run(inputs, [&](const auto* from, auto* to) { impl_->context->profile(from, to, seconds.data()); });
}

}  // namespace igata
