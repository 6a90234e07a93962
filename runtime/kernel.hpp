// What the hand-written kernels share: element types, indices, and the operation around a plain function. Each file in
// runtime/kernels is one kernel, named like its file, with its operands, `ints` and `floats` described at its top; for
// kernel `name` it defines `make_name`.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>

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
        default: break;
    }
    throw std::runtime_error("kernel: an element type that it does not compute with");
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

/// A kernel that is a function of its operands and nothing else.
class KernelOperation final : public Operation {
public:
    using Run = void (*)(const KernelSpec& spec, std::byte* const* operands, std::byte* scratch);

    /// `scratch_bytes`: what `run` gets, 64-byte aligned.
    KernelOperation(const KernelSpec& spec, Run function, std::size_t scratch_bytes = 0)
        : spec_(spec), run_(function), scratch_bytes_(scratch_bytes) {}

    std::size_t scratch_bytes() const override { return scratch_bytes_; }
    void run(const Frame& frame) const override { run_(spec_, frame.operands, frame.scratch); }
    std::string implementation() const override { return std::string("igata:") + spec_.name; }

private:
    KernelSpec spec_;
    Run run_;
    std::size_t scratch_bytes_;
};

}  // namespace igata::runtime
