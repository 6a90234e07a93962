// Chooses the order of axes in which each value lies if it is materialised.
//
//     t = Transpose(x) {perm=[0,3,1,2]}   x is row-major [N,H,W,C], so t lies in the order N,H,W,C of its [N,C,H,W]
//     c = Conv(t, w)                      channels innermost, as every image-like result
//     m = Map(c, s) => x0 * x1            as c
//     y = Transpose(m) {perm=[0,2,3,1]}   row-major [N,H,W,C]: the same memory as m
//
// Convolutions, poolings and LRN want channels innermost. Orders flow forwards through operators that keep them, and
// then backwards into those that could as well have made what their reader wants. Transposes carry orders along their
// perm. Nothing here can make a plan wrong, only slower: `lower` copies where a layout does not fit.
#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "compiler/ops/op.hpp"
#include "compiler/passes/passes.hpp"

namespace igata {

namespace {

using Order = std::vector<int>;

bool wants_channels_last(const Node& node) {
    static constexpr std::array<std::string_view, 13> ops{"Conv",
                                                          "ConvInteger",
                                                          "QLinearConv",
                                                          "ConvTranspose",
                                                          "MaxPool",
                                                          "AveragePool",
                                                          "LpPool",
                                                          "GlobalAveragePool",
                                                          "GlobalMaxPool",
                                                          "GlobalLpPool",
                                                          "LRN",
                                                          "BatchNormalization",
                                                          "InstanceNormalization"};
    return std::find(ops.begin(), ops.end(), node.op) != ops.end();
}

/// Operators whose result may lie in any order, best in that of their input.
bool keeps_order(const Node& node) {
    static constexpr std::array<std::string_view, 16> ops{"Pad",
                                                          "Concat",
                                                          "Slice",
                                                          "Split",
                                                          "Expand",
                                                          "Tile",
                                                          "Upsample",
                                                          "Resize",
                                                          "CumSum",
                                                          "ReduceMean",
                                                          "ReduceSum",
                                                          "ReduceMax",
                                                          "ReduceMin",
                                                          "LayerNormalization",
                                                          "QuantizeLinear",
                                                          "DequantizeLinear"};
    if (node.is_map() || std::find(ops.begin(), ops.end(), node.op) != ops.end()) return true;
    const OpDef* op = Registry::instance().find(node.op);
    return op != nullptr && op->expression != nullptr;
}

std::optional<std::vector<std::int64_t>> permutation(const Node& node, std::size_t rank) {
    if (node.op != "Transpose") return std::nullopt;
    std::vector<std::int64_t> perm = node.attrs.get_ints("perm");
    if (perm.empty())
        for (std::size_t i = rank; i-- > 0;) perm.push_back(static_cast<std::int64_t>(i));
    return perm;
}

/// The order of a Transpose's result whose input lies in `order`.
Order transposed_order(const Order& order, const std::vector<std::int64_t>& perm) {
    Order result;
    for (const int axis : order)
        result.push_back(static_cast<int>(std::find(perm.begin(), perm.end(), axis) - perm.begin()));
    return result;
}

/// The order of a Transpose's input whose result lies in `order`.
Order untransposed_order(const Order& order, const std::vector<std::int64_t>& perm) {
    Order result;
    for (const int axis : order) result.push_back(static_cast<int>(perm[static_cast<std::size_t>(axis)]));
    return result;
}

class LayoutChoice {
public:
    explicit LayoutChoice(const Graph& graph)
        : graph_(graph), orders_(graph.value_count()), wished_(graph.value_count()) {}

    Layouts run() {
        for (const Graph::Input& input : graph_.inputs) fixed(input.value) = row_major_order(rank(input.value));
        for (const Node& node : graph_.nodes)
            for (const ValueId out : node.outputs)  // the caller's buffer is row-major
                if (out != no_value && keeps_order(node) && graph_.is_output(out))
                    fixed(out) = row_major_order(rank(out));
        for (const Node& node : graph_.nodes) flow_forwards(node);
        for (auto node = graph_.nodes.rbegin(); node != graph_.nodes.rend(); ++node) flow_backwards(*node);
        for (const Node& node : graph_.nodes) flow_forwards(node);
        Layouts layouts(graph_.value_count());
        for (std::size_t i = 0; i < layouts.size(); ++i)
            layouts[i] = orders_[i]   ? *orders_[i]
                         : wished_[i] ? *wished_[i]
                                      : row_major_order(rank(static_cast<ValueId>(i)));
        return layouts;
    }

private:
    std::size_t rank(ValueId id) const { return graph_.value(id).type.dims.size(); }
    std::optional<Order>& fixed(ValueId id) { return orders_[static_cast<std::size_t>(id)]; }
    std::optional<Order>& wish(ValueId id) { return wished_[static_cast<std::size_t>(id)]; }
    /// What is known of a value's order: decided, or wished for by a reader.
    std::optional<Order> known(ValueId id) { return fixed(id) ? fixed(id) : wish(id); }

    void flow_forwards(const Node& node) {
        for (const ValueId out : node.outputs) {
            if (out == no_value || fixed(out)) continue;
            const std::size_t out_rank = rank(out);
            if (wants_channels_last(node)) {
                fixed(out) = out_rank >= 3 && out_rank <= 5 ? channels_last_order(out_rank) : row_major_order(out_rank);
            } else if (const auto perm = permutation(node, out_rank)) {
                if (const auto order = known(node.inputs.at(0))) fixed(out) = transposed_order(*order, *perm);
            } else if (keeps_order(node) && !wish(out)) {
                fixed(out) = order_of_inputs(node, out);
            }
        }
    }

    /// The order of the largest input that has the result's rank; row-major orders give way to others, since they may
    /// be mere defaults.
    std::optional<Order> order_of_inputs(const Node& node, ValueId out) {
        std::optional<Order> best;
        std::int64_t best_count = 0;
        for (const ValueId in : node.inputs) {
            if (in == no_value || graph_.is_constant(in) || rank(in) != rank(out) || !known(in)) continue;
            const std::int64_t count = element_count(graph_.value(in).type.dims);
            if (count <= best_count || *known(in) == row_major_order(rank(in))) continue;
            best = known(in);
            best_count = count;
        }
        return best;
    }

    void flow_backwards(const Node& node) {
        const auto ask = [&](ValueId in, const Order& order) {
            if (in != no_value && !fixed(in) && !wish(in) && !graph_.is_constant(in) && !graph_.is_output(in) &&
                rank(in) == order.size())
                wish(in) = order;
        };
        const ValueId out = node.output(0);
        if (node.inputs.empty() || out == no_value) return;
        if (wants_channels_last(node)) {
            const std::size_t in_rank = rank(node.inputs[0]);
            if (in_rank >= 3 && in_rank <= 5) ask(node.inputs[0], channels_last_order(in_rank));
            return;
        }
        const auto order = known(out);
        if (!order) return;
        if (const auto perm = permutation(node, rank(out))) ask(node.inputs[0], untransposed_order(*order, *perm));
        else if (keeps_order(node))
            for (const ValueId in : node.inputs) ask(in, *order);
    }

    const Graph& graph_;
    std::vector<std::optional<Order>> orders_;
    std::vector<std::optional<Order>> wished_;
};

}  // namespace

Layouts assign_layouts(const Graph& graph) { return LayoutChoice(graph).run(); }

}  // namespace igata
