// Transposed convolution as ordinary ones. Results whose coordinates leave the same remainder when divided by the
// stride are one phase: all of its pixels meet the same taps of the kernel, each with the source pixel at a fixed
// distance. So a phase is a dense convolution of stride 1, which register tiles compute, a tap at a time; what lies
// outside the source is a pixel of zeros. Phases of few channels are computed together, as channels of one another.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/isa.hpp"
#include "runtime/operation.hpp"
#include "runtime/parallel.hpp"
#include "runtime/pointwise_tile.hpp"
#include "runtime/specs.hpp"
#include "runtime/tile_epilogue.hpp"

namespace igata::runtime {

class PhasedDeconvolution final : public Operation {
public:
    /// Only if `fits`. Applies the first `inside` post-ops of the spec's epilogue, as TileEpilogue takes them. `dst`:
    /// where the result lies, in place of spec.dst.
    PhasedDeconvolution(const Builder& builder, const DeconvolutionSpec& spec, const MemorySpec& dst, int inside,
                        Isa isa = detect_isa())
        : axes_(axes_of(spec, dst)),
          images_(spec.src.dims[0]),
          src_channels_(spec.src.dims[1]),
          dst_channels_(dst.dims[1]),
          src_image_(spec.src.strides[0]),
          dst_image_(dst.strides[0]),
          isa_(isa),
          limits_(tile_limits(isa)),
          epilogue_(spec.epilogue, inside, isa),
          zeros_(sizeof(float) * static_cast<std::size_t>(src_channels_)) {
        std::fill_n(reinterpret_cast<float*>(zeros_.get()), src_channels_, 0.0F);
        parts_ = parts(false);
        if (std::vector<Part> joined = parts(true); work(joined) < work(parts_)) parts_ = std::move(joined);
        for (Part& part : parts_) {
            pack(part, builder, spec);
            add_items(part);
        }
    }

    static bool fits(const Builder& builder, const DeconvolutionSpec& spec) {
        const bool channels_last = spec.src.strides[1] == 1 && spec.dst.strides[1] == 1;
        std::int64_t elements = 1;
        for (int i = 0; i < spec.src.rank; ++i) elements *= spec.src.dims[i] * spec.dst.dims[i];
        return builder.is_packable(spec) && channels_last && spec.groups == 1 && elements > 0;
    }

    std::string implementation() const override { return std::string("igata:deconvolution:") + name_of(isa_); }

    std::size_t scratch_bytes() const override { return static_cast<std::size_t>(max_threads()) * slot_bytes(); }

    void run(const Frame& frame) const override {
        const auto* src = reinterpret_cast<const float*>(frame.operands[0]);
        auto* dst = reinterpret_cast<float*>(frame.operands[3]);
        const auto count = static_cast<std::int64_t>(items_.size());
        parallel_parts(count, 1, [&](std::int64_t thread, std::int64_t begin, std::int64_t end) {
            std::byte* scratch = frame.scratch + static_cast<std::size_t>(thread) * slot_bytes();
            for (std::int64_t i = begin; i < end; ++i) run_item(items_[static_cast<std::size_t>(i)], src, dst, scratch);
        });
    }

    std::vector<Constants> first_reads() const override {
        const Part& part = parts_.front();
        const Panel& panel = part.panels.front();
        const auto floats = static_cast<std::size_t>(panel.channels * depth(part));
        return {{part.weights.get(), sizeof(float) * floats}};
    }

private:
    using Place = std::array<std::int64_t, max_spatial>;

    /// A spatial axis; one that the spec does not have is one pixel.
    struct Axis {
        std::int64_t src = 1, dst = 1, kernel = 1, stride = 1, dilation = 1, pad = 0;
        std::int64_t src_stride = 0, dst_stride = 0, kernel_stride = 0;
    };

    /// Phases that are computed together: pixel j of the grid is the result at j * stride + phase - pad of each phase,
    /// and meets the source at j + tap.
    struct Part {
        std::vector<Place> phases;
        Place first = {}, count = {};  ///< of the grid
        std::vector<Place> taps;
        std::int64_t channels = 0;  ///< the results of all phases, one phase after another
        std::int64_t piece = 1;     ///< of how many phases the results lie side by side in dst
        std::int64_t width = 0;     ///< channels, filled up to whole vectors
        std::vector<Panel> panels;
        AlignedMemory weights, bias;  ///< [panel][tap][input channel][channel of the panel]; [channel]
        std::int64_t pixels = 0, tile_rows = 1, block = 1;
    };

    struct Item {
        const Part* part;
        std::int64_t begin, end;  ///< pixels of its grids, one image after another
    };

