// A program made ready: specs turned into primitives with packed weights, run over an arena.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "runtime/control.hpp"
#include "runtime/convolution.hpp"
#include "runtime/convolution_strips.hpp"
#include "runtime/deconvolution.hpp"
#include "runtime/loop.hpp"
#include "runtime/lrn.hpp"
#include "runtime/matmul.hpp"
#include "runtime/needs.hpp"
#include "runtime/operation.hpp"
#include "runtime/parallel.hpp"
#include "runtime/pooling.hpp"
#include "runtime/softmax.hpp"
#include "runtime/specs.hpp"

namespace igata::runtime {

/// The steps, made ready once: primitives, packed weights. Immutable after construction and shared by any number of
/// contexts.
///
///     Program program(spec, weights);
///     Context context(program);         // one per thread
///     context.run(inputs, outputs);     // allocates nothing
class Program {
public:
    /// `weights` (64-byte aligned) must outlive the program, the rows of `spec` need not, except the `state` of loops.
    /// `threads`: how many OpenMP threads a run uses, 0 = as many as OpenMP would. Throws std::runtime_error with the
    /// step's name if a primitive cannot be made. `packed`: shared with other programs.
    Program(const ProgramSpec& spec, const std::byte* weights, int threads = 0, PackedConstants* packed = nullptr)
        : threads_(threads > 0 ? threads : max_threads()),
          engine_(dnnl::engine::kind::cpu, 0),
          weights_(weights),
          plan_bytes_(aligned(static_cast<std::size_t>(spec.arena_bytes))),
          flow_(flow_of(spec)) {
        const ThreadScope scope(threads_);
        PackedConstants own;
        if (packed == nullptr) packed = &own;
        for (int i = 0; i < spec.step_count; ++i) {
            const Builder first{engine_, &spec.steps[i], weights_, packed};
            const Builder second{engine_, i + 1 < spec.step_count ? &spec.steps[i + 1] : nullptr, weights_, packed};
            if (add_strips(first, second)) ++i;
            else add(first, [&] { return make(first); });
        }
        plan_fetches();
    }

    /// What each context allocates: the plan's arena and the steps' scratch memory.
    std::size_t arena_bytes() const { return plan_bytes_ + scratch_bytes_; }
    int threads() const { return threads_; }
    std::size_t step_count() const { return steps_.size(); }
    /// Operation::implementation of a step. Throws std::out_of_range.
    const std::string& implementation(std::size_t step) const { return steps_.at(step).implementation; }

private:
    friend class Context;

    struct Step {
        std::unique_ptr<Operation> operation;
        std::string implementation;
        OperandSpec operands[max_operands];
    };

    /// Each operation that can fetches what those up to the next such one read first, as far as it may stay cached.
    void plan_fetches() {
        constexpr std::size_t cached_bytes = 768 * 1024;
        std::vector<Constants> later;
        for (std::size_t i = steps_.size(); i-- > 0;) {
            const bool fetches = steps_[i].operation->fetch_ahead(later);
            if (fetches) later.clear();
            const std::vector<Constants> reads = steps_[i].operation->first_reads();
            later.insert(later.begin(), reads.begin(), reads.end());
            std::size_t left = cached_bytes;
            for (Constants& constants : later) {
                constants.bytes = std::min(constants.bytes, left);
                left -= constants.bytes;
            }
        }
    }

    template <class Make>
    void add(const Builder& builder, const Make& make_operation) {
        const StepSpec& row = *builder.step;
        try {
            Step step;
            step.operation = make_operation();
            step.implementation = step.operation->implementation();
            std::copy(row.operands, row.operands + max_operands, step.operands);
            scratch_bytes_ = std::max(scratch_bytes_, step.operation->scratch_bytes());
            steps_.push_back(std::move(step));
        } catch (const std::exception& error) {
            throw std::runtime_error(std::string("step '") + row.name + "': " + error.what());
        }
    }

    /// Two steps at once, if they are such as run in strips.
    bool add_strips(const Builder& first, const Builder& second) {
        if constexpr (needs.has(Implementation::strips)) {
            if (second.step == nullptr || !ConvolutionStrips::fits(first, second)) return false;
            add(first, [&] { return make_strips(first, second); });
            add(second, [] { return std::make_unique<DoneBefore>(); });
            return true;
        }
        return false;
    }

    static std::unique_ptr<Operation> make(const Builder& builder) {
        switch (builder.step->kind) {
            case StepKind::convolution: return make_kind<StepKind::convolution, ConvolutionSpec>(builder);
            case StepKind::deconvolution: return make_kind<StepKind::deconvolution, DeconvolutionSpec>(builder);
            case StepKind::matmul: return make_kind<StepKind::matmul, MatMulSpec>(builder);
            case StepKind::pooling: return make_kind<StepKind::pooling, PoolingSpec>(builder);
            case StepKind::softmax: return make_kind<StepKind::softmax, SoftmaxSpec>(builder);
            case StepKind::lrn: return make_kind<StepKind::lrn, LrnSpec>(builder);
            case StepKind::kernel: return make_kernel(builder, *static_cast<const KernelSpec*>(builder.step->spec));
            case StepKind::control: return make_kind<StepKind::control, ControlSpec>(builder);
            case StepKind::loop: return make_kind<StepKind::loop, LoopSpec>(builder);
        }
        throw std::runtime_error("unknown kind of step");
    }

