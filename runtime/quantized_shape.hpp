// The geometry of quantized convolutions: where each tap of each pixel reads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "runtime/byte_table.hpp"
#include "runtime/kernel.hpp"
#include "runtime/parallel.hpp"

namespace igata::runtime {

/// Geometry with three spatial axes. Where there are fewer, the images are the first one, of one tap.
struct QuantizedShape {
    std::int64_t images, groups, src_channels, channels;  ///< channels: per group, as src_channels
    std::int64_t src[3], kernel[3], dst[3];
    std::int64_t strides[3], dilations[3], pads[3];
    std::int64_t src_image, src_channel, src_step[3];
    std::int64_t dst_image, dst_channel, dst_step[3];

    explicit QuantizedShape(const KernelSpec& spec) {
        const MemorySpec& from = spec.operands[0];
        const MemorySpec& weights = spec.operands[2];
        const MemorySpec& to = spec.operands[8];
        groups = spec.ints[0];
        images = from.dims[0];
        src_channels = weights.dims[1];
        channels = weights.dims[0] / groups;
        src_image = from.strides[0];
        src_channel = from.strides[1];
        dst_image = to.strides[0];
        dst_channel = to.strides[1];
        const int missing = 5 - from.rank;
        for (int i = 0; i < 3; ++i) {
            const bool there = i >= missing;
            const int axis = i - missing;
            src[i] = there ? from.dims[2 + axis] : 1;
            src_step[i] = there ? from.strides[2 + axis] : 0;
            dst[i] = there ? to.dims[2 + axis] : 1;
            dst_step[i] = there ? to.strides[2 + axis] : 0;
            kernel[i] = there ? weights.dims[2 + axis] : 1;
            strides[i] = there ? spec.ints[1 + axis] : 1;
            dilations[i] = there ? spec.ints[4 + axis] : 1;
            pads[i] = there ? spec.ints[7 + axis] : 0;
        }
        if (missing > 0) images_to_axis();
    }

    std::int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
    std::int64_t pixels() const { return dst[0] * dst[1] * dst[2]; }
    bool depthwise() const { return groups > 1 && src_channels == 1 && channels == 1; }
    std::int64_t pairs() const { return taps() * ((src_channels + 1) / 2); }

    void locate(std::int64_t pixel, std::int64_t* index) const {
        index[2] = pixel % dst[2];
        index[1] = pixel / dst[2] % dst[1];
        index[0] = pixel / dst[2] / dst[1];
    }
    std::int64_t place(const std::int64_t* index) const {
        return index[0] * dst_step[0] + index[1] * dst_step[1] + index[2] * dst_step[2];
    }
    /// To the next pixel.
    void advance(std::int64_t* index) const {
        if (++index[2] < dst[2]) return;
        index[2] = 0;
        if (++index[1] < dst[1]) return;
        index[1] = 0;
        ++index[0];
    }
    /// Calls visit(offset) for each tap of the result at `index`: where it reads, or -1 in the padding.
    template <class Visit>
    [[gnu::always_inline]] void for_each_source(const std::int64_t* index, const Visit& visit) const {
        for_each_line(index, [&](std::int64_t line, std::int64_t first) { visit_taps(line, first, visit); });
    }
    /// Calls visit(offset, taps) for each run of taps that read what lies together.
    template <class Visit>
    [[gnu::always_inline]] void for_each_run(const std::int64_t* index, const Visit& visit) const {
        for_each_line(index, [&](std::int64_t line, std::int64_t first) {
            if (dense() && line >= 0 && first >= 0 && first + kernel[2] <= src[2])
                visit(line + first * src_step[2], kernel[2]);
            else visit_taps(line, first, [&](std::int64_t from) { visit(from, 1); });
        });
    }

