// Between a 1x1 convolution that widens its input and the depthwise one after it lies the largest tensor of its block.
// Where nobody else reads it, the two may run in turns over strips of rows, so that it never leaves the cache.
//
//     convolution expand src=b1:... dst=b2:f32[1,96,112,112]@nhwc epilogue=[swish(1.0)]
//     convolution dw src=b2:... dst=b3:f32[1,96,56,56]@nhwc groups=96 strides=2,2
//   becomes
//     convolution expand src=b1:... dst=b2:f32[1,96,112,112]@nhwc epilogue=[swish(1.0)] streamed
//     convolution dw src=b2:... (as before)
//
// Not where the tensor is small enough to stay in the cache anyway. After schedule, since the two must be neighbours,
// and before plan_memory, since what the first reads is then needed until the second is done.
#include <algorithm>

#include "compiler/passes/passes.hpp"

namespace igata {

namespace {

using runtime::ConvolutionSpec;
using runtime::DataType;
using runtime::PostOp;

enum Operand : std::size_t { src, weights, bias, dst };

/// Of one image: which kernels run a step, and so how its sums are rounded, must not depend on the batch.
constexpr std::int64_t worthwhile_bytes = 512 * 1024;

bool is_plain(const Plan& plan, const Step& step, const ConvolutionSpec& spec) {
    const auto constant = [&](Operand operand) {
        const BufferId id = step.operands[operand].buffer;
        return id == no_buffer ? operand == bias : plan.buffer(id).constant.has_value();
    };
    const bool activates_only = std::all_of(spec.epilogue.ops, spec.epilogue.ops + spec.epilogue.count,
                                            [](const PostOp& op) { return op.kind == PostOp::Kind::eltwise; });
    return spec.spatial == 2 && spec.src.dtype == DataType::f32 && spec.dst.dtype == DataType::f32 &&
           spec.src.strides[1] == 1 && spec.dst.strides[1] == 1 && constant(weights) && constant(bias) &&
           activates_only;
}

bool is_pointwise(const ConvolutionSpec& spec) {
    return spec.groups == 1 && spec.weights.dims[2] == 1 && spec.weights.dims[3] == 1 && spec.pads_begin[0] == 0 &&
           spec.pads_begin[1] == 0 && spec.pads_end[0] == 0 && spec.pads_end[1] == 0;
}

bool is_depthwise(const ConvolutionSpec& spec) {
    return spec.groups > 1 && spec.groups == spec.src.dims[1] && spec.groups == spec.dst.dims[1];
}

int mentions(const Plan& plan, BufferId id) {
    int count = 0;
    for (const Step& step : plan.steps)
        count += static_cast<int>(std::count_if(step.operands.begin(), step.operands.end(),
                                                [&](const StepOperand& operand) { return operand.buffer == id; }));
    return count;
}

bool may_stream(const Plan& plan, const Step& first, const Step& second) {
    const auto* wide = std::get_if<ConvolutionSpec>(&first.spec);
    const auto* deep = std::get_if<ConvolutionSpec>(&second.spec);
    if (wide == nullptr || deep == nullptr || !is_plain(plan, first, *wide) || !is_plain(plan, second, *deep))
        return false;
    const StepOperand& between = first.operands[dst];
    const Buffer& buffer = plan.buffer(between.buffer);
    return is_pointwise(*wide) && !wide->mean.is_present() && is_depthwise(*deep) && !deep->scale.is_present() &&
           buffer.space == runtime::Space::arena && buffer.bytes / wide->dst.dims[0] >= worthwhile_bytes &&
           second.operands[src].buffer == between.buffer && second.operands[src].offset == between.offset &&
           std::equal(wide->dst.dims, wide->dst.dims + 4, deep->src.dims) &&
           std::equal(wide->dst.strides, wide->dst.strides + 4, deep->src.strides) &&
           mentions(plan, between.buffer) == 2;
}

}  // namespace

void stream_strips(Plan& plan) {
    for (std::size_t i = 0; i + 1 < plan.steps.size(); ++i)
        if (may_stream(plan, plan.steps[i], plan.steps[i + 1]))
            std::get<ConvolutionSpec>(plan.steps[i].spec).streamed = true;
}

}  // namespace igata
