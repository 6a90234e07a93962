// Products of integers of 16 bits, summed in 32 bits: what quantized convolutions and matrix products are made of. Zero
// points are taken off before, so that every factor lies in [-255, 255] and a sum of two products cannot overflow: the
// results are exact, and the same on every processor.
//
// A tile is some rows (pixels) by `columns` vectors of channels. Rows hold their factors one after another; weights are
// packed as [pair of factors][channel][2].
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "runtime/isa.hpp"
#include "runtime/specs.hpp"

namespace igata::runtime {

/// sums[i] += a[2i] * b[2i] + a[2i + 1] * b[2i + 1] of the 16-bit halves. By reference: a baseline function may not
/// return wide vectors.
template <int lanes, class Register = typename IntegersOf<lanes>::Register>
[[gnu::always_inline]] inline void add_products(Register& sums, const Register& a, const Register& b) {
#if defined(__x86_64__)
    Register products;
    if constexpr (lanes == 4) {
        products = b;
        asm("pmaddwd %1, %0" : "+x"(products) : "x"(a));
    } else {
        asm("vpmaddwd %2, %1, %0" : "=v"(products) : "v"(a), "v"(b));
    }
    sums += products;
#else
    for (int i = 0; i < lanes; ++i)
        sums[i] += static_cast<std::int16_t>(a[i]) * static_cast<std::int16_t>(b[i]) + (a[i] >> 16) * (b[i] >> 16);
#endif
}

/// What becomes of sums: plus a bias, then stored as they are, or times a multiplier, or requantized.
struct Requantization {
    const std::int32_t* bias = nullptr;  ///< null: none
    const float* multiplier = nullptr;   ///< null: sums are stored as they are
    std::int64_t multiplier_step = 0;    ///< 0: one for all channels
    std::int32_t zero = 0;
    DataType dtype = DataType::i32;  ///< of what is stored: i32, f32, i8 or u8

    static constexpr std::int64_t most_channels = 32;

    /// Channels [first, first + count) of one pixel, at most most_channels.
    [[gnu::always_inline]] void store(const std::int32_t* sums, std::int64_t first, std::int64_t count,
                                      std::byte* pixel, std::int64_t step) const {
        const auto sum = [&](std::int64_t i) { return bias == nullptr ? sums[i] : add(sums[i], bias[first + i]); };
        const auto factor = [&](std::int64_t i) { return multiplier[(first + i) * multiplier_step]; };
        if (dtype == DataType::i32) {
            for (std::int64_t i = 0; i < count; ++i) put(pixel, (first + i) * step, sum(i));
        } else if (dtype == DataType::f32) {
            for (std::int64_t i = 0; i < count; ++i)
                put(pixel, (first + i) * step, static_cast<float>(sum(i)) * factor(i));
        } else {
            store_bytes(sums, first, count, pixel + first * step, step);
        }
    }

private:
    /// In loops that vectorise: bytes are stored last, as they might be anything that is read; a loop of known count is
    /// not to be unrolled whole, as it would stay scalar then.
    [[gnu::always_inline]] void store_bytes(const std::int32_t* sums, std::int64_t first, std::int64_t count,
                                            std::byte* to, std::int64_t step) const {
        std::int32_t values[most_channels];
        if (bias == nullptr)
#pragma GCC unroll 1
            for (std::int64_t i = 0; i < count; ++i) values[i] = sums[i];
        else
#pragma GCC unroll 1
            for (std::int64_t i = 0; i < count; ++i) values[i] = add(sums[i], bias[first + i]);
        const auto least = static_cast<float>((dtype == DataType::i8 ? -128 : 0) - zero);
        const auto greatest = static_cast<float>((dtype == DataType::i8 ? 127 : 255) - zero);
        const auto quantized = [&](std::int32_t sum, float factor) {
            constexpr float rounder = 0x1.8p23F;  // leaves no room for a fraction, rounds halves to even
            float value = static_cast<float>(sum) * factor;
            value = value > least ? value : least;
            value = value < greatest ? value : greatest;
            return static_cast<std::int32_t>((value + rounder) - rounder) + zero;
        };
        if (multiplier_step == 0)
#pragma GCC unroll 1
            for (std::int64_t i = 0; i < count; ++i) values[i] = quantized(values[i], multiplier[0]);
        else
#pragma GCC unroll 1
            for (std::int64_t i = 0; i < count; ++i) values[i] = quantized(values[i], multiplier[first + i]);
#pragma GCC unroll 1
        for (std::int64_t i = 0; i < count; ++i) put(to, i * step, static_cast<std::uint8_t>(values[i]));
    }
    template <class T>
    [[gnu::always_inline]] static void put(std::byte* to, std::int64_t i, T value) {
        reinterpret_cast<T*>(to)[i] = value;
    }
    /// Wraps.
    [[gnu::always_inline]] static std::int32_t add(std::int32_t a, std::int32_t b) {
        return static_cast<std::int32_t>(static_cast<std::uint32_t>(a) + static_cast<std::uint32_t>(b));
    }
};

/// Rows of factors times packed weights.
struct QuantizedPanel {
    const std::int16_t* rows = nullptr;
    std::int64_t row_step = 0;  ///< in factors
    std::int64_t row_count = 0;
    const std::int64_t* places = nullptr;  ///< per row: where its first channel is stored, in elements
    const std::int16_t* weights = nullptr;
    std::int64_t pairs = 0;
    std::int64_t first_channel = 0;  ///< of those that the requantization knows
    std::int64_t channels = 0;
    std::byte* dst = nullptr;
    std::int64_t channel_step = 1;
};

template <int lanes>
struct QuantizedTile {
    using Register = typename IntegersOf<lanes>::Register;
    using Unaligned = typename IntegersOf<lanes>::Unaligned;
    static constexpr int columns = 2;
    static constexpr int channels = columns * lanes;

