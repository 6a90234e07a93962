// Post-ops: which of them a primitive applies itself, and passes over the result for the rest.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "runtime/eltwise.hpp"
#include "runtime/onednn.hpp"
#include "runtime/operation.hpp"
#include "runtime/parallel.hpp"
#include "runtime/specs.hpp"

namespace igata::runtime {

/// Dense, with the axes in the same order as in `spec`.
inline MemorySpec packed_like(const MemorySpec& spec) {
    int order[max_rank] = {};
    for (int i = 0; i < spec.rank; ++i) order[i] = i;
    std::stable_sort(order, order + spec.rank, [&](int a, int b) { return spec.strides[a] > spec.strides[b]; });
    MemorySpec packed = spec;
    std::int64_t stride = 1;
    for (int i = spec.rank - 1; i >= 0; --i) {
        packed.strides[order[i]] = stride;
        stride *= spec.dims[order[i]];
    }
    return packed;
}

/// Post-ops [first, count) of an epilogue as passes over an f32 result.
class EpiloguePass {
public:
    EpiloguePass(const Epilogue& epilogue, int first, const MemorySpec& result, const MemorySpec& dst) {
        const Isa isa = detect_isa();
        for (int i = first; i < epilogue.count; ++i) {
            const PostOp& op = epilogue.ops[i];
            ops_.push_back({op, op.kind == PostOp::Kind::eltwise ? eltwise_function(op.eltwise, isa) : nullptr});
        }
        if (!ops_.empty() && dst.dtype != DataType::f32) throw std::runtime_error("this epilogue needs an f32 result");
        make_loops(result, dst);
    }

    bool empty() const { return ops_.empty(); }

    /// True if `first...` holds a sum, which reads what dst held before: the result must then lie elsewhere.
    static bool reads_dst(const Epilogue& epilogue, int first) {
        return std::any_of(epilogue.ops + first, epilogue.ops + epilogue.count,
                           [](const PostOp& op) { return op.kind == PostOp::Kind::sum; });
    }

    /// `result` may be dst. `operands` as in the step.
    void run(const float* result, float* dst, std::byte* const* operands) const {
        const std::int64_t inner = loops_.back().extent;
        if (inner == 0) return;
        const std::int64_t pieces = (inner + piece - 1) / piece;
        std::int64_t outer = 1;
        for (std::size_t i = 0; i + 1 < loops_.size(); ++i) outer *= loops_[i].extent;
        const std::int64_t grain = std::max<std::int64_t>(1, 16384 / std::min(inner, piece));
        parallel_for(outer * pieces, grain, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t item = begin; item < end; ++item) {
                run_piece(item / pieces, item % pieces * piece, result, dst, operands);
            }
        });
    }

