// How Resize maps one axis to another: for each result the places that it is made of and their weights.
//
// Interpolation separates by axis, so that a table an axis is all that there is to Resize. Weights of places beyond an
// end go to the element at that end, places of weight 0 are left out. Coordinates are rounded to f32: so are scales,
// which would otherwise miss whole numbers (x / 1.2).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "compiler/ir/type.hpp"

namespace igata {

enum class Interpolation : std::uint8_t { nearest, linear, cubic };

/// What holds for all axes.
struct ResampleMode {
    Interpolation interpolation = Interpolation::nearest;
    std::string transformation;  ///< coordinate_transformation_mode
    std::string nearest;         ///< nearest_mode; `simple`: opset 10's, which rounds up where it shrinks
    bool antialias = false;
    bool exclude_outside = false;
    double cubic_a = -0.75;
};

/// What is asked of an axis.
struct AxisResize {
    std::int64_t from = 0;
    std::int64_t to = 0;
    double scale = 1;
    double roi_begin = 0;
    double roi_end = 1;
    double length = 0;  ///< of the result, before it was rounded down
};

struct Resampling {
    std::int64_t taps = 1;
    std::vector<std::int64_t> places;  ///< [result][tap]
    std::vector<double> weights;       ///< [result][tap]
    std::vector<bool> outside;         ///< per result: takes the extrapolation value; empty if none does

    std::int64_t count() const { return static_cast<std::int64_t>(places.size()) / taps; }
    /// Each result is one element of the source.
    bool selects() const {
        bool all = taps == 1;
        for (std::size_t i = 0; all && i < weights.size(); ++i) all = weights[i] == 1;
        return all;
    }
    /// place(i) == begin + i * step for all i of a table that selects.
    bool has_step(std::int64_t begin, std::int64_t step) const {
        for (std::int64_t i = 0; i < count(); ++i)
            if (places[static_cast<std::size_t>(i)] != begin + i * step) return false;
        return true;
    }
    bool is_identity(std::int64_t from) const { return selects() && count() == from && has_step(0, 1); }
};

namespace resampling_detail {

inline double source_coordinate(const ResampleMode& mode, const AxisResize& axis, std::int64_t index) {
    const auto x = static_cast<double>(index);
    const auto last = static_cast<double>(axis.from - 1);
    const double length = axis.length;
    const double centred = (x + 0.5) / axis.scale - 0.5;
    if (mode.transformation == "asymmetric") return x / axis.scale;
    if (mode.transformation == "tf_half_pixel_for_nn") return axis.scale == 1 ? x : centred + 0.5;
    if (mode.transformation == "align_corners") return length == 1 ? 0 : x * last / (length - 1);
    if (mode.transformation == "pytorch_half_pixel") return axis.to > 1 ? centred : 0;
    if (mode.transformation == "half_pixel_symmetric") {
        const double centre = static_cast<double>(axis.from) / 2;
        return centre * (1 - static_cast<double>(axis.to) / length) + centred;
    }
    if (mode.transformation == "tf_crop_and_resize") {
        const double span = (axis.roi_end - axis.roi_begin) * last;
        return axis.roi_begin * last + (length == 1 ? span / 2 : x * span / (length - 1));
    }
    return centred;
}

inline double nearest_place(const std::string& mode, double x, double scale) {
    if (mode == "floor" || (mode == "simple" && scale >= 1)) return std::floor(x);
    if (mode == "ceil" || mode == "simple") return std::ceil(x);
    return mode == "round_prefer_ceil" ? std::floor(x + 0.5) : std::ceil(x - 0.5);
}

inline double kernel_weight(const ResampleMode& mode, double distance) {
    const double x = std::abs(distance);
    if (mode.interpolation == Interpolation::linear) return x < 1 ? 1 - x : 0;
    const double a = mode.cubic_a;
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((x - 5) * x + 8) * x * a - 4 * a : 0;
}

/// Weights by place, those beyond the ends included.
inline std::map<std::int64_t, double> kernel_weights(const ResampleMode& mode, const AxisResize& axis, double x) {
    const double shrink = mode.antialias && axis.scale < 1 ? axis.scale : 1;
    const double reach = mode.interpolation == Interpolation::linear ? 1 : 2;
    const auto first = static_cast<std::int64_t>(std::floor(-reach / shrink)) + 1;
    const auto left = static_cast<std::int64_t>(std::ceil(x)) - 1;
    std::map<std::int64_t, double> weights;
    double sum = 0;
    for (std::int64_t i = first; i < 2 - first; ++i) {
        const std::int64_t place = left + i;
        const bool excluded = mode.exclude_outside && (place < 0 || place >= axis.from);
        const double weight = kernel_weight(mode, shrink * (static_cast<double>(place) - x));
        if (!excluded && weight != 0) sum += weights[place] = weight;
    }
    if ((mode.antialias || mode.exclude_outside) && sum != 0)
        for (auto& [place, weight] : weights) weight /= sum;
    return weights;
}

}  // namespace resampling_detail

/// `axis.from` must not be 0 unless `axis.to` is.
inline Resampling make_resampling(const ResampleMode& mode, const AxisResize& axis) {
    using namespace resampling_detail;
    constexpr double far = 0x1p40;
    std::vector<std::map<std::int64_t, double>> rows(static_cast<std::size_t>(axis.to));
    Resampling result;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const double exact = source_coordinate(mode, axis, static_cast<std::int64_t>(i));
        const bool crops = mode.transformation == "tf_crop_and_resize";
        if (crops && !(exact >= 0 && exact <= static_cast<double>(axis.from - 1))) {
            result.outside.resize(rows.size(), false);
            result.outside[i] = true;
        }
        const double bounded = exact > -far ? std::min(exact, far) : -far;
        const auto x = static_cast<double>(static_cast<float>(bounded));
        std::map<std::int64_t, double> weights;
        if (mode.interpolation != Interpolation::nearest) weights = kernel_weights(mode, axis, x);
        else weights[static_cast<std::int64_t>(nearest_place(mode.nearest, x, axis.scale))] = 1;
        for (const auto& [place, weight] : weights)
            rows[i][std::clamp<std::int64_t>(place, 0, axis.from - 1)] += weight;
        if (rows[i].empty()) rows[i][0] = 0;
        result.taps = std::max(result.taps, static_cast<std::int64_t>(rows[i].size()));
    }
    for (const auto& row : rows) {
        for (const auto& [place, weight] : row) {
            result.places.push_back(place);
            result.weights.push_back(weight);
        }
        for (std::size_t tap = row.size(); tap < static_cast<std::size_t>(result.taps); ++tap) {
            result.places.push_back(row.begin()->first);
            result.weights.push_back(0);
        }
    }
    return result;
}

}  // namespace igata
