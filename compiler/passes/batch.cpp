// Follows the batch axis from the inputs to the outputs:
//
//     x: f32[N,3,8,8]           axis 0
//     t = Transpose(x) {perm=[1,0,2,3]}      axis 1
//     s = Softmax(t) {axis=0}                axis 1
//     m = ReduceMean(t) {axes=[1]}           mixes the items: the plan takes its own batch alone
//
// Only operators that are known not to mix are let through; `mixes` is the safe answer.
#include "compiler/passes/batch.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "compiler/ops/op.hpp"

namespace igata {

namespace {

/// Where the batch lies in a value; nothing where the value is the same for every item.
using Axis = std::optional<std::int64_t>;

struct Mixes {};

bool is_one_of(const Node& node, std::initializer_list<std::string_view> ops) {
    return std::find(ops.begin(), ops.end(), node.op) != ops.end();
}

class BatchAxes {
public:
    BatchAxes(const Graph& graph, std::int64_t batch) : graph_(graph), batch_(batch) {
        for (const Graph::Input& input : graph.inputs) axes_[input.value] = 0;
    }

    /// The first node that mixes the items, or null.
    const Node* first_that_mixes() {
        for (const Node& node : graph_.nodes) {
            try {
                const bool varies = std::any_of(node.inputs.begin(), node.inputs.end(),
                                                [&](ValueId id) { return axis(id).has_value(); });
                if (!varies) continue;
                for (const ValueId out : node.outputs)
                    if (out != no_value) axes_[out] = result_axis(node, out);
                if (node.has_epilogue())
                    align(node, node.own_input_count(), node.outputs.at(0), axes_[node.outputs.at(0)]);
            } catch (const Mixes&) {
                return &node;
            }
        }
        return nullptr;
    }

    Axis axis(ValueId id) const {
        const auto found = axes_.find(id);
        return found == axes_.end() ? std::nullopt : found->second;
    }

private:
    const Dims& dims(ValueId id) const { return graph_.value(id).type.dims; }
    std::int64_t rank(ValueId id) const { return static_cast<std::int64_t>(dims(id).size()); }

    Axis result_axis(const Node& node, ValueId out) const {
        if (node.is_map() || op_of(node).expression) return align(node, 0, out, std::nullopt);
        const Axis first = axis(node.inputs.at(0));
        for (std::size_t i = 1; i < node.own_input_count() && !is_one_of(node, {"Concat", "MatMul"}); ++i)
            if (axis(node.inputs[i])) throw Mixes{};  // weights, indices, ... that come with the batch
        if (is_one_of(node, {"Conv", "ConvInteger", "QLinearConv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool",
                             "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "LRN", "BatchNormalization",
                             "InstanceNormalization", "GroupNormalization"}))
            return first == 0 ? first : throw Mixes{};
        if (node.op == "MatMul") return matmul_axis(node, out);
        if (node.op == "Gemm") return first == 0 && node.attrs.get_int("transA", 0) == 0 ? first : throw Mixes{};
        if (is_one_of(node, {"QuantizeLinear", "DequantizeLinear"})) return quantized_axis(node, *first);
        if (is_one_of(node, {"MatMulInteger", "QLinearMatMul"})) return quantized_product_axis(node, *first);
        if (node.op == "Transpose") return transposed_axis(node, *first);
        if (op_of(node).is_reshape) return reshaped_axis(node, out, *first);
        if (node.op == "Concat") return concatenated_axis(node, out);
        if (node.op.starts_with("Reduce") || is_one_of(node, {"ArgMax", "ArgMin"}))
            return reduced_axis(node, out, *first);
        if (is_one_of(node,
                      {"Softmax", "LogSoftmax", "Hardmax", "CumSum", "LpNormalization", "Slice", "Pad", "Split", "Tile",
                       "Expand", "LayerNormalization", "DepthToSpace", "SpaceToDepth", "Resize", "Upsample"}))
            return kept_axis(node, out, *first);
        throw Mixes{};
    }

