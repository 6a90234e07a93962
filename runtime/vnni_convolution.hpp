// Quantized convolutions with VPDPBUSD, where all but the source is constant and the weights' zero points are 0 (or
// 128, of u8): operands and ints are those of runtime/kernels/quantized_convolution.hpp.
//
// Products are of the source as it is, its zero point included. What that adds, zero * sum(weights), is in the sums
// from the start, and padding reads pixels of zero points: (x - z) * w, summed over all taps, is x * w less z * w.
// Signed sources and unsigned weights are moved by 128 with their zero points.
//
// Taps read the source in place, through a table of pointers; where its channels are not a multiple of four or not next
// to each other, pixels are gathered first, as rows of one tap.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "runtime/byte_table.hpp"
#include "runtime/kernel.hpp"
#include "runtime/quantized_shape.hpp"
#include "runtime/quantized_tile.hpp"
#include "runtime/vnni_tile.hpp"

namespace igata::runtime {

#if defined(__x86_64__)

/// Channels whose weights lie together, of a group; of depthwise convolutions, of all.
struct VnniChannels {
    std::int64_t first, count;  ///< of those of the result
    std::int64_t group;
    int vectors;  ///< depthwise: 4, of fewer lanes where fewer channels are left
    int lanes;
    std::int64_t weights, parameters;  ///< offsets
};

/// A part of the work: pixels [begin, end) of one image.
struct VnniWork {
    const QuantizedShape* shape;
    const std::vector<VnniChannels>* panels;
    const std::uint8_t* src;
    const std::uint8_t* padding;
    const std::int8_t* weights;
    const std::int32_t* start;
    const float* multiplier;
    ByteScaling scaling;
    Requantization result;  ///< for what is not stored as bytes next to each other
    bool as_bytes;
    std::byte* dst;
    std::int64_t begin, end;
    std::int64_t taps, quads;  ///< as the tiles see them
    bool gathers;
    std::uint8_t flip;  ///< of gathered bytes
    std::int64_t* places;
    const std::uint8_t** sources;
    std::uint8_t* rows;
};

template <bool flip>
struct VnniBody {
    template <int lanes>
    [[gnu::always_inline]] static void run(const VnniWork& work) {
        if constexpr (lanes >= 8) {
            const QuantizedShape& s = *work.shape;
            locate(work);
            if (s.depthwise()) {
                depthwise<lanes>(work);
            } else {
                std::int64_t group = -1;
                for (const VnniChannels& panel : *work.panels) {
                    if (panel.group != group) {
                        group = panel.group;
                        if (work.gathers) gather(work, group);
                        else point(work, group);
                    }
                    multiply<lanes>(work, panel);
                }
            }
        }
    }

private:
    static void locate(const VnniWork& work) {
        std::int64_t index[3];
        work.shape->locate(work.begin, index);
        for (std::int64_t pixel = work.begin; pixel < work.end; ++pixel, work.shape->advance(index))
            work.places[pixel - work.begin] = work.shape->place(index);
    }

    /// Where each tap of each pixel reads: sources[tap][pixel], a line of pixels at a time.
    static void point(const VnniWork& work, std::int64_t group) {
        const QuantizedShape& s = *work.shape;
        const std::uint8_t* src = work.src + group * s.src_channels * (s.depthwise() ? 0 : 1);
        const std::int64_t count = work.end - work.begin;
        for (std::int64_t done = 0; done < count;) {
            std::int64_t index[3];
            s.locate(work.begin + done, index);
            const std::int64_t line = std::min(count - done, s.dst[2] - index[2]);
            const std::uint8_t** to = work.sources + done;
            for (std::int64_t z = 0; z < s.kernel[0]; ++z)
                for (std::int64_t y = 0; y < s.kernel[1]; ++y) {
                    const std::int64_t src_z = index[0] * s.strides[0] - s.pads[0] + z * s.dilations[0];
                    const std::int64_t src_y = index[1] * s.strides[1] - s.pads[1] + y * s.dilations[1];
                    const bool inside = src_z >= 0 && src_z < s.src[0] && src_y >= 0 && src_y < s.src[1];
                    const std::uint8_t* from = inside ? src + src_z * s.src_step[0] + src_y * s.src_step[1] : nullptr;
                    for (std::int64_t x = 0; x < s.kernel[2]; ++x, to += count)
                        point_line(work, from, index[2] * s.strides[2] - s.pads[2] + x * s.dilations[2], line, to);
                }
            done += line;
        }
    }

