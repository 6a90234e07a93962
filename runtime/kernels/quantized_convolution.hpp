// Operands: src (i8 or u8) [n, c, spatial...], its zero point, weights (i8 or u8) [oc, c / groups, kernel...], their
// zero points (1 or oc, or absent), bias (i32 [oc], or absent), multiplier (f32, 1 or oc, or absent), the zero point of
// dst (or absent), a table of what becomes of each byte of the result (i8 or u8 [256], or absent), dst (i32, f32, i8 or
// u8) [n, oc, spatial...]. Any strides but in the vectors; channels innermost is fast. ints: [0] groups, then three
// each of [1] strides, [4] dilations, [7] pads_begin (unused ones are neutral). The sum of (src - zero) * (weight -
// zero), plus the bias, is stored as i32 without a multiplier, else multiplied, and for i8 and u8 rounded half to even,
// moved by the zero point and saturated. Padding is zero.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "runtime/kernel.hpp"
#include "runtime/quantized_shape.hpp"
#include "runtime/quantized_tile.hpp"
#include "runtime/vnni_convolution.hpp"
#include "runtime/vnni_depthwise.hpp"

namespace igata::runtime {

/// A part of the work: pixels [begin, end) of one image.
struct QuantizedWork {
    const QuantizedShape* shape;
    const std::byte* src;
    bool is_signed;
    std::int32_t src_zero;
    const std::int16_t* weights;
    Requantization result;
    std::byte* dst;  ///< of the image
    std::int64_t begin, end;
    std::byte* scratch;
};

class QuantizedConvolution final : public Operation {
public:
    QuantizedConvolution(const Builder& builder, const KernelSpec& spec, Isa isa = detect_isa())
        : spec_(spec), shape_(spec), isa_(isa), run_work_(Versions<Body, const QuantizedWork&>::get(isa)) {
        tile_ = 2 * (isa == Isa::v4 ? 16 : isa == Isa::v3 ? 8 : 4);
        const std::int64_t row_bytes = std::max<std::int64_t>(1, 4 * shape_.pairs());
        rows_ = std::clamp<std::int64_t>((std::int64_t{1} << 18) / row_bytes / 6 * 6, 6, 96);
        while (rows_ > 6 && (shape_.pixels() + rows_ - 1) / rows_ * shape_.images < max_threads())
            rows_ = (rows_ / 2 + 5) / 6 * 6;
        if (const std::byte* weights = builder.constant(2);
            weights != nullptr && (spec.operands[3].rank == 0 || builder.constant(3) != nullptr)) {
            packed_ = AlignedMemory(packed_bytes());
            pack(weights, spec.operands[3].rank == 0 ? nullptr : builder.constant(3), packed_.get());
        }
    }

    std::string implementation() const override { return std::string("igata:quantized_convolution:") + name_of(isa_); }

    std::size_t scratch_bytes() const override {
        return static_cast<std::size_t>(max_threads()) * slot_bytes() + (packed_.get() == nullptr ? packed_bytes() : 0);
    }

    void run(const Frame& frame) const override {
        const MemorySpec& dst = spec_.operands[8];
        if (element_count(dst) == 0) return;
        std::byte* scratch = frame.scratch;
        const std::byte* packed = packed_.get();
        if (packed == nullptr) {
            pack(frame.operands[2], frame.operands[3], scratch);
            packed = scratch;
            scratch += packed_bytes();
        }
        QuantizedWork all{};
        all.shape = &shape_;
        all.is_signed = spec_.operands[0].dtype == DataType::i8;
        all.src_zero = small_integer(frame.operands[1], spec_.operands[1].dtype);
        all.weights = reinterpret_cast<const std::int16_t*>(packed);
        all.result.bias = reinterpret_cast<const std::int32_t*>(frame.operands[4]);
        all.result.multiplier = reinterpret_cast<const float*>(frame.operands[5]);
        all.result.multiplier_step = element_count(spec_.operands[5]) > 1 ? 1 : 0;
        all.result.zero = small_integer(frame.operands[6], spec_.operands[6].dtype);
        all.result.dtype = dst.dtype;
        const std::int64_t work = rows_ * shape_.groups * shape_.channels * std::max<std::int64_t>(1, shape_.pairs());
        for_each_block(shape_, rows_, 65536 / work + 1,
                       [&](std::int64_t part, std::int64_t image, std::int64_t begin, std::int64_t end) {
                           QuantizedWork one = all;
                           one.scratch = scratch + static_cast<std::size_t>(part) * slot_bytes();
                           one.src = frame.operands[0] + image * shape_.src_image;
                           one.dst = frame.operands[8] +
                                     image * shape_.dst_image * static_cast<std::int64_t>(size_of(dst.dtype));
                           one.begin = begin;
                           one.end = end;
                           run_work_(one);
                           if (frame.operands[7] != nullptr)
                               translate_pixels(shape_, frame.operands[7], translate_bytes(isa_), one.dst, begin, end);
                       });
    }

private:
    struct Body {
        template <int lanes>
        [[gnu::always_inline]] static void run(const QuantizedWork& work) {
            if (work.shape->depthwise()) {
                if (work.is_signed) run_depthwise<std::int8_t>(work);
                else run_depthwise<std::uint8_t>(work);
                return;
            }
            for (std::int64_t group = 0; group < work.shape->groups; ++group) {
                if (work.is_signed) gather<std::int8_t>(work, group);
                else gather<std::uint8_t>(work, group);
                multiply<lanes>(work, group);
            }
        }

