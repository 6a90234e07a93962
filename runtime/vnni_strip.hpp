// A strip of a depthwise quantized convolution with VPDPBUSD: some rows of results of some channels.
//
// The instruction sums four products into one, and a channel has no other to be summed with: the four are rows. Four
// rows of the source are interleaved, so that the bytes of one column and channel stand together, and each of them is
// multiplied by the weights of four taps at once. Where a filter is lower than the rows together, the same rows serve
// several rows of results, each with weights of zero for the rows that it does not read: of 3x3 two, of 5x5 four.
//
// Padding is written between the interleaved rows, so that no column is a special one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "runtime/byte_table.hpp"
#include "runtime/quantized_shape.hpp"
#include "runtime/vnni_tile.hpp"

namespace igata::runtime {

#if defined(__x86_64__)

/// Which rows are interleaved, and how that lies in memory.
struct VnniRows {
    std::int64_t results = 1;  ///< rows of results from one set: 1, 2 or 4
    std::int64_t sets = 1;     ///< of four rows
    std::int64_t columns = 0;  ///< of interleaved rows, padding included

    explicit VnniRows(const QuantizedShape& s) : sets((s.kernel[1] + 3) / 4) {
        const std::int64_t spare = s.dilations[1] == 1 ? (4 * sets - s.kernel[1]) / s.strides[1] : 0;
        results = spare >= 3 && s.dst[1] > 2 ? 4 : spare >= 1 && s.dst[1] > 1 ? 2 : 1;
        columns = (s.dst[2] - 1) * s.strides[2] + (s.kernel[2] - 1) * s.dilations[2] + 1;
    }

    /// The tap of result `result` that row `row` is, or -1.
    std::int64_t tap(const QuantizedShape& s, std::int64_t row, std::int64_t result) const {
        const std::int64_t tap = row - result * s.strides[1];
        return tap >= 0 && tap < s.kernel[1] ? tap : -1;
    }
};

/// Some rows of results of some channels of an image.
struct VnniStrip {
    const QuantizedShape* shape;
    const VnniRows* rows;
    const std::uint8_t *src, *src_end;  ///< src: of the image, at the first channel
    std::int64_t z, first_row, channels;
    const std::int8_t* weights;  ///< [vector of channels][set][column][result][channel][4]
    const std::int32_t* start;   ///< [vector][channel]
    const float* multiplier;     ///< likewise
    ByteScaling scaling;
    std::uint8_t padding, flip;
    TranslateBytes translate;
    const std::uint8_t* table;  ///< or null
    std::byte* dst;             ///< of the image, at the first channel
    std::uint8_t* interleaved;  ///< [set][column][channel][4]
    std::byte* lines;           ///< results, where they are not stored at once
    std::int64_t line_bytes;
};

struct VnniStripBody {
    template <int lanes>
    [[gnu::always_inline]] static void run(const VnniStrip& strip) {
        if constexpr (lanes >= 8) {
            for (std::int64_t set = 0; set < strip.rows->sets; ++set) interleave_set<lanes>(strip, set);
            if (strip.rows->results == 4) multiply<lanes, 4>(strip);
            else if (strip.rows->results == 2) multiply<lanes, 2>(strip);
            else multiply<lanes, 1>(strip);
            if (!stores_at_once<lanes>(strip)) finish(strip);
        }
    }

private:
    /// Whole vectors of channels, and nothing to be done with them after.
    template <int lanes>
    static bool stores_at_once(const VnniStrip& strip) {
        return strip.table == nullptr && strip.channels >= lanes;
    }

    static std::int64_t result_rows(const VnniStrip& strip) {
        return std::min(strip.rows->results, strip.shape->dst[1] - strip.first_row);
    }

    /// Four rows of the source, from some column on.
    struct Sources {
        const std::uint8_t* rows[4];
        std::int64_t mask[4];                ///< of what to add: a row of padding is the same everywhere
        const std::uint8_t* last = nullptr;  ///< the row that ends last

        [[gnu::always_inline]] void advance(std::int64_t bytes) {
            for (int i = 0; i < 4; ++i) rows[i] += bytes & mask[i];
            last += last == nullptr ? 0 : bytes;
        }
    };

    static Sources find_sources(const VnniStrip& strip, std::int64_t set, const std::uint8_t* padding) {
        const QuantizedShape& s = *strip.shape;
        const std::int64_t z = strip.z * s.strides[0] - s.pads[0];
        Sources sources;
        for (std::int64_t i = 0; i < 4; ++i) {
            const std::int64_t row = 4 * set + i;
            const std::int64_t y = strip.first_row * s.strides[1] - s.pads[1] + row * s.dilations[1];
            bool read = false;
            for (std::int64_t r = 0; r < strip.rows->results; ++r) read = read || strip.rows->tap(s, row, r) >= 0;
            const bool inside = read && z >= 0 && z < s.src[0] && y >= 0 && y < s.src[1];
            sources.rows[i] = inside ? strip.src + z * s.src_step[0] + y * s.src_step[1] : padding;
            sources.mask[i] = inside ? -1 : 0;
            if (inside) sources.last = sources.rows[i];
        }
        return sources;
    }