    /// Neighbours in a row of the grid.
    struct Run {
        std::int64_t image = 0;
        Place grid = {};                    ///< of the first one
        std::int64_t index = 0, count = 0;  ///< within the item
    };

    static std::array<Axis, max_spatial> axes_of(const DeconvolutionSpec& spec, const MemorySpec& dst) {
        std::array<Axis, max_spatial> axes;
        for (int i = 0; i < spec.spatial; ++i)
            axes[static_cast<std::size_t>(max_spatial - spec.spatial + i)] = {
                spec.src.dims[2 + i],    dst.dims[2 + i],    spec.weights.dims[2 + i],
                spec.strides[i],         spec.dilations[i],  spec.pads_begin[i],
                spec.src.strides[2 + i], dst.strides[2 + i], spec.weights.strides[2 + i]};
        return axes;
    }

    /// Calls body(place) for each place within `extents`, the last axis fastest.
    template <class Body>
    static void for_each_place(const Place& extents, const Body& body) {
        Place place;
        for (place[0] = 0; place[0] < extents[0]; ++place[0])
            for (place[1] = 0; place[1] < extents[1]; ++place[1])
                for (place[2] = 0; place[2] < extents[2]; ++place[2]) body(place);
    }

    static std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

    Place extents(std::int64_t Axis::*extent) const { return {axes_[0].*extent, axes_[1].*extent, axes_[2].*extent}; }

    /// Where a tap of the kernel finds the source of a phase, beside the grid. False if it does not meet the phase.
    bool find(const Place& phase, const Place& kernel, Place& tap) const {
        for (std::size_t i = 0; i < max_spatial; ++i) {
            const std::int64_t distance = phase[i] - kernel[i] * axes_[i].dilation;
            if (distance % axes_[i].stride != 0) return false;
            tap[i] = distance / axes_[i].stride;
        }
        return true;
    }

    /// A part for each phase, or one for all.
    std::vector<Part> parts(bool joined) const {
        std::vector<Part> parts;
        for_each_place(extents(&Axis::stride), [&](const Place& phase) {
            if (parts.empty() || !joined) parts.emplace_back();
            parts.back().phases.push_back(phase);
        });
        for (Part& part : parts) complete(part);
        parts.erase(std::remove_if(parts.begin(), parts.end(), [](const Part& part) { return part.pixels == 0; }),
                    parts.end());
        return parts;
    }

    void complete(Part& part) const {
        for (const Place& phase : part.phases)
            for_each_place(extents(&Axis::kernel), [&](const Place& kernel) {
                Place tap;
                if (find(phase, kernel, tap) && std::find(part.taps.begin(), part.taps.end(), tap) == part.taps.end())
                    part.taps.push_back(tap);
            });
        if (part.taps.empty()) part.taps.push_back({});  // the bias alone
        part.pixels = images_;
        for (std::size_t i = 0; i < max_spatial; ++i) {
            const Axis& axis = axes_[i];
            std::int64_t last = 0;
            for (const Place& phase : part.phases) {
                const std::int64_t low = floor_div(axis.pad - phase[i] + axis.stride - 1, axis.stride);
                const std::int64_t high = floor_div(axis.dst - 1 + axis.pad - phase[i], axis.stride);
                const bool is_first = &phase == part.phases.data();
                part.first[i] = is_first ? low : std::min(part.first[i], low);
                last = is_first ? high : std::max(last, high);
            }
            part.count[i] = std::max<std::int64_t>(0, last - part.first[i] + 1);
            part.pixels *= part.count[i];
        }
        if (part.phases.size() > 1 && axes_.back().dst_stride == dst_channels_) part.piece = axes_.back().stride;
        part.channels = static_cast<std::int64_t>(part.phases.size()) * dst_channels_;
        part.width = (part.channels + limits_.lanes - 1) / limits_.lanes * limits_.lanes;
        part.panels = even_panels(part.width, limits_);
    }

    /// Products of a pixel's channel with a vector of weights.
    std::int64_t work(const std::vector<Part>& parts) const {
        std::int64_t products = 0;
        for (const Part& part : parts)
            for (const Panel& panel : part.panels) products += part.pixels * depth(part) * panel.vectors;
        return products;
    }

    /// Of the sums.
    std::int64_t depth(const Part& part) const { return static_cast<std::int64_t>(part.taps.size()) * src_channels_; }

