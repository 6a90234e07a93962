// Hand-written code for what is neither a primitive nor a loop. Operands, `ints` and `floats` are documented at enum
// Kernel.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>
#include <type_traits>

#include "runtime/operation.hpp"
#include "runtime/parallel.hpp"
#include "runtime/specs.hpp"

namespace igata::runtime {

/// 16-bit floats as bits; arithmetic goes through float.
struct Float16Bits {
    std::uint16_t bits;
};
struct BFloat16Bits {
    std::uint16_t bits;
};

/// How an element is loaded for arithmetic and comparison, and stored again.
template <class T>
struct Element {
    using Value = T;
    static Value load(T x) { return x; }
    static T store(Value x) { return x; }
    static Value lowest() {
        return std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                    : std::numeric_limits<T>::lowest();
    }
};

template <>
struct Element<BFloat16Bits> {
    using Value = float;
    static float load(BFloat16Bits x) {
        const std::uint32_t bits = static_cast<std::uint32_t>(x.bits) << 16U;
        float value = 0.0F;
        std::memcpy(&value, &bits, sizeof value);
        return value;
    }
    static BFloat16Bits store(float x) {
        std::uint32_t bits = 0;
        std::memcpy(&bits, &x, sizeof bits);
        if ((bits & 0x7fffffffU) > 0x7f800000U) return {static_cast<std::uint16_t>((bits >> 16U) | 0x40U)};
        return {static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16U) & 1U)) >> 16U)};
    }
    static float lowest() { return -std::numeric_limits<float>::infinity(); }
};

template <>
struct Element<Float16Bits> {
    using Value = float;
    static float load(Float16Bits x) {
        const std::uint32_t exponent = (x.bits >> 10U) & 31U;
        const auto mantissa = static_cast<float>(x.bits & 0x3ffU);
        float value = 0.0F;
        if (exponent == 0) value = mantissa * 0x1p-24F;
        else if (exponent < 31) value = std::ldexp(mantissa + 1024.0F, static_cast<int>(exponent) - 25);
        else
            value = (x.bits & 0x3ffU) != 0 ? std::numeric_limits<float>::quiet_NaN()
                                           : std::numeric_limits<float>::infinity();
        return (x.bits & 0x8000U) != 0 ? -value : value;
    }
    static Float16Bits store(float x) {
        std::uint32_t bits = 0;
        std::memcpy(&bits, &x, sizeof bits);
        const std::uint32_t sign = (bits >> 16U) & 0x8000U;
        const std::uint32_t rest = bits & 0x7fffffffU;
        std::uint32_t half = 0;
        if (rest > 0x7f800000U) half = 0x7e00U;
        else if (rest >= 0x477ff000U) half = 0x7c00U;
        else if (rest < 0x38800000U) half = static_cast<std::uint32_t>(std::lrint(std::fabs(x) * 0x1p24F));
        else half = (rest + 0xfffU + ((rest >> 13U) & 1U) - 0x38000000U) >> 13U;
        return {static_cast<std::uint16_t>(sign | half)};
    }
    static float lowest() { return -std::numeric_limits<float>::infinity(); }
};

/// Calls f(T{}) with the C++ type that stores `dtype`.
template <class F>
void with_type(DataType dtype, const F& f) {
    switch (dtype) {
        case DataType::f32: return f(float{});
        case DataType::f64: return f(double{});
        case DataType::f16: return f(Float16Bits{});
        case DataType::bf16: return f(BFloat16Bits{});
        case DataType::i8: return f(std::int8_t{});
        case DataType::i16: return f(std::int16_t{});
        case DataType::i32: return f(std::int32_t{});
        case DataType::i64: return f(std::int64_t{});
        case DataType::u8:
        case DataType::boolean: return f(std::uint8_t{});
        case DataType::u16: return f(std::uint16_t{});
        case DataType::u32: return f(std::uint32_t{});
        case DataType::u64: return f(std::uint64_t{});
        case DataType::undefined: break;
    }
    throw std::runtime_error("kernel: undefined element type");
}

