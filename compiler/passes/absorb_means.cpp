// The average of a convolution's result over its spatial axes, as before squeeze-excite's gate, is taken by the
// convolution itself, which has the values at hand.
//
//     convolution dw src=b1:... dst=b2:f32[1,96,56,56]@nhwc groups=96 epilogue=[swish(1.0)]
//     loop squeeze [96|3136] x0=b2:f32(1,96) dst=b3:f32(1,0) sum f32 {x0} then {x0 * 0.00031887755}
//   becomes
//     convolution dw src=b1:... dst=b2:f32[1,96,56,56]@nhwc groups=96 epilogue=[swish(1.0)] mean=b3:f32[1,96,1,1]
//
// Not if the average is of a part of the result only, or where its memory is in use between the two steps, and not in
// plans with branches or repeats.
#include <fmt/format.h>

#include <cmath>
#include <string>
#include <utility>

#include "compiler/passes/loop_strides.hpp"
#include "compiler/passes/passes.hpp"
#include "compiler/passes/tidy_buffers.hpp"

namespace igata {

namespace {

using runtime::ConvolutionSpec;
using runtime::MemorySpec;
using runtime::PoolingSpec;

constexpr std::size_t destination = 3;  // of a convolution

std::int64_t spatial_count(const MemorySpec& tensor) {
    std::int64_t count = 1;
    for (int axis = 2; axis < tensor.rank; ++axis) count *= tensor.dims[axis];
    return count;
}

/// Whether the finish of a sum over `count` elements makes an average of it.
bool is_average(const ExprPtr& finish, std::int64_t count) {
    static const ExprPtr product = expr::parse("x0 * factor");
    static const ExprPtr quotient = expr::parse("x0 / divisor");
    if (!finish) return count == 1;
    double divisor = 0;
    if (const auto found = expr::match(product, finish); found && found->operands.at(0)->op == ExprOp::operand)
        divisor = 1 / found->parameters.at("factor");
    else if (const auto match = expr::match(quotient, finish); match && match->operands.at(0)->op == ExprOp::operand)
        divisor = match->parameters.at("divisor");
    return std::abs(divisor - static_cast<double>(count)) <= 1e-6 * static_cast<double>(count);
}

/// Where the loop stores the averages of all of `tensor`; nothing if it does something else.
std::optional<MemorySpec> mean_of(const Loop& loop, const MemorySpec& tensor) {
    if (!loop.reduce || *loop.reduce != Reduce::sum || loop.inputs.size() != 1) return std::nullopt;
    for (const DataType dtype : {loop.inputs[0].dtype, loop.accumulator, loop.output.dtype})
        if (dtype != DataType::f32) return std::nullopt;
    if (loop.body->op != ExprOp::operand || !is_average(loop.finish, spatial_count(tensor))) return std::nullopt;
    const auto strides = strides_along(loop, loop.inputs[0], loop.output, tensor);
    if (!strides || !is_per_channel(*strides)) return std::nullopt;
    for (const std::size_t axis : {std::size_t{0}, std::size_t{1}})
        if (tensor.dims[axis] > 1 && (*strides)[axis] == 0) return std::nullopt;
    return per_channel(tensor, (*strides)[0], (*strides)[1]);
}

/// Likewise for a pooling whose window is the whole image.
std::optional<MemorySpec> mean_of(const PoolingSpec& pooling, const MemorySpec& tensor) {
    if (pooling.algorithm == runtime::Pooling::max || pooling.src.dtype != DataType::f32 ||
        pooling.src.rank != tensor.rank)
        return std::nullopt;
    for (int axis = 0; axis < tensor.rank; ++axis) {
        if (pooling.src.dims[axis] != tensor.dims[axis]) return std::nullopt;
        if (tensor.dims[axis] > 1 && pooling.src.strides[axis] != tensor.strides[axis]) return std::nullopt;
    }
    for (int i = 0; i < pooling.spatial; ++i)
        if (pooling.kernel[i] != tensor.dims[2 + i] || pooling.dilations[i] != 1 || pooling.pads_begin[i] != 0 ||
            pooling.pads_end[i] != 0)
            return std::nullopt;
    return pooling.dst;
}

std::optional<MemorySpec> mean_of(const Step& step, const MemorySpec& tensor) {
    if (const auto* loop = std::get_if<Loop>(&step.spec)) return mean_of(*loop, tensor);
    if (const auto* pooling = std::get_if<PoolingSpec>(&step.spec)) return mean_of(*pooling, tensor);
    return std::nullopt;
}

class MeanAbsorber {
public:
    MeanAbsorber(Plan& plan, Remarks& remarks, Budget budget)
        : plan_(plan), remarks_(remarks), budget_(std::move(budget)) {}

    void run() {
        absorb_steps(plan_, [this](std::size_t i) { return absorb(i); });
    }

private:
    /// True if the convolution whose result step `at` averages now does that itself.
    bool absorb(std::size_t at) {
        const Step& step = plan_.steps[at];
        if (step.operands.size() != 2) return false;
        const StepOperand averaged = step.operands[0];
        const StepOperand mean = step.operands[1];
        std::size_t producer = at;
        while (producer > 0 && !is_written(plan_, averaged.buffer, producer - 1, producer)) --producer;
        if (producer-- == 0) return false;
        Step& target = plan_.steps[producer];
        auto* convolution = std::get_if<ConvolutionSpec>(&target.spec);
        if (convolution == nullptr || target.operands[destination].buffer != averaged.buffer ||
            target.operands[destination].offset != averaged.offset || convolution->dst.dtype != DataType::f32)
            return false;
        const std::optional<MemorySpec> memory = mean_of(step, convolution->dst);
        if (!memory) return false;
        std::string reason;
        if (convolution->mean.is_present()) reason = "it has a mean already";
        else if (target.operands.size() >= runtime::max_operands) reason = "it has too many operands";
        else if (is_mentioned(plan_, mean.buffer, producer, at))
            reason = fmt::format("'{}' is in use before", plan_.buffer(mean.buffer).name);
        if (!reason.empty()) {
            remarks_.refused("absorb_means", step.name, fmt::format("not averaged by '{}': {}", target.name, reason));
            return false;
        }
        if (!budget_.take()) return false;
        convolution->mean = {*memory, static_cast<std::int32_t>(target.operands.size())};
        target.operands.push_back(mean);
        remarks_.done("absorb_means", target.name, fmt::format("averages its result itself, takes in '{}'", step.name));
        return true;
    }

    Plan& plan_;
    Remarks& remarks_;
    Budget budget_;
};

}  // namespace

void absorb_means(Plan& plan, Remarks& remarks, Budget budget) {
    if (!control_regions(plan).empty()) return;
    MeanAbsorber(plan, remarks, std::move(budget)).run();
}

}  // namespace igata