    /// The loop needs all 16 registers: no constant of the code around may keep one.
    [[gnu::always_inline]] static void free_registers() {
#if defined(__x86_64__)
        asm volatile("" ::
                         : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
                           "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
#endif
    }

    template <int rows>
    [[gnu::always_inline]] static void multiply(const std::int16_t* factors, std::int64_t row_step,
                                                const std::int16_t* weights, std::int64_t pairs, std::int32_t* result) {
        free_registers();
        Register sums[rows][columns] = {};
        for (std::int64_t pair = 0; pair < pairs; ++pair) {
            Register w[columns];  // loaded one by one: a copy would pass through memory
            for (int c = 0; c < columns; ++c)
                w[c] = *reinterpret_cast<const Unaligned*>(weights + (pair * columns + c) * 2 * lanes);
            for (int r = 0; r < rows; ++r) {
                std::int32_t both = 0;
                std::memcpy(&both, factors + r * row_step + 2 * pair, sizeof both);
                const Register x = Register{} + both;
                for (int c = 0; c < columns; ++c) add_products<lanes>(sums[r][c], x, w[c]);
            }
        }
        for (int r = 0; r < rows; ++r)
            for (int c = 0; c < columns; ++c)
                *reinterpret_cast<Unaligned*>(result + (r * columns + c) * lanes) = sums[r][c];
    }

    /// All of the panel: channels outside, so that their weights stay in the nearest cache.
    [[gnu::always_inline]] static void run(const QuantizedPanel& panel, const Requantization& result) {
        const auto size = static_cast<std::int64_t>(size_of(result.dtype));
        alignas(64) std::int32_t sums[6 * channels];
        for (std::int64_t channel = 0; channel < panel.channels; channel += channels) {
            const std::int16_t* weights = panel.weights + channel * 2 * panel.pairs;
            const std::int64_t count = panel.channels - channel < channels ? panel.channels - channel : channels;
            for (std::int64_t row = 0, rows = 0; row < panel.row_count; row += rows) {
                const std::int64_t left = panel.row_count - row;
                const std::int16_t* factors = panel.rows + row * panel.row_step;
                rows = left >= 6 ? 6 : left >= 3 ? 3 : 1;
                if (rows == 6) multiply<6>(factors, panel.row_step, weights, panel.pairs, sums);
                else if (rows == 3) multiply<3>(factors, panel.row_step, weights, panel.pairs, sums);
                else multiply<1>(factors, panel.row_step, weights, panel.pairs, sums);
                for (std::int64_t r = 0; r < rows; ++r) {
                    std::byte* pixel = panel.dst + panel.places[row + r] * size;
                    const std::int32_t* of_row = sums + r * channels;
                    // A known count lets the compiler vectorise.
                    if (count == channels && panel.channel_step == 1)
                        result.store(of_row, panel.first_channel + channel, channels, pixel, 1);
                    else result.store(of_row, panel.first_channel + channel, count, pixel, panel.channel_step);
                }
            }
        }
    }
};

}  // namespace igata::runtime
