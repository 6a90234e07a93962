// Operands: src, places (i64, of src's dims), dst (dense, row-major). dst is zero but at the flat places, which take
// the elements of src, the last one of several. A place outside of dst is passed over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "runtime/kernel.hpp"

namespace igata::runtime {

inline void run_max_unpool(const KernelSpec& spec, std::byte* const* operands) {
    const MemorySpec& src = spec.operands[0];
    const MemorySpec& places = spec.operands[1];
    const std::int64_t count = element_count(spec.operands[2]);
    if (count == 0) return;
    std::memset(operands[2], 0, static_cast<std::size_t>(count) * size_of(src.dtype));
    with_size(src.dtype, [&](auto type) {
        using T = decltype(type);
        std::int64_t index[max_rank] = {};
        for (std::int64_t i = 0; i < element_count(src); ++i) {
            unflatten(src, i, index);
            const std::int64_t place = reinterpret_cast<const std::int64_t*>(operands[1])[offset_of(places, index)];
            if (place < 0 || place >= count) continue;
            reinterpret_cast<T*>(operands[2])[place] = reinterpret_cast<const T*>(operands[0])[offset_of(src, index)];
        }
    });
}

inline std::unique_ptr<Operation> make_max_unpool(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(
        spec, [](const KernelSpec& s, std::byte* const* operands, std::byte*) { run_max_unpool(s, operands); });
}

}  // namespace igata::runtime