    void pack(Part& part, const Builder& builder, const DeconvolutionSpec& spec) const {
        const auto* weights = reinterpret_cast<const float*>(builder.constant(1));
        const auto* bias = reinterpret_cast<const float*>(builder.constant(2));
        part.weights = AlignedMemory(sizeof(float) * static_cast<std::size_t>(part.width * depth(part)));
        part.bias = AlignedMemory(sizeof(float) * static_cast<std::size_t>(2 * part.width));
        auto* to_bias = reinterpret_cast<float*>(part.bias.get());
        std::fill_n(to_bias, 2 * part.width, 0.0F);
        for (std::int64_t c = 0; bias != nullptr && c < part.channels; ++c)
            to_bias[c] = bias[c % dst_channels_ * spec.bias.strides[0]];
        auto* to = reinterpret_cast<float*>(part.weights.get());
        std::fill_n(to, part.width * depth(part), 0.0F);
        for (std::size_t p = 0; p < part.phases.size(); ++p)
            for_each_place(extents(&Axis::kernel), [&](const Place& kernel) {
                Place tap;
                if (!find(part.phases[p], kernel, tap)) return;
                const float* from = weights;
                for (std::size_t i = 0; i < max_spatial; ++i) from += kernel[i] * axes_[i].kernel_stride;
                const auto at = std::find(part.taps.begin(), part.taps.end(), tap) - part.taps.begin();
                pack_tap(part, static_cast<std::int64_t>(p) * dst_channels_, at, from, spec.weights.strides, to);
            });
        builder.share(part.weights);
        builder.share(part.bias);
    }

    /// The weights of one tap for one phase, whose channels start at `first`.
    void pack_tap(const Part& part, std::int64_t first, std::int64_t tap, const float* from,
                  const std::int64_t* strides, float* weights) const {
        for (const Panel& panel : part.panels) {
            const std::int64_t begin = std::max(panel.channel, first);
            const std::int64_t end = std::min(panel.channel + panel.channels, first + dst_channels_);
            float* to = weights + panel.channel * depth(part) + tap * src_channels_ * panel.channels;
            for (std::int64_t k = 0; k < src_channels_; ++k)
                for (std::int64_t c = begin; c < end; ++c)
                    to[k * panel.channels + c - panel.channel] = from[k * strides[0] + (c - first) * strides[1]];
        }
    }

    /// Blocks of about as much work each, of which the results fit into the first cache, or into the second where the
    /// weights do not fit there, so that they are read less often.
    void add_items(Part& part) {
        part.tile_rows = even_rows(part.pixels, limits_);
        const std::int64_t cached_floats = part.width * depth(part) > 1 << 16 ? 1 << 16 : 1 << 13;
        const std::int64_t tiles = (part.pixels + part.tile_rows - 1) / part.tile_rows;
        const std::int64_t floats = part.pixels * (part.width + src_channels_);
        const std::int64_t least = std::clamp<std::int64_t>((floats + cached_floats / 2) / cached_floats, 1, tiles);
        const std::int64_t threads = max_threads();
        const std::int64_t blocks = std::min(tiles, (least + threads - 1) / threads * threads);
        for (std::int64_t i = 0; i < blocks; ++i) {
            const std::int64_t begin = std::min(part.pixels, tiles * i / blocks * part.tile_rows);
            const std::int64_t end = std::min(part.pixels, tiles * (i + 1) / blocks * part.tile_rows);
            items_.push_back({&part, begin, end});
            part.block = std::max(part.block, end - begin);
        }
    }

    static std::size_t table_bytes(const Part& part) {
        return aligned(sizeof(float*) * part.taps.size() * static_cast<std::size_t>(part.block));
    }

    /// Scratch memory of one thread: where the pixels of the source are, and a block's results.
    std::size_t slot_bytes() const {
        std::size_t bytes = 0;
        for (const Part& part : parts_) {
            const auto floats = static_cast<std::size_t>(part.block * part.width);
            bytes = std::max(bytes, table_bytes(part) + aligned(sizeof(float) * floats));
        }
        return bytes;
    }

    void run_item(const Item& item, const float* src, float* dst, std::byte* scratch) const {
        const Part& part = *item.part;
        auto** pixels = reinterpret_cast<const float**>(scratch);
        auto* results = reinterpret_cast<float*>(scratch + table_bytes(part));
        find_pixels(item, src, pixels);
        if (epilogue_.store().accumulate)
            for_each_piece(item, dst, results, [](const float* pixels_of_dst, float* result, std::int64_t count) {
                std::copy_n(pixels_of_dst, count, result);
            });
        for (const Panel& panel : part.panels) run_panel(item, panel, pixels, results);
        if (epilogue_.activates()) epilogue_.activate(results, (item.end - item.begin) * part.width);
        for_each_piece(item, dst, results, [](float* pixels_of_dst, const float* result, std::int64_t count) {
            std::copy_n(result, count, pixels_of_dst);
        });
    }

