// 3x3 convolution over channels-last f32 with constant weights by Winograd's minimal filtering: tiles of 4x4 results
// take 4 times fewer multiplications, 2x2 take 2.25 times fewer. They are one small matrix product for each element of
// the transformed tiles.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/image_shape.hpp"
#include "runtime/isa.hpp"
#include "runtime/operation.hpp"
#include "runtime/parallel.hpp"
#include "runtime/pointwise_tile.hpp"
#include "runtime/specs.hpp"
#include "runtime/tile_epilogue.hpp"
#include "runtime/winograd_transform.hpp"

namespace igata::runtime {

/// Tiles of `outputs` x `outputs` results, 2 or 4.
template <int outputs>
class WinogradConvolution final : public Operation {
public:
    /// Applies the first `inside` post-ops of the spec's epilogue, as TileEpilogue takes them.
    WinogradConvolution(const Builder& builder, const ConvolutionSpec& spec, const MemorySpec& dst, int inside,
                        Isa isa = detect_isa())
        : shape_(image_shape(spec, dst)),
          isa_(isa),
          limits_(tile_limits(isa)),
          panels_(even_panels(shape_.dst_channels, limits_)),
          tiles_w_((shape_.dst_w + outputs - 1) / outputs),
          tiles_((shape_.dst_h + outputs - 1) / outputs * tiles_w_),
          epilogue_(spec.epilogue, inside, isa),
          transform_input_(Versions<WinogradInput<outputs>, const WinogradSource&>::get(isa)),
          transform_output_(Versions<WinogradOutput<outputs>, const WinogradResult&>::get(isa)) {
        for (const Panel& panel : panels_) width_ = std::max(width_, width_of(panel));
        choose_blocks();
        pack(spec, reinterpret_cast<const float*>(builder.constant(1)),
             reinterpret_cast<const float*>(builder.constant(2)));
        for (AlignedMemory* memory : {&weights_, &bias_, &zeros_}) builder.share(*memory);
    }

    static bool fits(const Builder& builder, const ConvolutionSpec& spec) {
        if (!builder.is_packable(spec) || spec.spatial != 2 || spec.groups != 1) return false;
        const ImageShape s = image_shape(spec, spec.dst);
        if (s.images * s.dst_h * s.dst_w * s.src_channels * s.dst_channels == 0) return false;
        const bool plain = s.kernel_h == 3 && s.kernel_w == 3 && s.stride_h == 1 && s.stride_w == 1 &&
                           s.dilation_h == 1 && s.dilation_w == 1;
        const bool elsewhere = spec.scale.is_present() || spec.mean.is_present();
        return plain && !elsewhere && spec.src.strides[1] == 1 && spec.dst.strides[1] == 1;
    }

    /// Whether it is measured to be the better choice: with enough channels that products outweigh transforms, and
    /// enough tiles in one image that the weights, which are more than before, are worth reading. With AVX-512 all
    /// computing is faster, reading is not.
    static bool pays(const ConvolutionSpec& spec, Isa isa) {
        const ImageShape s = image_shape(spec, spec.dst);
        const std::int64_t tiles = (s.dst_h + outputs - 1) / outputs * ((s.dst_w + outputs - 1) / outputs);
        const std::int64_t least = outputs == 4 ? 1 << 10 : 1 << 12;
        return tiles >= (isa == Isa::v4 ? 25 : 16) && s.src_channels >= 16 && s.src_channels * s.dst_channels >= least;
    }

    std::string implementation() const override {
        return "igata:winograd" + std::to_string(outputs) + ":" + name_of(isa_);
    }

    std::size_t scratch_bytes() const override { return static_cast<std::size_t>(max_threads()) * slot_bytes(); }