/// Calls f(T{}) with an unsigned type of that many bytes: for moving elements whose meaning does not matter.
template <class F>
void with_size(DataType dtype, const F& f) {
    switch (size_of(dtype)) {
        case 1: return f(std::uint8_t{});
        case 2: return f(std::uint16_t{});
        case 4: return f(std::uint32_t{});
        default: return f(std::uint64_t{});
    }
}

inline std::int64_t element_count(const MemorySpec& spec) {
    std::int64_t count = 1;
    for (int i = 0; i < spec.rank; ++i) count *= spec.dims[i];
    return count;
}

/// Row-major position number `flat` as one index per dim.
inline void unflatten(const MemorySpec& spec, std::int64_t flat, std::int64_t* index) {
    for (int i = spec.rank - 1; i >= 0; --i) {
        index[i] = flat % spec.dims[i];
        flat /= spec.dims[i];
    }
}

inline std::int64_t offset_of(const MemorySpec& spec, const std::int64_t* index) {
    std::int64_t offset = 0;
    for (int i = 0; i < spec.rank; ++i) offset += index[i] * spec.strides[i];
    return offset;
}

/// An element of an i32 or i64 index tensor, made non-negative and clamped to [0, extent).
inline std::int64_t read_index(DataType dtype, const std::byte* data, std::int64_t position, std::int64_t extent) {
    std::int64_t value = dtype == DataType::i32 ? reinterpret_cast<const std::int32_t*>(data)[position]
                                                : reinterpret_cast<const std::int64_t*>(data)[position];
    if (value < 0) value += extent;
    return std::min(std::max<std::int64_t>(value, 0), extent - 1);
}

/// Where, in data, the gathers find the element that goes to `index` of dst.
inline std::int64_t gather_offset(const KernelSpec& spec, const std::int64_t* index, const std::byte* indices) {
    const MemorySpec& data = spec.operands[0];
    const MemorySpec& places = spec.operands[1];
    const auto axis = static_cast<int>(spec.ints[0]);
    std::int64_t source[max_rank] = {};
    if (spec.kernel == Kernel::gather) {
        const std::int64_t chosen = read_index(places.dtype, indices, offset_of(places, index + axis), data.dims[axis]);
        for (int i = 0; i < data.rank; ++i)
            source[i] = i < axis ? index[i] : i == axis ? chosen : index[i - 1 + places.rank];
    } else if (spec.kernel == Kernel::gather_elements) {
        std::copy(index, index + data.rank, source);
        source[axis] = read_index(places.dtype, indices, offset_of(places, index), data.dims[axis]);
    } else {
        const int batch_dims = axis;
        const int last = places.rank - 1;
        const auto coordinates = static_cast<int>(places.dims[last]);
        const std::int64_t start =
            offset_of(places, index) - (spec.operands[2].rank > last ? index[last] * places.strides[last] : 0);
        for (int i = 0; i < data.rank; ++i) {
            if (i < batch_dims) source[i] = index[i];
            else if (i < batch_dims + coordinates) {
                source[i] =
                    read_index(places.dtype, indices, start + (i - batch_dims) * places.strides[last], data.dims[i]);
            } else source[i] = index[last + i - batch_dims - coordinates];
        }
    }
    return offset_of(data, source);
}

inline void run_gather(const KernelSpec& spec, std::byte* const* operands) {
    const MemorySpec& dst = spec.operands[2];
    with_size(dst.dtype, [&](auto type) {
        using T = decltype(type);
        const auto* from = reinterpret_cast<const T*>(operands[0]);
        auto* to = reinterpret_cast<T*>(operands[2]);
        parallel_for(element_count(dst), 4096, [&](std::int64_t begin, std::int64_t end) {
            std::int64_t index[max_rank + 1] = {};
            for (std::int64_t i = begin; i < end; ++i) {
                unflatten(dst, i, index);
                to[offset_of(dst, index)] = from[gather_offset(spec, index, operands[1])];
            }
        });
    });
}

