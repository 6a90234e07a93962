// Operands: src, dst, both [n, c, spatial...], any strides and any numeric type, and optionally places. ints: [0]
// algorithm (Pooling as a number, or 3 for the Lp norm (sum |x|^p)^(1/p)), [1] number of spatial axes; then three each
// (unused ones are neutral) of [2] kernel, [5] strides, [8] dilations, [11] pads_begin, [14] pads_end. floats: [0] p of
// the Lp norm. A window is clipped to the image; an average that includes padding divides by the window's positions
// inside the padded image (a window may overhang pads_end where dst was rounded up), one that excludes it by those
// inside the image. A maximum over nothing is the type's lowest value. `places`, of a maximum only: for each result the
// i64 place of its source element (the first one of equals) in the row-major flattened src; with ints[17] = 1 the
// spatial axes are flattened column-major (ONNX's storage_order). A NaN never wins.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "runtime/kernel.hpp"

namespace igata::runtime {

/// One pooling window: its geometry and where it lies.
struct Window {
    static constexpr std::int64_t lp_norm = 3;

    explicit Window(const KernelSpec& spec)
        : ints(spec.ints), spatial(static_cast<int>(spec.ints[1])), src(spec.operands[0]) {}

    std::int64_t kernel(int i) const { return ints[2 + i]; }
    std::int64_t size() const { return kernel(0) * kernel(1) * kernel(2); }

    /// The source position of kernel element `k` for the result at `index`. Returns false outside the image; `padded`
    /// tells whether it is inside the padded one.
    bool locate(const std::int64_t* index, std::int64_t k, std::int64_t* position, bool& padded) const {
        bool inside = true;
        padded = true;
        position[0] = index[0];
        position[1] = index[1];
        for (int i = spatial - 1; i >= 0; --i) {
            const std::int64_t place = index[2 + i] * ints[5 + i] + k % kernel(i) * ints[8 + i] - ints[11 + i];
            k /= kernel(i);
            position[2 + i] = place;
            if (place < 0 || place >= src.dims[2 + i]) inside = false;
            if (place >= src.dims[2 + i] + ints[14 + i]) padded = false;
        }
        return inside;
    }

    /// Row-major flattened place of a source element; ints[17]: spatial axes column-major.
    std::int64_t flat(const std::int64_t* position) const {
        std::int64_t place = position[0] * src.dims[1] + position[1];
        for (int i = 0; i < spatial; ++i) place *= src.dims[2 + i];
        std::int64_t within = 0;
        for (int i = 0; i < spatial; ++i) {
            const int axis = ints[17] != 0 ? spatial - 1 - i : i;
            within = within * src.dims[2 + axis] + position[2 + axis];
        }
        return place + within;
    }

    const std::int64_t* ints;
    int spatial;
    MemorySpec src;
};

/// Sums of products of small numbers, so in double or 64-bit integers.
template <class Value>
using PoolSum = std::conditional_t<std::is_floating_point_v<Value>, double, std::int64_t>;

template <class T>
void pool_one(const KernelSpec& spec, const Window& window, const std::int64_t* index, std::byte* const* operands) {
    using Value = typename Element<T>::Value;
    const auto* from = reinterpret_cast<const T*>(operands[0]);
    const std::int64_t algorithm = spec.ints[0];
    const bool with_indices = spec.operand_count > 2;
    const bool maximum = with_indices || algorithm == static_cast<std::int64_t>(Pooling::max);
    const double p = static_cast<double>(spec.floats[0]);
    std::int64_t position[max_rank] = {};
    std::int64_t best[max_rank] = {};
    std::int64_t inside_count = 0;
    std::int64_t padded_count = 0;
    auto highest = Element<T>::lowest();
    PoolSum<Value> sum = 0;
    for (std::int64_t k = 0; k < window.size(); ++k) {
        bool padded = false;
        const bool inside = window.locate(index, k, position, padded);
        padded_count += padded ? 1 : 0;
        if (!inside) continue;
        const auto value = Element<T>::load(from[offset_of(window.src, position)]);
        if (maximum && (value > highest || inside_count == 0)) {
            if (value > highest) highest = value;
            std::copy(position, position + max_rank, best);
        }
        ++inside_count;
        if (maximum) continue;
        if (algorithm == Window::lp_norm)
            sum += static_cast<PoolSum<Value>>(std::pow(std::fabs(static_cast<double>(value)), p));
        else sum += static_cast<PoolSum<Value>>(value);
    }
    const std::int64_t place = offset_of(spec.operands[1], index);
    auto& to = reinterpret_cast<T*>(operands[1])[place];
    if (maximum) to = Element<T>::store(highest);
    else if (algorithm == Window::lp_norm)
        to = Element<T>::store(static_cast<Value>(std::pow(static_cast<double>(sum), 1.0 / p)));
    else {
        const bool excludes = algorithm == static_cast<std::int64_t>(Pooling::average_exclude_padding);
        const std::int64_t count = std::max<std::int64_t>(1, excludes ? inside_count : padded_count);
        to = Element<T>::store(static_cast<Value>(sum / static_cast<PoolSum<Value>>(count)));
    }
    if (with_indices)
        reinterpret_cast<std::int64_t*>(operands[2])[offset_of(spec.operands[2], index)] = window.flat(best);
}

inline void run_pool(const KernelSpec& spec, std::byte* const* operands) {
    const Window window(spec);
    const MemorySpec& dst = spec.operands[1];
    with_type(dst.dtype, [&](auto type) {
        using T = decltype(type);
        parallel_for(element_count(dst), 64, [&](std::int64_t begin, std::int64_t end) {
            std::int64_t index[max_rank] = {};
            for (std::int64_t i = begin; i < end; ++i) {
                unflatten(dst, i, index);
                pool_one<T>(spec, window, index, operands);
            }
        });
    });
}

inline std::unique_ptr<Operation> make_pool(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(
        spec, [](const KernelSpec& s, std::byte* const* operands, std::byte*) { run_pool(s, operands); });
}

}  // namespace igata::runtime