    static void point_line(const VnniWork& work, const std::uint8_t* from, std::int64_t first, std::int64_t count,
                           const std::uint8_t** to) {
        const QuantizedShape& s = *work.shape;
        const std::int64_t stride = s.strides[2];
        std::int64_t begin = 0;  // those in [begin, end) read within the line
        std::int64_t end = 0;
        if (from != nullptr) {
            begin = std::min(count, first >= 0 ? 0 : (-first + stride - 1) / stride);
            end = first >= s.src[2] ? 0 : std::min(count, (s.src[2] - 1 - first) / stride + 1);
            end = std::max(begin, end);
        }
        for (std::int64_t i = 0; i < begin; ++i) to[i] = work.padding;
        for (std::int64_t i = begin; i < end; ++i) to[i] = from + (first + i * stride) * s.src_step[2];
        for (std::int64_t i = end; i < count; ++i) to[i] = work.padding;
    }

    /// The factors of each pixel as a row of their own. Lines are copied in pieces of 16 bytes, which may go beyond:
    /// the next line, or weights of zero, make that good.
    static void gather(const VnniWork& work, std::int64_t group) {
        const QuantizedShape& s = *work.shape;
        const std::int64_t first = group * s.src_channels * s.src_channel;
        const std::int64_t line = s.kernel[2] * s.src_channels;
        const bool dense = s.src_channel == 1 && s.dilations[2] == 1 && s.src_step[2] == s.src_channels;
        const std::int64_t last = s.span() - (line + 15) / 16 * 16;
        std::int64_t index[3];
        s.locate(work.begin, index);
        for (std::int64_t pixel = work.begin; pixel < work.end; ++pixel, s.advance(index)) {
            std::uint8_t* row = work.rows + (pixel - work.begin) * 4 * work.quads;
            work.sources[pixel - work.begin] = row;
            s.for_each_line(index, [&](std::int64_t from, std::int64_t x) {
                const std::int64_t at = first + from + x * s.src_step[2];
                if (dense && from >= 0 && x >= 0 && x + s.kernel[2] <= s.src[2] && at <= last) {
                    copy(work.src + at, line, work.flip, row);
                    row += line;
                    return;
                }
                s.visit_taps(from, x, [&](std::int64_t tap) {
                    for (std::int64_t c = 0; c < s.src_channels; ++c)
                        *row++ = (tap < 0 ? *work.padding : work.src[first + tap + c * s.src_channel]) ^ work.flip;
                });
            });
        }
    }

    static void copy(const std::uint8_t* from, std::int64_t count, std::uint8_t signs, std::uint8_t* to) {
        const std::uint64_t all_signs = 0x0101010101010101U * signs;
        for (std::int64_t i = 0; i < count; i += 16) {
            std::uint64_t bytes[2];
            std::memcpy(bytes, from + i, sizeof bytes);
            bytes[0] ^= all_signs;
            bytes[1] ^= all_signs;
            std::memcpy(to + i, bytes, sizeof bytes);
        }
    }

    template <int lanes>
    [[gnu::always_inline]] static void multiply(const VnniWork& work, const VnniChannels& channels) {
        using Tile = VnniTile<lanes, flip>;
        alignas(64) std::int32_t sums[Tile::most_rows * Tile::most_vectors * lanes];
        const std::int64_t count = work.end - work.begin;
        VnniPanel panel;
        panel.source_step = count;
        panel.taps = work.taps;
        panel.quads = work.quads;
        panel.weights = work.weights + channels.weights;
        panel.start = work.start + channels.parameters;
        const float* multiplier = work.multiplier + channels.parameters;
        const std::int64_t rows = Tile::rows_of(channels.vectors);
        const bool single = count < rows;
        for (std::int64_t done = 0; done < count;) {
            // The last tile goes over some pixels again.
            const std::int64_t first = single ? done : std::min(done, count - rows);
            panel.sources = work.sources + first;
            Tile::multiply(panel, channels.vectors, single, sums);
            const std::int64_t made = single ? 1 : rows;
            for (std::int64_t r = 0; r < made; ++r)
                store<lanes>(work, channels, sums + r * channels.vectors * lanes, multiplier, work.places[first + r]);
            done = first + made;
        }
    }