    /// One scale for all, or for each position along another axis.
    Axis quantized_axis(const Node& node, std::int64_t first) const {
        const Dims& scale = dims(node.inputs.at(1));
        const std::int64_t along = normalize_axis(node.attrs.get_int("axis", 1), dims(node.inputs[0]).size() + 1);
        return scale.size() <= 1 && (element_count(scale) == 1 || along != first) ? first : throw Mixes{};
    }

    /// A batch of rows by one matrix, whose zero points and scales are not of rows.
    Axis quantized_product_axis(const Node& node, std::int64_t first) const {
        bool fits = first < rank(node.inputs.at(0)) - 1;
        for (std::size_t i = 1; i < node.inputs.size(); ++i)
            if (node.inputs[i] != no_value) fits = fits && rank(node.inputs[i]) <= 2;
        const ValueId row_zero = node.input(2);
        if (row_zero != no_value) fits = fits && element_count(dims(row_zero)) == 1;
        return fits && element_count(dims(node.inputs[1])) > 0 ? first : throw Mixes{};
    }

    /// Inputs from `begin` on, broadcast to `out`: all that have a batch have it at one place, and the others nothing
    /// there.
    Axis align(const Node& node, std::size_t begin, ValueId out, Axis common) const {
        for (std::size_t i = begin; i < node.inputs.size(); ++i) {
            const ValueId id = node.inputs[i];
            if (id == no_value || !axis(id)) continue;
            const std::int64_t place = *axis(id) + rank(out) - rank(id);
            if (common && *common != place) throw Mixes{};
            common = place;
        }
        for (std::size_t i = begin; common && i < node.inputs.size(); ++i) {
            const ValueId id = node.inputs[i];
            if (id == no_value || axis(id)) continue;
            const std::int64_t place = *common - (rank(out) - rank(id));
            if (place >= 0 && dims(id)[static_cast<std::size_t>(place)] != 1) throw Mixes{};
        }
        return common;
    }

    Axis matmul_axis(const Node& node, ValueId out) const {
        const ValueId a = node.inputs.at(0);
        const ValueId b = node.inputs.at(1);
        if (!axis(b)) return *axis(a) < rank(a) - 1 ? Axis(*axis(a) + rank(out) - rank(a)) : throw Mixes{};
        if (*axis(b) >= rank(b) - 2 || (axis(a) && *axis(a) >= rank(a) - 2)) throw Mixes{};
        return align(node, 0, out, std::nullopt);
    }

    static Axis transposed_axis(const Node& node, std::int64_t axis) {
        const auto perm = node.attrs.get_ints("perm");
        const auto place = std::find(perm.begin(), perm.end(), axis);
        return place != perm.end() ? Axis(place - perm.begin()) : throw Mixes{};
    }

    /// The axis of the same extent with as many elements outside of it.
    Axis reshaped_axis(const Node& node, ValueId out, std::int64_t axis) const {
        const Dims& from = dims(node.inputs.at(0));
        const std::int64_t outside = element_count({from.begin(), from.begin() + axis});
        std::int64_t before = 1;
        for (std::int64_t i = 0; i < rank(out); ++i) {
            const std::int64_t dim = dims(out)[static_cast<std::size_t>(i)];
            if (before == outside && dim == batch_ && (batch_ > 1 || outside > 1 || i == axis)) return i;
            before *= dim;
        }
        throw Mixes{};
    }

    Axis concatenated_axis(const Node& node, ValueId out) const {
        Axis common;
        for (const ValueId id : node.inputs) {
            if (!axis(id)) continue;
            if (common && common != axis(id)) throw Mixes{};
            common = axis(id);
        }
        return normalize_axis(node.attrs.get_int("axis", 0), static_cast<std::size_t>(rank(out))) == *common
                   ? throw Mixes{}
                   : common;
    }

