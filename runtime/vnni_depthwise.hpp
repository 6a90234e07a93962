// Depthwise quantized convolutions with VPDPBUSD: operands and ints are those of
// runtime/kernels/quantized_convolution.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "runtime/byte_table.hpp"
#include "runtime/kernel.hpp"
#include "runtime/quantized_shape.hpp"
#include "runtime/vnni_constants.hpp"
#include "runtime/vnni_strip.hpp"

namespace igata::runtime {

#if defined(__x86_64__)

class VnniDepthwise final : public Operation {
public:
    static bool fits(const Builder& builder, const KernelSpec& spec, Isa isa) {
        const QuantizedShape shape(spec);
        return shape.depthwise() && shape.kernel[0] == 1 && shape.src_channel == 1 &&
               VnniConstants::store_bytes(spec) && VnniConstants::fit(builder, spec, isa);
    }

    VnniDepthwise(const Builder& builder, const KernelSpec& spec, Isa isa)
        : shape_(rows_in_lanes(QuantizedShape(spec))),
          rows_(shape_),
          isa_(isa),
          lanes_(isa == Isa::v4 ? 16 : 8),
          run_strip_(Versions<VnniStripBody, const VnniStrip&>::get(isa)) {
        make_chunks();
        pack(VnniConstants(builder, spec));
        builder.share(weights_);
    }

    std::string implementation() const override { return std::string("igata:vnni_depthwise:") + name_of(isa_); }

    std::size_t scratch_bytes() const override { return static_cast<std::size_t>(max_threads()) * slot_bytes(); }

    void run(const Frame& frame) const override {
        if (shape_.images * shape_.pixels() == 0) return;
        const std::int64_t strips = this->strips();
        const auto chunks = static_cast<std::int64_t>(chunks_.size());
        const std::int64_t count = shape_.images * shape_.dst[0] * chunks * strips;
        const std::int64_t work = rows_.results * shape_.dst[2] * shape_.taps() * shape_.groups / chunks;
        parallel_parts(count, 200000 / work + 1, [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
            std::byte* scratch = frame.scratch + static_cast<std::size_t>(part) * slot_bytes();
            for (std::int64_t i = begin; i < end; ++i) {
                VnniStrip strip = strip_of(frame, chunks_[static_cast<std::size_t>(i / strips % chunks)],
                                           i / (chunks * strips) / shape_.dst[0], scratch);
                strip.z = i / (chunks * strips) % shape_.dst[0];
                strip.first_row = i % strips * rows_.results;
                run_strip_(strip);
            }
        });
    }

    std::vector<Constants> first_reads() const override { return {{weights_.get(), weights_.size()}}; }

private:
    struct Chunk {
        std::int64_t first, count;  ///< channels
        std::int64_t vectors;       ///< of all chunks before
    };

    /// Filters of one row are taken for those of one column: the taps are to be in different rows.
    static QuantizedShape rows_in_lanes(QuantizedShape s) {
        if (s.kernel[1] == 1 && s.kernel[2] > 1)
            for (std::int64_t* of_axes :
                 {s.src, s.kernel, s.dst, s.strides, s.dilations, s.pads, s.src_step, s.dst_step})
                std::swap(of_axes[1], of_axes[2]);
        return s;
    }

    /// All channels at once, if the interleaved rows stay in the second cache and there is work for all threads: rows
    /// are read from end to end then.
    void make_chunks() {
        constexpr std::int64_t cache = 512 << 10;
        const std::int64_t channels = shape_.groups;
        vectors_ = (channels + lanes_ - 1) / lanes_;
        const std::int64_t bytes = vectors_ * lanes_ * 4 * rows_.sets * rows_.columns;
        const std::int64_t parts = std::max<std::int64_t>(1, shape_.images * shape_.dst[0] * strips());
        const std::int64_t wanted = std::max((bytes + cache - 1) / cache, (max_threads() + parts - 1) / parts);
        const std::int64_t most = std::max<std::int64_t>(1, channels / 64);
        const std::int64_t count = std::min(wanted, most);
        for (std::int64_t i = 0; i < count; ++i) {
            const std::int64_t begin = vectors_ * i / count;
            const std::int64_t first = begin * lanes_;
            const std::int64_t end = std::min(vectors_ * (i + 1) / count * lanes_, channels);
            chunks_.push_back({first, end - first, begin});
            most_channels_ = std::max(most_channels_, end - first);
        }
    }

    std::int64_t strips() const { return (shape_.dst[1] + rows_.results - 1) / rows_.results; }

