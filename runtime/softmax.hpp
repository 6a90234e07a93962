// Softmax and LogSoftmax along one axis: by oneDNN where its elements lie side by side, else many lines at a time.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "runtime/eltwise.hpp"
#include "runtime/isa.hpp"
#include "runtime/onednn.hpp"
#include "runtime/operation.hpp"
#include "runtime/parallel.hpp"
#include "runtime/specs.hpp"

namespace igata::runtime {

/// Neighbouring lines, `stride` elements from one element of a line to its next.
struct SoftmaxLines {
    static constexpr std::int64_t most = 64;

    const float* src;
    float* dst;
    std::int64_t count, stride;  ///< elements of a line
    std::int64_t width;          ///< lines, at most `most`
};

template <bool logarithm>
struct SoftmaxBody {
    template <int lanes>
    [[gnu::always_inline]] static void run(const SoftmaxLines& lines) {
        std::int64_t i = 0;
        for (; i + 4 * lanes <= lines.width; i += 4 * lanes) vectors<lanes, 4>(lines, i);
        for (; i + lanes <= lines.width; i += lanes) vectors<lanes, 1>(lines, i);
        for (; i < lines.width; ++i) vectors<1, 1>(lines, i);
    }

private:
    /// Lines from `first` on, a few vectors of them.
    template <int lanes, int n>
    [[gnu::always_inline]] static void vectors(const SoftmaxLines& lines, std::int64_t first) {
        using V = typename VectorOf<lanes>::Register;
        using Unaligned = typename VectorOf<lanes>::Unaligned;
        const Unaligned* src = reinterpret_cast<const Unaligned*>(lines.src + first);
        float* const dst = lines.dst + first;
        const wave::Decay<V> decay(1.0F);
        V largest[n], sum[n], x[n];
        for (int v = 0; v < n; ++v) sum[v] = V{};
        for (int v = 0; v < n; ++v) largest[v] = src[v];
        for (std::int64_t a = 1; a < lines.count; ++a) {
            src = reinterpret_cast<const Unaligned*>(lines.src + first + a * lines.stride);
            for (int v = 0; v < n; ++v) x[v] = src[v];
            for (int v = 0; v < n; ++v) largest[v] = x[v] > largest[v] ? x[v] : largest[v];
        }
        for (std::int64_t a = 0; a < lines.count; ++a) {
            src = reinterpret_cast<const Unaligned*>(lines.src + first + a * lines.stride);
            Unaligned* to = reinterpret_cast<Unaligned*>(dst + a * lines.stride);  // `auto` would lose the alignment
            for (int v = 0; v < n; ++v) x[v] = largest[v] - src[v];
            if (logarithm)
                for (int v = 0; v < n; ++v) to[v] = -x[v];
            decay.apply(x);
            for (int v = 0; v < n; ++v) sum[v] += x[v];
            if (!logarithm)
                for (int v = 0; v < n; ++v) to[v] = x[v];
        }
        for (int v = 0; v < n; ++v)
            for (int l = 0; l < lanes; ++l) sum[v][l] = logarithm ? scalar::log(sum[v][l]) : 1.0F / sum[v][l];
        for (std::int64_t a = 0; a < lines.count; ++a) {
            Unaligned* to = reinterpret_cast<Unaligned*>(dst + a * lines.stride);
            for (int v = 0; v < n; ++v) to[v] = logarithm ? to[v] - sum[v] : to[v] * sum[v];
        }
    }
};

/// Where other axes lie inside the softmax's one. Source and result are dense and laid out alike.
class StridedSoftmax final : public Operation {
public:
    explicit StridedSoftmax(const SoftmaxSpec& spec, Isa isa = detect_isa())
        : count_(spec.src.dims[spec.axis]),
          stride_(spec.src.strides[spec.axis]),
          isa_(isa),
          run_(spec.logarithm ? Versions<SoftmaxBody<true>, const SoftmaxLines&>::get(isa)
                              : Versions<SoftmaxBody<false>, const SoftmaxLines&>::get(isa)) {
        std::int64_t elements = 1;
        for (int i = 0; i < spec.src.rank; ++i) elements *= spec.src.dims[i];
        blocks_ = elements / (count_ * stride_);
        chunks_ = (stride_ + SoftmaxLines::most - 1) / SoftmaxLines::most;
    }

    static bool fits(const SoftmaxSpec& spec) {
        const bool alike = std::equal(spec.src.strides, spec.src.strides + spec.src.rank, spec.dst.strides);
        return spec.src.dtype == DataType::f32 && spec.dst.dtype == DataType::f32 && alike &&
               spec.src.strides[spec.axis] > 1;
    }

    std::string implementation() const override { return std::string("igata:softmax:") + name_of(isa_); }

    void run(const Frame& frame) const override {
        const auto* src = reinterpret_cast<const float*>(frame.operands[0]);
        auto* dst = reinterpret_cast<float*>(frame.operands[1]);
        const std::int64_t work = count_ * SoftmaxLines::most;
        parallel_for(blocks_ * chunks_, 8192 / work + 1, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i) {
                const std::int64_t first = i % chunks_ * SoftmaxLines::most;
                const std::int64_t last = std::min(stride_, first + SoftmaxLines::most);
                const std::int64_t offset = i / chunks_ * count_ * stride_ + first;
                run_({src + offset, dst + offset, count_, stride_, last - first});
            }
        });
    }

private:
    std::int64_t count_, stride_, blocks_ = 0, chunks_ = 0;
    Isa isa_;
    decltype(Versions<SoftmaxBody<false>, const SoftmaxLines&>::get()) run_;
};

/// Throws dnnl::error or std::runtime_error if there is no implementation.
inline std::unique_ptr<Operation> make_operation(const Builder& builder, const SoftmaxSpec& spec) {
    enum Operand : int { src, dst };
    if (StridedSoftmax::fits(spec)) return std::make_unique<StridedSoftmax>(spec);
    const onednn::Desc src_desc = onednn::memory_desc(spec.src);
    const onednn::Desc dst_desc = onednn::memory_desc(spec.dst);
    const auto pd = onednn::make_softmax(builder.engine, spec.logarithm, src_desc, dst_desc, spec.axis);
    auto operation = std::make_unique<PrimitiveOperation>(builder, onednn::SoftmaxForward(pd), pd.scratchpad_desc());
    operation->add(DNNL_ARG_SRC, src, src_desc, pd.src_desc());
    operation->add(DNNL_ARG_DST, dst, dst_desc, pd.dst_desc(), PrimitiveOperation::Use::write);
    return operation;
}

}  // namespace igata::runtime