    Axis reduced_axis(const Node& node, ValueId out, std::int64_t axis) const {
        const ValueId in = node.inputs.at(0);
        std::vector<std::int64_t> axes = node.attrs.get_ints("axes");
        if (is_one_of(node, {"ArgMax", "ArgMin"})) axes = {node.attrs.get_int("axis", 0)};
        else if (const ValueId given = node.input(1); given != no_value) {
            if (graph_.constant(given) == nullptr) throw Mixes{};
            axes = graph_.constant(given)->to_i64();
        }
        if (axes.empty()) {
            if (node.attrs.get_int("noop_with_empty_axes", 0) != 0) return axis;
            throw Mixes{};
        }
        std::int64_t removed = 0;
        for (const std::int64_t given : axes) {
            const std::int64_t reduced = normalize_axis(given, static_cast<std::size_t>(rank(in)));
            if (reduced == axis) throw Mixes{};
            if (reduced < axis) ++removed;
        }
        return rank(out) == rank(in) ? axis : axis - removed;
    }

    /// Operators along some axis, of which none may be the batch's. What changes an axis shows in the dims; what does
    /// not has the axis as its attribute or input.
    bool may_be_negative(ValueId id) const {
        if (id == no_value) return false;
        const Tensor* constant = graph_.constant(id);
        return constant == nullptr || std::ranges::any_of(constant->to_i64(), [](std::int64_t x) { return x < 0; });
    }

    Axis kept_axis(const Node& node, ValueId out, std::int64_t axis) const {
        const ValueId in = node.inputs.at(0);
        if (rank(in) > rank(out) || dims(in)[static_cast<std::size_t>(axis)] != batch_) throw Mixes{};
        const std::int64_t place = axis + rank(out) - rank(in);
        if (dims(out)[static_cast<std::size_t>(place)] != batch_) throw Mixes{};
        if ((node.op == "Slice" && may_be_negative(node.input(4))) ||
            (node.op == "Pad" && may_be_negative(node.input(1))))
            throw Mixes{};  // the same number of items, in another order or other ones
        std::int64_t along = node.attrs.get_int("axis", -1);
        if (node.op == "CumSum") {
            if (graph_.constant(node.input(1)) == nullptr) throw Mixes{};
            along = graph_.constant(node.input(1))->to_i64().at(0);
        }
        along = normalize_axis(along, static_cast<std::size_t>(rank(in)));
        const bool runs = is_one_of(node, {"Softmax", "LogSoftmax", "Hardmax", "CumSum", "LpNormalization"});
        if ((runs && along == axis) || (node.op == "LayerNormalization" && along <= axis)) throw Mixes{};
        return place;
    }

    const Graph& graph_;
    std::int64_t batch_;
    std::map<ValueId, Axis> axes_;
};

bool is_open(const std::vector<SymbolicDim>& dims) {
    return !dims.empty() && (!dims[0].known() || !dims[0].symbol.empty());
}

/// The extent of axis 0 if the model left it open in all inputs and outputs. The symbols of outputs may differ:
/// exporters name them anew.
std::optional<std::int64_t> open_batch(const Graph& graph) {
    std::optional<std::int64_t> batch;
    for (const Graph::Input& input : graph.inputs) {
        if (!is_open(input.dims) || input.dims[0].symbol != graph.inputs[0].dims[0].symbol) return std::nullopt;
        const std::int64_t extent = graph.value(input.value).type.dims.at(0);
        if (batch.value_or(extent) != extent) return std::nullopt;
        batch = extent;
    }
    for (const Graph::Output& output : graph.outputs) {
        const Dims& dims = graph.value(output.value).type.dims;
        if (!is_open(output.dims) || dims.empty() || dims[0] != batch) return std::nullopt;
    }
    return batch;
}

}  // namespace

bool is_batched(const Graph& graph, Remarks& remarks) {
    const auto batch = open_batch(graph);
    if (!batch) return false;
    BatchAxes axes(graph, *batch);
    if (const Node* node = axes.first_that_mixes()) {
        remarks.refused("lower", node->name,
                        fmt::format("{} may mix the items of a batch, so the plan takes its own batch of {} alone",
                                    node->op, *batch));
        return false;
    }
    return std::all_of(graph.outputs.begin(), graph.outputs.end(),
                       [&](const Graph::Output& output) { return axes.axis(output.value) == 0; });
}

}  // namespace igata