    /// Of one vector of channels.
    std::int64_t weight_bytes() const { return rows_.sets * shape_.kernel[2] * rows_.results * 4 * lanes_; }

    void pack(const VnniConstants& constants) {
        padding_ = constants.padding();
        flip_ = constants.flip();
        scaling_ = constants.scaling();
        weights_ = AlignedMemory(static_cast<std::size_t>(vectors_ * weight_bytes()));
        parameters_ = AlignedMemory(static_cast<std::size_t>(vectors_ * lanes_ * 8));
        std::memset(weights_.get(), 0, weights_.size());
        std::memset(parameters_.get(), 0, parameters_.size());
        for (const Chunk& chunk : chunks_)
            for (std::int64_t v = 0; v * lanes_ < chunk.count; ++v)
                for (std::int64_t lane = 0; lane < std::min(lanes_, chunk.count); ++lane) {
                    const std::int64_t first = std::max<std::int64_t>(0, std::min(v * lanes_, chunk.count - lanes_));
                    pack_channel(constants, chunk.first + first + lane, chunk.vectors + v, lane);
                }
    }

    void pack_channel(const VnniConstants& constants, std::int64_t channel, std::int64_t vector, std::int64_t lane) {
        auto* to = reinterpret_cast<std::int8_t*>(weights_.get()) + vector * weight_bytes() + 4 * lane;
        for (std::int64_t set = 0; set < rows_.sets; ++set)
            for (std::int64_t x = 0; x < shape_.kernel[2]; ++x)
                for (std::int64_t result = 0; result < rows_.results; ++result, to += 4 * lanes_)
                    for (std::int64_t i = 0; i < 4; ++i)
                        if (const std::int64_t y = rows_.tap(shape_, 4 * set + i, result); y >= 0)
                            to[i] = constants.weight(channel, y * shape_.kernel[2] + x, 0);
        auto* start = reinterpret_cast<std::int32_t*>(parameters_.get());
        auto* multiplier = reinterpret_cast<float*>(start + vectors_ * lanes_);
        start[vector * lanes_ + lane] = constants.start(channel);
        multiplier[vector * lanes_ + lane] = constants.multiplier(channel);
    }

    VnniStrip strip_of(const Frame& frame, const Chunk& chunk, std::int64_t image, std::byte* scratch) const {
        const auto* start = reinterpret_cast<const std::int32_t*>(parameters_.get());
        VnniStrip strip{};
        strip.shape = &shape_;
        strip.rows = &rows_;
        strip.src = reinterpret_cast<const std::uint8_t*>(frame.operands[0]) + image * shape_.src_image;
        strip.src_end = strip.src + shape_.span();
        strip.src += chunk.first;
        strip.channels = chunk.count;
        strip.weights = reinterpret_cast<const std::int8_t*>(weights_.get()) + chunk.vectors * weight_bytes();
        strip.start = start + chunk.vectors * lanes_;
        strip.multiplier = reinterpret_cast<const float*>(start + vectors_ * lanes_) + chunk.vectors * lanes_;
        strip.scaling = scaling_;
        strip.padding = padding_;
        strip.flip = flip_;
        strip.table = reinterpret_cast<const std::uint8_t*>(frame.operands[7]);
        strip.translate = translate_;
        strip.dst = frame.operands[8] + image * shape_.dst_image + chunk.first;
        strip.interleaved = reinterpret_cast<std::uint8_t*>(scratch);
        strip.lines = scratch + interleaved_bytes();
        strip.line_bytes = line_bytes();
        return strip;
    }

    // One thread's scratch: interleaved rows, and lines of results; either may be written a vector too far.
    std::size_t interleaved_bytes() const {
        return aligned(static_cast<std::size_t>(4 * rows_.sets * rows_.columns * most_channels_ + 16 * lanes_));
    }
    std::int64_t line_bytes() const { return shape_.dst[2] * most_channels_ + lanes_; }
    std::size_t slot_bytes() const {
        return interleaved_bytes() + aligned(static_cast<std::size_t>(rows_.results * line_bytes()));
    }

    QuantizedShape shape_;
    VnniRows rows_;
    Isa isa_;
    std::int64_t lanes_;
    void (*run_strip_)(const VnniStrip&);
    TranslateBytes translate_ = translate_bytes(isa_);
    std::vector<Chunk> chunks_;
    std::int64_t most_channels_ = 0, vectors_ = 0;
    ByteScaling scaling_;
    std::uint8_t padding_ = 0, flip_ = 0;
    AlignedMemory weights_, parameters_;
};

#endif

}  // namespace igata::runtime
