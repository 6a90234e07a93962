// Primitives with the epilogue of their node: post-ops where they can say it, a loop after the step for the rest.
#include <algorithm>

#include <fmt/format.h>

#include "compiler/passes/lower_context.hpp"

namespace igata {

namespace {

using runtime::PostOp;

runtime::Epilogue* epilogue_of(StepSpecVariant& spec) {
    if (auto* convolution = std::get_if<runtime::ConvolutionSpec>(&spec)) return &convolution->epilogue;
    if (auto* deconvolution = std::get_if<runtime::DeconvolutionSpec>(&spec)) return &deconvolution->epilogue;
    if (auto* matmul = std::get_if<runtime::MatMulSpec>(&spec)) return &matmul->epilogue;
    return nullptr;
}

/// The view with the dims that it has when broadcast from the right to `rank` axes.
View with_rank(View view, std::size_t rank) {
    const std::size_t lead = rank - view.dims.size();
    const std::int64_t stride = view.dims.empty() ? 1 : view.dims[0] * view.strides[0];
    view.dims.insert(view.dims.begin(), lead, 1);
    view.strides.insert(view.strides.begin(), lead, stride);
    return view;
}

/// Sets the MemorySpecs of a spec from its operands, the last of which is dst.
void describe_operands(StepSpecVariant& spec, const std::vector<View>& operands) {
    const auto memory = [&](std::size_t i) {
        return operands.at(i).valid() ? memory_spec(operands[i]) : runtime::MemorySpec{};
    };
    if (auto* convolution = std::get_if<runtime::ConvolutionSpec>(&spec)) {
        convolution->src = memory(0);
        convolution->weights = memory(1);
        convolution->bias = memory(2);
        convolution->dst = memory(3);
    } else if (auto* deconvolution = std::get_if<runtime::DeconvolutionSpec>(&spec)) {
        deconvolution->src = memory(0);
        deconvolution->weights = memory(1);
        deconvolution->bias = memory(2);
        deconvolution->dst = memory(3);
    } else if (auto* matmul = std::get_if<runtime::MatMulSpec>(&spec)) {
        matmul->a = memory(0);
        matmul->b = memory(1);
        if (operands[2].valid()) matmul->bias = memory_spec(with_rank(operands[2], operands[3].dims.size()));
        matmul->dst = memory(3);
    } else if (auto* pooling = std::get_if<runtime::PoolingSpec>(&spec)) {
        pooling->src = memory(0);
        pooling->dst = memory(1);
    } else if (auto* softmax = std::get_if<runtime::SoftmaxSpec>(&spec)) {
        softmax->src = memory(0);
        softmax->dst = memory(1);
    } else if (auto* lrn = std::get_if<runtime::LrnSpec>(&spec)) {
        lrn->src = memory(0);
        lrn->dst = memory(1);
    } else if (auto* kernel = std::get_if<runtime::KernelSpec>(&spec)) {
        kernel->operand_count = static_cast<int>(operands.size());
        for (std::size_t i = 0; i < operands.size(); ++i) kernel->operands[i] = memory(i);
    }
}

/// The axis along which a bias of the primitive runs.
std::size_t bias_axis(const StepSpecVariant& spec, std::size_t rank) {
    return std::holds_alternative<runtime::MatMulSpec>(spec) ? rank - 1 : 1;
}

bool runs_along(const View& view, const Dims& dims, std::size_t axis) {
    for (std::size_t i = 0; i < dims.size(); ++i)
        if (view.dims[i] != (i == axis ? dims[i] : 1)) return false;
    return true;
}

/// The operand xk of the epilogue as the second source of a binary post-op on dst, or an invalid view. Results of one
/// shape but another rank (a vector as a matrix of one row) take only single elements and operands of dst's own shape.
View binary_operand(const View& operand, const View& result, const View& dst, std::size_t channel_axis) {
    if (operand.dtype != dst.dtype || operand.dims.size() > result.dims.size()) return {};
    const std::size_t rank = dst.dims.size();
    if (element_count(operand.dims) == 1) return reshape_view(operand, Dims(rank, 1));
    if (operand.dims == result.dims) {
        View view = result.dims == dst.dims ? operand : reshape_view(operand, dst.dims);
        if (!view.valid()) return {};
        for (std::size_t i = 0; i < rank; ++i)
            if (view.dims[i] != 1 && view.strides[i] != dst.strides[i]) return {};
        view.strides = dst.strides;
        return view;
    }
    if (result.dims != dst.dims) return {};
    View view = with_rank(operand, rank);
    return runs_along(view, dst.dims, channel_axis) && view.strides[channel_axis] == 1 ? view : View{};
}

/// A constant that is added first, along the channels, is a bias.
void take_bias(std::vector<PostOpTerm>& terms, const std::vector<View>& sources, const Plan& plan, const View& dst,
               std::size_t channel_axis, View& bias) {
    if (bias.valid() || terms.empty()) return;
    const PostOp& op = terms.front().op;
    if (op.kind != PostOp::Kind::binary || op.binary != runtime::Binary::add) return;
    const View& source = sources[static_cast<std::size_t>(terms.front().operand)];
    if (!plan.buffer(source.buffer).constant || !runs_along(source, dst.dims, channel_axis)) return;
    bias = reshape_view(source, {dst.dims[channel_axis]});
    terms.erase(terms.begin());
}

/// Writes the terms to the spec, and their sources after the operands.
void write_terms(const std::vector<PostOpTerm>& terms, const std::vector<View>& sources, runtime::Epilogue& epilogue,
                 std::vector<View>& operands) {
    for (const PostOpTerm& term : terms) {
        PostOp op = term.op;
        if (op.kind == PostOp::Kind::binary) {
            const View& source = sources[static_cast<std::size_t>(term.operand)];
            op.operand = memory_spec(source);
            op.operand_index = static_cast<std::int32_t>(operands.size());
            operands.push_back(source);
        }
        epilogue.ops[epilogue.count++] = op;
    }
}

}  // namespace

bool GraphLowering::may_overwrite(const View& residual, const View& dst, const std::vector<View>& others) const {
    const Buffer& buffer = plan_.buffer(residual.buffer);
    if (buffer.space != runtime::Space::arena || residual.offset != 0 || residual.dims != dst.dims) return false;
    if (residual.buffer < first_own_ || residual.advance != 0) return false;
    if (buffer.bytes != plan_.buffer(dst.buffer).bytes || residual.dtype != dst.dtype ||
        residual.strides != dst.strides)
        return false;
    const auto& values = values_on_.at(static_cast<std::size_t>(residual.buffer));
    const bool dies = std::all_of(values.begin(), values.end(),
                                  [&](ValueId id) { return last_reader_[static_cast<std::size_t>(id)] <= position_; });
    return dies && !values.empty() &&
           std::count_if(others.begin(), others.end(), [&](const View& v) { return v.buffer == residual.buffer; }) == 0;
}

PostOpTerm* GraphLowering::term_to_sum(PostOps& covered, const std::vector<View>& xs, const std::vector<View>& sources,
                                       const std::vector<View>& operands, const View& dst) const {
    for (PostOpTerm& term : covered.terms) {
        if (term.op.kind != PostOp::Kind::binary || term.op.binary != runtime::Binary::add) continue;
        const auto mentions = std::count_if(covered.terms.begin(), covered.terms.end(),
                                            [&](const PostOpTerm& other) { return other.operand == term.operand; });
        if (mentions > 1 || (covered.rest && expr::uses(covered.rest, term.operand))) continue;
        std::vector<View> others = operands;
        for (std::size_t k = 1; k < xs.size(); ++k)
            if (k != static_cast<std::size_t>(term.operand)) others.push_back(xs[k]);
        if (may_overwrite(sources[static_cast<std::size_t>(term.operand)], dst, others)) return &term;
    }
    return nullptr;
}

void GraphLowering::add_with_epilogue(StepSpecVariant spec, std::vector<View> operands, std::size_t output,
                                      const std::vector<int>& dst_order) {
    const ValueType& type = graph_.value(node_->outputs.at(output)).type;
    const bool has_epilogue = node_->has_epilogue() && output == 0;
    epilogue_done_ = true;
    runtime::Epilogue* const epilogue = epilogue_of(spec);
    std::vector<View> xs = has_epilogue ? epilogue_operands() : std::vector<View>(1);
    View result = place_output(output, dst_order, false);
    View dst = result;
    if (const auto* matmul = std::get_if<runtime::MatMulSpec>(&spec); matmul != nullptr && matmul->dst.rank > 0)
        dst = reshape_view(result, Dims(matmul->dst.dims, matmul->dst.dims + matmul->dst.rank));

    PostOps covered{{}, has_epilogue ? node_->epilogue : nullptr};
    std::vector<View> sources(xs.size());
    if (has_epilogue && epilogue != nullptr && type.dtype == DataType::f32) {
        const std::size_t channel_axis = bias_axis(spec, dst.dims.size());
        for (std::size_t k = 1; k < xs.size(); ++k) sources[k] = binary_operand(xs[k], result, dst, channel_axis);
        const auto readable = [&](int k) { return sources.at(static_cast<std::size_t>(k)).valid(); };
        covered = derive_post_ops(node_->epilogue, readable, runtime::max_post_ops);
        take_bias(covered.terms, sources, plan_, dst, channel_axis, operands.at(2));
    }
    PostOpTerm* const sum = term_to_sum(covered, xs, sources, operands, dst);
    if (sum != nullptr) {
        sum->op.kind = PostOp::Kind::sum;
        dst = sources[static_cast<std::size_t>(sum->operand)];
        result = xs[static_cast<std::size_t>(sum->operand)];
    }
    const std::size_t dst_index = operands.size();
    operands.push_back(dst);
    describe_operands(spec, operands);
    if (epilogue != nullptr) write_terms(covered.terms, sources, *epilogue, operands);
    add(std::move(spec), operands, {dst_index});
    plan_.steps.back().operands[dst_index].read = sum != nullptr;

    if (!covered.rest) {
        set_output(output, result);
        return;
    }
    remark(fmt::format("computes '{}' in a loop of its own after the {}", expr::print(covered.rest),
                       kind_of(plan_.steps.back())));
    xs[0] = result;
    add_map(covered.rest, xs, this->output(output));
}

}  // namespace igata
