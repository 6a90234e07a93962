// The constants of a quantized convolution as VPDPBUSD takes them: sources unsigned, weights signed.
//
// Products are of the source as it is, its zero point included. What that adds, zero * sum(weights), is in the sums
// from the start, and padding reads zero points: (x - z) * w, summed over all taps, is x * w less z * w. Signed sources
// and unsigned weights are moved by 128 with their zero points.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/kernel.hpp"
#include "runtime/quantized_shape.hpp"
#include "runtime/vnni_tile.hpp"

namespace igata::runtime {

class VnniConstants {
public:
    /// Whether all but the source is constant and the weights' zero points are 0 (or 128, of u8). Of results that are
    /// no bytes, the source's zero point and the multiplier need not be constant, if `any_zero`.
    static bool fit(const Builder& builder, const KernelSpec& spec, Isa isa, bool any_zero = false) {
        if (!has_vnni(isa) || builder.constant(2) == nullptr) return false;
        const bool is_real = size_of(spec.operands[8].dtype) == 4;
        for (int i = 1; i < 7; ++i) {
            const bool may_vary = any_zero && is_real && (i == 1 || i == 5);
            const bool is_there = spec.operands[i].dtype != DataType::undefined;
            if (is_there && !may_vary && builder.constant(i) == nullptr) return false;
        }
        const std::int64_t zeros = spec.operands[3].dtype == DataType::undefined ? 0 : element_count(spec.operands[3]);
        const std::int32_t middle = middle_of(spec.operands[2].dtype);
        if (zeros == 0 && middle != 0) return false;
        for (std::int64_t i = 0; i < zeros; ++i)
            if (small_integer(builder.constant(3), spec.operands[3].dtype, i) != middle) return false;
        return !store_bytes(spec) || can_scale(builder, spec);
    }

    /// Whether results are bytes, and a pixel's are next to each other.
    static bool store_bytes(const KernelSpec& spec) {
        const MemorySpec& dst = spec.operands[8];
        return (dst.dtype == DataType::i8 || dst.dtype == DataType::u8) &&
               spec.operands[5].dtype != DataType::undefined && (dst.strides[1] == 1 || dst.dims[1] == 1);
    }

    VnniConstants(const Builder& builder, const KernelSpec& spec)
        : weights_(spec.operands[2]),
          data_(builder.constant(2)),
          bias_(reinterpret_cast<const std::int32_t*>(builder.constant(4))),
          multipliers_(reinterpret_cast<const float*>(builder.constant(5))),
          multiplier_step_(element_count(spec.operands[5]) > 1 ? 1 : 0),
          src_zero_(small_integer(builder.constant(1), spec.operands[1].dtype)),
          flip_(spec.operands[0].dtype == DataType::i8 ? 0x80 : 0),
          scaling_(spec.operands[8].dtype, small_integer(builder.constant(6), spec.operands[6].dtype)) {
        MemorySpec taps = weights_;
        taps.dims[0] = taps.dims[1] = 1;
        std::int64_t index[max_rank] = {};
        for (std::int64_t tap = 0; tap < element_count(taps); ++tap) {
            unflatten(taps, tap, index);
            taps_.push_back(offset_of(taps, index));
        }
    }

    std::int8_t weight(std::int64_t channel, std::int64_t tap, std::int64_t src_channel) const {
        const std::int64_t at =
            channel * weights_.strides[0] + src_channel * weights_.strides[1] + taps_[static_cast<std::size_t>(tap)];
        return static_cast<std::int8_t>(small_integer(data_, weights_.dtype, at) - middle_of(weights_.dtype));
    }

    /// Of a channel's weights.
    std::int32_t sum(std::int64_t channel) const {
        std::uint32_t sum = 0;
        for (std::int64_t i = 0; i < weights_.dims[1]; ++i)
            for (std::size_t tap = 0; tap < taps_.size(); ++tap)
                sum += static_cast<std::uint32_t>(weight(channel, static_cast<std::int64_t>(tap), i));
        return static_cast<std::int32_t>(sum);
    }

    /// What a channel's sums start with; they wrap. A zero point of the source that is not known counts as 0.
    std::int32_t start(std::int64_t channel) const {
        return without_zero(bias_ != nullptr ? bias_[channel] : 0, src_zero_ + flip_, sum(channel));
    }

    /// `start` less a zero point times the sum of the weights.
    static std::int32_t without_zero(std::int32_t start, std::int32_t zero, std::int32_t sum) {
        return static_cast<std::int32_t>(static_cast<std::uint32_t>(start) -
                                         static_cast<std::uint32_t>(zero) * static_cast<std::uint32_t>(sum));
    }

    float multiplier(std::int64_t channel) const {
        return multipliers_ != nullptr ? multipliers_[channel * multiplier_step_] : 0.0F;
    }

    /// The source's zero point, a byte of the source.
    std::uint8_t padding() const { return static_cast<std::uint8_t>(src_zero_); }
    /// What makes the source's bytes unsigned, by exclusive or.
    std::uint8_t flip() const { return flip_; }
    const ByteScaling& scaling() const { return scaling_; }

private:
    static bool can_scale(const Builder& builder, const KernelSpec& spec) {
        const auto* bias = reinterpret_cast<const std::int32_t*>(builder.constant(4));
        const auto* multiplier = reinterpret_cast<const float*>(builder.constant(5));
        const std::int64_t step = element_count(spec.operands[5]) > 1 ? 1 : 0;
        const std::int64_t channels = spec.operands[2].dims[0];
        const std::int64_t products = channels == 0 ? 0 : element_count(spec.operands[2]) / channels;
        for (std::int64_t i = 0; i < channels; ++i)
            if (!ByteScaling::fits(products, bias != nullptr ? bias[i] : 0, multiplier[i * step])) return false;
        return true;
    }
    static std::int32_t middle_of(DataType dtype) { return dtype == DataType::u8 ? 128 : 0; }

    MemorySpec weights_;
    const std::byte* data_;
    const std::int32_t* bias_;
    const float* multipliers_;
    std::int64_t multiplier_step_;
    std::int32_t src_zero_;
    std::uint8_t flip_;
    ByteScaling scaling_;
    std::vector<std::int64_t> taps_;
};

}  // namespace igata::runtime