    /// Calls body(run) for the pixels of an item that lie side by side.
    template <class Body>
    void for_each_run(const Item& item, const Body& body) const {
        const Part& part = *item.part;
        constexpr std::size_t last = max_spatial - 1;
        Run run;
        for (std::int64_t i = item.begin; i < item.end; i += run.count) {
            std::int64_t rest = i;
            for (std::size_t axis = max_spatial; axis-- > 0; rest /= part.count[axis])
                run.grid[axis] = part.first[axis] + rest % part.count[axis];
            run.image = rest;
            run.index = i - item.begin;
            run.count = std::min(part.first[last] + part.count[last] - run.grid[last], item.end - i);
            body(run);
        }
    }

    /// [tap][pixel of the item]
    void find_pixels(const Item& item, const float* src, const float** pixels) const {
        const Axis& last = axes_.back();
        for_each_run(item, [&](const Run& run) {
            const float** to = pixels + run.index;
            for (const Place& tap : item.part->taps) {
                const float* row = src + run.image * src_image_;
                bool inside = true;
                for (std::size_t i = 0; i + 1 < max_spatial; ++i) {
                    const std::int64_t at = run.grid[i] + tap[i];
                    inside = inside && at >= 0 && at < axes_[i].src;
                    row += at * axes_[i].src_stride;
                }
                const std::int64_t begin = run.grid.back() + tap.back();
                for (std::int64_t i = 0; i < run.count; ++i)
                    to[i] = inside && begin + i >= 0 && begin + i < last.src
                                ? row + (begin + i) * last.src_stride
                                : reinterpret_cast<const float*>(zeros_.get());
                to += item.end - item.begin;
            }
        });
    }

    /// Calls body(pixels of dst, their results, floats) for all that lies side by side in dst and belongs to a pixel of
    /// the item.
    template <class Body>
    void for_each_piece(const Item& item, float* dst, float* results, const Body& body) const {
        const Part& part = *item.part;
        const Axis& last = axes_.back();
        for_each_run(item, [&](const Run& run) {
            for (std::size_t p = 0; p < part.phases.size(); p += static_cast<std::size_t>(part.piece)) {
                const Place& phase = part.phases[p];
                float* row = dst + run.image * dst_image_;
                bool inside = true;
                for (std::size_t i = 0; i + 1 < max_spatial; ++i) {
                    const std::int64_t at = run.grid[i] * axes_[i].stride + phase[i] - axes_[i].pad;
                    inside = inside && at >= 0 && at < axes_[i].dst;
                    row += at * axes_[i].dst_stride;
                }
                float* from = results + run.index * part.width + static_cast<std::int64_t>(p) * dst_channels_;
                std::int64_t at = run.grid.back() * last.stride + phase.back() - last.pad;
                for (std::int64_t i = 0; inside && i < run.count; ++i, at += last.stride, from += part.width) {
                    const std::int64_t begin = std::max<std::int64_t>(0, -at);
                    const std::int64_t end = std::min(part.piece, last.dst - at);
                    if (begin < end)
                        body(row + (at + begin) * last.dst_stride, from + begin * dst_channels_,
                             (end - begin) * dst_channels_);
                }
            }
        });
    }

    void run_panel(const Item& item, const Panel& panel, const float* const* pixels, float* results) const {
        const Part& part = *item.part;
        const std::int64_t count = item.end - item.begin;
        const auto* weights = reinterpret_cast<const float*>(part.weights.get()) + panel.channel * depth(part);
        const auto* bias = reinterpret_cast<const float*>(part.bias.get()) + panel.channel;
        const auto taps = static_cast<std::int64_t>(part.taps.size());
        PointwiseTile tile;
        tile.depth = src_channels_;
        tile.dst_pixel = part.width;
        tile.channels = limits_.lanes;
        for (std::int64_t first = 0; first < count; first += part.tile_rows) {
            const std::int64_t rows = std::min(part.tile_rows, count - first);
            const PointwiseFunction run_tile = pointwise_function(isa_, static_cast<int>(rows), panel.vectors);
            tile.dst = results + first * part.width + panel.channel;
            for (std::int64_t t = 0; t < taps; ++t) {
                tile.pixels = pixels + t * count + first;
                tile.weights = tile.ahead = weights + t * src_channels_ * panel.channels;
                tile.bias = t == 0 ? bias : bias + part.width;  // zeros follow
                tile.how = epilogue_.store();
                tile.how.accumulate = tile.how.accumulate || t > 0;
                tile.how.clamped = tile.how.clamped && t + 1 == taps;
                run_tile(tile);
            }
        }
    }

    std::array<Axis, max_spatial> axes_;
    std::int64_t images_, src_channels_, dst_channels_, src_image_, dst_image_;
    Isa isa_;
    TileLimits limits_;
    TileEpilogue epilogue_;
    AlignedMemory zeros_;
    std::vector<Part> parts_;
    std::vector<Item> items_;
};

}  // namespace igata::runtime