    void run(const Frame& frame) const override {
        const auto* src = reinterpret_cast<const float*>(frame.operands[0]);
        auto* dst = reinterpret_cast<float*>(frame.operands[3]);
        const std::int64_t blocks = blocks_of_image();
        const std::int64_t work = block_tiles() * shape_.dst_channels * shape_.src_channels;
        parallel_parts(
            shape_.images * blocks, 8192 / work + 1, [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
                const Scratch scratch(*this, frame.scratch + static_cast<std::size_t>(part) * slot_bytes());
                for (std::int64_t i = begin; i < end; ++i) {
                    const std::int64_t image = i / blocks;
                    const std::int64_t b = i % blocks;
                    const bool is_last = image + 1 == shape_.images;
                    const auto fetches = is_last ? static_cast<std::int64_t>(later_.size()) : 0;
                    run_block({src + image * shape_.src_image, dst + image * shape_.dst_image, tiles_ * b / blocks,
                               tiles_ * (b + 1) / blocks, static_cast<std::size_t>(fetches * b / blocks),
                               static_cast<std::size_t>(fetches * (b + 1) / blocks)},
                              scratch);
                }
            });
    }

    std::vector<Constants> first_reads() const override {
        const std::int64_t floats = elements * shape_.src_channels * padded_channels();
        return {{weights_.get(), sizeof(float) * static_cast<std::size_t>(floats)}};
    }

    bool fetch_ahead(const std::vector<Constants>& later) override {
        const auto chunk = static_cast<std::size_t>(lines_a_tile() * cache_line) * sizeof(float);
        for (const Constants& constants : later)
            for (std::size_t at = 0; chunk > 0 && at < constants.bytes; at += chunk)
                later_.push_back(reinterpret_cast<const float*>(constants.data + at));
        return chunk > 0;
    }

private:
    static constexpr std::int64_t points = Winograd<outputs>::points;
    static constexpr std::int64_t elements = points * points;  ///< of a transformed tile

    /// Tiles [begin, end) of one image, and what is left to fetch meanwhile for later operations.
    struct Block {
        const float* src;
        float* dst;
        std::int64_t begin, end;
        std::size_t fetch_begin, fetch_end;
    };

    /// Memory of one thread. For each element of a tile: inputs [tile][input channel], the addresses of their rows, and
    /// products [tile][channel of the panel].
    struct Scratch {
        float* inputs;
        float* products;
        const float** rows;

        Scratch(const WinogradConvolution& c, std::byte* start)
            : inputs(reinterpret_cast<float*>(start)),
              products(inputs + elements * c.input_plane()),
              rows(reinterpret_cast<const float**>(products + elements * c.product_plane())) {
            for (std::int64_t e = 0; e < elements; ++e)
                for (std::int64_t t = 0; t < c.block_tiles(); ++t)
                    rows[e * c.block_tiles() + t] = inputs + e * c.input_plane() + t * c.shape_.src_channels;
        }
    };

    std::int64_t width_of(const Panel& panel) const { return panel.vectors * std::int64_t{limits_.lanes}; }
    std::int64_t weights_of(const Panel& panel) const { return shape_.src_channels * width_of(panel); }
    std::int64_t padded_channels() const { return panels_.back().channel + width_of(panels_.back()); }

    /// How much a tile fetches: a line for two of its input channels.
    std::int64_t lines_a_tile() const { return shape_.src_channels / 2; }

    /// Whole register tiles. Inputs of few tiles stay in the first cache, as long as the second has all weights for the
    /// next ones; otherwise the weights, which come from further away, should serve as many tiles as possible.
    void choose_blocks() {
        const std::int64_t depth = elements * shape_.src_channels;
        const bool many_weights = depth * shape_.dst_channels >= 1 << 18;
        const std::int64_t tiles = (many_weights ? 1 << 19 : 1 << 14) / depth;
        const std::int64_t most = std::max<std::int64_t>(1, (tiles + limits_.rows / 2) / limits_.rows) * limits_.rows;
        least_blocks_ = (tiles_ + most - 1) / most;
    }

    /// As many more as give all threads the same work.
    std::int64_t blocks_of_image() const {
        const std::int64_t threads = max_threads();
        const std::int64_t all = shape_.images * least_blocks_;
        const bool even = all % threads == 0 || all >= 8 * threads;
        return even ? least_blocks_ : std::min(tiles_, (least_blocks_ + threads - 1) / threads * threads);
    }
    std::int64_t block_tiles() const { return (tiles_ + blocks_of_image() - 1) / blocks_of_image(); }

