// Lays out the constants: each distinct piece of bytes once, 64-byte aligned, in the order of the buffers.
//
//     w1 = weights f32[3] {1,2,3}               w1 = weights f32[3] +0 {1,2,3}
//     w2 = weights f32[3,1] {1,2,3}   becomes   w2 = weights f32[3,1] +0 {1,2,3}
//
// Plans of one model share a pool.
#include "compiler/passes/pool_weights.hpp"

#include <string_view>
#include <unordered_map>

#include "compiler/passes/lifetimes.hpp"
#include "compiler/passes/passes.hpp"

namespace igata {

void pool_weights(std::span<Plan> plans) {
    std::unordered_map<std::string_view, std::int64_t> known;
    std::int64_t pool_bytes = 0;
    for (Plan& plan : plans) {
        for (Buffer& buffer : plan.buffers) {
            if (buffer.space != runtime::Space::weights) continue;
            const auto bytes = buffer.constant.value().bytes();
            const std::string_view key(reinterpret_cast<const char*>(bytes.data()), bytes.size());
            const auto [entry, is_new] = known.emplace(key, pool_bytes);
            buffer.offset = entry->second;
            if (is_new) pool_bytes += (buffer.bytes + memory_alignment - 1) / memory_alignment * memory_alignment;
        }
    }
    for (Plan& plan : plans) plan.weight_bytes = pool_bytes;
}

void pool_weights(Plan& plan) { pool_weights(std::span(&plan, 1)); }

}  // namespace igata
