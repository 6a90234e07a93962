// 1x1 convolution over channels-last f32 with constant weights. oneDNN's inner loops are a little faster; this one can
// scale its source while it reads it, applies activations block by block while the results are in the first cache, and
// fetches weights ahead, where oneDNN waits for those that are in no cache. With spec.bf16, weights are packed as bf16,
// and each block's pixels are rounded before it is computed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/epilogue.hpp"
#include "runtime/image_shape.hpp"
#include "runtime/isa.hpp"
#include "runtime/needs.hpp"
#include "runtime/operation.hpp"
#include "runtime/parallel.hpp"
#include "runtime/pointwise_tile.hpp"
#include "runtime/specs.hpp"
#include "runtime/tile_epilogue.hpp"

namespace igata::runtime {

class PointwiseConvolution final : public Operation {
public:
    /// Applies the first `inside` post-ops of the spec's epilogue, as TileEpilogue takes them, and its scale.
    PointwiseConvolution(const Builder& builder, const ConvolutionSpec& spec, const MemorySpec& dst, int inside,
                         Isa isa = detect_isa())
        : shape_(image_shape(spec, dst)),
          bf16_(spec.bf16),
          depth_(bf16_ ? (shape_.src_channels + 1) / 2 : shape_.src_channels),
          isa_(isa),
          limits_(tile_limits(isa)),
          panels_(even_panels(shape_.dst_channels, limits_)),
          epilogue_(spec.epilogue, inside, isa) {
        choose_blocks();
        pack(spec, reinterpret_cast<const float*>(builder.constant(1)),
             reinterpret_cast<const float*>(builder.constant(2)));
        for (AlignedMemory* memory : {&weights_, &bias_}) builder.share(*memory);
        if (spec.scale.is_present()) {
            scale_operand_ = spec.scale.operand_index;
            scale_image_ = spec.scale.memory.dims[0] > 1 ? spec.scale.memory.strides[0] : 0;
            copy_ = Versions<ScalePixels, const PixelCopies&>::get(isa);
        }
#if defined(__x86_64__)
        if constexpr (needs.has(Implementation::pointwise_bf16))
            if (bf16_) copy_ = Versions<RoundPixels, const PixelCopies&>::v4;
#endif
    }

    static bool fits(const Builder& builder, const ConvolutionSpec& spec) {
        if (!builder.is_packable(spec) || spec.spatial > 2 || spec.groups != 1) return false;
        const ImageShape s = image_shape(spec, spec.dst);
        if (s.images * s.dst_h * s.dst_w * s.src_channels * s.dst_channels == 0) return false;
        const bool one_tap = s.kernel_h * s.kernel_w == 1 && s.pad_top == 0 && s.pad_left == 0 &&
                             (s.dst_h - 1) * s.stride_h < s.src_h && (s.dst_w - 1) * s.stride_w < s.src_w;
        const bool channels_last = spec.src.strides[1] == 1 && spec.dst.strides[1] == 1 &&
                                   (s.dst_h == 1 || s.dst_row == s.dst_w * s.dst_pixel);
        return one_tap && channels_last && (!spec.scale.is_present() || spec.scale.memory.strides[1] == 1);
    }

    /// Whether it is measured to be the better choice: where oneDNN's way would take a pass more over the source or the
    /// result, where a call of oneDNN takes longer than the work, or where the weights are too many to be in a cache.
    /// What may run in strips or not is rounded alike in both.
    static bool pays(const ConvolutionSpec& spec) {
        const ImageShape s = image_shape(spec, spec.dst);
        const bool passes = InsideOps::preferred_count(spec.epilogue, spec.dst) < TileEpilogue::takes(spec.epilogue);
        const std::int64_t weights = s.dst_channels * s.src_channels;
        const bool little = s.dst_h * s.dst_w == 1 || (s.dst_channels >= 16 && s.dst_h * s.dst_w * weights <= 1 << 20);
        return spec.scale.is_present() || spec.streamed || passes || little || weights >= 1 << 17;
    }

    /// Whether bf16 is measured to be faster than f32, by anything: with enough channels that products outweigh
    /// stores.
    static bool pays_in_bf16(const ConvolutionSpec& spec) { return spec.src.dims[1] >= 16 && spec.dst.dims[1] >= 16; }

    std::string implementation() const override {
        return std::string("igata:pointwise:") + (bf16_ ? "bf16" : name_of(isa_));
    }

