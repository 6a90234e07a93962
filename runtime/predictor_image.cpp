#include "runtime/predictor_image.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wimplicit-fallthrough"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wshadow"
#endif
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#include <stb/stb_image.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace igata::cli {

namespace {

/// 8-bit pixels, channels innermost.
struct Image {
    std::int64_t height = 0, width = 0, channels = 0;
    std::vector<unsigned char> pixels;

    Image(std::int64_t h, std::int64_t w, std::int64_t c) : height(h), width(w), channels(c) {
        pixels.resize(static_cast<std::size_t>(h * w * c));
    }
    unsigned char& at(std::int64_t y, std::int64_t x, std::int64_t c) {
        return pixels[static_cast<std::size_t>((y * width + x) * channels + c)];
    }
    unsigned char at(std::int64_t y, std::int64_t x, std::int64_t c) const {
        return pixels[static_cast<std::size_t>((y * width + x) * channels + c)];
    }
};

/// The source pixels of one result pixel and their weights.
struct Taps {
    std::int64_t first = 0;
    std::vector<double> weights;
};

/// A triangle filter as wide as a source pixel, or as a result pixel when shrinking: PIL's BILINEAR.
std::vector<Taps> bilinear(std::int64_t from, std::int64_t to) {
    const double step = static_cast<double>(from) / static_cast<double>(to);
    const double support = std::max(step, 1.0);
    std::vector<Taps> all(static_cast<std::size_t>(to));
    for (std::int64_t i = 0; i < to; ++i) {
        Taps& taps = all[static_cast<std::size_t>(i)];
        const double center = (static_cast<double>(i) + 0.5) * step;
        taps.first = std::max<std::int64_t>(0, static_cast<std::int64_t>(center - support + 0.5));
        const std::int64_t last = std::min(from, static_cast<std::int64_t>(center + support + 0.5));
        double sum = 0.0;
        for (std::int64_t x = taps.first; x < last; ++x) {
            const double distance = std::abs((static_cast<double>(x) - center + 0.5) / support);
            taps.weights.push_back(std::max(0.0, 1.0 - distance));
            sum += taps.weights.back();
        }
        for (double& weight : taps.weights) weight /= sum;
    }
    return all;
}

unsigned char rounded(double value) { return static_cast<unsigned char>(std::clamp(value + 0.5, 0.0, 255.0)); }

Image resized(const Image& from, std::int64_t height, std::int64_t width) {
    if (from.height == height && from.width == width) return from;
    Image wide(from.height, width, from.channels);
    const std::vector<Taps> columns = bilinear(from.width, width);
    for (std::int64_t y = 0; y < from.height; ++y) {
        for (std::int64_t x = 0; x < width; ++x) {
            const Taps& taps = columns[static_cast<std::size_t>(x)];
            for (std::int64_t c = 0; c < from.channels; ++c) {
                double sum = 0.0;
                for (std::size_t i = 0; i < taps.weights.size(); ++i)
                    sum += taps.weights[i] * from.at(y, taps.first + static_cast<std::int64_t>(i), c);
                wide.at(y, x, c) = rounded(sum);
            }
        }
    }
    Image result(height, width, from.channels);
    const std::vector<Taps> rows = bilinear(from.height, height);
    for (std::int64_t y = 0; y < height; ++y) {
        const Taps& taps = rows[static_cast<std::size_t>(y)];
        for (std::int64_t x = 0; x < width; ++x) {
            for (std::int64_t c = 0; c < from.channels; ++c) {
                double sum = 0.0;
                for (std::size_t i = 0; i < taps.weights.size(); ++i)
                    sum += taps.weights[i] * wide.at(taps.first + static_cast<std::int64_t>(i), x, c);
                result.at(y, x, c) = rounded(sum);
            }
        }
    }
    return result;
}

/// Scaled by one factor for both axes, then placed in the middle.
Image resized_in_proportion(const Image& from, std::int64_t height, std::int64_t width, bool fill) {
    const double by_height = static_cast<double>(height) / static_cast<double>(from.height);
    const double by_width = static_cast<double>(width) / static_cast<double>(from.width);
    const double factor = fill ? std::max(by_height, by_width) : std::min(by_height, by_width);
    const auto size = [&](std::int64_t extent) {
        return std::max<std::int64_t>(1, std::llround(static_cast<double>(extent) * factor));
    };
    const Image scaled = resized(from, size(from.height), size(from.width));
    Image result(height, width, from.channels);
    const std::int64_t top = (height - scaled.height) / 2;
    const std::int64_t left = (width - scaled.width) / 2;
    for (std::int64_t y = std::max<std::int64_t>(0, top); y < std::min(height, top + scaled.height); ++y) {
        for (std::int64_t x = std::max<std::int64_t>(0, left); x < std::min(width, left + scaled.width); ++x) {
            for (std::int64_t c = 0; c < from.channels; ++c) result.at(y, x, c) = scaled.at(y - top, x - left, c);
        }
    }
    return result;
}

Image read_image(const std::string& path, std::int64_t channels) {
    const std::string file = read_file(path);
    int width = 0, height = 0, found = 0;
    const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
        stbi_load_from_memory(reinterpret_cast<const stbi_uc*>(file.data()), static_cast<int>(file.size()), &width,
                              &height, &found, static_cast<int>(channels)),
        stbi_image_free);
    if (!pixels) throw Failure(4, path + ": not a picture that can be read (" + stbi_failure_reason() + ")");
    Image image(height, width, channels);
    std::copy_n(pixels.get(), image.pixels.size(), image.pixels.data());
    return image;
}

