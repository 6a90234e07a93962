// The geometry of a convolution over images, read from its spec once.
#pragma once

#include <cstdint>

#include "runtime/specs.hpp"

namespace igata::runtime {

/// Two spatial axes; one axis is an image of one row. Strides in elements.
struct ImageShape {
    std::int64_t images, src_channels, dst_channels;
    std::int64_t src_h, src_w, dst_h, dst_w, kernel_h, kernel_w;
    std::int64_t stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
    std::int64_t src_image, src_row, src_pixel, dst_image, dst_row, dst_pixel;
};

/// `dst`: where the result lies, in place of spec.dst. One or two spatial axes.
inline ImageShape image_shape(const ConvolutionSpec& spec, const MemorySpec& dst) {
    const bool flat = spec.spatial == 1;
    const int w = flat ? 0 : 1;
    ImageShape s = {};
    s.images = dst.dims[0];
    s.src_channels = spec.src.dims[1];
    s.dst_channels = dst.dims[1];
    s.src_h = flat ? 1 : spec.src.dims[2];
    s.src_w = spec.src.dims[2 + w];
    s.dst_h = flat ? 1 : dst.dims[2];
    s.dst_w = dst.dims[2 + w];
    s.kernel_h = flat ? 1 : spec.weights.dims[2];
    s.kernel_w = spec.weights.dims[2 + w];
    s.stride_h = flat ? 1 : spec.strides[0];
    s.stride_w = spec.strides[w];
    s.dilation_h = flat ? 1 : spec.dilations[0];
    s.dilation_w = spec.dilations[w];
    s.pad_top = flat ? 0 : spec.pads_begin[0];
    s.pad_left = spec.pads_begin[w];
    s.src_image = spec.src.strides[0];
    s.src_row = flat ? 0 : spec.src.strides[2];
    s.src_pixel = spec.src.strides[2 + w];
    s.dst_image = dst.strides[0];
    s.dst_row = flat ? 0 : dst.strides[2];
    s.dst_pixel = dst.strides[2 + w];
    return s;
}

}  // namespace igata::runtime