    template <int lanes>
    [[gnu::always_inline]] static void store(const VnniWork& work, const VnniChannels& channels,
                                             const std::int32_t* sums, const float* multiplier, std::int64_t place) {
        if (work.as_bytes) {
            std::byte* to = work.dst + place + channels.first;
#pragma GCC unroll 1
            for (std::int64_t i = 0; i < channels.count; i += lanes)
                store_bytes<lanes>(sums + i, multiplier + i, work.scaling, channels.count - i, to + i);
            return;
        }
        const auto size = static_cast<std::int64_t>(size_of(work.result.dtype));
        for (std::int64_t i = 0; i < channels.count; i += lanes)
            work.result.store(sums + i, channels.first + i, std::min<std::int64_t>(lanes, channels.count - i),
                              work.dst + place * size, work.shape->dst_channel);
    }

    template <int lanes>
    [[gnu::always_inline]] static void depthwise(const VnniWork& work) {
        point(work, 0);
        const std::int64_t count = work.end - work.begin;
        const std::int64_t fours = (work.taps + 3) / 4;
        const std::uint8_t** taps = work.sources + work.taps * count;
        for (std::int64_t pixel = 0; pixel < count; ++pixel) {
            for (std::int64_t tap = 0; tap < 4 * fours; ++tap)
                taps[tap] = tap < work.taps ? work.sources[tap * count + pixel] : work.padding;
            std::byte* to = work.dst + work.places[pixel];
            for (const VnniChannels& c : *work.panels) {
                const std::int8_t* weights = work.weights + c.weights;
                const std::int32_t* start = work.start + c.parameters;
                const float* multiplier = work.multiplier + c.parameters;
                constexpr bool wide = lanes == 16;
                if (c.lanes == lanes)
                    depthwise_pixel<lanes, wide, flip>(taps, c.first, fours, weights, start, multiplier, work.scaling,
                                                       to);
                else depthwise_pixel<4, wide, flip>(taps, c.first, fours, weights, start, multiplier, work.scaling, to);
            }
        }
    }
};

class VnniConvolution final : public Operation {
public:
    static bool fits(const Builder& builder, const KernelSpec& spec, Isa isa) {
        if (!has_vnni(isa) || builder.constant(2) == nullptr) return false;
        for (int i = 1; i < 7; ++i)
            if (spec.operands[i].dtype != DataType::undefined && builder.constant(i) == nullptr) return false;
        const std::int64_t zeros = spec.operands[3].dtype == DataType::undefined ? 0 : element_count(spec.operands[3]);
        const std::int32_t middle = spec.operands[2].dtype == DataType::u8 ? 128 : 0;
        if (zeros == 0 && middle != 0) return false;
        for (std::int64_t i = 0; i < zeros; ++i)
            if (small_integer(builder.constant(3), spec.operands[3].dtype, i) != middle) return false;
        const QuantizedShape shape(spec);
        return !shape.depthwise() || (shape.groups >= 16 && shape.src_channel == 1 && stores_bytes(spec));
    }

    VnniConvolution(const Builder& builder, const KernelSpec& spec, Isa isa)
        : spec_(spec),
          shape_(spec),
          isa_(isa),
          flips_(spec.operands[0].dtype == DataType::i8),
          gathers_(!shape_.depthwise() && (shape_.src_channels % 4 != 0 || shape_.src_channel != 1)),
          translate_(translate_bytes(isa)) {
        const bool flips = flips_ && !gathers_;
        run_work_ = flips ? Versions<VnniBody<true>, const VnniWork&>::get(isa)
                          : Versions<VnniBody<false>, const VnniWork&>::get(isa);
        taps_ = gathers_ ? 1 : shape_.taps();
        quads_ = gathers_ ? (shape_.taps() * shape_.src_channels + 3) / 4 : (shape_.src_channels + 3) / 4;
        src_zero_ = small_integer(builder.constant(1), spec.operands[1].dtype);
        choose_block();
        make_panels();
        pack(builder);
        builder.share(weights_);
    }

    std::string implementation() const override { return std::string("igata:vnni_convolution:") + name_of(isa_); }

    std::size_t scratch_bytes() const override { return static_cast<std::size_t>(max_threads()) * slot_bytes(); }