private:
    static constexpr std::int64_t piece = 2048;

    struct Op {
        PostOp op;
        EltwiseFunction function;
    };
    /// One dim of the iteration: strides of result, dst and each post-op's operand.
    struct Loop {
        std::int64_t extent = 1;
        std::int64_t strides[2 + max_post_ops] = {};
    };

    void make_loops(const MemorySpec& result, const MemorySpec& dst) {
        for (int axis = 0; axis < dst.rank; ++axis) {
            Loop loop;
            loop.extent = dst.dims[axis];
            loop.strides[0] = result.strides[axis];
            loop.strides[1] = dst.strides[axis];
            for (std::size_t i = 0; i < ops_.size(); ++i) {
                const MemorySpec operand = onednn::with_rank(ops_[i].op.operand, dst.rank);
                const bool varies = ops_[i].op.kind == PostOp::Kind::binary && operand.dims[axis] > 1;
                loop.strides[2 + i] = varies ? operand.strides[axis] : 0;
            }
            if (loop.extent != 1) loops_.push_back(loop);
        }
        std::stable_sort(loops_.begin(), loops_.end(),
                         [](const Loop& a, const Loop& b) { return a.strides[1] > b.strides[1]; });
        for (std::size_t i = loops_.size(); i-- > 1;) merge(i);
        if (loops_.empty()) loops_.emplace_back();
    }

    /// Makes one loop of `inner` and the one around it if every operand runs on evenly.
    void merge(std::size_t inner) {
        Loop& outside = loops_[inner - 1];
        const Loop& inside = loops_[inner];
        for (int i = 0; i < 2 + max_post_ops; ++i) {
            if (outside.strides[i] != inside.strides[i] * inside.extent) return;
        }
        const std::int64_t extent = outside.extent * inside.extent;
        outside = inside;
        outside.extent = extent;
        loops_.erase(loops_.begin() + static_cast<std::ptrdiff_t>(inner));
    }

    void run_piece(std::int64_t outer, std::int64_t begin, const float* result, float* dst,
                   std::byte* const* operands) const {
        const Loop& inner = loops_.back();
        const std::int64_t count = std::min(piece, inner.extent - begin);
        std::int64_t offsets[2 + max_post_ops] = {};
        for (int i = 0; i < 2 + max_post_ops; ++i) offsets[i] = begin * inner.strides[i];
        for (std::size_t level = loops_.size() - 1; level-- > 0;) {
            const std::int64_t index = outer % loops_[level].extent;
            outer /= loops_[level].extent;
            for (int i = 0; i < 2 + max_post_ops; ++i) offsets[i] += index * loops_[level].strides[i];
        }
        const float* from = result + offsets[0];
        float* to = dst + offsets[1];
        if (from == to && inner.strides[1] == 1) {
            apply(to, to, inner, count, offsets, operands);
            return;
        }
        float values[piece];
        copy(from, inner.strides[0], values, 1, count);
        apply(values, to, inner, count, offsets, operands);
        copy(values, 1, to, inner.strides[1], count);
    }

    static void copy(const float* from, std::int64_t from_stride, float* to, std::int64_t to_stride,
                     std::int64_t count) {
        if (from_stride == 1 && to_stride == 1) {
            std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(float));
        } else {
            for (std::int64_t i = 0; i < count; ++i) to[i * to_stride] = from[i * from_stride];
        }
    }

    void apply(float* x, const float* dst, const Loop& inner, std::int64_t count, const std::int64_t* offsets,
               std::byte* const* operands) const {
        for (std::size_t i = 0; i < ops_.size(); ++i) {
            const PostOp& op = ops_[i].op;
            switch (op.kind) {
                case PostOp::Kind::eltwise: ops_[i].function(x, count, op.alpha, op.beta); break;
                case PostOp::Kind::sum: combine(Binary::add, x, dst, inner.strides[1], count); break;
                case PostOp::Kind::binary:
                    combine(op.binary, x, reinterpret_cast<const float*>(operands[op.operand_index]) + offsets[2 + i],
                            inner.strides[2 + i], count);
                    break;
            }
        }
    }

    template <class Operator>
    static void combine_by(float* x, const float* y, std::int64_t stride, std::int64_t count, Operator operate) {
        if (stride == 1) {
            for (std::int64_t i = 0; i < count; ++i) x[i] = operate(x[i], y[i]);
        } else {
            for (std::int64_t i = 0; i < count; ++i) x[i] = operate(x[i], y[i * stride]);
        }
    }

    static void combine(Binary binary, float* x, const float* y, std::int64_t stride, std::int64_t count) {
        switch (binary) {
            case Binary::add: return combine_by(x, y, stride, count, [](float a, float b) { return a + b; });
            case Binary::sub: return combine_by(x, y, stride, count, [](float a, float b) { return a - b; });
            case Binary::mul: return combine_by(x, y, stride, count, [](float a, float b) { return a * b; });
            case Binary::div: return combine_by(x, y, stride, count, [](float a, float b) { return a / b; });
            case Binary::min: return combine_by(x, y, stride, count, [](float a, float b) { return b < a ? b : a; });
            case Binary::max: return combine_by(x, y, stride, count, [](float a, float b) { return a < b ? b : a; });
        }
    }

    std::vector<Op> ops_;
    std::vector<Loop> loops_;
};

/// oneDNN's eltwise with an exponential in it is slower than a pass of our own over the result.
inline bool is_slow_inside(const PostOp& op) {
    if (op.kind != PostOp::Kind::eltwise) return false;
    switch (op.eltwise) {
        case Eltwise::relu:
        case Eltwise::linear:
        case Eltwise::clip:
        case Eltwise::abs:
        case Eltwise::square: return false;
        default: return true;
    }
}

/// The first `count` post-ops, as a primitive's attribute.
class InsideOps {
public:
    InsideOps(const Epilogue& epilogue, int count, int rank) : attr_(onednn::user_scratchpad()) {
        dnnl::post_ops ops;
        for (int i = 0; i < count; ++i) {
            const PostOp& op = epilogue.ops[i];
            if (op.kind == PostOp::Kind::eltwise) onednn::append(ops, op);
            if (op.kind == PostOp::Kind::sum) {
                ops.append_sum(1.0F);
                sum_ = true;
            }
            if (op.kind == PostOp::Kind::binary) {
                const onednn::Desc desc = onednn::memory_desc(onednn::with_rank(op.operand, rank));
                operands_.push_back(
                    {DNNL_ARG_ATTR_MULTIPLE_POST_OP(ops.len()) | DNNL_ARG_SRC_1, op.operand_index, desc});
                ops.append_binary(onednn::binary_algorithm(op.binary), desc);
            }
        }
        attr_.set_post_ops(ops);
    }

    const dnnl::primitive_attr& attr() const { return attr_; }
    PrimitiveOperation::Use dst_use() const {
        return sum_ ? PrimitiveOperation::Use::update : PrimitiveOperation::Use::write;
    }
    bool has_operands() const { return !operands_.empty(); }
    void add_operands(PrimitiveOperation& operation) const {
        for (const Operand& operand : operands_)
            operation.add(operand.argument, operand.index, operand.desc, operand.desc);
    }