    std::size_t scratch_bytes() const override { return static_cast<std::size_t>(max_threads()) * slot_bytes(); }

    void run(const Frame& frame) const override {
        const auto* src = reinterpret_cast<const float*>(frame.operands[0]);
        auto* dst = reinterpret_cast<float*>(frame.operands[3]);
        const auto* scale = reinterpret_cast<const float*>(is_scaled() ? frame.operands[scale_operand_] : nullptr);
        const std::int64_t blocks = blocks_of_image();
        const std::int64_t columns = panel_parts(shape_.images * blocks);
        const std::int64_t work = block_ * shape_.dst_channels * shape_.src_channels / columns;
        parallel_parts(shape_.images * blocks * columns, 65536 / work + 1,
                       [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
                           std::byte* scratch = frame.scratch + static_cast<std::size_t>(part) * slot_bytes();
                           for (std::int64_t i = begin; i < end; ++i) {
                               const std::int64_t image = i / columns / blocks;
                               Block block;
                               block.src = src + image * shape_.src_image;
                               block.dst = dst + image * shape_.dst_image;
                               block.scale = is_scaled() ? scale + image * scale_image_ : nullptr;
                               block.first = first_pixel(i / columns % blocks, blocks);
                               block.count = first_pixel(i / columns % blocks + 1, blocks) - block.first;
                               block.panel_begin = first_panel(i % columns, columns);
                               block.panel_end = first_panel(i % columns + 1, columns);
                               run_block(block, scratch);
                           }
                       });
    }

    /// All weights, or those that it has not fetched itself by the time it needs them.
    std::vector<Constants> first_reads() const override {
        const bool few_tiles = pixels() <= tile_rows_ * 2 * limits_.vectors;
        const std::size_t panels = few_tiles ? panels_.size() : 1;
        std::int64_t vectors = 0;
        for (std::size_t p = 0; p < panels; ++p) vectors += panels_[p].vectors;
        return {{weights_.get(), sizeof(float) * static_cast<std::size_t>(vectors * limits_.lanes * depth_)}};
    }

    /// Only if it has tiles to spare.
    bool fetch_ahead(const std::vector<Constants>& later) override {
        if (pixels() == 1 || lines_a_tile() == 0) return false;
        const auto chunk = static_cast<std::size_t>(lines_a_tile() * cache_line) * sizeof(float);
        for (const Constants& constants : later)
            for (std::size_t at = 0; at < constants.bytes; at += chunk)
                later_.push_back(reinterpret_cast<const float*>(constants.data + at));
        return true;
    }

    /// Result pixels [begin, end) of one image; pixel 0 would lie at `dst`. `scratch`: slot_bytes() of the caller's
    /// own.
    void run_pixels(std::byte* const* operands, std::int64_t image, std::int64_t begin, std::int64_t end, float* dst,
                    std::byte* scratch) const {
        Block block;
        block.src = reinterpret_cast<const float*>(operands[0]) + image * shape_.src_image;
        block.dst = dst;
        block.scale =
            is_scaled() ? reinterpret_cast<const float*>(operands[scale_operand_]) + image * scale_image_ : nullptr;
        block.panel_begin = 0;
        block.panel_end = panels_.size();
        for (block.first = begin; block.first < end; block.first += block_) {
            block.count = std::min(block_, end - block.first);
            run_block(block, scratch);
        }
    }

    /// Scratch memory of one thread: a block's source pixels, and their scaled or rounded copies.
    std::size_t slot_bytes() const {
        const auto words = static_cast<std::size_t>(copy_ != nullptr ? block_ * copied_words() : 0);
        return table_bytes() + aligned(sizeof(float) * words);
    }

private:
    /// Result pixels [first, first + count) of one image, panels [panel_begin, panel_end).
    struct Block {
        const float* src;
        float* dst;
        const float* scale;  ///< of the source's channels, or null
        std::int64_t first, count;
        std::size_t panel_begin, panel_end;
    };

    /// How much a tile fetches: a line for two steps of its depth.
    std::int64_t lines_a_tile() const { return depth_ / 2; }
    bool is_scaled() const { return scale_operand_ > 0; }
    /// Of the copy of a pixel.
    std::int64_t copied_words() const { return bf16_ ? bf16_words(shape_.src_channels) : shape_.src_channels; }
    std::int64_t pixels() const { return shape_.dst_h * shape_.dst_w; }

    std::size_t table_bytes() const { return aligned(sizeof(float*) * static_cast<std::size_t>(block_)); }

