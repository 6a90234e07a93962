// Where the user asks for bf16, convolutions and matrix products with constant weights may round what they multiply.
//
//     convolution c src=b1:f32[1,64,40,40]@nhwc weights=b2:f32[64,64,3,3] ...
//   becomes
//     convolution c (as before) bf16
//
// The runtime does so where the processor multiplies bf16 and it pays; sums, and what lies in memory, stay f32.
#include "compiler/passes/passes.hpp"

namespace igata {

namespace {

constexpr std::size_t weights = 1;  // operand of either

template <class Spec>
bool* permission(Step& step) {
    auto* spec = std::get_if<Spec>(&step.spec);
    return spec != nullptr && spec->dst.dtype == DataType::f32 ? &spec->bf16 : nullptr;
}

}  // namespace

void allow_bf16(Plan& plan) {
    for (Step& step : plan.steps) {
        bool* allowed = permission<runtime::ConvolutionSpec>(step);
        if (allowed == nullptr) allowed = permission<runtime::MatMulSpec>(step);
        if (allowed == nullptr) continue;
        *allowed = plan.buffer(step.operands.at(weights).buffer).space == runtime::Space::weights;
    }
}

}  // namespace igata