        template <class T>
        [[gnu::always_inline]] static void widen(const T* from, std::int64_t step, std::int32_t zero,
                                                 std::int64_t count, std::int16_t* to) {
            if (step == 1)
                for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<std::int16_t>(from[i] - zero);
            else
                for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<std::int16_t>(from[i * step] - zero);
        }

        /// A row of factors for each pixel.
        template <class T>
        [[gnu::always_inline]] static void gather(const QuantizedWork& work, std::int64_t group) {
            const QuantizedShape& s = *work.shape;
            const std::int64_t even = (s.src_channels + 1) / 2 * 2;
            const auto* src = reinterpret_cast<const T*>(work.src) + group * s.src_channels * s.src_channel;
            auto* places = reinterpret_cast<std::int64_t*>(work.scratch);
            auto* row = reinterpret_cast<std::int16_t*>(work.scratch + places_bytes);
            std::int64_t index[3];
            s.locate(work.begin, index);
            for (std::int64_t pixel = work.begin; pixel < work.end; ++pixel, s.advance(index)) {
                places[pixel - work.begin] = s.place(index);
                s.for_each_run(index, [&](std::int64_t from, std::int64_t taps) {
                    if (from < 0) std::fill_n(row, taps * even, std::int16_t{0});
                    else widen(src + from, s.src_channel, work.src_zero, taps * s.src_channels, row);
                    if (even != s.src_channels) row[s.src_channels] = 0;
                    row += taps * even;
                });
            }
        }

        template <int lanes>
        [[gnu::always_inline]] static void multiply(const QuantizedWork& work, std::int64_t group) {
            using Tile = QuantizedTile<lanes>;
            constexpr int tile = Tile::channels;
            const QuantizedShape& s = *work.shape;
            QuantizedPanel panel;
            panel.rows = reinterpret_cast<const std::int16_t*>(work.scratch + places_bytes);
            panel.row_step = 2 * s.pairs();
            panel.row_count = work.end - work.begin;
            panel.places = reinterpret_cast<const std::int64_t*>(work.scratch);
            panel.pairs = s.pairs();
            panel.weights = work.weights + group * ((s.channels + tile - 1) / tile * tile) * 2 * s.pairs();
            panel.first_channel = group * s.channels;
            panel.channels = s.channels;
            panel.dst = work.dst;
            panel.channel_step = s.dst_channel;
            Tile::run(panel, work.result);
        }

        template <class T>
        [[gnu::always_inline]] static void run_depthwise(const QuantizedWork& work) {
            constexpr std::int64_t most = 32;
            const QuantizedShape& s = *work.shape;
            const auto* src = reinterpret_cast<const T*>(work.src);
            const auto size = static_cast<std::int64_t>(size_of(work.result.dtype));
            auto* sources = reinterpret_cast<std::int64_t*>(work.scratch);
            std::int64_t index[3];
            s.locate(work.begin, index);
            for (std::int64_t pixel = work.begin; pixel < work.end; ++pixel, s.advance(index)) {
                std::byte* to = work.dst + s.place(index) * size;
                std::int64_t* source = sources;
                s.for_each_source(index, [&](std::int64_t from) { *source++ = from; });
                for (std::int64_t first = 0; first < s.groups; first += most) {
                    const bool whole = first + most <= s.groups && s.src_channel == 1 && s.dst_channel == 1;
                    if (whole) depthwise_channels(work, src + first, 1, sources, first, most, to, 1);
                    else
                        depthwise_channels(work, src + first * s.src_channel, s.src_channel, sources, first,
                                           std::min(most, s.groups - first), to, s.dst_channel);
                }
            }
        }

