// Which post-ops dense convolutions of our own apply themselves, and how.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "runtime/eltwise.hpp"
#include "runtime/epilogue.hpp"
#include "runtime/isa.hpp"
#include "runtime/operation.hpp"
#include "runtime/pointwise_tile.hpp"
#include "runtime/specs.hpp"

namespace igata::runtime {

/// A residual and a clamp, while storing; then activations of results in the first cache.
class TileEpilogue {
public:
    /// How many leading post-ops it can be.
    static int takes(const Epilogue& epilogue) {
        int count = 0;
        while (count < epilogue.count && (epilogue.ops[count].kind == PostOp::Kind::eltwise ||
                                          (count == 0 && epilogue.ops[count].kind == PostOp::Kind::sum)))
            ++count;
        return count;
    }

    /// The first `count` post-ops, at most `takes(epilogue)`.
    TileEpilogue(const Epilogue& epilogue, int count, Isa isa) {
        for (int i = 0; i < count; ++i) take(epilogue.ops[i], isa);
    }

    const TileStore& store() const { return store_; }
    bool activates() const { return !activations_.empty(); }

    void activate(float* data, std::int64_t count) const { activations_.apply(data, count); }

private:
    void take(const PostOp& op, Isa isa) {
        const bool clamps = (op.eltwise == Eltwise::relu && op.alpha == 0.0F) || op.eltwise == Eltwise::clip;
        if (op.kind == PostOp::Kind::sum) {
            store_.accumulate = true;
        } else if (clamps && activations_.empty() && !store_.clamped) {
            store_.clamped = true;
            store_.low = op.eltwise == Eltwise::clip ? op.alpha : 0.0F;
            store_.high = op.eltwise == Eltwise::clip ? op.beta : __builtin_inff();
        } else {
            activations_.append(op, isa);
        }
    }

    TileStore store_;
    Activations activations_;
};

/// A `Convolution` of our own, or a transposed one, that applies the first `inside` post-ops, and passes for the
/// others. Only if Convolution::fits.
template <class Convolution, class Spec>
std::unique_ptr<Operation> make_own(const Builder& builder, const Spec& spec, int inside) {
    const bool elsewhere = EpiloguePass::reads_dst(spec.epilogue, inside);
    const MemorySpec result = elsewhere ? packed_like(spec.dst) : spec.dst;
    auto operation = std::make_unique<Convolution>(builder, spec, result, inside);
    EpiloguePass pass(spec.epilogue, inside, result, spec.dst);
    if (pass.empty()) return operation;
    return std::make_unique<WithEpilogue>(std::move(operation), std::move(pass), 3,
                                          elsewhere ? packed_bytes(result) : 0);
}

template <class Convolution, class Spec>
std::unique_ptr<Operation> make_tiled(const Builder& builder, const Spec& spec) {
    return make_own<Convolution>(builder, spec, TileEpilogue::takes(spec.epilogue));
}

}  // namespace igata::runtime
