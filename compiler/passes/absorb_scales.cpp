// A product with one value a channel, as after squeeze-excite's gate, goes into the convolutions that read it.
//
//     loop excite [12544,96] x0=b1:f32(96,1) x1=b2:f32(0,1) dst=b3:f32(96,1) {x0 * x1}
//     convolution project src=b3:f32[1,96,112,112]@nhwc weights=w1:f32[24,96,1,1] dst=b4:...
//   becomes
//     convolution project src=b1:f32[1,96,112,112]@nhwc weights=w1:f32[24,96,1,1] dst=b4:... scale=b2:f32[1,96,1,1]
//
// Not if anything but the source of a convolution of one group reads the product, or if what is multiplied is
// overwritten before the convolution runs.
#include <fmt/format.h>

#include <string>
#include <utility>

#include "compiler/passes/loop_strides.hpp"
#include "compiler/passes/passes.hpp"
#include "compiler/passes/tidy_buffers.hpp"

namespace igata {

namespace {

using runtime::ConvolutionSpec;

constexpr std::size_t source = 0;  // of a convolution

/// The operands of a product of a tensor and one value a channel: which is which, and how they lie along the tensor.
struct Product {
    std::size_t tensor;
    std::size_t scale;
    Dims tensor_strides;
    Dims scale_strides;
};

bool is_product(const Step& step) {
    const auto* loop = std::get_if<Loop>(&step.spec);
    if (loop == nullptr || loop->reduce || loop->inputs.size() != 2 || loop->output.dtype != DataType::f32)
        return false;
    if (loop->inputs[0].dtype != DataType::f32 || loop->inputs[1].dtype != DataType::f32) return false;
    static const ExprPtr product = expr::parse("x0 * x1");
    static const ExprPtr turned = expr::parse("x1 * x0");
    return expr::equal(loop->body, product) || expr::equal(loop->body, turned);
}

class ScaleAbsorber {
public:
    ScaleAbsorber(Plan& plan, Remarks& remarks, Budget budget)
        : plan_(plan), remarks_(remarks), budget_(std::move(budget)) {}

    void run() {
        absorb_steps(plan_, [this](std::size_t i) { return is_product(plan_.steps[i]) && absorb(i); });
    }

private:
    /// True if every reader now does the multiplication of step `at` itself.
    bool absorb(std::size_t at) {
        const Step& step = plan_.steps[at];
        std::vector<std::pair<std::size_t, Product>> readers;
        bool is_scale = false;
        std::string reason =
            plan_.buffer(step.operands[2].buffer).space == runtime::Space::arena ? "" : "it is an output";
        for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
            if (i == at || !is_mentioned(plan_, step.operands[2].buffer, i, i + 1)) continue;
            const std::optional<Product> product = product_for(at, i);
            is_scale = is_scale || product;
            if (reason.empty())
                reason = product ? why_not(at, i, *product) : fmt::format("'{}' uses it too", plan_.steps[i].name);
            if (product) readers.emplace_back(i, *product);
        }
        if (!is_scale) return false;
        if (!reason.empty()) {
            remarks_.refused("absorb_scales", step.name, fmt::format("not multiplied by the convolution: {}", reason));
            return false;
        }
        if (!budget_.take()) return false;
        for (const auto& [reader, product] : readers) rewire(at, reader, product);
        return true;
    }

    /// The product of step `at` seen as the source of step `reader`; nothing if it is no such thing.
    std::optional<Product> product_for(std::size_t at, std::size_t reader) const {
        const Step& step = plan_.steps[at];
        const auto& loop = std::get<Loop>(step.spec);
        const auto* convolution = std::get_if<ConvolutionSpec>(&plan_.steps[reader].spec);
        if (convolution == nullptr) return std::nullopt;
        const StepOperand& read = plan_.steps[reader].operands[source];
        if (read.buffer != step.operands[2].buffer || read.offset != step.operands[2].offset) return std::nullopt;
        for (const std::size_t tensor : {std::size_t{0}, std::size_t{1}}) {
            const auto strides = strides_along(loop, loop.output, loop.inputs[tensor], convolution->src);
            const auto scale = strides_along(loop, loop.output, loop.inputs[1 - tensor], convolution->src);
            if (strides && scale && is_per_channel(*scale)) return Product{tensor, 1 - tensor, *strides, *scale};
        }
        return std::nullopt;
    }

    std::string why_not(std::size_t at, std::size_t reader, const Product& product) const {
        const Step& step = plan_.steps[at];
        const Step& target = plan_.steps[reader];
        const auto& convolution = std::get<ConvolutionSpec>(target.spec);
        if (convolution.groups != 1) return fmt::format("'{}' has {} groups", target.name, convolution.groups);
        if (convolution.scale.is_present()) return fmt::format("'{}' has a scale already", target.name);
        if (convolution.src.dtype != DataType::f32) return fmt::format("'{}' does not read f32", target.name);
        if (target.operands.size() >= runtime::max_operands)
            return fmt::format("'{}' has too many operands", target.name);
        for (std::size_t k = 1; k < target.operands.size(); ++k)
            if (target.operands[k].buffer == step.operands[2].buffer)
                return fmt::format("'{}' reads it in two places", target.name);
        const StepOperand& tensor = step.operands[product.tensor];
        if (plan_.buffer(tensor.buffer).space == runtime::Space::weights) return "it multiplies a constant";
        for (const StepOperand* operand : {&tensor, &step.operands[product.scale]})
            if (is_written(plan_, operand->buffer, at + 1, reader + 1))
                return fmt::format("'{}' is overwritten before '{}' has read it", plan_.buffer(operand->buffer).name,
                                   target.name);
        return {};
    }

    void rewire(std::size_t at, std::size_t reader, const Product& product) {
        const Step& step = plan_.steps[at];
        Step& target = plan_.steps[reader];
        auto& convolution = std::get<ConvolutionSpec>(target.spec);
        target.operands[source] = step.operands[product.tensor];
        for (int axis = 0; axis < convolution.src.rank; ++axis)
            if (convolution.src.dims[axis] > 1)
                convolution.src.strides[axis] = product.tensor_strides[static_cast<std::size_t>(axis)];
        convolution.scale.memory = per_channel(convolution.src, product.scale_strides[0], product.scale_strides[1]);
        convolution.scale.operand_index = static_cast<std::int32_t>(target.operands.size());
        target.operands.push_back(step.operands[product.scale]);
        remarks_.done("absorb_scales", target.name,
                      fmt::format("multiplies its source itself, takes in '{}'", step.name));
    }

    Plan& plan_;
    Remarks& remarks_;
    Budget budget_;
};

}  // namespace

void absorb_scales(Plan& plan, Remarks& remarks, Budget budget) {
    if (!control_regions(plan).empty()) return;
    ScaleAbsorber(plan, remarks, std::move(budget)).run();
}

}  // namespace igata
