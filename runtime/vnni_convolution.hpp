// Quantized convolutions with VPDPBUSD, depthwise ones excepted: operands and ints are those of
// runtime/kernels/quantized_convolution.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/byte_table.hpp"
#include "runtime/kernel.hpp"
#include "runtime/quantized_shape.hpp"
#include "runtime/vnni_block.hpp"
#include "runtime/vnni_constants.hpp"

namespace igata::runtime {

#if defined(__x86_64__)

class VnniConvolution final : public Operation {
public:
    static bool fits(const Builder& builder, const KernelSpec& spec, Isa isa) {
        return !QuantizedShape(spec).depthwise() && VnniConstants::fit(builder, spec, isa, true);
    }

    VnniConvolution(const Builder& builder, const KernelSpec& spec, Isa isa)
        : spec_(spec),
          shape_(spec),
          isa_(isa),
          source_(source_of(shape_)),
          has_own_zero_(builder.constant(1) != nullptr || spec.operands[1].dtype == DataType::undefined),
          run_block_(spec.operands[0].dtype == DataType::i8
                         ? Versions<VnniBlockBody<true>, const VnniBlock&>::get(isa)
                         : Versions<VnniBlockBody<false>, const VnniBlock&>::get(isa)) {
        taps_ = shape_.taps() / tap_columns();
        quads_ = (tap_columns() * shape_.src_channels + 3) / 4;
        choose_block();
        make_panels();
        pack(VnniConstants(builder, spec));
        builder.share(weights_);
    }

    std::string implementation() const override { return std::string("igata:vnni_convolution:") + name_of(isa_); }

    std::size_t scratch_bytes() const override {
        return start_bytes() + static_cast<std::size_t>(max_threads()) * slot_bytes();
    }

    void run(const Frame& frame) const override {
        const DataType dtype = spec_.operands[8].dtype;
        if (element_count(spec_.operands[8]) == 0) return;
        VnniBlock all = block_of(frame);
        if (!has_own_zero_) take_zero(frame, all);
        std::byte* const slots = frame.scratch + start_bytes();
        const std::int64_t work = rows_ * shape_.groups * shape_.channels * shape_.taps() * shape_.src_channels;
        for_each_block(shape_, rows_, 200000 / work + 1,
                       [&](std::int64_t part, std::int64_t image, std::int64_t begin, std::int64_t end) {
                           VnniBlock one = all;
                           set_scratch(one, slots + static_cast<std::size_t>(part) * slot_bytes());
                           one.src += image * shape_.src_image;
                           one.dst += image * shape_.dst_image * static_cast<std::int64_t>(size_of(dtype));
                           one.begin = begin;
                           one.end = end;
                           run_block_(one);
                           if (frame.operands[7] != nullptr)
                               translate_pixels(shape_, frame.operands[7], translate_, one.dst, begin, end);
                       });
    }

    std::vector<Constants> first_reads() const override { return {{weights_.get(), weights_.size()}}; }

private:
    static constexpr std::int64_t most_rows = 96;

    static VnniSource source_of(const QuantizedShape& s) {
        if (s.src_channels % 4 == 0 && s.src_channel == 1) return VnniSource::in_place;
        const bool dense = s.groups == 1 && s.src_step[2] == s.src_channels && s.dilations[2] == 1 &&
                           (s.src_channel == 1 || s.src_channels == 1);
        return dense ? VnniSource::lines : VnniSource::gathered;
    }

    /// Columns of the filter that the tiles see as one tap.
    std::int64_t tap_columns() const {
        return source_ == VnniSource::in_place ? 1 : source_ == VnniSource::lines ? shape_.kernel[2] : shape_.taps();
    }

    std::int64_t lanes() const { return isa_ == Isa::v4 ? 16 : 8; }

