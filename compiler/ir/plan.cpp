#include "compiler/ir/plan.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <numeric>
#include <stdexcept>

#include <fmt/format.h>

namespace igata {

bool View::is_dense() const {
    std::vector<int> order = row_major_order(dims.size());
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
        return strides[static_cast<std::size_t>(a)] > strides[static_cast<std::size_t>(b)];
    });
    return has_order(order);
}

bool View::is_row_major() const { return has_order(row_major_order(dims.size())); }

bool View::has_order(const std::vector<int>& order) const {
    if (element_count(dims) == 0) return true;
    std::int64_t expected = 1;
    for (auto axis = order.rbegin(); axis != order.rend(); ++axis) {
        const auto i = static_cast<std::size_t>(*axis);
        if (dims[i] == 1) continue;
        if (strides[i] != expected) return false;
        expected *= dims[i];
    }
    return true;
}

Dims strides_for_order(const Dims& dims, const std::vector<int>& order) {
    Dims strides(dims.size());
    std::int64_t stride = 1;
    for (auto axis = order.rbegin(); axis != order.rend(); ++axis) {
        const auto i = static_cast<std::size_t>(*axis);
        strides[i] = stride;
        stride *= std::max<std::int64_t>(dims[i], 1);
    }
    return strides;
}

std::vector<int> row_major_order(std::size_t rank) {
    std::vector<int> order(rank);
    std::iota(order.begin(), order.end(), 0);
    return order;
}

std::vector<int> channels_last_order(std::size_t rank) {
    std::vector<int> order = row_major_order(rank);
    if (rank > 2) std::rotate(order.begin() + 1, order.begin() + 2, order.end());
    return order;
}

runtime::MemorySpec memory_spec(const View& view) {
    if (view.dims.size() > runtime::max_rank)
        throw std::invalid_argument(
            fmt::format("rank {} is beyond the limit of {}", view.dims.size(), runtime::max_rank));
    runtime::MemorySpec spec;
    spec.dtype = view.dtype;
    spec.rank = static_cast<int>(view.dims.size());
    std::copy(view.dims.begin(), view.dims.end(), spec.dims);
    std::copy(view.strides.begin(), view.strides.end(), spec.strides);
    return spec;
}

namespace {

using runtime::MemorySpec;

struct OperandSpecs {
    std::size_t i;

    MemorySpec operator()(const runtime::ConvolutionSpec& spec) const {
        for (const runtime::OptionalOperand* operand : {&spec.scale, &spec.mean})
            if (operand->operand_index == static_cast<std::int32_t>(i)) return operand->memory;
        return pick({spec.src, spec.weights, spec.bias, spec.dst}, spec.epilogue);
    }
    MemorySpec operator()(const runtime::DeconvolutionSpec& spec) const {
        return pick({spec.src, spec.weights, spec.bias, spec.dst}, spec.epilogue);
    }
    MemorySpec operator()(const runtime::MatMulSpec& spec) const {
        return pick({spec.a, spec.b, spec.bias, spec.dst}, spec.epilogue);
    }
    MemorySpec operator()(const runtime::PoolingSpec& spec) const { return pick({spec.src, spec.dst}); }
    MemorySpec operator()(const runtime::SoftmaxSpec& spec) const { return pick({spec.src, spec.dst}); }
    MemorySpec operator()(const runtime::LrnSpec& spec) const { return pick({spec.src, spec.dst}); }
    MemorySpec operator()(const runtime::KernelSpec& spec) const {
        if (i >= static_cast<std::size_t>(spec.operand_count))
            throw std::out_of_range("the kernel has no such operand");
        return spec.operands[i];
    }
    MemorySpec operator()(const runtime::ControlSpec& spec) const {
        return pick({spec.condition, spec.trips, spec.iteration});
    }
    MemorySpec operator()(const Loop& loop) const {
        const bool is_output = i == loop.inputs.size();
        const Loop::Operand& operand = is_output ? loop.output : loop.inputs.at(i);
        View view{no_buffer, 0, operand.dtype, loop.extents, operand.strides};
        if (is_output && loop.reduce)
            for (std::size_t d = 0; d < view.dims.size(); ++d)
                if (loop.reduced.at(d)) view.dims[d] = 1;
        return memory_spec(view);
    }

private:
    MemorySpec pick(std::initializer_list<MemorySpec> own,
                    const runtime::Epilogue& epilogue = runtime::Epilogue()) const {
        if (i < own.size()) return own.begin()[i];
        for (int k = 0; k < epilogue.count; ++k)
            if (epilogue.ops[k].operand_index == static_cast<std::int32_t>(i)) return epilogue.ops[k].operand;
        throw std::out_of_range("the step has no such operand");
    }
};

}  // namespace

runtime::MemorySpec operand_spec(const Step& step, std::size_t i) { return std::visit(OperandSpecs{i}, step.spec); }

std::vector<Region> control_regions(const Plan& plan) {
    std::vector<Region> regions;
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        const auto* spec = std::get_if<runtime::ControlSpec>(&plan.steps[i].spec);
        if (spec == nullptr) continue;
        switch (spec->control) {
            case runtime::Control::branch:
            case runtime::Control::repeat:
                regions.push_back({i, i, spec->control == runtime::Control::repeat, open.size()});
                open.push_back(regions.size() - 1);
                break;
            case runtime::Control::otherwise:
                if (open.empty() || regions[open.back()].is_repeat)
                    throw std::logic_error("otherwise without a branch");
                break;
            case runtime::Control::end:
                if (open.empty()) throw std::logic_error("end without a beginning");
                regions[open.back()].end = i;
                open.pop_back();
                break;
        }
    }
    if (!open.empty()) throw std::logic_error("a branch or repeat has no end");
    return regions;
}

std::span<const char* const> kernel_names() {
    static constexpr const char* names[] = {
#define IGATA_KERNEL(name) #name,
#include "compiler/ir/kernels.inc"
#undef IGATA_KERNEL
    };
    return names;
}

std::string_view kind_of(const Step& step) {
    static constexpr std::array<std::string_view, 9> names{
        "convolution", "deconvolution", "matmul", "pooling", "softmax", "lrn", "kernel", "control", "loop"};
    static_assert(names.size() == std::variant_size_v<StepSpecVariant>);
    return names.at(step.spec.index());
}

}  // namespace igata
