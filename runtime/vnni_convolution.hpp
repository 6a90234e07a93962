// Quantized convolutions with VPDPBUSD, depthwise ones excepted: operands and ints are those of
// runtime/kernels/quantized_convolution.hpp.
//
// Taps read the source through a table of pointers: in place, where its channels are a multiple of four and next to
// each other. Where they are no multiple of four, but pixels lie together (images of three channels, for one), a line
// of taps is taken for one tap of more channels, in copies of the lines that have their padding around them. Else each
// pixel's factors are gathered, as those of a single tap.
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
#include "runtime/quantized_tile.hpp"
#include "runtime/vnni_constants.hpp"
#include "runtime/vnni_tile.hpp"

namespace igata::runtime {

#if defined(__x86_64__)

/// Vectors of channels of a group, whose weights lie together. The last one has channels of the one before, rather than
/// fewer, if the group has enough for a vector.
struct VnniChannels {
    std::int64_t first, last;  ///< channels that the first and the last vector start with
    std::int64_t count;        ///< of a vector
    std::int64_t group;
    int vectors;
    std::int64_t weights, parameters;  ///< offsets
};

/// How the source is read.
enum class VnniSource : std::uint8_t { in_place, lines, gathered };

/// A part of the work: pixels [begin, end) of one image.
struct VnniWork {
    const QuantizedShape* shape;
    const std::vector<VnniChannels>* panels;
    VnniSource source;
    const std::uint8_t* src;
    const std::uint8_t* padding;  ///< a pixel's
    const std::int8_t* weights;
    const std::int32_t* start;
    const float* multiplier;
    ByteScaling scaling;
    Requantization result;  ///< for what is not stored as bytes next to each other
    bool as_bytes;
    std::byte* dst;
    std::int64_t begin, end;
    std::int64_t taps, quads;  ///< as the tiles see them
    std::int64_t* places;
    const std::uint8_t** sources;  ///< [tap][pixel]
    std::uint8_t* copies;
};

template <bool flip>
struct VnniBody {
    template <int lanes>
    [[gnu::always_inline]] static void run(const VnniWork& work) {
        if constexpr (lanes >= 8) {
            locate(work);
            std::int64_t group = -1;
            for (const VnniChannels& panel : *work.panels) {
                if (panel.group != group) find_sources(work, group = panel.group);
                multiply<lanes>(work, panel);
            }
        }
    }

private:
    static void locate(const VnniWork& work) {
        const QuantizedShape& s = *work.shape;
        std::int64_t* to = work.places;
        for_each_part_of_line(s, work.begin, work.end, [&](const std::int64_t* index, std::int64_t pixels) {
            const std::int64_t place = s.place(index);
            for (std::int64_t i = 0; i < pixels; ++i) *to++ = place + i * s.dst_step[2];
        });
    }

    static void find_sources(const VnniWork& work, std::int64_t group) {
        const QuantizedShape& s = *work.shape;
        const std::uint8_t* src = work.src + group * s.src_channels * s.src_channel;
        if (work.source == VnniSource::gathered) gather(work, src);
        else if (work.source == VnniSource::lines) copy_lines(work, src);
        else point(work, src);
    }

    /// Calls visit(from, first, tap, done, pixels) for the pixels of each line of results, which are `done` and those
    /// after it, and each line of taps: the line of the source that they read, or null in the padding, and the column
    /// that the first pixel starts with.
    template <class Visit>
    static void for_each_line(const VnniWork& work, const std::uint8_t* src, const Visit& visit) {
        const QuantizedShape& s = *work.shape;
        std::int64_t done = 0;
        for_each_part_of_line(s, work.begin, work.end, [&](const std::int64_t* index, std::int64_t pixels) {
            const std::int64_t first = index[2] * s.strides[2] - s.pads[2];
            std::int64_t tap = 0;
            s.for_each_line(index, [&](std::int64_t line, std::int64_t) {
                visit(line < 0 ? nullptr : src + line, first, tap++, done, pixels);
            });
            done += pixels;
        });
    }