    /// Blocks of about as many pixels, at least one for each thread.
    void choose_block() {
        std::int64_t blocks = (shape_.pixels() + most_rows - 1) / most_rows;
        while (blocks < shape_.pixels() && blocks * shape_.images < max_threads()) ++blocks;
        rows_ = std::max<std::int64_t>(1, (shape_.pixels() + blocks - 1) / std::max<std::int64_t>(1, blocks));
    }

    void make_panels() {
        const std::int64_t most = isa_ == Isa::v4 ? 4 : 2;
        const std::int64_t vectors = (shape_.channels + lanes() - 1) / lanes();
        const std::int64_t count = (vectors + most - 1) / most;
        const std::int64_t last = std::max<std::int64_t>(0, shape_.channels - lanes());
        for (std::int64_t group = 0; group < shape_.groups; ++group)
            for (std::int64_t i = 0; i < count; ++i) {
                const std::int64_t begin = vectors * i / count;
                const std::int64_t end = vectors * (i + 1) / count;
                const std::int64_t first = group * shape_.channels;
                panels_.push_back({first + std::min(begin * lanes(), last), first + std::min((end - 1) * lanes(), last),
                                   std::min(lanes(), shape_.channels), group, static_cast<int>(end - begin),
                                   weight_count_, parameter_count_});
                weight_count_ += taps_ * quads_ * 4 * (end - begin) * lanes();
                parameter_count_ += (end - begin) * lanes();
            }
    }

    void pack(const VnniConstants& constants) {
        scaling_ = constants.scaling();
        weights_ = AlignedMemory(static_cast<std::size_t>(weight_count_));
        parameters_ = AlignedMemory(static_cast<std::size_t>(parameter_count_) * 12);
        padding_ = AlignedMemory(static_cast<std::size_t>(4 * quads_));
        std::memset(weights_.get(), 0, weights_.size());
        std::memset(parameters_.get(), 0, parameters_.size());
        std::memset(padding_.get(), constants.padding(), padding_.size());
        for (const VnniChannels& panel : panels_)
            for (int v = 0; v < panel.vectors; ++v)
                for (std::int64_t lane = 0; lane < panel.count; ++lane) {
                    const std::int64_t first = v + 1 < panel.vectors ? panel.first + v * lanes() : panel.last;
                    pack_channel(constants, panel, v * lanes() + lane, first + lane);
                }
    }

    /// weights: [tap][four of its columns and source channels][vector, lane][4].
    void pack_channel(const VnniConstants& constants, const VnniChannels& panel, std::int64_t place,
                      std::int64_t channel) {
        auto* to = reinterpret_cast<std::int8_t*>(weights_.get()) + panel.weights;
        for (std::int64_t tap = 0; tap < shape_.taps(); ++tap)
            for (std::int64_t c = 0; c < shape_.src_channels; ++c) {
                const std::int64_t k = tap / tap_columns() * 4 * quads_ + tap % tap_columns() * shape_.src_channels + c;
                to[(k / 4 * panel.vectors * lanes() + place) * 4 + k % 4] = constants.weight(channel, tap, c);
            }
        auto* start = reinterpret_cast<std::int32_t*>(parameters_.get());
        auto* multiplier = reinterpret_cast<float*>(start + parameter_count_);
        start[panel.parameters + place] = constants.start(channel);
        multiplier[panel.parameters + place] = constants.multiplier(channel);
        start[2 * parameter_count_ + panel.parameters + place] = constants.sum(channel);
    }

    /// What the zero point of this run changes: what sums start with, and what padding is.
    void take_zero(const Frame& frame, VnniBlock& block) const {
        const std::int32_t zero = small_integer(frame.operands[1], spec_.operands[1].dtype);
        auto* start = reinterpret_cast<std::int32_t*>(frame.scratch);
        const auto* without = reinterpret_cast<const std::int32_t*>(parameters_.get());
        for (std::int64_t i = 0; i < parameter_count_; ++i)
            start[i] = VnniConstants::without_zero(without[i], zero, without[2 * parameter_count_ + i]);
        std::byte* const padding = frame.scratch + aligned(static_cast<std::size_t>(parameter_count_) * 4);
        std::memset(padding, static_cast<std::uint8_t>(zero), padding_.size());
        block.start = start;
        block.padding = reinterpret_cast<const std::uint8_t*>(padding);
    }