    /// An odd number of cache lines, so that one tile's elements are in different sets of the caches.
    static std::int64_t plane(std::int64_t floats) { return ((floats + cache_line - 1) / cache_line | 1) * cache_line; }
    std::int64_t input_plane() const { return plane(block_tiles() * shape_.src_channels); }
    std::int64_t product_plane() const { return plane(block_tiles() * width_); }
    std::size_t slot_bytes() const {
        const auto floats = static_cast<std::size_t>(elements * (input_plane() + product_plane()));
        return aligned(sizeof(float) * floats + sizeof(float*) * static_cast<std::size_t>(elements * block_tiles()));
    }

    /// Weights: [panel][element][input channel][channel of the panel].
    void pack(const ConvolutionSpec& spec, const float* weights, const float* bias) {
        const std::int64_t channels = padded_channels();
        const std::int64_t zeros = std::max(shape_.src_channels, width_);
        weights_ = AlignedMemory(sizeof(float) * static_cast<std::size_t>(elements * shape_.src_channels * channels));
        bias_ = AlignedMemory(sizeof(float) * static_cast<std::size_t>(channels));
        zeros_ = AlignedMemory(sizeof(float) * static_cast<std::size_t>(zeros));
        std::fill_n(reinterpret_cast<float*>(zeros_.get()), zeros, 0.0F);
        auto* to_bias = reinterpret_cast<float*>(bias_.get());
        for (std::int64_t c = 0; c < channels; ++c) {
            const bool there = bias != nullptr && c < shape_.dst_channels;
            to_bias[c] = there ? bias[c * spec.bias.strides[0]] : 0.0F;
        }
        const auto count = static_cast<std::int64_t>(panels_.size());
        parallel_for(count, 1 + 2048 / weights_of(panels_.front()), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t p = begin; p < end; ++p) pack_panel(spec, weights, panels_[static_cast<std::size_t>(p)]);
        });
    }

    void pack_panel(const ConvolutionSpec& spec, const float* weights, const Panel& panel) const {
        const std::int64_t* strides = spec.weights.strides;
        const float* from = weights + panel.channel * strides[0];
        const std::int64_t width = width_of(panel);
        auto* to = reinterpret_cast<float*>(weights_.get()) + elements * shape_.src_channels * panel.channel;
        const auto transform = Versions<WinogradFilter<outputs>, const WinogradFilters&>::get(isa_);
        for (std::int64_t k = 0; k < shape_.src_channels; ++k)
            transform({from + k * strides[1], strides[0], strides[2], strides[3], panel.channels, to + k * width,
                       weights_of(panel)});
    }

    void run_block(Block block, const Scratch& scratch) const {
        transform_inputs(block, scratch);
        const auto* weights = reinterpret_cast<const float*>(weights_.get());
        for (const Panel& panel : panels_) {
            multiply(block, panel, weights, scratch);
            transform_products(block, panel, scratch);
            weights += elements * weights_of(panel);
        }
        if (epilogue_.activates()) activate(block);
    }

    void transform_inputs(const Block& block, const Scratch& scratch) const {
        const auto* zeros = reinterpret_cast<const float*>(zeros_.get());
        const float* pixels[elements];
        WinogradSource source{pixels, shape_.src_channels, scratch.inputs, input_plane()};
        for (std::int64_t t = block.begin; t < block.end; ++t, source.to += shape_.src_channels) {
            const std::int64_t top = t / tiles_w_ * outputs - shape_.pad_top;
            const std::int64_t left = t % tiles_w_ * outputs - shape_.pad_left;
            for (std::int64_t e = 0; e < elements; ++e) {
                const std::int64_t y = top + e / points;
                const std::int64_t x = left + e % points;
                const bool there = y >= 0 && y < shape_.src_h && x >= 0 && x < shape_.src_w;
                pixels[e] = there ? block.src + y * shape_.src_row + x * shape_.src_pixel : zeros;
            }
            transform_input_(source);
        }
    }

    void multiply(Block& block, const Panel& panel, const float* weights, const Scratch& scratch) const {
        const std::int64_t count = block.end - block.begin;
        const std::int64_t rows = even_rows(count, limits_);
        const bool is_last = panel.channel + panel.channels == shape_.dst_channels;
        PointwiseTile tile;
        tile.depth = shape_.src_channels;
        tile.bias = reinterpret_cast<const float*>(zeros_.get());
        tile.dst_pixel = width_of(panel);
        tile.channels = limits_.lanes;
        for (std::int64_t e = 0; e < elements; ++e, weights += weights_of(panel)) {
            // In the first block the next weights are not in the second cache yet: `vectors` lines for each input
            // channel. Other tiles fetch for later operations.
            const bool is_cold = block.begin == 0 && (!is_last || e + 1 < elements);
            const std::int64_t tiles_ahead = is_cold ? 2 * panel.vectors : 0;
            tile.weights = weights;
            PointwiseFunction function = pointwise_function(isa_, static_cast<int>(rows), panel.vectors);
            for (std::int64_t i = 0; i * rows < count; ++i) {
                const std::int64_t rest = count - i * rows;
                if (rest < rows) function = pointwise_function(isa_, static_cast<int>(rest), panel.vectors);
                tile.pixels = scratch.rows + e * block_tiles() + i * rows;
                tile.dst = scratch.products + e * product_plane() + i * rows * tile.dst_pixel;
                tile.ahead = weights;
                if (i < tiles_ahead) tile.ahead = weights + weights_of(panel) + i * lines_a_tile() * cache_line;
                else if (block.fetch_begin < block.fetch_end) tile.ahead = later_[block.fetch_begin++];
                function(tile);
            }
        }
    }

    void transform_products(const Block& block, const Panel& panel, const Scratch& scratch) const {
        WinogradResult result;
        result.plane = product_plane();
        result.dst_row = shape_.dst_row;
        result.dst_pixel = shape_.dst_pixel;
        result.channels = panel.channels;
        result.bias = reinterpret_cast<const float*>(bias_.get()) + panel.channel;
        result.how = epilogue_.store();
        result.products = scratch.products;
        for (std::int64_t t = block.begin; t < block.end; ++t, result.products += width_of(panel)) {
            const std::int64_t y = t / tiles_w_ * outputs;
            const std::int64_t x = t % tiles_w_ * outputs;
            result.dst = block.dst + y * shape_.dst_row + x * shape_.dst_pixel + panel.channel;
            result.rows = std::min<std::int64_t>(outputs, shape_.dst_h - y);
            result.columns = std::min<std::int64_t>(outputs, shape_.dst_w - x);
            transform_output_(result);
        }
    }

    void activate(const Block& block) const {
        for (std::int64_t t = block.begin; t < block.end; ++t) {
            const std::int64_t top = t / tiles_w_ * outputs;
            const std::int64_t left = t % tiles_w_ * outputs;
            for (std::int64_t y = top; y < std::min(top + outputs, shape_.dst_h); ++y)
                for (std::int64_t x = left; x < std::min(left + outputs, shape_.dst_w); ++x)
                    epilogue_.activate(block.dst + y * shape_.dst_row + x * shape_.dst_pixel, shape_.dst_channels);
        }
    }

    ImageShape shape_;
    Isa isa_;
    TileLimits limits_;
    std::vector<Panel> panels_;
    std::int64_t width_ = 0;  ///< of the widest panel
    std::int64_t tiles_w_, tiles_;
    std::int64_t least_blocks_ = 1;
    AlignedMemory weights_, bias_, zeros_;
    TileEpilogue epilogue_;
    std::vector<const float*> later_;  ///< what a tile each fetches for later operations
    void (*transform_input_)(const WinogradSource&);
    void (*transform_output_)(const WinogradResult&);
};

}  // namespace igata::runtime
