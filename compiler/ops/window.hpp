// How a kernel slides over an image: what Conv and the pooling operators share.
#pragma once

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "compiler/ir/graph.hpp"

namespace igata {

/// One entry per spatial axis, with `auto_pad` and `ceil_mode` resolved. A window may overhang `pads_end` where
/// `ceil_mode` rounded the output up.
struct Window {
    Dims image, kernel, strides, dilations, pads_begin, pads_end, output;

    std::size_t rank() const { return kernel.size(); }
    /// Positions from the first to the last tap of the kernel.
    std::int64_t extent(std::size_t i) const { return (kernel[i] - 1) * dilations[i] + 1; }
    /// The padding at the end with which the output has its size exactly, overhang included.
    std::int64_t reached_pad_end(std::size_t i) const {
        return std::max<std::int64_t>(0, (output[i] - 1) * strides[i] + extent(i) - image[i] - pads_begin[i]);
    }
};

namespace window_detail {

/// Products of two attributes must not overflow, and oneDNN's kernels count in 32 bits.
inline void check_size(const std::string& name, const Dims& values) {
    for (const std::int64_t value : values)
        if (value > std::numeric_limits<std::int32_t>::max())
            throw std::invalid_argument(name + " " + to_string(values) + " is too large");
}

inline Dims attribute(const Attrs& attrs, const std::string& name, std::size_t count, std::int64_t fallback,
                      std::int64_t least) {
    Dims values = attrs.get_ints(name, Dims(count, fallback));
    if (values.size() != count)
        throw std::invalid_argument(name + " has " + std::to_string(values.size()) + " values, but " +
                                    std::to_string(count) + " are needed");
    for (const std::int64_t value : values)
        if (value < least)
            throw std::invalid_argument(name + " " + to_string(values) + " must not be less than " +
                                        std::to_string(least));
    check_size(name, values);
    return values;
}

/// ceil_mode rounds up, but drops a last window that would start in the padding at the end.
inline std::int64_t output_size(const Window& w, std::size_t i, bool round_up) {
    const std::int64_t room = w.image[i] + w.pads_begin[i] + w.pads_end[i] - w.extent(i);
    if (room < 0) return 0;
    std::int64_t size = (room + (round_up ? w.strides[i] - 1 : 0)) / w.strides[i] + 1;
    if (round_up && (size - 1) * w.strides[i] >= w.image[i] + w.pads_begin[i]) --size;
    return size;
}

}  // namespace window_detail

/// Reads strides, dilations, pads, auto_pad and ceil_mode. `image` are the spatial dims of the input. Throws
/// std::invalid_argument on contradictory attributes or if the kernel does not fit.
inline Window make_window(const Attrs& attrs, Dims image, Dims kernel) {
    using window_detail::attribute;
    const std::size_t rank = image.size();
    if (kernel.size() != rank)
        throw std::invalid_argument("kernel_shape " + to_string(kernel) + " does not fit the " + std::to_string(rank) +
                                    " spatial axes of the input");
    Window w{std::move(image),
             std::move(kernel),
             attribute(attrs, "strides", rank, 1, 1),
             attribute(attrs, "dilations", rank, 1, 1),
             Dims(rank),
             Dims(rank),
             Dims(rank)};
    for (const std::int64_t k : w.kernel)
        if (k < 1) throw std::invalid_argument("kernel_shape " + to_string(w.kernel) + " must be positive");
    window_detail::check_size("kernel_shape", w.kernel);
    const std::string auto_pad = attrs.get_string("auto_pad", "NOTSET");
    if (auto_pad != "NOTSET" && auto_pad != "VALID" && auto_pad != "SAME_UPPER" && auto_pad != "SAME_LOWER")
        throw std::invalid_argument("auto_pad '" + auto_pad + "' is none of NOTSET, VALID, SAME_UPPER, SAME_LOWER");
    const Dims pads = attribute(attrs, "pads", 2 * rank, 0, 0);
    const bool round_up = attrs.get_int("ceil_mode", 0) != 0;
    for (std::size_t i = 0; i < rank; ++i) {
        if (auto_pad == "NOTSET") {
            w.pads_begin[i] = pads[i];
            w.pads_end[i] = pads[rank + i];
        } else if (auto_pad != "VALID") {
            const std::int64_t size = (w.image[i] + w.strides[i] - 1) / w.strides[i];
            const std::int64_t total = std::max<std::int64_t>(0, (size - 1) * w.strides[i] + w.extent(i) - w.image[i]);
            w.pads_begin[i] = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
            w.pads_end[i] = total - w.pads_begin[i];
        }
        w.output[i] = window_detail::output_size(w, i, round_up && auto_pad == "NOTSET");
        if (w.output[i] < 1)
            throw std::invalid_argument("the kernel " + to_string(w.kernel) + " is larger than the padded input " +
                                        to_string(w.image));
    }
    return w;
}

/// For every output position in row-major order, and every tap of the kernel likewise: the position in the image,
/// row-major, or -1 in the padding. Entry [output * taps + tap].
inline std::vector<std::int64_t> window_taps(const Window& w) {
    std::vector<std::int64_t> places{0};
    std::int64_t outputs = 1;
    std::int64_t taps = 1;
    for (std::size_t i = 0; i < w.rank(); ++i) {
        std::vector<std::int64_t> next;
        next.reserve(places.size() * static_cast<std::size_t>(w.output[i] * w.kernel[i]));
        for (std::int64_t o = 0; o < outputs; ++o)
            for (std::int64_t at = 0; at < w.output[i]; ++at)
                for (std::int64_t t = 0; t < taps; ++t)
                    for (std::int64_t k = 0; k < w.kernel[i]; ++k) {
                        const std::int64_t outer = places[static_cast<std::size_t>(o * taps + t)];
                        const std::int64_t place = at * w.strides[i] - w.pads_begin[i] + k * w.dilations[i];
                        const bool inside = outer >= 0 && place >= 0 && place < w.image[i];
                        next.push_back(inside ? outer * w.image[i] + place : -1);
                    }
        places = std::move(next);
        outputs *= w.output[i];
        taps *= w.kernel[i];
    }
    return places;
}

/// For every output position: how many taps lie inside the padded image.
inline std::vector<std::int64_t> padded_tap_counts(const Window& w) {
    std::vector<std::int64_t> counts{1};
    for (std::size_t i = 0; i < w.rank(); ++i) {
        std::vector<std::int64_t> next;
        for (const std::int64_t outer : counts)
            for (std::int64_t at = 0; at < w.output[i]; ++at) {
                const std::int64_t room = w.image[i] + w.pads_end[i] - (at * w.strides[i] - w.pads_begin[i]);
                next.push_back(outer * std::min(w.kernel[i], (room + w.dilations[i] - 1) / w.dilations[i]));
            }
        counts = std::move(next);
    }
    return counts;
}

}  // namespace igata