    VnniBlock block_of(const Frame& frame) const {
        const auto* start = reinterpret_cast<const std::int32_t*>(parameters_.get());
        VnniBlock block{};
        block.shape = &shape_;
        block.panels = &panels_;
        block.source = source_;
        block.src = reinterpret_cast<const std::uint8_t*>(frame.operands[0]);
        block.padding = reinterpret_cast<const std::uint8_t*>(padding_.get());
        block.weights = reinterpret_cast<const std::int8_t*>(weights_.get());
        block.start = start;
        block.multiplier = reinterpret_cast<const float*>(start + parameter_count_);
        block.scaling = scaling_;
        block.result.multiplier = reinterpret_cast<const float*>(frame.operands[5]);
        block.result.multiplier_step = element_count(spec_.operands[5]) > 1 ? 1 : 0;
        block.result.zero = scaling_.zero;
        block.result.dtype = spec_.operands[8].dtype;
        block.as_bytes = VnniConstants::store_bytes(spec_);
        block.dst = frame.operands[8];
        block.taps = taps_;
        block.quads = quads_;
        return block;
    }

    /// Of `take_zero`.
    std::size_t start_bytes() const {
        return has_own_zero_ ? 0 : aligned(static_cast<std::size_t>(parameter_count_) * 4) + aligned(padding_.size());
    }
    // One thread's scratch: where pixels are stored, where their taps read, and copies of the source.
    std::size_t places_bytes() const { return aligned(static_cast<std::size_t>(rows_) * 8); }
    std::size_t sources_bytes() const { return aligned(static_cast<std::size_t>(rows_ * taps_) * 8); }
    std::size_t copies_bytes() const {
        if (source_ == VnniSource::in_place) return 0;
        if (source_ == VnniSource::gathered) return aligned(static_cast<std::size_t>(rows_ * 4 * quads_));
        // Each line of pixels reads the filter's columns, and a stride further for each pixel; a vector may go beyond.
        const std::int64_t lines = std::min(rows_, (rows_ - 2) / std::max<std::int64_t>(1, shape_.dst[2]) + 2);
        const std::int64_t columns = rows_ * shape_.strides[2] + lines * shape_.kernel[2];
        return aligned(static_cast<std::size_t>(taps_ * columns * shape_.src_channels + 4));
    }
    std::size_t slot_bytes() const { return places_bytes() + sources_bytes() + copies_bytes(); }
    void set_scratch(VnniBlock& block, std::byte* scratch) const {
        block.places = reinterpret_cast<std::int64_t*>(scratch);
        block.sources = reinterpret_cast<const std::uint8_t**>(scratch + places_bytes());
        block.copies = reinterpret_cast<std::uint8_t*>(scratch + places_bytes() + sources_bytes());
    }

    KernelSpec spec_;
    QuantizedShape shape_;
    Isa isa_;
    VnniSource source_;
    bool has_own_zero_;  ///< the source's is constant, or 0
    TranslateBytes translate_ = translate_bytes(isa_);
    void (*run_block_)(const VnniBlock&);
    std::int64_t taps_ = 1, quads_ = 1;
    std::int64_t rows_ = 1;
    ByteScaling scaling_;
    std::vector<VnniChannels> panels_;
    std::int64_t weight_count_ = 0, parameter_count_ = 0;
    AlignedMemory weights_;
    AlignedMemory parameters_;  ///< [what sums start with | multipliers | sums of weights][parameter_count_]
    AlignedMemory padding_;
};

#endif

}  // namespace igata::runtime
