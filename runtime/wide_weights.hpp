// Weights that the pool keeps in 16 bits, widened for as long as the step that packs them is made.
#pragma once

#include <cstdint>

#include "runtime/loop_arithmetic.hpp"
#include "runtime/operation.hpp"
#include "runtime/specs.hpp"

namespace igata::runtime {

template <class Stored>
struct Widen {
    template <int>
    [[gnu::always_inline]] static void run(const Stored* from, float* to, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i) to[i] = scalar::load(from[i]);
    }
};

/// A builder, and a description of the weights, that know nothing of 16 bits.
class WideWeights {
public:
    /// `weights`: operand 1. If they are in 16 bits, that becomes f32.
    WideWeights(const Builder& given, MemorySpec& weights, const MemorySpec& src) : builder_(given) {
        if (!given.is_constant(1) || !is_narrow(weights, src)) return;
        std::int64_t count = 1;
        for (int i = 0; i < weights.rank; ++i) count += (weights.dims[i] - 1) * weights.strides[i];
        memory_ = AlignedMemory(sizeof(float) * static_cast<std::size_t>(count));
        if (weights.dtype == DataType::f16) widen<F16>(given.constant(1), count);
        else widen<BF16>(given.constant(1), count);
        weights.dtype = DataType::f32;
        builder_.wide_weights = memory_.get();
    }

    const Builder& builder() const { return builder_; }

private:
    template <class Stored>
    void widen(const std::byte* from, std::int64_t count) {
        Versions<Widen<Stored>, const Stored*, float*, std::int64_t>::get()(
            reinterpret_cast<const Stored*>(from), reinterpret_cast<float*>(memory_.get()), count);
    }

    Builder builder_;
    AlignedMemory memory_;
};

}  // namespace igata::runtime