double channel_value(const std::vector<double>& values, std::int64_t channel, double fallback) {
    if (values.empty()) return fallback;
    return values.size() == 1 ? values[0] : values[static_cast<std::size_t>(channel)];
}

}  // namespace

ImageShape image_shape(const igata_tensor_info& input, const ImageOptions& options) {
    const auto is_channels = [](std::int64_t n) { return n == 1 || n == 3 || n == 4; };
    const std::vector<std::int64_t> dims(input.dims, input.dims + input.rank);
    const std::string what = std::string("input '") + input.name + "' " + describe(input.dtype, dims);
    if (input.rank != 3 && input.rank != 4)
        throw Failure(2, what + " does not take pictures: pass " + input.name + "=FILE.npy");
    const std::size_t first = dims.size() - 3;
    ImageShape shape;
    shape.batch = input.rank == 4 ? dims[0] : 1;
    shape.channels_last = options.layout.empty() ? is_channels(dims.back()) : options.layout == "nhwc";
    shape.channels = shape.channels_last ? dims.back() : dims[first];
    shape.height = shape.channels_last ? dims[first] : dims[first + 1];
    shape.width = shape.channels_last ? dims[first + 1] : dims[first + 2];
    if (!is_channels(shape.channels))
        throw Failure(2, what + " has no axis of 1, 3 or 4 channels: pass " + input.name + "=FILE.npy");
    for (const auto* values : {&options.mean, &options.std}) {
        if (values->size() > 1 && static_cast<std::int64_t>(values->size()) != shape.channels)
            throw Failure(2, "--mean and --std take 1 or " + std::to_string(shape.channels) + " numbers for " + what);
    }
    return shape;
}

void load_image(const std::string& path, const ImageOptions& options, const ImageShape& shape, std::int64_t slot,
                Tensor& input) {
    Image image = read_image(path, shape.channels);
    image = options.resize == ImageOptions::Resize::stretch
                ? resized(image, shape.height, shape.width)
                : resized_in_proportion(image, shape.height, shape.width, options.resize == ImageOptions::Resize::crop);
    const std::int64_t area = shape.height * shape.width;
    const std::int64_t start = slot * area * shape.channels;
    for (std::int64_t c = 0; c < shape.channels; ++c) {
        const std::int64_t source = options.bgr && shape.channels >= 3 && c < 3 ? 2 - c : c;
        const double mean = channel_value(options.mean, c, 0.0);
        const double deviation = channel_value(options.std, c, 1.0);
        for (std::int64_t i = 0; i < area; ++i) {
            const double pixel = image.at(i / shape.width, i % shape.width, source);
            const std::int64_t target = shape.channels_last ? i * shape.channels + c : c * area + i;
            input.set(start + target, (pixel * options.scale - mean) / deviation);
        }
    }
}

}  // namespace igata::cli