    /// About as many tiles as keep source and result of a block in the first cache, or in the second where the weights
    /// do not fit there, so that they are read less often.
    void choose_blocks() {
        tile_rows_ = even_rows(pixels(), limits_);
        const bool many_weights = shape_.dst_channels * shape_.src_channels > 1 << 16;
        const std::int64_t cached_floats = many_weights ? 1 << 16 : 1 << 13;
        const std::int64_t floats = pixels() * (shape_.src_channels + shape_.dst_channels);
        least_blocks_ = std::clamp<std::int64_t>((floats + cached_floats / 2) / cached_floats, 1, tiles());
        block_ = (tiles() + least_blocks_ - 1) / least_blocks_ * tile_rows_;
    }

    std::int64_t tiles() const { return (pixels() + tile_rows_ - 1) / tile_rows_; }

    /// As many for each thread, unless there is but one: then they share its panels.
    std::int64_t blocks_of_image() const {
        const std::int64_t threads = max_threads();
        const bool even = least_blocks_ == 1 || shape_.images * least_blocks_ % threads == 0;
        return even ? least_blocks_ : std::min(tiles(), (least_blocks_ + threads - 1) / threads * threads);
    }

    /// Blocks are whole tiles, shared out evenly.
    std::int64_t first_pixel(std::int64_t block, std::int64_t blocks) const {
        return std::min(pixels(), tiles() * block / blocks * tile_rows_);
    }