    template <int lanes>
    [[gnu::always_inline]] static void interleave_set(const VnniStrip& strip, std::int64_t set) {
        const QuantizedShape& s = *strip.shape;
        std::uint8_t padding[4 * lanes];
        std::memset(padding, strip.padding, sizeof padding);
        Sources sources = find_sources(strip, set, padding);
        const std::int64_t column_bytes = 4 * strip.channels;
        const std::int64_t columns = strip.rows->columns;
        std::uint8_t* to = strip.interleaved + set * columns * column_bytes;
        const std::int64_t left = std::min(s.pads[2], columns);
        const std::int64_t inside = std::max<std::int64_t>(0, std::min(s.src[2], columns - left));
        std::memset(to, strip.padding ^ strip.flip, static_cast<std::size_t>(left * column_bytes));
        to += left * column_bytes;
        if (s.src_step[2] == strip.channels) {
            interleave_run<lanes>(strip, sources, inside * strip.channels, to);
        } else {
            for (std::int64_t x = 0; x < inside; ++x, sources.advance(s.src_step[2]))
                interleave_run<lanes>(strip, sources, strip.channels, to + x * column_bytes);
        }
        std::memset(to + inside * column_bytes, strip.padding ^ strip.flip,
                    static_cast<std::size_t>((columns - left - inside) * column_bytes));
    }

    /// `count` bytes of each row. More is written, up to 16 * lanes bytes, and made good by what follows; what is read
    /// beyond the rows is within the source.
    template <int lanes>
    [[gnu::always_inline]] static void interleave_run(const VnniStrip& strip, const Sources& sources,
                                                      std::int64_t count, std::uint8_t* to) {
        constexpr std::int64_t most = 4 * lanes;
        const std::int64_t safe = sources.last == nullptr ? count : strip.src_end - sources.last - most;
        const std::uint8_t* rows[4];
        std::int64_t done = 0;
        for (; done < count && done <= safe; done += most) {
            for (int i = 0; i < 4; ++i) rows[i] = sources.rows[i] + (done & sources.mask[i]);
            interleave<lanes>(strip, rows, to + 4 * done);
        }
        if (done >= count) return;
        std::uint8_t ends[4][most] = {};
        for (int i = 0; i < 4; ++i) {
            std::memcpy(ends[i], sources.rows[i] + (done & sources.mask[i]), static_cast<std::size_t>(count - done));
            rows[i] = ends[i];
        }
        interleave<lanes>(strip, rows, to + 4 * done);
    }

    template <int lanes>
    [[gnu::always_inline]] static void interleave(const VnniStrip& strip, const std::uint8_t* const (&rows)[4],
                                                  std::uint8_t* to) {
        using Register = typename IntegersOf<lanes>::Register;
        using Unaligned = typename IntegersOf<lanes>::Unaligned;
        Register quarters;
        Vnni<lanes == 16>::quarters_of(quarters);
        const Register flip = Register{} + static_cast<std::int32_t>(0x01010101U * strip.flip);
        Register x[4];
        for (int i = 0; i < 4; ++i) x[i] = *reinterpret_cast<const Unaligned*>(rows[i]) ^ flip;
        Register y[4];
        Vnni<lanes == 16>::interleave(x, quarters, y);
        for (int q = 0; q < 4; ++q) *reinterpret_cast<Unaligned*>(to + q * 4 * lanes) = y[q];
    }

    /// A vector of channels after the other, the last one with channels of the one before, rather than fewer. Of less
    /// than a vector, what follows a pixel is written with it, and made good by the next.
    template <int lanes, int results>
    [[gnu::always_inline]] static void multiply(const VnniStrip& strip) {
        constexpr int most = (lanes == 16 ? 16 : 8) / results;
        const std::int64_t width = strip.shape->dst[2];
        const std::int64_t vectors = (strip.channels + lanes - 1) / lanes;
        for (std::int64_t v = 0; v < vectors; ++v) {
            if (width >= most) tiles<lanes, results, most>(strip, v);
            else if (width >= most / 2) tiles<lanes, results, most / 2>(strip, v);
            else tiles<lanes, results, 1>(strip, v);
        }
    }