        template <class T>
        [[gnu::always_inline]] static void depthwise_channels(const QuantizedWork& work, const T* src,
                                                              std::int64_t step, const std::int64_t* sources,
                                                              std::int64_t first, std::int64_t count, std::byte* to,
                                                              std::int64_t to_step) {
            std::int32_t sums[32] = {};
            for (std::int64_t tap = 0; tap < work.shape->taps(); ++tap) {
                if (sources[tap] < 0) continue;
                const T* from = src + sources[tap];
                const std::int16_t* weights = work.weights + tap * work.shape->groups + first;
                for (std::int64_t i = 0; i < count; ++i)
                    sums[i] += static_cast<std::int16_t>(from[i * step] - work.src_zero) * weights[i];
            }
            work.result.store(sums, first, count, to, to_step);
        }
    };

    static constexpr std::size_t places_bytes = 96 * sizeof(std::int64_t);

    /// Of one thread: where the pixels lie, and their factors; or where a depthwise convolution's taps read.
    std::size_t slot_bytes() const {
        const std::int64_t bytes = shape_.depthwise() ? 8 * shape_.taps() : rows_ * 4 * shape_.pairs();
        return places_bytes + aligned(static_cast<std::size_t>(bytes));
    }

    std::size_t packed_bytes() const {
        const std::int64_t padded = (shape_.channels + tile_ - 1) / tile_ * tile_;
        const std::int64_t elements =
            shape_.depthwise() ? shape_.taps() * shape_.groups : shape_.groups * padded * 2 * shape_.pairs();
        return aligned(2 * static_cast<std::size_t>(elements));
    }

    /// [group][tile][tap, pair of source channels][channel][2]; depthwise: [tap][channel].
    void pack(const std::byte* weights, const std::byte* zeros, std::byte* to) const {
        auto* packed = reinterpret_cast<std::int16_t*>(to);
        std::fill_n(packed, packed_bytes() / 2, std::int16_t{0});
        const MemorySpec& spec = spec_.operands[2];
        const MemorySpec& zero_spec = spec_.operands[3];
        const std::int64_t zero_step = element_count(zero_spec) > 1 ? 1 : 0;
        const std::int64_t pairs_a_tap = (shape_.src_channels + 1) / 2;
        for (std::int64_t oc = 0; oc < spec.dims[0]; ++oc) {
            const std::int32_t zero = small_integer(zeros, zero_spec.dtype, oc * zero_step);
            const std::int64_t group = oc / shape_.channels;
            const std::int64_t channel = oc % shape_.channels;
            const std::int64_t padded = (shape_.channels + tile_ - 1) / tile_ * tile_;
            const std::int64_t base = (group * padded + channel / tile_ * tile_) * 2 * shape_.pairs();
            for (std::int64_t ic = 0; ic < shape_.src_channels; ++ic)
                for (std::int64_t tap = 0; tap < shape_.taps(); ++tap) {
                    std::int64_t index[max_rank] = {oc, ic};
                    std::int64_t rest = tap;
                    for (int axis = spec.rank - 1; axis > 1; rest /= spec.dims[axis--])
                        index[axis] = rest % spec.dims[axis];
                    const std::int64_t pair = tap * pairs_a_tap + ic / 2;
                    const std::int64_t place = shape_.depthwise()
                                                   ? tap * shape_.groups + oc
                                                   : base + (pair * tile_ + channel % tile_) * 2 + ic % 2;
                    packed[place] =
                        static_cast<std::int16_t>(small_integer(weights, spec.dtype, offset_of(spec, index)) - zero);
                }
        }
    }

    KernelSpec spec_;
    QuantizedShape shape_;
    Isa isa_;
    void (*run_work_)(const QuantizedWork&);
    std::int64_t tile_ = 0;
    std::int64_t rows_ = 0;
    AlignedMemory packed_;
};

inline std::unique_ptr<Operation> make_quantized_convolution(const Builder& builder, const KernelSpec& spec) {
#if defined(__x86_64__)
    if (VnniDepthwise::fits(builder, spec, detect_isa()))
        return std::make_unique<VnniDepthwise>(builder, spec, detect_isa());
    if (VnniConvolution::fits(builder, spec, detect_isa()))
        return std::make_unique<VnniConvolution>(builder, spec, detect_isa());
#endif
    return std::make_unique<QuantizedConvolution>(builder, spec);
}

}  // namespace igata::runtime
