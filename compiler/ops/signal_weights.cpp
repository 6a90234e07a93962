// Tables for signal processing, known at compile time: HannWindow, HammingWindow, BlackmanWindow, MelWeightMatrix.
#include <cmath>
#include <numbers>

#include "compiler/ops/known_value.hpp"
#include "compiler/ops/onnx_type.hpp"

namespace igata {

namespace {

constexpr std::int64_t most_elements = std::int64_t{1} << 24;  // far more than a window has

template <class Context>
std::int64_t size_argument(const Context& c, std::size_t i, const char* what) {
    const Dims values = tensor_argument(c, i, what)->to_i64();
    if (values.size() != 1) throw std::invalid_argument(fmt::format("{} must be one number", what));
    if (values[0] < 0 || values[0] > most_elements)
        throw std::invalid_argument(fmt::format("{} is {}, not from 0 to {}", what, values[0], most_elements));
    return values[0];
}

/// a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N), where N is the size, or one less if the window is not periodic.
OpDef window_op(std::string name, double a0, double a1, double a2) {
    OpDef op = known_value(std::move(name), [a0, a1, a2](const auto& c) {
        const std::int64_t size = size_argument(c, 0, "size");
        const Attrs& attrs = c.node().attrs;
        const std::int64_t period = attrs.get_int("periodic", 1) != 0 ? size : size - 1;
        Tensor window(DataType::f64, {size});
        double n = 0;
        for (double& value : window.mutable_values<double>()) {
            const double angle = 2 * std::numbers::pi * n++ / static_cast<double>(period);
            value = period == 0 ? 1.0 : a0 - a1 * std::cos(angle) + a2 * std::cos(2 * angle);
        }
        return window.cast(data_type_of_onnx(attrs.get_int("output_datatype", 1), c.node()));
    });
    op.since = op.newest = 17;
    op.attrs = {{"output_datatype", AttrKind::integer}, {"periodic", AttrKind::integer}};
    return op;
}

struct MelScale {
    double low, step;  ///< in mel

    static double of_hertz(double f) { return 2595 * std::log1p(f / 700) / std::numbers::ln10; }
    double hertz(std::int64_t band) const {
        return 700 * std::expm1((low + step * static_cast<double>(band)) / 2595 * std::numbers::ln10);
    }
};

/// Column i is a triangle from bin[i] by bin[i + 1], where it is 1, to bin[i + 2].
Tensor triangles(const std::vector<std::int64_t>& bins, std::int64_t rows) {
    const auto bands = as_dim(bins.size()) - 2;
    Tensor matrix(DataType::f64, {rows, bands});
    const auto values = matrix.mutable_values<double>();
    const auto set = [&](std::int64_t row, std::int64_t band, double value) {
        if (row >= 0 && row < rows) values[as_index(row * bands + band)] = value;
    };
    for (std::int64_t band = 0; band < bands; ++band) {
        const std::int64_t left = std::max<std::int64_t>(bins[as_index(band)], -1);
        const std::int64_t top = bins[as_index(band + 1)];
        const std::int64_t right = bins[as_index(band + 2)];
        if (left == top) set(top, band, 1);
        for (std::int64_t row = left; left < top && row <= std::min(top, rows - 1); ++row)
            set(row, band, static_cast<double>(row - left) / static_cast<double>(top - left));
        for (std::int64_t row = std::max<std::int64_t>(top, 0); row < std::min(right, rows); ++row)
            set(row, band, static_cast<double>(right - row) / static_cast<double>(right - top));
    }
    return matrix;
}

OpDef mel_weight_matrix_op() {
    OpDef op = known_value("MelWeightMatrix", [](const auto& c) {
        const std::int64_t bands = size_argument(c, 0, "num_mel_bins");
        const std::int64_t length = size_argument(c, 1, "dft_length");
        const std::int64_t rate = size_argument(c, 2, "sample_rate");
        const double lowest = tensor_argument(c, 3, "lower_edge_hertz")->scalar_f64();
        const double highest = tensor_argument(c, 4, "upper_edge_hertz")->scalar_f64();
        if (rate == 0 || !(lowest >= 0) || !(highest >= lowest) || !std::isfinite(highest))
            throw std::invalid_argument(
                fmt::format("no bands from {} to {} Hz at {} samples a second", lowest, highest, rate));
        if (bands * (length / 2 + 1) > most_elements) throw std::invalid_argument("the matrix is too large");
        const double low = MelScale::of_hertz(lowest);
        const MelScale scale{low, (MelScale::of_hertz(highest) - low) / static_cast<double>(bands + 2)};
        std::vector<std::int64_t> bins;
        for (std::int64_t band = 0; band < bands + 2; ++band) {
            const double bin =
                std::floor(static_cast<double>(length + 1) * scale.hertz(band) / static_cast<double>(rate));
            bins.push_back(static_cast<std::int64_t>(std::clamp(bin, -1e15, 1e15)));
        }
        return triangles(bins, length / 2 + 1)
            .cast(data_type_of_onnx(c.node().attrs.get_int("output_datatype", 1), c.node()));
    });
    op.since = op.newest = 17;
    op.min_inputs = op.max_inputs = 5;
    op.attrs = {{"output_datatype", AttrKind::integer}};
    return op;
}

}  // namespace

void register_signal_weights(Registry& registry) {
    registry.add(window_op("HannWindow", 0.5, 0.5, 0));
    registry.add(window_op("HammingWindow", 25.0 / 46, 21.0 / 46, 0));
    registry.add(window_op("BlackmanWindow", 0.42, 0.5, 0.08));
    registry.add(mel_weight_matrix_op());
}

}  // namespace igata
