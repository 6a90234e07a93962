// Operands: table (i8 or u8) [256], src (i8 or u8), dst (i8 or u8) of the same dims. dst = table[src], an i8 counting
// as the u8 of the same bits. Fast along an axis on which both are dense.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "runtime/byte_table.hpp"
#include "runtime/kernel.hpp"

namespace igata::runtime {

inline void byte_table(const KernelSpec& spec, std::byte* const* operands, std::byte*) {
    const TranslateBytes translate = translate_bytes();
    const MemorySpec& from = spec.operands[1];
    const MemorySpec& to = spec.operands[2];
    const auto* table = reinterpret_cast<const std::uint8_t*>(operands[0]);
    const auto* src = reinterpret_cast<const std::uint8_t*>(operands[1]);
    auto* dst = reinterpret_cast<std::uint8_t*>(operands[2]);
    // The axes along which both are dense are one run, whatever their order.
    bool dense[max_rank] = {};
    std::int64_t run = 1;
    for (bool found = true; found;) {
        found = false;
        for (int axis = 0; axis < from.rank; ++axis) {
            const bool next = from.dims[axis] == 1 || (from.strides[axis] == run && to.strides[axis] == run);
            if (dense[axis] || !next) continue;
            dense[axis] = found = true;
            run *= from.dims[axis];
        }
    }
    MemorySpec outer = from;
    for (int axis = 0; axis < from.rank; ++axis)
        if (dense[axis]) outer.dims[axis] = 1;
    parallel_for(element_count(outer), 1 + 65536 / std::max<std::int64_t>(1, run),
                 [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t i = begin; i < end; ++i) {
                         std::int64_t index[max_rank] = {};
                         unflatten(outer, i, index);
                         translate(table, src + offset_of(from, index), dst + offset_of(to, index), run);
                     }
                 });
}

inline std::unique_ptr<Operation> make_byte_table(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(spec, byte_table);
}

}  // namespace igata::runtime