    void pack(const ConvolutionSpec& spec, const float* weights, const float* bias) {
        const std::int64_t channels = (shape_.dst_channels + limits_.lanes - 1) / limits_.lanes * limits_.lanes;
        weights_ = AlignedMemory(sizeof(float) * static_cast<std::size_t>(channels * depth_));
        bias_ = AlignedMemory(sizeof(float) * static_cast<std::size_t>(channels));
        auto* to_bias = reinterpret_cast<float*>(bias_.get());
        for (std::int64_t c = 0; c < channels; ++c) {
            const bool there = bias != nullptr && c < shape_.dst_channels;
            to_bias[c] = there ? bias[c * spec.bias.strides[0]] : 0.0F;
        }
        const auto count = static_cast<std::int64_t>(panels_.size());
        const std::int64_t grain = 1 + 16384 / (panels_.front().channels * depth_);
        parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t p = begin; p < end; ++p) pack_panel(spec, weights, panels_[static_cast<std::size_t>(p)]);
        });
    }

    void pack_panel(const ConvolutionSpec& spec, const float* weights, const Panel& panel) const {
        const std::int64_t width = panel.vectors * limits_.lanes;
        const std::int64_t stride = spec.weights.strides[0];
        const std::int64_t next = spec.weights.strides[1];
        const float* from = weights + panel.channel * stride;
        auto* to = reinterpret_cast<float*>(weights_.get()) + weights_of(panel);
        for (std::int64_t k = 0; k < depth_; ++k, from += bf16_ ? 2 * next : next, to += width) {
            const bool is_pair = bf16_ && 2 * k + 1 < shape_.src_channels;
            for (std::int64_t c = 0; c < width; ++c) {
                const float first = c < panel.channels ? from[c * stride] : 0.0F;
                const float second = is_pair && c < panel.channels ? from[c * stride + next] : 0.0F;
                to[c] = bf16_ ? bf16_pair(first, second) : first;
            }
        }
    }

    /// In how many parts the panels are shared out, where sharing out blocks would leave a thread idle for longer.
    std::int64_t panel_parts(std::int64_t blocks) const {
        const std::int64_t threads = max_threads();
        const auto panels = static_cast<std::int64_t>(panels_.size());
        const auto longest = [&](std::int64_t items) {
            return static_cast<double>((items + threads - 1) / threads) / static_cast<double>(items);
        };
        return threads > 1 && panels >= threads && longest(panels) < longest(blocks) - 0.02 ? threads : 1;
    }

    /// Where a panel's weights start in the packed ones.
    std::int64_t weights_of(const Panel& panel) const { return panel.channel * depth_; }

    std::size_t first_panel(std::int64_t part, std::int64_t parts) const {
        return panels_.size() * static_cast<std::size_t>(part) / static_cast<std::size_t>(parts);
    }

    void run_block(const Block& block, std::byte* scratch) const {
        auto** pixels = reinterpret_cast<const float**>(scratch);
        find_pixels(block, pixels);
        if (copy_ != nullptr)
            copy_({pixels, block.count, shape_.src_channels, block.scale,
                   reinterpret_cast<float*>(scratch + table_bytes()), copied_words()});
        std::size_t fetched = block.first + block.count == this->pixels() ? 0 : later_.size();
        for (std::size_t p = block.panel_begin; p < block.panel_end; ++p) run_panel(block, p, pixels, fetched);
        activate(block);
    }

    void find_pixels(const Block& block, const float** pixels) const {
        std::int64_t column = block.first % shape_.dst_w;
        const float* row = block.src + block.first / shape_.dst_w * shape_.stride_h * shape_.src_row;
        for (std::int64_t i = 0; i < block.count; ++i) {
            pixels[i] = row + column * shape_.stride_w * shape_.src_pixel;
            if (++column < shape_.dst_w) continue;
            column = 0;
            row += shape_.stride_h * shape_.src_row;
        }
    }

    PointwiseFunction function(std::int64_t rows, const Panel& panel) const {
        const int count = static_cast<int>(rows);
        return bf16_ ? pointwise_bf16_function(count, panel.vectors) : pointwise_function(isa_, count, panel.vectors);
    }

    /// `fetched`: how much of what later operations need has been fetched.
    void run_panel(const Block& block, std::size_t index, const float* const* pixels, std::size_t& fetched) const {
        const Panel& panel = panels_[index];
        const auto* weights = reinterpret_cast<const float*>(weights_.get());
        PointwiseTile tile;
        tile.weights = weights + weights_of(panel);
        tile.depth = depth_;
        tile.bias = reinterpret_cast<const float*>(bias_.get()) + panel.channel;
        tile.dst_pixel = shape_.dst_pixel;
        tile.channels = panel.channels - (panel.vectors - 1) * limits_.lanes;
        tile.how = epilogue_.store();
        // In the first block the next panel's weights are not in the second cache yet: `vectors` lines for each step of
        // the depth. The tiles after that, in the last block, fetch for later operations.
        const bool is_cold = block.first == 0 && index + 1 < block.panel_end;
        const std::int64_t tiles_ahead = is_cold ? 2 * panel.vectors : 0;
        PointwiseFunction run_tile = function(tile_rows_, panel);
        for (std::int64_t i = 0; i * tile_rows_ < block.count; ++i) {
            const std::int64_t first = i * tile_rows_;
            const std::int64_t rows = std::min(tile_rows_, block.count - first);
            if (rows < tile_rows_) run_tile = function(rows, panel);
            tile.pixels = pixels + first;
            tile.dst = block.dst + (block.first + first) * shape_.dst_pixel + panel.channel;
            tile.ahead = tile.weights;
            if (i < tiles_ahead)
                tile.ahead = weights + weights_of(panels_[index + 1]) + i * lines_a_tile() * cache_line;
            else if (fetched < later_.size()) tile.ahead = later_[fetched++];
            run_tile(tile);
        }
    }

    void activate(const Block& block) const {
        if (!epilogue_.activates() || block.panel_begin == block.panel_end) return;
        const std::int64_t begin = panels_[block.panel_begin].channel;
        const Panel& last = panels_[block.panel_end - 1];
        const std::int64_t channels = last.channel + last.channels - begin;
        const bool dense = channels == shape_.dst_pixel;
        const std::int64_t runs = dense ? 1 : block.count;
        const std::int64_t length = dense ? block.count * channels : channels;
        float* dst = block.dst + block.first * shape_.dst_pixel + begin;
        for (std::int64_t i = 0; i < runs; ++i) epilogue_.activate(dst + i * shape_.dst_pixel, length);
    }

    ImageShape shape_;
    bool bf16_;
    std::int64_t depth_;  ///< words of 32 bits: input channels, or pairs of them
    Isa isa_;
    TileLimits limits_;
    std::vector<Panel> panels_;
    std::int64_t tile_rows_ = 1;
    std::int64_t block_ = 1;  ///< most pixels of a block, a multiple of tile_rows_
    std::int64_t least_blocks_ = 1;
    AlignedMemory weights_, bias_;
    int scale_operand_ = 0;
    std::int64_t scale_image_ = 0;
    void (*copy_)(const PixelCopies&) = nullptr;  ///< null: pixels are read where they are
    TileEpilogue epilogue_;
    std::vector<const float*> later_;  ///< what a tile each fetches for later operations
};

}  // namespace igata::runtime
