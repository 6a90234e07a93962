#include "compiler/ir/cost.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>
#include <numeric>

#include "compiler/ir/plan_fields.hpp"

namespace igata {

namespace {

using runtime::MemorySpec;

std::int64_t product(const std::int64_t* values, int count) {
    return std::accumulate(values, values + count, std::int64_t{1}, std::multiplies<>());
}

std::int64_t elements(const MemorySpec& spec) { return product(spec.dims, spec.rank); }

std::int64_t bytes_of(const MemorySpec& spec) {
    if (spec.dtype == DataType::undefined) return 0;
    auto bytes = static_cast<std::int64_t>(runtime::size_of(spec.dtype));
    for (int i = 0; i < spec.rank; ++i) bytes *= spec.strides[i] == 0 && spec.dims[i] > 1 ? 1 : spec.dims[i];
    return bytes;
}

struct Flops {
    std::int64_t operator()(const runtime::ConvolutionSpec& s) const {
        return 2 * elements(s.dst) * product(s.weights.dims + 1, s.weights.rank - 1);
    }
    std::int64_t operator()(const runtime::DeconvolutionSpec& s) const {
        return 2 * elements(s.src) * product(s.weights.dims + 1, s.weights.rank - 1);
    }
    std::int64_t operator()(const runtime::MatMulSpec& s) const { return 2 * elements(s.dst) * s.a.dims[s.a.rank - 1]; }
    template <class Spec>
    std::int64_t operator()(const Spec&) const {
        return 0;
    }
};

std::string joined(const std::int64_t* values, int count, const char* between) {
    return fmt::format("{}", fmt::join(values, values + count, between));
}

/// `32x112x112`, with the batch in front if there is one: `8*32x112x112`.
std::string image(const MemorySpec& spec) {
    const std::string batch = spec.dims[0] == 1 ? "" : fmt::format("{}*", spec.dims[0]);
    return batch + joined(spec.dims + 1, spec.rank - 1, "x");
}

std::string dims(const MemorySpec& spec) { return fmt::format("[{}]", joined(spec.dims, spec.rank, ",")); }

std::string post_ops(const runtime::Epilogue& epilogue) {
    std::string text;
    for (int i = 0; i < epilogue.count; ++i) {
        const runtime::PostOp& op = epilogue.ops[i];
        text += ' ';
        if (op.kind == runtime::PostOp::Kind::sum) text += "sum";
        else if (op.kind == runtime::PostOp::Kind::binary)
            text += plan_text::binary_names.at(static_cast<std::size_t>(op.binary));
        else text += plan_text::eltwise_names.at(static_cast<std::size_t>(op.eltwise));
    }
    return text;
}

/// `3x3 s2`, `3x3 s2,1`; nothing of strides that are all one.
std::string window(const std::int64_t* kernel, const std::int64_t* strides, int spatial) {
    const std::string text = joined(kernel, spatial, "x");
    if (std::all_of(strides, strides + spatial, [](std::int64_t s) { return s == 1; })) return text;
    const bool equal = std::all_of(strides, strides + spatial, [&](std::int64_t s) { return s == strides[0]; });
    return text + " s" + joined(strides, equal ? 1 : spatial, ",");
}

struct Description {
    const Step& step;

    std::string operator()(const runtime::ConvolutionSpec& s) const {
        const std::string groups = s.groups == 1               ? ""
                                   : s.groups == s.src.dims[1] ? " depthwise"
                                                               : fmt::format(" groups {}", s.groups);
        return fmt::format("{}{}{} {} -> {}{}{}", window(s.weights.dims + 2, s.strides, s.spatial), groups,
                           s.scale.is_present() ? " scaled" : "", image(s.src), image(s.dst), post_ops(s.epilogue),
                           s.mean.is_present() ? " mean" : "");
    }
    std::string operator()(const runtime::DeconvolutionSpec& s) const {
        return fmt::format("{}{} {} -> {}{}", window(s.weights.dims + 2, s.strides, s.spatial),
                           s.groups == 1 ? "" : fmt::format(" groups {}", s.groups), image(s.src), image(s.dst),
                           post_ops(s.epilogue));
    }
    std::string operator()(const runtime::MatMulSpec& s) const {
        return fmt::format("{} x {}{}", dims(s.a), dims(s.b), post_ops(s.epilogue));
    }
    std::string operator()(const runtime::PoolingSpec& s) const {
        return fmt::format("{} {} {} -> {}", plan_text::pooling_names.at(static_cast<std::size_t>(s.algorithm)),
                           window(s.kernel, s.strides, s.spatial), image(s.src), image(s.dst));
    }
    std::string operator()(const runtime::SoftmaxSpec& s) const { return dims(s.src); }
    std::string operator()(const runtime::LrnSpec& s) const { return dims(s.src); }
    std::string operator()(const runtime::KernelSpec& s) const {
        return fmt::format("{} {} -> {}", s.name, dims(s.operands[0]), dims(s.operands[s.operand_count - 1]));
    }
    std::string operator()(const runtime::ControlSpec& s) const {
        return std::string(plan_text::control_names.at(static_cast<std::size_t>(s.control)));
    }
    std::string operator()(const Loop& loop) const {
        const std::string reduce =
            loop.reduce ? fmt::format("{} ", plan_text::reduce_names.at(static_cast<std::size_t>(*loop.reduce))) : "";
        return fmt::format("{}[{}] -> {}", reduce, fmt::join(loop.extents, ","),
                           dims(operand_spec(step, loop.inputs.size())));
    }
};

}  // namespace

StepCost cost_of(const Step& step) {
    StepCost cost{std::visit(Flops{}, step.spec), 0};
    for (std::size_t i = 0; i < step.operands.size(); ++i) {
        const StepOperand& operand = step.operands[i];
        if (operand.buffer == no_buffer) continue;
        cost.bytes +=
            bytes_of(operand_spec(step, i)) * (static_cast<int>(operand.read) + static_cast<int>(operand.written));
    }
    return cost;
}

std::string describe(const Step& step) { return std::visit(Description{step}, step.spec); }

}  // namespace igata