    /// Elements from the first to the last of an image.
    std::int64_t span() const {
        std::int64_t last = (groups * src_channels - 1) * src_channel;
        for (int i = 0; i < 3; ++i) last += (src[i] - 1) * src_step[i];
        return last + 1;
    }
    /// Calls visit(offset of the line or -1, where its first tap is along it).
    template <class Visit>
    [[gnu::always_inline]] void for_each_line(const std::int64_t* index, const Visit& visit) const {
        std::int64_t first[3];
        for (int i = 0; i < 3; ++i) first[i] = index[i] * strides[i] - pads[i];
        for (std::int64_t z = first[0]; z < first[0] + kernel[0] * dilations[0]; z += dilations[0])
            for (std::int64_t y = first[1]; y < first[1] + kernel[1] * dilations[1]; y += dilations[1]) {
                const bool inside = z >= 0 && z < src[0] && y >= 0 && y < src[1];
                visit(inside ? z * src_step[0] + y * src_step[1] : -1, first[2]);
            }
    }
    template <class Visit>
    [[gnu::always_inline]] void visit_taps(std::int64_t line, std::int64_t first, const Visit& visit) const {
        for (std::int64_t x = first; x < first + kernel[2] * dilations[2]; x += dilations[2])
            visit(line >= 0 && x >= 0 && x < src[2] ? line + x * src_step[2] : -1);
    }

private:
    void images_to_axis() {
        src[0] = dst[0] = images;
        src_step[0] = src_image;
        dst_step[0] = dst_image;
        images = 1;
    }
    /// A line's taps read elements without gaps between, an even number each.
    bool dense() const {
        return dilations[2] == 1 && src_channel == 1 && src_step[2] == src_channels && src_channels % 2 == 0;
    }
};

/// An element of 8 bits, or 0 where the operand is absent.
inline std::int32_t small_integer(const std::byte* data, DataType dtype, std::int64_t i = 0) {
    if (data == nullptr) return 0;
    return dtype == DataType::i8 ? reinterpret_cast<const std::int8_t*>(data)[i]
                                 : reinterpret_cast<const std::uint8_t*>(data)[i];
}

/// Calls run(part, image, begin, end) on all threads for blocks of at most `rows` pixels, which cover all images.
template <class Run>
void for_each_block(const QuantizedShape& shape, std::int64_t rows, std::int64_t grain, const Run& run) {
    const std::int64_t blocks = (shape.pixels() + rows - 1) / rows;
    parallel_parts(shape.images * blocks, grain, [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
            const std::int64_t first = i % blocks * rows;
            run(part, i / blocks, first, std::min(first + rows, shape.pixels()));
        }
    });
}

/// Calls visit(index of its first pixel, pixels) for each line, or part of one, that pixels [begin, end) are in.
template <class Visit>
void for_each_part_of_line(const QuantizedShape& shape, std::int64_t begin, std::int64_t end, const Visit& visit) {
    for (std::int64_t pixels = 0; begin < end; begin += pixels) {
        std::int64_t index[3];
        shape.locate(begin, index);
        pixels = std::min(end - begin, shape.dst[2] - index[2]);
        visit(index, pixels);
    }
}

/// What stands in pixels [begin, end) of a result of bytes, by a table; pixels that lie together at once.
inline void translate_pixels(const QuantizedShape& shape, const std::byte* table, TranslateBytes translate,
                             std::byte* dst, std::int64_t begin, std::int64_t end) {
    const auto* results = reinterpret_cast<const std::uint8_t*>(table);
    const std::int64_t channels = shape.groups * shape.channels;
    const bool dense = shape.dst_channel == 1 || channels == 1;
    auto* run = reinterpret_cast<std::uint8_t*>(dst);  // of `length` bytes that wait
    std::int64_t length = 0;
    for_each_part_of_line(shape, begin, end, [&](const std::int64_t* index, std::int64_t pixels) {
        auto* at = reinterpret_cast<std::uint8_t*>(dst) + shape.place(index);
        const bool together = dense && (shape.dst_step[2] == channels || pixels == 1);
        const std::int64_t step = together ? channels * pixels : dense ? channels : 1;
        for (; pixels > 0; pixels -= together ? pixels : 1, at += shape.dst_step[2])
            for (std::int64_t c = 0; c < channels; c += step) {
                std::uint8_t* from = at + c * shape.dst_channel;
                if (from != run + length) {
                    translate(results, run, run, length);
                    run = from;
                    length = 0;
                }
                length += step;
            }
    });
    translate(results, run, run, length);
}

}  // namespace igata::runtime