    template <int lanes, int results, int pixels>
    [[gnu::always_inline]] static void tiles(const VnniStrip& strip, std::int64_t vector) {
        const QuantizedShape& s = *strip.shape;
        const std::int64_t first = std::max<std::int64_t>(0, std::min(vector * lanes, strip.channels - lanes));
        const bool at_once = stores_at_once<lanes>(strip);
        const std::int64_t step = at_once ? s.dst_step[2] : strip.channels;
        // Rows beyond the last are stored where the first one is then stored.
        std::byte* to[results];
        for (int r = 0; r < results; ++r) {
            const std::int64_t row = r < result_rows(strip) ? r : 0;
            to[r] = first + (at_once ? strip.dst + strip.z * s.dst_step[0] + (strip.first_row + row) * s.dst_step[1]
                                     : strip.lines + row * strip.line_bytes);
        }
        const std::uint8_t* from = strip.interleaved + 4 * first;
        const std::int64_t from_step = s.strides[2] * strip.channels * 4;
        // The last tile goes over some pixels again.
        for (std::int64_t next = 0; next < s.dst[2]; next += pixels) {
            const std::int64_t x = std::min(next, s.dst[2] - pixels);
            tile<lanes, results, pixels>(strip, vector, from + x * from_step, from_step, to, x, step);
        }
    }

    template <int lanes, int results, int pixels>
    [[gnu::always_inline]] static void tile(const VnniStrip& strip, std::int64_t vector, const std::uint8_t* from,
                                            std::int64_t from_step, std::byte* const* to, std::int64_t x,
                                            std::int64_t step) {
        using Register = typename IntegersOf<lanes>::Register;
        using Unaligned = typename IntegersOf<lanes>::Unaligned;
        const QuantizedShape& s = *strip.shape;
        const std::int64_t sets = strip.rows->sets;
        const std::int64_t taps = s.kernel[2];
        const std::int8_t* weights = strip.weights + vector * sets * taps * results * 4 * lanes;
        const Register start = *reinterpret_cast<const Register*>(strip.start + vector * lanes);
        Register sums[results][pixels];
#pragma GCC unroll 16
        for (int r = 0; r < results; ++r)
#pragma GCC unroll 16
            for (int p = 0; p < pixels; ++p) sums[r][p] = start;
#pragma GCC unroll 1
        for (std::int64_t set = 0; set < sets; ++set) {
            const std::uint8_t* at = from + set * strip.rows->columns * strip.channels * 4;
#pragma GCC unroll 1
            for (std::int64_t t = 0; t < taps; ++t, at += s.dilations[2] * strip.channels * 4) {
                Register w[results];
#pragma GCC unroll 16
                for (int r = 0; r < results; ++r, weights += 4 * lanes)
                    w[r] = *reinterpret_cast<const Register*>(weights);
#pragma GCC unroll 16
                for (int p = 0; p < pixels; ++p) {
                    const Register bytes = *reinterpret_cast<const Unaligned*>(at + p * from_step);
#pragma GCC unroll 16
                    for (int r = 0; r < results; ++r) {
                        Register sum = sums[r][p];  // a copy: else the array would stay in memory
                        Vnni<lanes == 16>::add_products(sum, bytes, w[r]);
                        sums[r][p] = sum;
                    }
                }
            }
        }
        const auto multiplier =
            *reinterpret_cast<const typename VectorOf<lanes>::Register*>(strip.multiplier + vector * lanes);
        const ByteScaling scaling = strip.scaling;
#pragma GCC unroll 16
        for (int r = results - 1; r >= 0; --r) {
            std::byte* pixel = to[r] + x * step;
#pragma GCC unroll 16
            for (int p = 0; p < pixels; ++p, pixel += step) scaling.store<lanes>(sums[r][p], multiplier, pixel);
        }
    }

    static void finish(const VnniStrip& strip) {
        const QuantizedShape& s = *strip.shape;
        const std::int64_t count = s.dst[2] * strip.channels;
        for (std::int64_t row = 0; row < result_rows(strip); ++row) {
            std::byte* from = strip.lines + row * strip.line_bytes;
            std::byte* to = strip.dst + strip.z * s.dst_step[0] + (strip.first_row + row) * s.dst_step[1];
            const bool dense = s.dst_step[2] == strip.channels;
            if (strip.table != nullptr)
                strip.translate(strip.table, reinterpret_cast<std::uint8_t*>(from),
                                reinterpret_cast<std::uint8_t*>(dense ? to : from), count);
            else if (dense) std::memcpy(to, from, static_cast<std::size_t>(count));
            if (dense) continue;
            for (std::int64_t x = 0; x < s.dst[2]; ++x, from += strip.channels, to += s.dst_step[2])
                copy(from, strip.channels, to);
        }
    }

    static void copy(const std::byte* from, std::int64_t count, std::byte* to) {
        for (; count >= 16; count -= 16, from += 16, to += 16) std::memcpy(to, from, 16);
        std::memcpy(to, from, static_cast<std::size_t>(count));
    }
};

#endif

}  // namespace igata::runtime
