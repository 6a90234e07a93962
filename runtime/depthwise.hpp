// Depthwise convolution over channels-last f32. Each tile of results is made in registers, activated while it is in the
// first cache, and added to the sums of its channels, so that the mean of the result costs no pass of its own.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/depthwise_strip.hpp"
#include "runtime/eltwise.hpp"
#include "runtime/image_shape.hpp"
#include "runtime/isa.hpp"
#include "runtime/operation.hpp"
#include "runtime/parallel.hpp"
#include "runtime/specs.hpp"

namespace igata::runtime {

class DepthwiseConvolution final : public Operation {
public:
    /// `eltwise` leading post-ops of the spec's epilogue are applied here, and the mean, if it is the mean of that.
    DepthwiseConvolution(const Builder& builder, const ConvolutionSpec& spec, const MemorySpec& dst, int eltwise,
                         Isa isa = detect_isa())
        : shape_(image_shape(spec, dst)),
          mean_(spec.mean),
          strips_(count_strips(shape_.dst_h)),
          chunks_(std::max<std::int64_t>(1, shape_.dst_channels / chunk_channels)),
          weights_(sizeof(float) * static_cast<std::size_t>(shape_.dst_channels * shape_.kernel_h * shape_.kernel_w)),
          bias_(sizeof(float) * static_cast<std::size_t>(shape_.dst_channels)),
          isa_(isa),
          strip_(Versions<DepthwiseStrip, const ImageShape&, const DepthwisePart&>::get(isa)) {
        pack(spec, reinterpret_cast<const float*>(builder.constant(1)),
             reinterpret_cast<const float*>(builder.constant(2)));
        for (AlignedMemory* memory : {&weights_, &bias_}) builder.share(*memory);
        for (int i = 0; i < eltwise; ++i) activations_.append(spec.epilogue.ops[i], isa);
    }

    /// Channels last, one filter a channel, constant weights.
    static bool fits(const Builder& builder, const ConvolutionSpec& spec) {
        return builder.is_packable(spec) && spec.spatial <= 2 && spec.groups == spec.src.dims[1] &&
               spec.groups == spec.dst.dims[1] && spec.groups > 1 && spec.src.strides[1] == 1 &&
               spec.dst.strides[1] == 1;
    }

    /// How many leading post-ops it applies itself.
    static int eltwise_count(const Epilogue& epilogue) {
        int count = 0;
        while (count < epilogue.count && epilogue.ops[count].kind == PostOp::Kind::eltwise) ++count;
        return count;
    }

    std::string implementation() const override { return std::string("igata:depthwise:") + name_of(isa_); }

    /// Sums of every strip of rows, so that they do not depend on the number of threads.
    std::size_t scratch_bytes() const override {
        if (!mean_.is_present()) return 0;
        return sizeof(float) * static_cast<std::size_t>(shape_.images * strips_ * shape_.dst_channels);
    }

    void run(const Frame& frame) const override {
        const auto* src = reinterpret_cast<const float*>(frame.operands[0]);
        const std::int64_t work = DepthwiseStrip::most_rows * shape_.dst_w * shape_.kernel_h * shape_.kernel_w *
                                  (shape_.dst_channels / chunks_);
        parallel_for(shape_.images * chunks_ * strips_, 65536 / work + 1, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i) {
                const std::int64_t image = i / (chunks_ * strips_);
                run_chunk(image, i % strips_, i / strips_ % chunks_, src + image * shape_.src_image, frame.operands,
                          frame.scratch);
            }
        });
        finish(frame.operands, frame.scratch);
    }

    std::vector<Constants> first_reads() const override {
        const std::int64_t floats = shape_.dst_channels * shape_.kernel_h * shape_.kernel_w;
        return {{weights_.get(), sizeof(float) * static_cast<std::size_t>(floats)}};
    }

    std::int64_t strips() const { return strips_; }
    /// The first row of results of a strip.
    std::int64_t first_row(std::int64_t strip) const { return shape_.dst_h * strip / strips_; }

    /// A strip of one image, whose row 0 would lie at `src`. `scratch`: scratch_bytes(), shared by all strips.
    void run_strip(std::int64_t image, std::int64_t strip, const float* src, std::byte* const* operands,
                   std::byte* scratch) const {
        for (std::int64_t chunk = 0; chunk < chunks_; ++chunk) run_chunk(image, strip, chunk, src, operands, scratch);
    }

    /// After all strips.
    void finish(std::byte* const* operands, const std::byte* scratch) const {
        if (mean_.is_present())
            store_mean(reinterpret_cast<const float*>(scratch),
                       reinterpret_cast<float*>(operands[mean_.operand_index]));
    }