    static void point(const VnniWork& work, const std::uint8_t* src) {
        const QuantizedShape& s = *work.shape;
        for_each_line(work, src,
                      [&](const std::uint8_t* from, std::int64_t first, std::int64_t tap, std::int64_t done,
                          std::int64_t pixels) {
                          const std::uint8_t** to = work.sources + tap * s.kernel[2] * (work.end - work.begin) + done;
                          for (std::int64_t x = 0; x < s.kernel[2]; ++x, to += work.end - work.begin)
                              point_line(work, from, first + x * s.dilations[2], pixels, to);
                      });
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

    static void copy_lines(const VnniWork& work, const std::uint8_t* src) {
        const QuantizedShape& s = *work.shape;
        std::uint8_t* copy = work.copies;
        for_each_line(work, src,
                      [&](const std::uint8_t* from, std::int64_t first, std::int64_t tap, std::int64_t done,
                          std::int64_t pixels) {
                          const std::uint8_t** to = work.sources + tap * (work.end - work.begin) + done;
                          for (std::int64_t i = 0; i < pixels; ++i) to[i] = copy + i * s.strides[2] * s.src_channels;
                          copy = copy_line(work, from, first, (pixels - 1) * s.strides[2] + s.kernel[2], copy);
                      });
    }

    /// `count` columns; returns where they end.
    static std::uint8_t* copy_line(const VnniWork& work, const std::uint8_t* from, std::int64_t first,
                                   std::int64_t count, std::uint8_t* to) {
        const QuantizedShape& s = *work.shape;
        const auto bytes = [&](std::int64_t columns) { return static_cast<std::size_t>(columns * s.src_channels); };
        const std::int64_t begin = from == nullptr ? count : std::clamp<std::int64_t>(-first, 0, count);
        const std::int64_t end = from == nullptr ? count : std::clamp(s.src[2] - first, begin, count);
        std::memset(to, *work.padding, bytes(begin));
        if (begin < end) std::memcpy(to + bytes(begin), from + (first + begin) * s.src_channels, bytes(end - begin));
        std::memset(to + bytes(end), *work.padding, bytes(count - end));
        return to + bytes(count);
    }

    static void gather(const VnniWork& work, const std::uint8_t* src) {
        const QuantizedShape& s = *work.shape;
        std::int64_t index[3];
        s.locate(work.begin, index);
        for (std::int64_t pixel = 0; pixel < work.end - work.begin; ++pixel, s.advance(index)) {
            std::uint8_t* row = work.copies + pixel * 4 * work.quads;
            work.sources[pixel] = row;
            s.for_each_source(index, [&](std::int64_t from) {
                for (std::int64_t c = 0; c < s.src_channels; ++c)
                    *row++ = from < 0 ? *work.padding : src[from + c * s.src_channel];
            });
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
        panel.dst = work.dst + channels.first;
        panel.last = channels.last - channels.first;
        panel.multiplier = work.multiplier + channels.parameters;
        panel.scaling = work.scaling;
        const bool at_once = work.as_bytes && channels.count == lanes;
        const std::int64_t rows = Tile::rows_of(channels.vectors);
        const bool single = count < rows;
        for (std::int64_t done = 0; done < count;) {
            // The last tile goes over some pixels again.
            const std::int64_t first = single ? done : std::min(done, count - rows);
            const std::int64_t made = single ? 1 : rows;
            panel.sources = work.sources + first;
            panel.places = at_once ? work.places + first : nullptr;
            Tile::multiply(panel, channels.vectors, single, sums);
            if (!at_once && work.as_bytes) store_few<lanes>(work, channels, sums, work.places + first, made);
            else if (!at_once) store_any(work, channels, sums, work.places + first, made, lanes);
            done = first + made;
        }
    }

    /// Channels that are less than a vector.
    template <int lanes>
    [[gnu::always_inline]] static void store_few(const VnniWork& work, const VnniChannels& channels,
                                                 const std::int32_t* sums, const std::int64_t* places,
                                                 std::int64_t rows) {
        using Register = typename IntegersOf<lanes>::Register;
        const ByteScaling scaling = work.scaling;
        const std::int64_t count = channels.count;
        std::byte* dst = work.dst + channels.first;
        const auto multiplier =
            *reinterpret_cast<const typename VectorOf<lanes>::Unaligned*>(work.multiplier + channels.parameters);
#pragma GCC unroll 1
        for (std::int64_t r = 0; r < rows; ++r)
            scaling.store<lanes>(*reinterpret_cast<const Register*>(sums + r * lanes), multiplier, dst + places[r],
                                 count);
    }

    static void store_any(const VnniWork& work, const VnniChannels& channels, const std::int32_t* sums,
                          const std::int64_t* places, std::int64_t rows, int lanes) {
        const auto size = static_cast<std::int64_t>(size_of(work.result.dtype));
        for (std::int64_t r = 0; r < rows; ++r)
            for (int v = 0; v < channels.vectors; ++v, sums += lanes)
                work.result.store(sums, v + 1 < channels.vectors ? channels.first + v * lanes : channels.last,
                                  channels.count, work.dst + places[r] * size, work.shape->dst_channel);
    }
};

class VnniConvolution final : public Operation {
public:
    static bool fits(const Builder& builder, const KernelSpec& spec, Isa isa) {
        return !QuantizedShape(spec).depthwise() && VnniConstants::fit(builder, spec, isa);
    }

    VnniConvolution(const Builder& builder, const KernelSpec& spec, Isa isa)
        : spec_(spec),
          shape_(spec),
          isa_(isa),
          source_(source_of(shape_)),
          run_work_(spec.operands[0].dtype == DataType::i8 ? Versions<VnniBody<true>, const VnniWork&>::get(isa)
                                                           : Versions<VnniBody<false>, const VnniWork&>::get(isa)) {
        taps_ = shape_.taps() / tap_columns();
        quads_ = (tap_columns() * shape_.src_channels + 3) / 4;
        choose_block();
        make_panels();
        pack(VnniConstants(builder, spec));
        builder.share(weights_);
    }

    std::string implementation() const override { return std::string("igata:vnni_convolution:") + name_of(isa_); }

    std::size_t scratch_bytes() const override { return static_cast<std::size_t>(max_threads()) * slot_bytes(); }

    void run(const Frame& frame) const override {
        const DataType dtype = spec_.operands[8].dtype;
        if (element_count(spec_.operands[8]) == 0) return;
        const VnniWork all = work_of(frame);
        const std::int64_t work = rows_ * shape_.groups * shape_.channels * shape_.taps() * shape_.src_channels;
        for_each_block(shape_, rows_, 200000 / work + 1,
                       [&](std::int64_t part, std::int64_t image, std::int64_t begin, std::int64_t end) {
                           VnniWork one = all;
                           set_scratch(one, frame.scratch + static_cast<std::size_t>(part) * slot_bytes());
                           one.src += image * shape_.src_image;
                           one.dst += image * shape_.dst_image * static_cast<std::int64_t>(size_of(dtype));
                           one.begin = begin;
                           one.end = end;
                           run_work_(one);
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
        parameters_ = AlignedMemory(static_cast<std::size_t>(parameter_count_) * 8);
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
    }

    VnniWork work_of(const Frame& frame) const {
        const auto* start = reinterpret_cast<const std::int32_t*>(parameters_.get());
        VnniWork work{};
        work.shape = &shape_;
        work.panels = &panels_;
        work.source = source_;
        work.src = reinterpret_cast<const std::uint8_t*>(frame.operands[0]);
        work.padding = reinterpret_cast<const std::uint8_t*>(padding_.get());
        work.weights = reinterpret_cast<const std::int8_t*>(weights_.get());
        work.start = start;
        work.multiplier = reinterpret_cast<const float*>(start + parameter_count_);
        work.scaling = scaling_;
        work.result.multiplier = reinterpret_cast<const float*>(frame.operands[5]);
        work.result.multiplier_step = element_count(spec_.operands[5]) > 1 ? 1 : 0;
        work.result.zero = scaling_.zero;
        work.result.dtype = spec_.operands[8].dtype;
        work.as_bytes = VnniConstants::store_bytes(spec_);
        work.dst = frame.operands[8];
        work.taps = taps_;
        work.quads = quads_;
        return work;
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
    void set_scratch(VnniWork& work, std::byte* scratch) const {
        work.places = reinterpret_cast<std::int64_t*>(scratch);
        work.sources = reinterpret_cast<const std::uint8_t**>(scratch + places_bytes());
        work.copies = reinterpret_cast<std::uint8_t*>(scratch + places_bytes() + sources_bytes());
    }

    KernelSpec spec_;
    QuantizedShape shape_;
    Isa isa_;
    VnniSource source_;
    TranslateBytes translate_ = translate_bytes(isa_);
    void (*run_work_)(const VnniWork&);
    std::int64_t taps_ = 1, quads_ = 1;
    std::int64_t rows_ = 1;
    ByteScaling scaling_;
    std::vector<VnniChannels> panels_;
    std::int64_t weight_count_ = 0, parameter_count_ = 0;
    AlignedMemory weights_, parameters_, padding_;
};

#endif

}  // namespace igata::runtime
