// Weights of f32 that lose nothing in 16 bits are kept so: as they are where a model stored in f16 or bf16 was widened.
//
//     w = weights f32[512,512] {...}             w = weights f16[512,512] {...}
//     matmul m a=x b=w:f32[512,512] ...  becomes  matmul m a=x b=w:f16[512,512] ...
//
// Only weights that convolutions and products alone read: the runtime widens them when it packs them, once. Small ones
// stay as they are.
#include <bit>
#include <optional>
#include <type_traits>
#include <vector>

#include "compiler/ir/half.hpp"
#include "compiler/passes/passes.hpp"

namespace igata {

namespace {

constexpr std::size_t weights = 1;  // operand of each
constexpr std::int64_t least_bytes = 4096;

/// The step's own description of its weights; null if it has none that are packed.
runtime::MemorySpec* weights_of(Step& step) {
    if (auto* convolution = std::get_if<runtime::ConvolutionSpec>(&step.spec)) return &convolution->weights;
    if (auto* deconvolution = std::get_if<runtime::DeconvolutionSpec>(&step.spec)) return &deconvolution->weights;
    if (auto* matmul = std::get_if<runtime::MatMulSpec>(&step.spec)) return &matmul->b;
    return nullptr;
}

/// The tensor in 16 bits, if widening gives back the same bits.
template <class T>
std::optional<Tensor> narrowed(const Tensor& wide, DataType dtype) {
    const std::span<const float> values = wide.values<float>();
    for (const float value : values)
        if (std::bit_cast<std::uint32_t>(static_cast<float>(T(value))) != std::bit_cast<std::uint32_t>(value))
            return std::nullopt;
    return wide.cast(dtype);
}

std::optional<Tensor> narrowed(const Tensor& wide) {
    if (std::optional<Tensor> half = narrowed<Half>(wide, DataType::f16)) return half;
    return narrowed<BFloat16>(wide, DataType::bf16);
}

/// For each buffer, whether packed weights are all that it is read as.
std::vector<bool> only_packed(Plan& plan) {
    std::vector<bool> packed(plan.buffers.size(), true);
    for (Step& step : plan.steps) {
        const runtime::MemorySpec* memory = weights_of(step);
        for (std::size_t i = 0; i < step.operands.size(); ++i) {
            const StepOperand& operand = step.operands[i];
            if (operand.buffer == no_buffer) continue;
            bool fits = i == weights && memory != nullptr && operand.advance == 0;
            for (int axis = 0; fits && axis < memory->rank; ++axis) fits = memory->strides[axis] >= 0;
            if (!fits) packed[static_cast<std::size_t>(operand.buffer)] = false;
        }
    }
    return packed;
}

}  // namespace

void narrow_weights(Plan& plan) {
    std::vector<bool> narrow = only_packed(plan);
    for (std::size_t i = 0; i < plan.buffers.size(); ++i) {
        Buffer& buffer = plan.buffers[i];
        const bool is_wide = buffer.space == runtime::Space::weights && buffer.dtype == DataType::f32;
        std::optional<Tensor> tensor;
        if (narrow[i] && is_wide && buffer.bytes >= least_bytes) tensor = narrowed(buffer.constant.value());
        narrow[i] = tensor.has_value();
        if (!tensor) continue;
        buffer.dtype = tensor->dtype();
        buffer.bytes /= 2;
        buffer.constant = std::move(tensor);
    }
    for (Step& step : plan.steps) {
        runtime::MemorySpec* memory = weights_of(step);
        if (memory == nullptr || !narrow[static_cast<std::size_t>(step.operands.at(weights).buffer)]) continue;
        memory->dtype = plan.buffer(step.operands.at(weights).buffer).dtype;
        step.operands.at(weights).offset /= 2;
    }
}

}  // namespace igata