private:
    static constexpr std::int64_t chunk_channels = 128;

    /// An even number, if there are several: for two threads.
    static std::int64_t count_strips(std::int64_t rows) {
        const std::int64_t least = (rows + DepthwiseStrip::most_rows - 1) / DepthwiseStrip::most_rows;
        return least > 1 ? std::min(rows, (least + 1) / 2 * 2) : 1;
    }

    void run_chunk(std::int64_t image, std::int64_t strip, std::int64_t chunk, const float* src,
                   std::byte* const* operands, std::byte* scratch) const {
        auto* sums = mean_.is_present()
                         ? reinterpret_cast<float*>(scratch) + (image * strips_ + strip) * shape_.dst_channels
                         : nullptr;
        strip_(shape_,
               {src, reinterpret_cast<const float*>(weights_.get()), reinterpret_cast<const float*>(bias_.get()),
                reinterpret_cast<float*>(operands[3]) + image * shape_.dst_image, sums, activations_, first_row(strip),
                first_row(strip + 1), first_channel(chunk), first_channel(chunk + 1)});
    }

    /// Whole vectors of the widest instruction set, but for the last chunk.
    std::int64_t first_channel(std::int64_t chunk) const {
        return chunk == chunks_ ? shape_.dst_channels : shape_.dst_channels * chunk / chunks_ / 16 * 16;
    }

    void store_mean(const float* sums, float* mean) const {
        const auto count = static_cast<float>(shape_.dst_h * shape_.dst_w);
        const MemorySpec& to = mean_.memory;
        for (std::int64_t image = 0; image < shape_.images; ++image, sums += strips_ * shape_.dst_channels) {
            for (std::int64_t c = 0; c < shape_.dst_channels; ++c) {
                float sum = 0.0F;
                for (std::int64_t strip = 0; strip < strips_; ++strip) sum += sums[strip * shape_.dst_channels + c];
                mean[image * to.strides[0] + c * to.strides[1]] = sum / count;
            }
        }
    }

    void pack(const ConvolutionSpec& spec, const float* weights, const float* bias) {
        auto* packed = reinterpret_cast<float*>(weights_.get());
        auto* packed_bias = reinterpret_cast<float*>(bias_.get());
        const bool flat = spec.spatial == 1;
        for (std::int64_t c = 0; c < shape_.dst_channels; ++c) {
            packed_bias[c] = bias != nullptr ? bias[c * spec.bias.strides[0]] : 0.0F;
            for (std::int64_t h = 0; h < shape_.kernel_h; ++h) {
                for (std::int64_t w = 0; w < shape_.kernel_w; ++w) {
                    const std::int64_t index[4] = {c, 0, flat ? w : h, w};
                    std::int64_t offset = 0;
                    for (int i = 0; i < spec.weights.rank; ++i) offset += index[i] * spec.weights.strides[i];
                    packed[(h * shape_.kernel_w + w) * shape_.dst_channels + c] = weights[offset];
                }
            }
        }
    }

    ImageShape shape_;
    OptionalOperand mean_;
    std::int64_t strips_, chunks_;
    AlignedMemory weights_, bias_;
    Isa isa_;
    decltype(Versions<DepthwiseStrip, const ImageShape&, const DepthwisePart&>::get()) strip_;
    Activations activations_;
};

}  // namespace igata::runtime
