// Matrix products with broadcast batch dims.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <algorithm>
#include <memory>
#include <stdexcept>

#include "runtime/epilogue.hpp"
#include "runtime/needs.hpp"
#include "runtime/onednn.hpp"
#include "runtime/operation.hpp"
#include "runtime/pointwise.hpp"
#include "runtime/specs.hpp"
#include "runtime/tile_epilogue.hpp"
#include "runtime/wide_weights.hpp"

namespace igata::runtime {

/// Rank `rank` - 1 with the first two dims as one. False if the strides forbid it.
inline bool merge_leading(MemorySpec& spec) {
    if (spec.dims[0] != 1 && spec.dims[1] != 1 && spec.strides[0] != spec.dims[1] * spec.strides[1]) return false;
    const std::int64_t stride = spec.dims[1] != 1 ? spec.strides[1] : spec.strides[0];
    const std::int64_t extent = spec.dims[0] * spec.dims[1];
    for (int i = 1; i < spec.rank; ++i) {
        spec.dims[i - 1] = spec.dims[i];
        spec.strides[i - 1] = spec.strides[i];
    }
    spec.dims[0] = extent;
    spec.strides[0] = stride;
    --spec.rank;
    return true;
}

/// Drops the first dim, if it is one.
inline bool drop_leading(MemorySpec& spec) {
    if (spec.dims[0] != 1) return false;
    std::copy(spec.dims + 1, spec.dims + spec.rank, spec.dims);
    std::copy(spec.strides + 1, spec.strides + spec.rank, spec.strides);
    --spec.rank;
    return true;
}

/// The product with as few dims as it can be: batch dims become rows where b does not depend on them.
inline MatMulSpec flattened(MatMulSpec spec) {
    const bool plain = std::none_of(spec.epilogue.ops, spec.epilogue.ops + spec.epilogue.count,
                                    [](const PostOp& op) { return op.kind == PostOp::Kind::binary; });
    if (spec.bias.rank > 0) spec.bias = onednn::with_rank(spec.bias, spec.dst.rank);
    while (plain && spec.dst.rank > 2) {
        MatMulSpec next = spec;
        const bool as_rows =
            spec.dst.rank == 3 && drop_leading(next.b) && merge_leading(next.a) && merge_leading(next.dst);
        if (as_rows && (spec.bias.rank == 0 || (spec.bias.dims[1] == 1 && drop_leading(next.bias)))) {
            spec = next;
            continue;
        }
        next = spec;
        const bool same_batch = spec.dst.rank > 3 &&
                                spec.a.dims[0] * spec.a.dims[1] == spec.dst.dims[0] * spec.dst.dims[1] &&
                                spec.b.dims[0] == 1 && spec.b.dims[1] == 1;
        if (same_batch && drop_leading(next.b) && merge_leading(next.a) && merge_leading(next.dst) &&
            (spec.bias.rank == 0 || (spec.bias.dims[0] * spec.bias.dims[1] == 1 && drop_leading(next.bias)))) {
            spec = next;
            continue;
        }
        break;
    }
    return spec;
}

/// The product as a 1x1 convolution over an image with a pixel for each row. False if it is none.
inline bool as_pointwise(const MatMulSpec& spec, ConvolutionSpec& convolution) {
    const bool plain = std::all_of(spec.epilogue.ops, spec.epilogue.ops + spec.epilogue.count,
                                   [](const PostOp& op) { return op.kind != PostOp::Kind::binary; });
    if (!plain || spec.dst.rank != 2) return false;
    const auto image = [](const MemorySpec& rows) {
        MemorySpec memory;
        memory.dtype = rows.dtype;
        memory.rank = 3;
        const std::int64_t dims[] = {1, rows.dims[1], rows.dims[0]};
        const std::int64_t strides[] = {rows.dims[0] * rows.strides[0], rows.strides[1], rows.strides[0]};
        std::copy(dims, dims + 3, memory.dims);
        std::copy(strides, strides + 3, memory.strides);
        return memory;
    };
    convolution.spatial = 1;
    convolution.src = image(spec.a);
    convolution.dst = image(spec.dst);
    convolution.weights.dtype = spec.b.dtype;
    convolution.weights.rank = 3;
    for (int i = 0; i < 2; ++i) {
        convolution.weights.dims[i] = spec.b.dims[1 - i];
        convolution.weights.strides[i] = spec.b.strides[1 - i];
    }
    convolution.weights.dims[2] = convolution.weights.strides[2] = 1;
    if (spec.bias.rank > 0) {
        if (spec.bias.dims[0] != 1) return false;
        convolution.bias.dtype = spec.bias.dtype;
        convolution.bias.rank = 1;
        convolution.bias.dims[0] = spec.dst.dims[1];
        convolution.bias.strides[0] = spec.bias.dims[1] > 1 ? spec.bias.strides[1] : 0;
    }
    convolution.epilogue = spec.epilogue;
    convolution.bf16 = spec.bf16;
    return true;
}

inline std::unique_ptr<Operation> make_onednn_matmul(const Builder& builder, const MatMulSpec& spec) {
    enum Operand : int { a, b, bias, dst };
    const DataType factors = onednn::type_of_factors(spec.bf16);
    const MemorySpec a_factors = onednn::with_type(spec.a, factors);
    const MemorySpec b_factors = onednn::with_type(spec.b, factors);
    const onednn::Desc bias_desc = spec.bias.rank > 0 ? onednn::memory_desc(spec.bias) : onednn::Desc();
    const auto make = [&](const InsideOps& ops, const MemorySpec& result) {
        const bool packable = builder.constant(b) != nullptr;
        auto pd = onednn::make_matmul(builder.engine, onednn::memory_desc(a_factors),
                                      packable ? onednn::any_layout(b_factors) : onednn::memory_desc(b_factors),
                                      bias_desc, onednn::memory_desc(result), ops.attr());
        if (onednn::is_slow(onednn::implementation(pd))) {
            const auto free =
                onednn::make_matmul(builder.engine, onednn::any_layout(a_factors), onednn::any_layout(b_factors),
                                    bias_desc, onednn::any_layout(result), ops.attr());
            if (!onednn::is_reference(onednn::implementation(free))) pd = free;
        }
        auto operation = std::make_unique<PrimitiveOperation>(builder, dnnl::matmul(pd), pd.scratchpad_desc());
        operation->add(DNNL_ARG_SRC, a, onednn::memory_desc(spec.a), pd.src_desc());
        operation->add(DNNL_ARG_WEIGHTS, b, onednn::memory_desc(spec.b), pd.weights_desc());
        if (spec.bias.rank > 0) operation->add(DNNL_ARG_BIAS, bias, bias_desc, bias_desc);
        operation->add(DNNL_ARG_DST, dst, onednn::memory_desc(result), pd.dst_desc(), ops.dst_use());
        return operation;
    };
    return make_with_epilogue(spec.epilogue, dst, spec.dst, make);
}

/// Whether our kernel is measured to be the better choice: where an item of the batch has few rows, it starts faster
/// than oneDNN's, which reads many weights faster. Up to 64 rows in all, the size of the batch does not matter, so that
/// an item has the same bits alone and in a batch.
inline bool pays_as_pointwise(const MatMulSpec& spec) {
    std::int64_t rows = 1;
    for (int i = 0; i + 1 < spec.dst.rank; ++i) rows *= spec.dst.dims[i];
    const std::int64_t items = std::max<std::int64_t>(1, spec.dst.dims[0]);
    const std::int64_t weights = spec.b.dims[spec.b.rank - 2] * spec.b.dims[spec.b.rank - 1];
    return rows <= 64 && rows / items <= 4 && weights < 1 << 21;
}

/// What runs the product, and as what.
struct MatMulChoice {
    Implementation kernel = Implementation::onednn_matmul;
    MatMulSpec spec = {};
    ConvolutionSpec pointwise = {};
    bool is_pointwise = false;  ///< whether `pointwise` is the product
};

/// How `kernel` would run it.
inline MatMulChoice choice_of(Implementation kernel, const MatMulSpec& spec) {
    MatMulChoice choice{kernel, flattened(spec)};
    choice.spec.bf16 = spec.bf16 && is_bf16(kernel);
    choice.is_pointwise = as_pointwise(choice.spec, choice.pointwise);
    return choice;
}

/// Whether the choice's kernel can run it. `bf16`: the processor multiplies those.
inline bool fits(const Builder& builder, const MatMulChoice& choice, bool bf16 = onednn::has_bf16()) {
    if (is_bf16(choice.kernel) && !(bf16 && choice.spec.bf16)) return false;
    switch (choice.kernel) {
        case Implementation::onednn_matmul:
        case Implementation::onednn_bf16: return true;
        case Implementation::pointwise:
        case Implementation::pointwise_bf16:
            return choice.is_pointwise && PointwiseConvolution::fits(builder, choice.pointwise);
        default: return false;
    }
}

/// Whether the choice, of the product `spec`, is what was measured to be the best one, as a rule.
inline bool pays(const MatMulChoice& choice, const MatMulSpec& spec) {
    switch (choice.kernel) {
        case Implementation::pointwise: return pays_as_pointwise(spec);
        case Implementation::pointwise_bf16: return PointwiseConvolution::pays_in_bf16(choice.pointwise);
        case Implementation::onednn_bf16: return false;
        default: return true;
    }
}

/// The kernels of a product, those to be preferred first.
inline constexpr Implementation matmul_kernels[] = {Implementation::pointwise_bf16, Implementation::pointwise,
                                                    Implementation::onednn_bf16, Implementation::onednn_matmul};

/// The spec's own wish, or the first that pays. `bf16`: the processor multiplies those.
inline MatMulChoice choose_kernel(const Builder& builder, const MatMulSpec& spec, bool bf16 = onednn::has_bf16()) {
    MatMulChoice choice = choice_of(spec.implementation, spec);
    if (fits(builder, choice, bf16)) return choice;
    for (const Implementation kernel : matmul_kernels) {
        choice = choice_of(kernel, spec);
        if (fits(builder, choice, bf16) && pays(choice, spec)) break;
    }
    return choice;
}

/// Throws dnnl::error or std::runtime_error if there is no implementation.
inline std::unique_ptr<Operation> make_operation(const Builder& given, MatMulSpec spec) {
    using Kernel = Implementation;
    const WideWeights wide(given, spec.b, spec.a);
    const Builder& builder = wide.builder();
    const MatMulChoice choice = choose_kernel(builder, spec);
    if (choice.kernel == Kernel::pointwise || choice.kernel == Kernel::pointwise_bf16) {
        if constexpr (needs.has(Kernel::pointwise) || needs.has(Kernel::pointwise_bf16))
            return make_tiled<PointwiseConvolution>(builder, choice.pointwise);
    } else {
        if constexpr (needs.has(Kernel::onednn_matmul) || needs.has(Kernel::onednn_bf16))
            return make_onednn_matmul(builder, choice.spec);
    }
    throw std::logic_error("a matrix product that the program was not made for");
}

}  // namespace igata::runtime