    void run(const Frame& frame) const override {
        const MemorySpec& dst = spec_.operands[8];
        if (element_count(dst) == 0) return;
        const auto* start = reinterpret_cast<const std::int32_t*>(parameters_.get());
        VnniWork all{};
        all.shape = &shape_;
        all.panels = &panels_;
        all.padding = reinterpret_cast<const std::uint8_t*>(padding_.get());
        all.weights = reinterpret_cast<const std::int8_t*>(weights_.get());
        all.start = start;
        all.multiplier = reinterpret_cast<const float*>(start + parameter_count_);
        const std::int32_t zero = small_integer(frame.operands[6], spec_.operands[6].dtype);
        all.as_bytes = stores_bytes(spec_);
        all.scaling = ByteScaling(dst.dtype, zero);
        all.result.multiplier = reinterpret_cast<const float*>(frame.operands[5]);
        all.result.multiplier_step = element_count(spec_.operands[5]) > 1 ? 1 : 0;
        all.result.zero = zero;
        all.result.dtype = dst.dtype;
        all.taps = taps_;
        all.quads = quads_;
        all.gathers = gathers_;
        all.flip = flips_ ? 0x80 : 0;
        const std::int64_t blocks = (shape_.pixels() + rows_ - 1) / rows_;
        const std::int64_t work = rows_ * shape_.groups * shape_.channels * shape_.taps() * shape_.src_channels;
        parallel_parts(
            shape_.images * blocks, 200000 / work + 1, [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
                VnniWork one = all;
                set_scratch(one, frame.scratch + static_cast<std::size_t>(part) * slot_bytes());
                for (std::int64_t i = begin; i < end; ++i) {
                    one.src = reinterpret_cast<const std::uint8_t*>(frame.operands[0]) + i / blocks * shape_.src_image;
                    one.dst = frame.operands[8] +
                              i / blocks * shape_.dst_image * static_cast<std::int64_t>(size_of(dst.dtype));
                    one.begin = i % blocks * rows_;
                    one.end = std::min(one.begin + rows_, shape_.pixels());
                    run_work_(one);
                    if (frame.operands[7] != nullptr)
                        translate_pixels(shape_, frame.operands[7], translate_, one.dst, one.begin, one.end);
                }
            });
    }

    std::vector<Constants> first_reads() const override { return {{weights_.get(), weights_.size()}}; }

private:
    static constexpr std::int64_t most_rows = 96;

    static bool stores_bytes(const KernelSpec& spec) {
        const DataType dtype = spec.operands[8].dtype;
        return (dtype == DataType::i8 || dtype == DataType::u8) && spec.operands[5].dtype != DataType::undefined &&
               (spec.operands[8].strides[1] == 1 || spec.operands[8].dims[1] == 1);
    }

    int lanes() const { return isa_ == Isa::v4 ? 16 : 8; }

    /// Blocks of about as many pixels, at least one for each thread.
    void choose_block() {
        std::int64_t blocks = (shape_.pixels() + most_rows - 1) / most_rows;
        while (blocks < shape_.pixels() && blocks * shape_.images < max_threads()) ++blocks;
        rows_ = std::max<std::int64_t>(1, (shape_.pixels() + blocks - 1) / std::max<std::int64_t>(1, blocks));
    }

    void make_panels() {
        if (shape_.depthwise()) return make_depthwise_panels();
        const std::int64_t most = isa_ == Isa::v4 ? 4 : 2;
        const std::int64_t vectors = (shape_.channels + lanes() - 1) / lanes();
        const std::int64_t count = (vectors + most - 1) / most;
        for (std::int64_t group = 0; group < shape_.groups; ++group)
            for (std::int64_t i = 0; i < count; ++i) {
                const std::int64_t begin = vectors * i / count;
                const std::int64_t end = vectors * (i + 1) / count;
                const std::int64_t first = begin * lanes();
                add_panel(group * shape_.channels + first, std::min(end * lanes(), shape_.channels) - first, group,
                          static_cast<int>(end - begin), lanes(), taps_ * quads_ * 4);
            }
    }

    /// Whole vectors first, then 16 channels at a time; the last ones again, rather than fewer.
    void make_depthwise_panels() {
        const std::int64_t channels = shape_.groups;
        for (std::int64_t first = 0; first < channels;) {
            const int width = channels - first >= 4 * lanes() ? lanes() : 4;
            first = std::min(first, channels - 4 * width);
            add_panel(first, 4 * width, 0, 4, width, (taps_ + 3) / 4 * 4);
            first += 4 * width;
        }
    }

    void add_panel(std::int64_t first, std::int64_t count, std::int64_t group, int vectors, int width,
                   std::int64_t depth) {
        panels_.push_back({first, count, group, vectors, width, weight_count_, parameter_count_});
        weight_count_ += depth * vectors * width;
        parameter_count_ += vectors * width;
    }

