// Operands: src, dst (i64). ints: {axis, 1 = maximum or 0 = minimum, 1 = the last index among equals or 0 = the first}.
// dst.dims = src.dims with 1 at axis. Lines that lie side by side are gone through together.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/isa.hpp"
#include "runtime/kernel.hpp"

namespace igata::runtime {

/// Neighbouring lines, at most `most`; strides in elements.
struct ArgLines {
    static constexpr std::int64_t most = 256;

    const std::byte* src = nullptr;
    std::int64_t* dst = nullptr;
    std::int64_t count = 0, stride = 0;  ///< elements of a line
    std::int64_t width = 0;              ///< lines
    std::int64_t next_dst = 0;           ///< from line to line; in src they follow each other
};

template <class T, bool maximum, bool last>
struct ArgBody {
    template <int>
    [[gnu::always_inline]] static void run(const ArgLines& lines) {
        using Value = typename Element<T>::Value;
        const T* src = reinterpret_cast<const T*>(lines.src);
        Value best[ArgLines::most];
        std::int32_t place[ArgLines::most];
        for (std::int64_t i = 0; i < lines.width; ++i) {
            best[i] = Element<T>::load(src[i]);
            place[i] = 0;
        }
        for (std::int64_t k = 1; k < lines.count; ++k) {
            const T* row = src + k * lines.stride;
            for (std::int64_t i = 0; i < lines.width; ++i) {
                const Value value = Element<T>::load(row[i]);
                const bool is_better = (maximum ? value > best[i] : value < best[i]) || (last && value == best[i]);
                best[i] = is_better ? value : best[i];
                place[i] = is_better ? static_cast<std::int32_t>(k) : place[i];
            }
        }
        for (std::int64_t i = 0; i < lines.width; ++i) lines.dst[i * lines.next_dst] = place[i];
    }
};

template <class T>
void (*arg_function(bool maximum, bool last))(const ArgLines&) {
    if (maximum && last) return Versions<ArgBody<T, true, true>, const ArgLines&>::get();
    if (maximum) return Versions<ArgBody<T, true, false>, const ArgLines&>::get();
    if (last) return Versions<ArgBody<T, false, true>, const ArgLines&>::get();
    return Versions<ArgBody<T, false, false>, const ArgLines&>::get();
}

inline void arg_extremum(const KernelSpec& spec, std::byte* const* operands, std::byte*) {
    const MemorySpec& src = spec.operands[0];
    const MemorySpec& dst = spec.operands[1];
    const auto axis = static_cast<int>(spec.ints[0]);
    int dense = 0;  // the axis along which lines lie side by side; if there is none, they go one by one
    while (dense < src.rank && (dense == axis || src.strides[dense] != 1 || src.dims[dense] == 1)) ++dense;
    const std::int64_t width = dense < src.rank ? src.dims[dense] : 1;
    const std::int64_t blocks = (width + ArgLines::most - 1) / ArgLines::most;
    MemorySpec outer = dst;
    if (dense < src.rank) outer.dims[dense] = 1;
    with_type(src.dtype, [&](auto type) {
        using T = decltype(type);
        const auto run = arg_function<T>(spec.ints[1] != 0, spec.ints[2] != 0);
        const std::int64_t work = std::min(width, ArgLines::most) * src.dims[axis];
        parallel_for(element_count(outer) * blocks, 1 + 8192 / work, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i) {
                std::int64_t index[max_rank + 1] = {};
                unflatten(outer, i / blocks, index);
                const std::int64_t first = i % blocks * ArgLines::most;
                if (dense < src.rank) index[dense] = first;
                run({operands[0] + offset_of(src, index) * static_cast<std::int64_t>(sizeof(T)),
                     reinterpret_cast<std::int64_t*>(operands[1]) + offset_of(dst, index), src.dims[axis],
                     src.strides[axis], std::min(ArgLines::most, width - first),
                     dense < src.rank ? dst.strides[dense] : 1});
            }
        });
    });
}

inline std::unique_ptr<Operation> make_arg_extremum(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(spec, arg_extremum);
}

}  // namespace igata::runtime
