// From a picture file to a predictor's input.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/predictor_tensor.hpp"

namespace igata::cli {

/// How pictures are prepared: value = (pixel * scale - mean) / std per channel, pixels 0..255.
struct ImageOptions {
    enum class Resize { stretch, crop, fit };
    Resize resize =
        Resize::stretch;  ///< to the input's size; crop: fill it and cut the rest; fit: whole, with black borders
    bool bgr = false;
    std::string layout;  ///< `nhwc`, `nchw`; empty: by where the input has 1, 3 or 4 channels
    double scale = 1.0;
    std::vector<double> mean;  ///< empty: 0; one: for all channels
    std::vector<double> std;   ///< empty: 1
};

/// Where an input has its rows, columns and channels, and how many pictures it takes at once.
struct ImageShape {
    std::int64_t batch = 1, height = 0, width = 0, channels = 0;
    bool channels_last = true;
};

/// Throws Failure (2) if the input does not look like a picture.
ImageShape image_shape(const igata_tensor_info& input, const ImageOptions& options);

/// Reads PNG, JPEG, BMP, ... and writes it as picture number `slot` of `input`. Throws Failure (4).
void load_image(const std::string& path, const ImageOptions& options, const ImageShape& shape, std::int64_t slot,
                Tensor& input);

}  // namespace igata::cli