    void pack(const Builder& builder) {
        weights_ = AlignedMemory(static_cast<std::size_t>(weight_count_));
        parameters_ = AlignedMemory(static_cast<std::size_t>(parameter_count_) * 8);
        padding_ = AlignedMemory(static_cast<std::size_t>(std::max(4 * quads_, shape_.groups)));
        std::memset(weights_.get(), 0, weights_.size());
        std::memset(parameters_.get(), 0, parameters_.size());
        std::memset(padding_.get(), src_zero_, padding_.size());
        for (const VnniChannels& panel : panels_)
            for (int v = 0; v < panel.vectors; ++v)
                for (int lane = 0; lane < panel.lanes; ++lane) {
                    const std::int64_t i = shape_.depthwise() ? interleaved_place(v, lane) : v * panel.lanes + lane;
                    if (i < panel.count) pack_channel(builder, panel, v * panel.lanes + lane, panel.first + i);
                }
    }

    void pack_channel(const Builder& builder, const VnniChannels& panel, std::int64_t place, std::int64_t channel) {
        const MemorySpec& spec = spec_.operands[2];
        const std::int32_t middle = spec.dtype == DataType::u8 ? 128 : 0;
        auto* to = reinterpret_cast<std::int8_t*>(weights_.get()) + panel.weights;
        std::uint32_t sum = 0;
        for (std::int64_t tap = 0; tap < shape_.taps(); ++tap)
            for (std::int64_t ic = 0; ic < shape_.src_channels; ++ic) {
                std::int64_t index[max_rank] = {channel, ic};
                std::int64_t rest = tap;
                for (int axis = spec.rank - 1; axis > 1; rest /= spec.dims[axis--])
                    index[axis] = rest % spec.dims[axis];
                const std::int32_t weight =
                    small_integer(builder.constant(2), spec.dtype, offset_of(spec, index)) - middle;
                const bool in_rows = gathers_ || shape_.depthwise();
                const std::int64_t k = in_rows ? tap * shape_.src_channels + ic : tap * 4 * quads_ + ic;
                to[(k / 4 * panel.vectors * panel.lanes + place) * 4 + k % 4] = static_cast<std::int8_t>(weight);
                sum += static_cast<std::uint32_t>(weight);
            }
        const auto zero = static_cast<std::uint32_t>(src_zero_ + (flips_ ? 128 : 0));
        const auto* bias = reinterpret_cast<const std::int32_t*>(builder.constant(4));
        const std::uint32_t start = (bias != nullptr ? static_cast<std::uint32_t>(bias[channel]) : 0U) - zero * sum;
        reinterpret_cast<std::uint32_t*>(parameters_.get())[panel.parameters + place] = start;
        const auto* multiplier = reinterpret_cast<const float*>(builder.constant(5));
        if (multiplier == nullptr) return;
        reinterpret_cast<float*>(parameters_.get())[parameter_count_ + panel.parameters + place] =
            multiplier[element_count(spec_.operands[5]) > 1 ? channel : 0];
    }

    // One thread's scratch: where pixels are stored, where their taps read, and gathered rows.
    std::size_t places_bytes() const { return aligned(static_cast<std::size_t>(rows_) * 8); }
    std::size_t sources_bytes() const { return aligned(static_cast<std::size_t>((rows_ + 1) * taps_ + 4) * 8); }
    std::size_t slot_bytes() const {
        const std::int64_t gathered = gathers_ ? rows_ * 4 * quads_ + 16 : 0;
        return places_bytes() + sources_bytes() + aligned(static_cast<std::size_t>(gathered));
    }
    void set_scratch(VnniWork& work, std::byte* scratch) const {
        work.places = reinterpret_cast<std::int64_t*>(scratch);
        work.sources = reinterpret_cast<const std::uint8_t**>(scratch + places_bytes());
        work.rows = reinterpret_cast<std::uint8_t*>(scratch + places_bytes() + sources_bytes());
    }

    KernelSpec spec_;
    QuantizedShape shape_;
    Isa isa_;
    bool flips_, gathers_;
    TranslateBytes translate_;
    void (*run_work_)(const VnniWork&) = nullptr;
    std::int64_t taps_ = 1, quads_ = 1;
    std::int64_t rows_ = 1;
    std::int32_t src_zero_ = 0;
    std::vector<VnniChannels> panels_;
    std::int64_t weight_count_ = 0, parameter_count_ = 0;
    AlignedMemory weights_, parameters_, padding_;
};

#endif

}  // namespace igata::runtime