    /// How many leading post-ops are best applied by the primitive.
    static int preferred_count(const Epilogue& epilogue, const MemorySpec& dst) {
        int count = epilogue.count;
        while (dst.dtype == DataType::f32 && count > 0 && is_slow_inside(epilogue.ops[count - 1])) --count;
        std::uint32_t seen = 0;
        for (int i = 0; i < count; ++i) {
            const PostOp& op = epilogue.ops[i];
            if (op.kind == PostOp::Kind::binary && !is_known_broadcast(op.operand, dst)) return i;
            if (op.kind != PostOp::Kind::eltwise) continue;
            dnnl::post_ops trial;
            // oneDNN 2.6 applies the first one's alpha and beta to all eltwise post-ops of one algorithm.
            if ((seen & algorithms(op.eltwise)) != 0 || !onednn::append(trial, op)) return i;
            seen |= algorithms(op.eltwise);
        }
        return count;
    }

private:
    struct Operand {
        int argument;
        int index;
        onednn::Desc desc;
    };

    /// A bit for each of oneDNN's algorithms that stand for this one.
    static std::uint32_t algorithms(Eltwise eltwise) {
        const auto bit = [](Eltwise e) { return 1U << static_cast<unsigned>(e); };
        return eltwise == Eltwise::hardsigmoid ? bit(Eltwise::linear) | bit(Eltwise::clip) : bit(eltwise);
    }

    /// One element, one per channel or one per result: oneDNN 2.6 mistakes others for these.
    static bool is_known_broadcast(const MemorySpec& operand, const MemorySpec& dst) {
        const MemorySpec spec = onednn::with_rank(operand, dst.rank);
        bool full = true;
        bool per_channel = true;
        for (int axis = 0; axis < dst.rank; ++axis) {
            full = full && spec.dims[axis] == dst.dims[axis];
            per_channel = per_channel && (axis == 1 || spec.dims[axis] == 1);
        }
        const bool has_space =
            dst.rank == 2 || std::any_of(dst.dims + 2, dst.dims + dst.rank, [](std::int64_t d) { return d > 1; });
        return (full && has_space) || per_channel;
    }

    dnnl::primitive_attr attr_;
    std::vector<Operand> operands_;
    bool sum_ = false;
};

/// An operation followed by passes over its result.
class WithEpilogue final : public Operation {
public:
    WithEpilogue(std::unique_ptr<Operation> operation, EpiloguePass pass, int dst_operand, std::size_t result_bytes)
        : operation_(std::move(operation)),
          pass_(std::move(pass)),
          dst_operand_(dst_operand),
          result_bytes_(result_bytes) {}

    std::size_t scratch_bytes() const override { return aligned(result_bytes_) + operation_->scratch_bytes(); }
    std::vector<Call> calls() const override { return operation_->calls(); }
    std::vector<Constants> first_reads() const override { return operation_->first_reads(); }
    bool fetch_ahead(const std::vector<Constants>& later) override { return operation_->fetch_ahead(later); }

    void run(const Frame& frame) const override {
        std::byte* dst = frame.operands[dst_operand_];
        std::byte* result = result_bytes_ > 0 ? frame.scratch : dst;
        std::byte* operands[max_operands];
        std::copy(frame.operands, frame.operands + max_operands, operands);
        operands[dst_operand_] = result;
        operation_->run({operands, frame.scratch + aligned(result_bytes_), frame.calls, frame.stream});
        pass_.run(reinterpret_cast<const float*>(result), reinterpret_cast<float*>(dst), frame.operands);
    }

    std::string implementation() const override { return operation_->implementation() + " + epilogue"; }

private:
    std::unique_ptr<Operation> operation_;
    EpiloguePass pass_;
    int dst_operand_;
    std::size_t result_bytes_;  ///< 0: the result is made in dst
};

inline std::size_t packed_bytes(const MemorySpec& spec) {
    std::size_t bytes = size_of(spec.dtype);
    for (int i = 0; i < spec.rank; ++i) bytes *= static_cast<std::size_t>(spec.dims[i]);
    return bytes;
}

/// Builds `make(inside_ops, result_spec)`, a PrimitiveOperation whose dst is laid out as `result_spec`, and the passes
/// for the post-ops that it does not take; `most`: how many it may take.
template <class Make>
std::unique_ptr<Operation> make_with_epilogue(const Epilogue& epilogue, int dst_operand, const MemorySpec& dst,
                                              const Make& make, int most = max_post_ops) {
    for (int inside = std::min(InsideOps::preferred_count(epilogue, dst), most);; inside = 0) {
        try {
            const InsideOps ops(epilogue, inside, dst.rank);
            const bool elsewhere = EpiloguePass::reads_dst(epilogue, inside);
            const MemorySpec result = elsewhere ? packed_like(dst) : dst;
            std::unique_ptr<PrimitiveOperation> operation = make(ops, result);
            // oneDNN runs some chains, such as a sum after an activation, by its reference alone.
            if (inside > 0 && onednn::is_reference(operation->implementation())) continue;
            ops.add_operands(*operation);
            EpiloguePass pass(epilogue, inside, result, dst);
            if (pass.empty()) return operation;
            return std::make_unique<WithEpilogue>(std::move(operation), std::move(pass), dst_operand,
                                                  elsewhere ? packed_bytes(result) : 0);
        } catch (const dnnl::error&) {
            if (inside == 0) throw;
        }
    }
}

}  // namespace igata::runtime
