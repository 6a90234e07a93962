// A block of pixels of a quantized convolution with VPDPBUSD.
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
#include <vector>

#include "runtime/quantized_shape.hpp"
#include "runtime/quantized_tile.hpp"
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
struct VnniBlock {
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
struct VnniBlockBody {
    template <int lanes>
    [[gnu::always_inline]] static void run(const VnniBlock& block) {
        if constexpr (lanes >= 8) {
            locate(block);
            std::int64_t group = -1;
            for (const VnniChannels& panel : *block.panels) {
                if (panel.group != group) find_sources(block, group = panel.group);
                multiply<lanes>(block, panel);
            }
        }
    }

private:
    static void locate(const VnniBlock& block) {
        const QuantizedShape& s = *block.shape;
        std::int64_t* to = block.places;
        for_each_part_of_line(s, block.begin, block.end, [&](const std::int64_t* index, std::int64_t pixels) {
            const std::int64_t place = s.place(index);
            for (std::int64_t i = 0; i < pixels; ++i) *to++ = place + i * s.dst_step[2];
        });
    }

    static void find_sources(const VnniBlock& block, std::int64_t group) {
        const QuantizedShape& s = *block.shape;
        const std::uint8_t* src = block.src + group * s.src_channels * s.src_channel;
        if (block.source == VnniSource::gathered) gather(block, src);
        else if (block.source == VnniSource::lines) copy_lines(block, src);
        else point(block, src);
    }

    /// Calls visit(from, first, tap, done, pixels) for the pixels of each line of results, which are `done` and those
    /// after it, and each line of taps: the line of the source that they read, or null in the padding, and the column
    /// that the first pixel starts with.
    template <class Visit>
    static void for_each_line(const VnniBlock& block, const std::uint8_t* src, const Visit& visit) {
        const QuantizedShape& s = *block.shape;
        std::int64_t done = 0;
        for_each_part_of_line(s, block.begin, block.end, [&](const std::int64_t* index, std::int64_t pixels) {
            const std::int64_t first = index[2] * s.strides[2] - s.pads[2];
            std::int64_t tap = 0;
            s.for_each_line(index, [&](std::int64_t line, std::int64_t) {
                visit(line < 0 ? nullptr : src + line, first, tap++, done, pixels);
            });
            done += pixels;
        });
    }

    static void point(const VnniBlock& block, const std::uint8_t* src) {
        const QuantizedShape& s = *block.shape;
        for_each_line(block, src,
                      [&](const std::uint8_t* from, std::int64_t first, std::int64_t tap, std::int64_t done,
                          std::int64_t pixels) {
                          const std::uint8_t** to =
                              block.sources + tap * s.kernel[2] * (block.end - block.begin) + done;
                          for (std::int64_t x = 0; x < s.kernel[2]; ++x, to += block.end - block.begin)
                              point_line(block, from, first + x * s.dilations[2], pixels, to);
                      });
    }

    static void point_line(const VnniBlock& block, const std::uint8_t* from, std::int64_t first, std::int64_t count,
                           const std::uint8_t** to) {
        const QuantizedShape& s = *block.shape;
        const std::int64_t stride = s.strides[2];
        std::int64_t begin = 0;  // those in [begin, end) read within the line
        std::int64_t end = 0;
        if (from != nullptr) {
            begin = std::min(count, first >= 0 ? 0 : (-first + stride - 1) / stride);
            end = first >= s.src[2] ? 0 : std::min(count, (s.src[2] - 1 - first) / stride + 1);
            end = std::max(begin, end);
        }
        for (std::int64_t i = 0; i < begin; ++i) to[i] = block.padding;
        for (std::int64_t i = begin; i < end; ++i) to[i] = from + (first + i * stride) * s.src_step[2];
        for (std::int64_t i = end; i < count; ++i) to[i] = block.padding;
    }

    static void copy_lines(const VnniBlock& block, const std::uint8_t* src) {
        const QuantizedShape& s = *block.shape;
        std::uint8_t* copy = block.copies;
        for_each_line(block, src,
                      [&](const std::uint8_t* from, std::int64_t first, std::int64_t tap, std::int64_t done,
                          std::int64_t pixels) {
                          const std::uint8_t** to = block.sources + tap * (block.end - block.begin) + done;
                          for (std::int64_t i = 0; i < pixels; ++i) to[i] = copy + i * s.strides[2] * s.src_channels;
                          copy = copy_line(block, from, first, (pixels - 1) * s.strides[2] + s.kernel[2], copy);
                      });
    }

    /// `count` columns; returns where they end.
    static std::uint8_t* copy_line(const VnniBlock& block, const std::uint8_t* from, std::int64_t first,
                                   std::int64_t count, std::uint8_t* to) {
        const QuantizedShape& s = *block.shape;
        const auto bytes = [&](std::int64_t columns) { return static_cast<std::size_t>(columns * s.src_channels); };
        const std::int64_t begin = from == nullptr ? count : std::clamp<std::int64_t>(-first, 0, count);
        const std::int64_t end = from == nullptr ? count : std::clamp(s.src[2] - first, begin, count);
        std::memset(to, *block.padding, bytes(begin));
        if (begin < end) std::memcpy(to + bytes(begin), from + (first + begin) * s.src_channels, bytes(end - begin));
        std::memset(to + bytes(end), *block.padding, bytes(count - end));
        return to + bytes(count);
    }

