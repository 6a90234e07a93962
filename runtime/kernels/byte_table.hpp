// Operands: table (i8 or u8) [256], src (i8 or u8), dst (i8 or u8) of the same dims. dst = table[src], an i8 counting
// as the u8 of the same bits. Fast along an axis on which both are dense.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "runtime/byte_table.hpp"
#include "runtime/kernel.hpp"

namespace igata::runtime {

/// Takes the axes along which `from` and `to` go on in these steps, whatever their order: how many elements they have.
inline std::int64_t take_run(const MemorySpec& from, const MemorySpec& to, std::int64_t from_step, std::int64_t to_step,
                             bool (&taken)[max_rank]) {
    std::int64_t run = 1;
    for (bool found = true; found;) {
        found = false;
        for (int axis = 0; axis < from.rank; ++axis) {
            const bool next =
                from.dims[axis] == 1 || (from.strides[axis] == from_step * run && to.strides[axis] == to_step * run);
            if (taken[axis] || !next) continue;
            taken[axis] = found = true;
            run *= from.dims[axis];
        }
    }
    return run;
}

inline void byte_table(const KernelSpec& spec, std::byte* const* operands, std::byte*) {
    const TranslateRows translate = translate_rows();
    const MemorySpec& from = spec.operands[1];
    const MemorySpec& to = spec.operands[2];
    const auto* table = reinterpret_cast<const std::uint8_t*>(operands[0]);
    const auto* src = reinterpret_cast<const std::uint8_t*>(operands[1]);
    auto* dst = reinterpret_cast<std::uint8_t*>(operands[2]);
    bool taken[max_rank] = {};
    ByteRows all{src, dst, take_run(from, to, 1, 1, taken)};
    int next = -1;  // the axis of the smallest steps that is left
    for (int axis = 0; axis < from.rank; ++axis)
        if (!taken[axis] && (next < 0 || from.strides[axis] < from.strides[next])) next = axis;
    if (next >= 0) {
        all.from_step = from.strides[next];
        all.to_step = to.strides[next];
        all.rows = take_run(from, to, all.from_step, all.to_step, taken);
    }
    MemorySpec outer = from;
    for (int axis = 0; axis < from.rank; ++axis)
        if (taken[axis]) outer.dims[axis] = 1;
    parallel_for(element_count(outer) * all.rows, 1 + 65536 / std::max<std::int64_t>(1, all.count),
                 [&](std::int64_t begin, std::int64_t end) {
                     while (begin < end) {
                         std::int64_t index[max_rank] = {};
                         unflatten(outer, begin / all.rows, index);
                         const std::int64_t row = begin % all.rows;
                         ByteRows rows = all;
                         rows.from += offset_of(from, index) + row * all.from_step;
                         rows.to += offset_of(to, index) + row * all.to_step;
                         rows.rows = std::min(all.rows - row, end - begin);
                         translate(table, rows);
                         begin += rows.rows;
                     }
                 });
}

inline std::unique_ptr<Operation> make_byte_table(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(spec, byte_table);
}

}  // namespace igata::runtime
