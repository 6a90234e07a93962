#include "compiler/driver/audit_int8.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include "compiler/ops/op.hpp"

namespace igata {

namespace {

struct Weights {
    const Tensor* values = nullptr;
    const Tensor* zero = nullptr;  ///< one, or one a channel; null: zero
    std::size_t channel_axis = 0;
};

std::optional<Weights> weights_of(const Graph& graph, const Node& node) {
    const bool convolves = node.op == "QLinearConv" || node.op == "ConvInteger";
    const bool scaled = node.op == "QLinearConv" || node.op == "QLinearMatMul";
    if (!convolves && !scaled && node.op != "MatMulInteger") return std::nullopt;
    Weights weights;
    weights.values = graph.constant(node.input(scaled ? 3 : 1));
    weights.zero = graph.constant(node.input(scaled ? 5 : 3));
    if (weights.values == nullptr || weights.values->dims().size() < 2) return std::nullopt;
    weights.channel_axis = convolves ? 0 : weights.values->dims().size() - 1;
    return weights;
}

/// The sum of the two largest of the values shown to it.
class Extremes {
public:
    void show(std::int64_t value) {
        if (value > high_[0]) std::swap(value, high_[0]);
        high_[1] = std::max(high_[1], value);
    }
    std::int64_t sum() const { return high_[0] + high_[1]; }

private:
    std::int64_t high_[2] = {};  // a weight of zero is always to be had
};

}  // namespace

std::vector<Int8Layer> audit_int8(const Graph& graph) {
    constexpr std::int64_t largest_source = 255;
    std::vector<Int8Layer> layers;
    for (const Node& node : graph.nodes) {
        const auto weights = weights_of(graph, node);
        if (!weights) continue;
        const Dims& dims = weights->values->dims();
        const auto channels = static_cast<std::size_t>(dims[weights->channel_axis]);
        const auto inner = static_cast<std::size_t>(
            element_count(Dims(dims.begin() + static_cast<std::ptrdiff_t>(weights->channel_axis) + 1, dims.end())));
        const std::vector<std::int64_t> values = weights->values->to_i64();
        const std::vector<std::int64_t> zeros =
            weights->zero != nullptr ? weights->zero->to_i64() : std::vector<std::int64_t>{0};
        std::vector<Extremes> positive(channels);
        std::vector<Extremes> negative(channels);
        for (std::size_t i = 0; i < values.size(); ++i) {
            const std::size_t channel = i / inner % channels;
            const std::int64_t value = values[i] - zeros[zeros.size() == 1 ? 0 : channel % zeros.size()];
            positive[channel].show(value);
            negative[channel].show(-value);
        }
        Int8Layer layer{describe(node), static_cast<std::int64_t>(channels), 0};
        for (std::size_t c = 0; c < channels; ++c) {
            const bool above = positive[c].sum() * largest_source > std::numeric_limits<std::int16_t>::max();
            const bool below = -negative[c].sum() * largest_source < std::numeric_limits<std::int16_t>::min();
            layer.saturating += above || below ? 1 : 0;
        }
        layers.push_back(std::move(layer));
    }
    return layers;
}

}  // namespace igata