    static void gather(const VnniBlock& block, const std::uint8_t* src) {
        const QuantizedShape& s = *block.shape;
        std::int64_t index[3];
        s.locate(block.begin, index);
        for (std::int64_t pixel = 0; pixel < block.end - block.begin; ++pixel, s.advance(index)) {
            std::uint8_t* row = block.copies + pixel * 4 * block.quads;
            block.sources[pixel] = row;
            s.for_each_source(index, [&](std::int64_t from) {
                for (std::int64_t c = 0; c < s.src_channels; ++c)
                    *row++ = from < 0 ? *block.padding : src[from + c * s.src_channel];
            });
        }
    }

    template <int lanes>
    [[gnu::always_inline]] static void multiply(const VnniBlock& block, const VnniChannels& channels) {
        using Tile = VnniTile<lanes, flip>;
        alignas(64) std::int32_t sums[Tile::most_rows * Tile::most_vectors * lanes];
        const std::int64_t count = block.end - block.begin;
        VnniPanel panel;
        panel.source_step = count;
        panel.taps = block.taps;
        panel.quads = block.quads;
        panel.weights = block.weights + channels.weights;
        panel.start = block.start + channels.parameters;
        panel.dst = block.dst + channels.first;
        panel.last = channels.last - channels.first;
        panel.multiplier = block.multiplier + channels.parameters;
        panel.scaling = block.scaling;
        const bool at_once = block.as_bytes && channels.count == lanes;
        const bool is_real =
            size_of(block.result.dtype) == 4 && channels.count == lanes && block.shape->dst_channel == 1;
        const std::int64_t rows = Tile::rows_of(channels.vectors);
        const bool single = count < rows;
        for (std::int64_t done = 0; done < count;) {
            // The last tile goes over some pixels again.
            const std::int64_t first = single ? done : std::min(done, count - rows);
            const std::int64_t made = single ? 1 : rows;
            panel.sources = block.sources + first;
            panel.places = at_once ? block.places + first : nullptr;
            Tile::multiply(panel, channels.vectors, single, sums);
            const std::int64_t* places = block.places + first;
            if (!at_once && block.as_bytes) store_few<lanes>(block, channels, sums, places, made);
            else if (!at_once && is_real) store_real<lanes>(block, channels, sums, places, made);
            else if (!at_once) store_any(block, channels, sums, places, made, lanes);
            done = first + made;
        }
    }

    /// Channels that are less than a vector.
    template <int lanes>
    [[gnu::always_inline]] static void store_few(const VnniBlock& block, const VnniChannels& channels,
                                                 const std::int32_t* sums, const std::int64_t* places,
                                                 std::int64_t rows) {
        using Register = typename IntegersOf<lanes>::Register;
        const ByteScaling scaling = block.scaling;
        const std::int64_t count = channels.count;
        std::byte* dst = block.dst + channels.first;
        const auto multiplier =
            *reinterpret_cast<const typename VectorOf<lanes>::Unaligned*>(block.multiplier + channels.parameters);
#pragma GCC unroll 1
        for (std::int64_t r = 0; r < rows; ++r)
            scaling.store<lanes>(*reinterpret_cast<const Register*>(sums + r * lanes), multiplier, dst + places[r],
                                 count);
    }

    /// Sums as they are, or multiplied, of channels that are next to each other.
    template <int lanes>
    [[gnu::always_inline]] static void store_real(const VnniBlock& block, const VnniChannels& channels,
                                                  const std::int32_t* sums, const std::int64_t* places,
                                                  std::int64_t rows) {
        using Register = typename IntegersOf<lanes>::Register;
        using Floats = typename VectorOf<lanes>::Register;
        using Unaligned = typename VectorOf<lanes>::Unaligned;
        const float* multiplier = block.result.multiplier;
#pragma GCC unroll 1
        for (std::int64_t r = 0; r < rows; ++r) {
            std::byte* const pixel = block.dst + places[r] * 4;
#pragma GCC unroll 1
            for (int v = 0; v < channels.vectors; ++v, sums += lanes) {
                const std::int64_t first = v + 1 < channels.vectors ? channels.first + v * lanes : channels.last;
                const Register& sum = *reinterpret_cast<const Register*>(sums);
                if (multiplier == nullptr) {
                    std::memcpy(pixel + first * 4, &sum, sizeof sum);
                    continue;
                }
                const Floats factors = block.result.multiplier_step == 0
                                           ? Floats{} + *multiplier
                                           : *reinterpret_cast<const Unaligned*>(multiplier + first);
                const Floats scaled = __builtin_convertvector(sum, Floats) * factors;
                std::memcpy(pixel + first * 4, &scaled, sizeof scaled);
            }
        }
    }

    static void store_any(const VnniBlock& block, const VnniChannels& channels, const std::int32_t* sums,
                          const std::int64_t* places, std::int64_t rows, int lanes) {
        const auto size = static_cast<std::int64_t>(size_of(block.result.dtype));
        for (std::int64_t r = 0; r < rows; ++r)
            for (int v = 0; v < channels.vectors; ++v, sums += lanes)
                block.result.store(sums, v + 1 < channels.vectors ? channels.first + v * lanes : channels.last,
                                   channels.count, block.dst + places[r] * size, block.shape->dst_channel);
    }
};

#endif

}  // namespace igata::runtime