    static std::unique_ptr<Operation> make_kernel(const Builder& builder, const KernelSpec& spec) {
        return spec.make(builder, spec);
    }

    template <StepKind kind, class Spec>
    static std::unique_ptr<Operation> make_kind(const Builder& builder) {
        if constexpr (needs.has(kind)) return make_operation(builder, *static_cast<const Spec*>(builder.step->spec));
        else throw std::runtime_error("a kind of step that the program was not made for");
    }

    int threads_;
    dnnl::engine engine_;
    const std::byte* weights_;
    std::size_t plan_bytes_;
    std::size_t scratch_bytes_ = 0;
    Flow flow_;
    std::vector<Step> steps_;
};

/// The memory that one run needs: arena and prebuilt arguments. One per thread; contexts of one program may run at the
/// same time. The program must outlive it, and stay where it is.
class Context {
public:
    /// Throws std::bad_alloc or dnnl::error.
    explicit Context(const Program& program) : Context(program, AlignedMemory(program.arena_bytes())) {}
    /// Over an arena of at least program.arena_bytes(), shared with contexts that do not run at the same time.
    Context(const Program& program, AlignedMemory arena)
        : program_(&program), arena_(std::move(arena)), stream_(program.engine_), flow_(program.flow_) {
        addresses_.resize(program.steps_.size() * max_operands);
        for (std::size_t i = 0; i < program.steps_.size(); ++i) {
            calls_.push_back(program.steps_[i].operation->calls());
            for (std::size_t k = 0; k < max_operands; ++k) resolve(program.steps_[i].operands[k], i * max_operands + k);
        }
        flow_.begin(addresses_.data());
    }

    /// inputs[i] and outputs[i] are row-major tensors of the plan's types. Allocates, locks and prints nothing. Throws
    /// std::runtime_error if a primitive fails.
    void run(const void* const* inputs, void* const* outputs) {
        run_steps(inputs, outputs, [](std::size_t) {});
    }

    /// Like run, and adds the time that each step took to seconds[0 .. step_count).
    void profile(const void* const* inputs, void* const* outputs, double* seconds) {
        using Clock = std::chrono::steady_clock;
        Clock::time_point before = Clock::now();
        run_steps(inputs, outputs, [&](std::size_t step) {
            const Clock::time_point now = Clock::now();
            seconds[step] += std::chrono::duration<double>(now - before).count();
            before = now;
        });
    }

private:
    /// Calls after_step(i) when step i is done.
    template <class AfterStep>
    void run_steps(const void* const* inputs, void* const* outputs, const AfterStep& after_step) {
        const ThreadScope scope(program_->threads_);
        flow_.rewind(addresses_.data());
        for (const Port& port : ports_) {
            // Steps never write to an input; one address type keeps them simple.
            auto* base = port.is_input ? static_cast<std::byte*>(const_cast<void*>(inputs[port.index]))
                                       : static_cast<std::byte*>(outputs[port.index]);
            addresses_[port.slot] = base + port.offset;
        }
        std::byte* scratch = arena_.get() + program_->plan_bytes_;
        flow_.begin(addresses_.data());
        for (std::size_t i = 0; i < program_->steps_.size();) {
            std::size_t next = i + 1;
            if (flow_.is_control(i)) next = flow_.next(i, addresses_.data());
            else
                program_->steps_[i].operation->run(
                    {addresses_.data() + i * max_operands, scratch, calls_[i].data(), stream_.get()});
            after_step(i);
            i = next;
        }
    }

    /// An operand whose address each run brings along.
    struct Port {
        std::size_t slot;
        bool is_input;
        std::int32_t index;
        std::int64_t offset;
    };

    void resolve(const OperandSpec& operand, std::size_t slot) {
        switch (operand.space) {
            case Space::none: break;
            case Space::arena: addresses_[slot] = arena_.get() + operand.offset; break;
            case Space::weights: addresses_[slot] = const_cast<std::byte*>(program_->weights_ + operand.offset); break;
            case Space::input:
            case Space::output:
                ports_.push_back({slot, operand.space == Space::input, operand.index, operand.offset});
                break;
        }
    }

    const Program* program_;
    AlignedMemory arena_;
    dnnl::stream stream_;
    FlowState flow_;
    std::vector<std::byte*> addresses_;
    std::vector<Port> ports_;
    std::vector<std::vector<Call>> calls_;
};

}  // namespace igata::runtime