inline void run_arg_extremum(const KernelSpec& spec, std::byte* const* operands) {
    const MemorySpec& src = spec.operands[0];
    const MemorySpec& dst = spec.operands[1];
    const auto axis = static_cast<int>(spec.ints[0]);
    const bool maximum = spec.ints[1] != 0;
    const bool last = spec.ints[2] != 0;
    with_type(src.dtype, [&](auto type) {
        using T = decltype(type);
        parallel_for(element_count(dst), 256, [&](std::int64_t begin, std::int64_t end) {
            std::int64_t index[max_rank] = {};
            for (std::int64_t i = begin; i < end; ++i) {
                unflatten(dst, i, index);
                const T* line = reinterpret_cast<const T*>(operands[0]) + offset_of(src, index);
                std::int64_t best = 0;
                auto best_value = Element<T>::load(line[0]);
                for (std::int64_t k = 1; k < src.dims[axis]; ++k) {
                    const auto value = Element<T>::load(line[k * src.strides[axis]]);
                    const bool better = maximum ? value > best_value : value < best_value;
                    if (!better && !(last && value == best_value)) continue;
                    best = k;
                    best_value = value;
                }
                reinterpret_cast<std::int64_t*>(operands[1])[offset_of(dst, index)] = best;
            }
        });
    });
}

inline void run_cumulative_sum(const KernelSpec& spec, std::byte* const* operands) {
    const MemorySpec& src = spec.operands[0];
    const MemorySpec& dst = spec.operands[1];
    const auto axis = static_cast<int>(spec.ints[0]);
    const bool exclusive = spec.ints[1] != 0;
    const bool reverse = spec.ints[2] != 0;
    MemorySpec lines = src;
    lines.dims[axis] = 1;
    with_type(src.dtype, [&](auto type) {
        using T = decltype(type);
        using Value = typename Element<T>::Value;
        parallel_for(src.dims[axis] > 0 ? element_count(lines) : 0, 256, [&](std::int64_t begin, std::int64_t end) {
            std::int64_t index[max_rank] = {};
            for (std::int64_t i = begin; i < end; ++i) {
                unflatten(lines, i, index);
                const T* from = reinterpret_cast<const T*>(operands[0]) + offset_of(src, index);
                T* to = reinterpret_cast<T*>(operands[1]) + offset_of(dst, index);
                Value total = 0;
                for (std::int64_t k = 0; k < src.dims[axis]; ++k) {
                    const std::int64_t at = reverse ? src.dims[axis] - 1 - k : k;
                    const auto before = total;
                    total = static_cast<Value>(total + Element<T>::load(from[at * src.strides[axis]]));
                    to[at * dst.strides[axis]] = Element<T>::store(exclusive ? before : total);
                }
            }
        });
    });
}

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
    const bool with_indices = spec.kernel == Kernel::pool_with_indices;
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

class KernelOperation final : public Operation {
public:
    explicit KernelOperation(const KernelSpec& spec) : spec_(spec) {}

    void run(const Frame& frame) const override {
        switch (spec_.kernel) {
            case Kernel::gather:
            case Kernel::gather_elements:
            case Kernel::gather_nd: return run_gather(spec_, frame.operands);
            case Kernel::arg_extremum: return run_arg_extremum(spec_, frame.operands);
            case Kernel::cumulative_sum: return run_cumulative_sum(spec_, frame.operands);
            case Kernel::pool:
            case Kernel::pool_with_indices: return run_pool(spec_, frame.operands);
        }
    }

    std::string implementation() const override { return "igata:kernel"; }

private:
    KernelSpec spec_;
};

inline std::unique_ptr<Operation> make_operation(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(spec);
}

}  // namespace igata::runtime
