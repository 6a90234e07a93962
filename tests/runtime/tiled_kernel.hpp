// Kernels of our own that pack constant weights and apply a TileEpilogue, run without a program.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "runtime/tile_epilogue.hpp"
#include "tests/runtime/single_step.hpp"

namespace igata::runtime::test {

/// The levels of instructions that this processor has.
inline std::vector<Isa> instruction_sets() {
    std::vector<Isa> all;
    for (const Isa isa : {Isa::baseline, Isa::v3, Isa::v4})
        if (isa <= detect_isa()) all.push_back(isa);
    return all;
}

/// A residual or not, and one of the activations that tiles clamp or apply in passes, or none.
inline Epilogue random_tile_epilogue(Random& random) {
    Epilogue epilogue;
    const auto post_op = [&](PostOp::Kind kind, Eltwise eltwise, float alpha, float beta) {
        PostOp& op = epilogue.ops[epilogue.count++];
        op.kind = kind;
        op.eltwise = eltwise;
        op.alpha = alpha;
        op.beta = beta;
    };
    if (pick(random, 0, 1) == 0) post_op(PostOp::Kind::sum, Eltwise::relu, 0, 0);
    switch (pick(random, 0, 4)) {
        case 0: post_op(PostOp::Kind::eltwise, Eltwise::relu, 0, 0); break;
        case 1: post_op(PostOp::Kind::eltwise, Eltwise::clip, -0.5F, 0.25F); break;
        case 2: post_op(PostOp::Kind::eltwise, Eltwise::swish, 1, 0); break;
        case 3:
            post_op(PostOp::Kind::eltwise, Eltwise::relu, 0.125F, 0);
            post_op(PostOp::Kind::eltwise, Eltwise::clip, -1, 1);
            break;
        default: break;
    }
    return epilogue;
}

/// The bytes of dst after `Kernel` has run on one level of instructions with so many threads. Operands: src, weights,
/// bias (or null), dst, then others; only others are written in place.
template <class Kernel, class Spec>
std::vector<std::byte> run_kernel(const Spec& spec, const std::vector<Operand*>& operands, Isa isa, int threads) {
    enum : std::size_t { src, weights, bias, dst };
    const ThreadScope scope(threads);
    StepSpec step;
    std::vector<std::byte> pool = operands[weights]->bytes;
    step.operands[weights] = {Space::weights, 0, 0};
    if (operands[bias] != nullptr) {
        step.operands[bias] = {Space::weights, 0, static_cast<std::int64_t>(pool.size())};
        pool.insert(pool.end(), operands[bias]->bytes.begin(), operands[bias]->bytes.end());
    }
    const Builder builder{{}, &step, pool.data()};
    REQUIRE(Kernel::fits(builder, spec));
    REQUIRE(TileEpilogue::takes(spec.epilogue) == spec.epilogue.count);
    const Kernel kernel(builder, spec, spec.dst, spec.epilogue.count, isa);
    const AlignedMemory scratch(kernel.scratch_bytes());
    std::vector<std::byte> result = operands[dst]->bytes;
    std::byte* addresses[max_operands] = {operands[src]->bytes.data(), nullptr, nullptr, result.data()};
    for (std::size_t i = dst + 1; i < operands.size(); ++i) addresses[i] = operands[i]->bytes.data();
    kernel.run({addresses, scratch.get(), nullptr, nullptr});
    return result;
}

}  // namespace igata::runtime::test
