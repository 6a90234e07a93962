#include "compiler/driver/needs.hpp"

#include <variant>

#include "compiler/driver/plan_engine.hpp"
#include "runtime/convolution.hpp"
#include "runtime/convolution_strips.hpp"
#include "runtime/matmul.hpp"

namespace igata {

namespace {

/// Adds what one step needs to `needs`.
struct StepNeeds {
    const runtime::StepSpec& row;
    runtime::Needs& needs;

    void operator()(const runtime::ConvolutionSpec& spec) const {
        const runtime::Builder builder{{}, &row, nullptr, nullptr};
        for (const runtime::Isa isa : {runtime::Isa::baseline, runtime::Isa::v3, runtime::Isa::v4})
            for (const bool bf16 : {false, true}) needs.add(runtime::choose_kernel(builder, spec, isa, bf16).kernel);
        if (spec.streamed) {
            needs.add(runtime::Implementation::strips);
            if (runtime::ConvolutionStrips::wide_kernel(spec, true).bf16)
                needs.add(runtime::Implementation::pointwise_bf16);
        }
        add(spec.epilogue);
    }
    void operator()(const runtime::DeconvolutionSpec& spec) const { add(spec.epilogue); }
    void operator()(const runtime::MatMulSpec& spec) const {
        const runtime::Builder builder{{}, &row, nullptr, nullptr};
        for (const bool bf16 : {false, true}) needs.add(runtime::choose_kernel(builder, spec, bf16).kernel);
        add(spec.epilogue);
    }
    template <class Spec>
    void operator()(const Spec&) const {}

private:
    void add(const runtime::Epilogue& epilogue) const {
        for (int i = 0; i < epilogue.count; ++i)
            if (epilogue.ops[i].kind == runtime::PostOp::Kind::eltwise) needs.add(epilogue.ops[i].eltwise);
    }
};

}  // namespace

runtime::Needs needs_of(std::span<const Plan> plans) {
    runtime::Needs needs;
    for (const Plan& plan : plans) {
        for (const Step& step : plan.steps) {
            const runtime::StepSpec row = step_spec(plan, step);
            needs.add(row.kind);
            std::visit(StepNeeds{row, needs}, step.spec);
        }
    }
    return needs;
}

}  // namespace igata
