// Operands, all f32 and row-major: query [batch, steps, heads, size], key [batch, steps, kv heads, size], value [...,
// value size], decay [..., 1 or size] or none, beta [batch, steps, kv heads or 1] or none, the state before [batch, kv
// heads, size, value size] or none, the state after, output [batch, steps, heads, value size]; the last two are
// written. floats: {scale}.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/kernel.hpp"

namespace igata::runtime {

/// One head of keys and values, and the query heads that share it.
struct LinearAttentionHead {
    const KernelSpec& spec;
    std::byte* const* operands;
    std::int64_t batch, head;

    float* at(int i, std::int64_t step, std::int64_t place) const {
        const MemorySpec& m = spec.operands[i];
        return reinterpret_cast<float*>(operands[i]) + batch * m.strides[0] + step * m.strides[1] +
               place * m.strides[2];
    }
    bool has(int i) const { return spec.operands[i].rank > 0; }

    void run(float* change) const {
        const MemorySpec& query = spec.operands[0];
        const MemorySpec& memory = spec.operands[6];
        const std::int64_t size = memory.dims[2];
        const std::int64_t width = memory.dims[3];
        const std::int64_t shared = query.dims[2] / memory.dims[1];
        const std::int64_t place = batch * memory.strides[0] + head * memory.strides[1];
        float* state = reinterpret_cast<float*>(operands[6]) + place;
        if (has(5)) std::copy_n(reinterpret_cast<const float*>(operands[5]) + place, size * width, state);
        else std::fill_n(state, size * width, 0.0F);
        for (std::int64_t step = 0; step < query.dims[1]; ++step) {
            if (has(3)) decay(state, step, size, width);
            update(state, step, size, width, change);
            for (std::int64_t i = head * shared; i < (head + 1) * shared; ++i) {
                const float* q = at(0, step, i);
                float* out = at(7, step, i);
                std::fill(out, out + width, 0.0F);
                for (std::int64_t d = 0; d < size; ++d)
                    for (std::int64_t e = 0; e < width; ++e) out[e] += spec.floats[0] * q[d] * state[d * width + e];
            }
        }
    }

private:
    void decay(float* state, std::int64_t step, std::int64_t size, std::int64_t width) const {
        const float* gate = at(3, step, head);
        const bool single = spec.operands[3].dims[3] == 1;
        for (std::int64_t d = 0; d < size; ++d) {
            const float factor = std::exp(gate[single ? 0 : d]);
            for (std::int64_t e = 0; e < width; ++e) state[d * width + e] *= factor;
        }
    }

    /// state += key x change, where the change is the value, or with beta a part of what the state lacks of it.
    void update(float* state, std::int64_t step, std::int64_t size, std::int64_t width, float* change) const {
        const float* k = at(1, step, head);
        const float* v = at(2, step, head);
        std::copy(v, v + width, change);
        if (has(4)) {
            for (std::int64_t d = 0; d < size; ++d)
                for (std::int64_t e = 0; e < width; ++e) change[e] -= k[d] * state[d * width + e];
            const float rate = *at(4, step, spec.operands[4].dims[2] == 1 ? 0 : head);
            for (std::int64_t e = 0; e < width; ++e) change[e] *= rate;
        }
        for (std::int64_t d = 0; d < size; ++d)
            for (std::int64_t e = 0; e < width; ++e) state[d * width + e] += k[d] * change[e];
    }
};

inline void run_linear_attention(const KernelSpec& spec, std::byte* const* operands, std::byte* scratch) {
    const MemorySpec& memory = spec.operands[6];
    const std::int64_t heads = memory.dims[1];
    parallel_parts(memory.dims[0] * heads, 1, [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
        float* change = reinterpret_cast<float*>(scratch) + part * memory.dims[3];
        for (std::int64_t i = begin; i < end; ++i)
            LinearAttentionHead{spec, operands, i / heads, i % heads}.run(change);
    });
}

inline std::unique_ptr<Operation> make_linear_attention(const Builder&, const KernelSpec& spec) {
    const std::int64_t change = max_threads() * spec.operands[6].dims[3];
    return std::make_unique<KernelOperation>(spec, run_linear_attention,
                                             static_cast<std::size_t>(change) * sizeof(float));
}

}  // namespace igata::runtime
