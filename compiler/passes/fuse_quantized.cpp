// Float operators between DequantizeLinear and QuantizeLinear become operators on the integers themselves.
//
//     a = DequantizeLinear(x, xs, xz)  b = DequantizeLinear(w, ws, wz)  c = Conv(a, b)  y = QuantizeLinear(c, ys, yz)
//     y = QLinearConv(x, xs, xz, w, ws, wz, ys, yz)
//
// So do MatMul and Gemm by one matrix. A Relu or Clip before the QuantizeLinear becomes a Clip of integers, which is
// the same, since quantizing keeps the order. Without a QuantizeLinear the sums are made by ConvInteger or
// MatMulInteger and scaled. What only moves or compares elements (MaxPool, Reshape, a nearest Resize, ...) does so
// before the DequantizeLinear; Concat does between any scales, as each of its inputs can be quantized before it.
//
// Not where scales and zero points are not known, are blocked, or along another axis than the result's channels; nor
// where the sum is not the quantized layer's only reader's. What is left is folded, or becomes elementwise Maps.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "compiler/ir/subgraphs.hpp"
#include "compiler/ops/op.hpp"
#include "compiler/ops/quantize.hpp"
#include "compiler/passes/compose.hpp"
#include "compiler/passes/fold.hpp"
#include "compiler/passes/passes.hpp"

namespace igata {

namespace {

/// A value of integers and what they stand for.
struct Quantized {
    ValueId integers = no_value;
    ValueId scale = no_value;
    ValueId zero = no_value;
    std::int64_t axis = 1;  ///< along which the scales lie, if there are several
};

class QuantizedFuser {
public:
    QuantizedFuser(Graph& graph, Remarks& remarks, Budget budget)
        : graph_(graph), remarks_(remarks), budget_(std::move(budget)), uses_(graph) {}

    void run() {
        each("", [&](NodeIt node) { return move(node); });
        each("QuantizeLinear", [&](NodeIt node) { return cancel(node) || requantize(node) || concatenate(node); });
        each("", [&](NodeIt node) { return scale_sums(node); });
    }

private:
    template <class F>
    void each(std::string_view op, const F& f) {
        for (auto node = graph_.nodes.begin(); node != graph_.nodes.end(); ++node) {
            if ((!op.empty() && node->op != op) || budget_.spent() || !f(node)) continue;
            budget_.take();
            uses_ = Uses(graph_);
        }
        graph_.remove_dead_nodes();
        uses_ = Uses(graph_);
    }

    const ValueType& type(ValueId id) const { return graph_.value(id).type; }
    bool single(ValueId id) const { return element_count(type(id).dims) == 1; }

    /// The value if a DequantizeLinear makes it, in f32, of constant scales and zero points.
    std::optional<Quantized> dequantized(ValueId id) const {
        const Node* node = id == no_value ? nullptr : uses_.producer(id);
        return node == nullptr || node->op != "DequantizeLinear" ? std::nullopt
                                                                 : parameters(*node, node->inputs[0], id);
    }

    /// `integers` as the node quantizes or dequantizes them; `real` is its other side.
    std::optional<Quantized> parameters(const Node& node, ValueId integers, ValueId real) const {
        Quantized q{integers, node.inputs.at(1), node.input(2), 0};
        const bool bytes = type(integers).dtype == DataType::u8 || type(integers).dtype == DataType::i8 ||
                           type(integers).dtype == DataType::i32;
        if (!bytes || type(real).dtype != DataType::f32 || type(q.scale).dtype != DataType::f32) return std::nullopt;
        if (!graph_.is_constant(q.scale) || (q.zero != no_value && !graph_.is_constant(q.zero))) return std::nullopt;
        if (single(q.scale)) return q;
        if (node.attrs.get_int("block_size", 0) != 0) return std::nullopt;
        const std::size_t rank = type(real).dims.size();
        q.axis = rank == 1 ? 0 : normalize_axis(node.attrs.get_int("axis", 1), rank);
        return q;
    }

    /// The zero point, made if there is none.
    ValueId zero_of(const Quantized& q) {
        return q.zero != no_value ? q.zero : graph_.add_constant("zero_point", Tensor(type(q.integers).dtype, {}));
    }

    ValueId insert(NodeIt before, const char* op, std::vector<ValueId> inputs, Attrs attrs = {}) {
        Node node;
        node.op = op;
        node.name = before->name;
        node.inputs = std::move(inputs);
        node.attrs = std::move(attrs);
        const ValueId result = graph_.insert(before, std::move(node), graph_.value(before->outputs.at(0)).name);
        infer_node(graph_, *std::prev(before));
        return result;
    }

    ValueId reshaped(NodeIt before, ValueId x, const Dims& dims) {
        return insert(before, "Reshape", {x, graph_.add_constant("shape", Tensor::of_dims(dims))});
    }

    // Layers ----------------------------------------------------------------------------------------------------------

    struct Layer {
        const Node* node = nullptr;
        Quantized x, w;
        ValueId bias = no_value;  ///< f32
    };

    /// A Conv, MatMul or Gemm of integers of 8 bits by constant ones.
    std::optional<Layer> layer(const Node* node) const {
        if (node == nullptr || (node->op != "Conv" && node->op != "MatMul" && node->op != "Gemm")) return std::nullopt;
        const auto x = dequantized(node->inputs.at(0));
        const auto w = dequantized(node->inputs.at(1));
        if (!x || !w || node->has_epilogue() || !graph_.is_constant(w->integers)) return std::nullopt;
        const auto byte = [&](const Quantized& q) { return size_of(type(q.integers).dtype) == 1; };
        if (!byte(*x) || !byte(*w) || !single(x->scale)) return std::nullopt;
        const std::int64_t channel_axis = node->op == "Conv" || transposed(*node) ? 0 : 1;
        const std::size_t w_rank = type(w->integers).dims.size();
        if (!single(w->scale) && w->axis != channel_axis) return std::nullopt;
        if (node->op != "Conv" && w_rank != 2) return std::nullopt;
        if (node->op == "Gemm" && !is_plain(*node)) return std::nullopt;
        return Layer{node, *x, *w, node->input(2)};
    }

    static bool transposed(const Node& node) { return node.attrs.get_int("transB", 0) != 0; }

    bool is_plain(const Node& gemm) const {
        const bool scaled = gemm.attrs.get_float("alpha", 1) != 1 || gemm.attrs.get_float("beta", 1) != 1;
        const bool vector =
            gemm.input(2) == no_value || type(gemm.input(2)).dims == Dims{type(gemm.outputs[0]).dims[1]};
        return !scaled && vector && gemm.attrs.get_int("transA", 0) == 0;
    }

    /// The bias in units of the sums, if it is quantized just so.
    ValueId integer_bias(const Layer& layer) const {
        const auto q = dequantized(layer.bias);
        if (!q || type(q->integers).dtype != DataType::i32 || !is_zero(q->zero)) return no_value;
        const auto wanted = graph_.constant(layer.w.scale)->to_f64();
        const double x_scale = graph_.constant(layer.x.scale)->scalar_f64();
        const auto scales = graph_.constant(q->scale)->to_f64();
        const std::size_t count = std::max(wanted.size(), scales.size());
        for (std::size_t i = 0; i < count; ++i) {
            const double product = x_scale * wanted[wanted.size() == 1 ? 0 : i];
            if (std::abs(scales[scales.size() == 1 ? 0 : i] - product) > 1e-6 * std::abs(product)) return no_value;
        }
        return q->integers;
    }

    bool is_zero(ValueId id) const {
        if (id == no_value) return true;
        const auto values = graph_.constant(id)->to_f64();
        return std::all_of(values.begin(), values.end(), [](double value) { return value == 0; });
    }

    /// Relu and Clip right before `id`, the last one first; `id` moves up to what they are applied to.
    std::vector<const Node*> activations(ValueId& id) const {
        std::vector<const Node*> found;
        for (;;) {
            const Node* node = uses_.producer(id);
            const bool clips = node != nullptr && (node->op == "Relu" || node->op == "Clip");
            if (!clips || uses_.count(id) != 1 || graph_.is_output(id)) return found;
            for (std::size_t i = 1; i < node->inputs.size(); ++i)
                if (node->inputs[i] != no_value && !graph_.is_constant(node->inputs[i])) return found;
            found.push_back(node);
            id = node->inputs[0];
        }
    }

    /// The activation on integers: its bounds are quantized, and left out where saturation keeps to them.
    ValueId clipped(NodeIt before, const Node& activation, const Node& quantize, ValueId y) {
        const auto bound = [&](std::size_t i, const char* name) -> ValueId {
            const bool relu = activation.op == "Relu";
            Tensor real = Tensor::scalar(0.0F);
            if (relu && i == 2) return no_value;
            if (!relu && activation.attrs.has(name)) real = Tensor::scalar(activation.attrs.get_float(name, 0));
            else if (!relu && activation.input(i) == no_value) return no_value;
            else if (!relu) real = graph_.constant(activation.input(i))->reshaped({});
            const Tensor* zero = quantize.input(2) == no_value ? nullptr : graph_.constant(quantize.input(2));
            const Tensor* scale = graph_.constant(quantize.inputs[1]);
            const Tensor integer = quantized(quantize, real, *scale, zero, type(y).dtype);
            const Tensor limit = Tensor::scalar(i == 1 ? -1e9 : 1e9).cast(type(y).dtype);
            return integer == limit ? no_value : graph_.add_constant("bound", integer);
        };
        const ValueId least = bound(1, "min");
        const ValueId greatest = bound(2, "max");
        return least == no_value && greatest == no_value ? y : insert(before, "Clip", {y, least, greatest});
    }

    /// y = QuantizeLinear(activations(layer(...)))
    bool requantize(NodeIt root) {
        const auto result = parameters(*root, root->outputs[0], root->inputs[0]);
        if (!result || !single(result->scale) || type(result->integers).dtype == DataType::i32) return false;
        ValueId id = root->inputs[0];
        const auto clips = activations(id);
        const auto found = layer(uses_.producer(id));
        if (!found || uses_.count(id) != 1 || graph_.is_output(id)) return false;
        const ValueId bias = found->bias == no_value ? no_value : integer_bias(*found);
        if (found->bias != no_value && bias == no_value) return false;
        const ValueId y_zero = zero_of(*result);
        ValueId y = add_layer(root, *found, bias, result->scale, y_zero);
        for (auto clip = clips.rbegin(); clip != clips.rend(); ++clip) y = clipped(root, **clip, *root, y);
        remarks_.done("fuse_quantized", label(graph_, *root), fmt::format("{} of integers", found->node->op));
        graph_.replace_uses(root->outputs[0], y);
        return true;
    }

    ValueId add_layer(NodeIt before, const Layer& l, ValueId bias, ValueId y_scale, ValueId y_zero) {
        const ValueId x_zero = zero_of(l.x);
        const ValueId w_zero = zero_of(l.w);
        const Dims y = type(l.node->outputs[0]).dims;
        std::vector<ValueId> inputs{l.x.integers, l.x.scale, x_zero, l.w.integers, l.w.scale, w_zero, y_scale, y_zero};
        if (l.node->op == "Conv") {
            if (bias != no_value) inputs.push_back(bias);
            return insert(before, "QLinearConv", inputs, l.node->attrs);
        }
        if (bias == no_value && !transposed(*l.node)) return insert(before, "QLinearMatMul", inputs);
        // The rows are images of one pixel.
        const Dims x = type(l.x.integers).dims;
        Dims w = type(l.w.integers).dims;
        if (!transposed(*l.node)) {
            inputs[3] = insert(before, "Transpose", {inputs[3]}, {{"perm", Dims{1, 0}}});
            std::swap(w[0], w[1]);
        }
        inputs[0] = reshaped(before, inputs[0], {x[0], x[1], 1});
        inputs[3] = reshaped(before, inputs[3], {w[0], w[1], 1});
        if (bias != no_value) inputs.push_back(bias);
        return reshaped(before, insert(before, "QLinearConv", inputs), y);
    }

    /// A layer whose result is wanted in f32: its sums times the scales, plus the bias.
    bool scale_sums(NodeIt node) {
        const auto found = layer(&*node);
        if (!found || transposed(*node)) return false;
        const bool convolution = node->op == "Conv";
        const ValueId x_zero = zero_of(found->x);
        const ValueId w_zero = zero_of(found->w);
        ValueId y = insert(node, convolution ? "ConvInteger" : "MatMulInteger",
                           {found->x.integers, found->w.integers, x_zero, w_zero}, convolution ? node->attrs : Attrs{});
        Dims channels(convolution ? type(y).dims.size() - 1 : 1, 1);
        channels[0] = type(y).dims[convolution ? 1 : type(y).dims.size() - 1];
        const float x_scale = static_cast<float>(graph_.constant(found->x.scale)->scalar_f64());
        Tensor scale = *graph_.constant(found->w.scale);
        for (float& value : scale.mutable_values<float>()) value *= x_scale;
        scale = scale.count() == 1 ? scale.reshaped({}) : scale.reshaped(channels);
        y = insert(node, "Cast", {y}, {{"to", std::int64_t{1}}});
        y = insert(node, "Mul", {y, graph_.add_constant("scale", scale)});
        if (found->bias != no_value) {
            const ValueId bias = convolution ? reshaped(node, found->bias, channels) : found->bias;
            y = insert(node, "Add", {y, bias});
        }
        remarks_.done("fuse_quantized", label(graph_, *node), fmt::format("{} sums integers", node->op));
        graph_.replace_uses(node->outputs[0], y);
        return true;
    }

    // Moves -----------------------------------------------------------------------------------------------------------

    /// Makes each element of its result from one of its first input's, as it is.
    static bool is_move(const Node& node) {
        static constexpr const char* moves[] = {"MaxPool", "Reshape",      "Flatten",     "Transpose",
                                                "Squeeze", "Unsqueeze",    "Split",       "Slice",
                                                "Resize",  "DepthToSpace", "SpaceToDepth"};
        if (std::find(std::begin(moves), std::end(moves), node.op) == std::end(moves)) return false;
        if (node.op != "Resize") return true;
        return node.attrs.get_string("mode", "nearest") == "nearest" &&
               node.attrs.get_string("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize";
    }

    /// MaxPool(DequantizeLinear(x)) -> DequantizeLinear(MaxPool(x))
    bool move(NodeIt node) {
        if (!is_move(*node)) return false;
        const auto x = dequantized(node->inputs.at(0));
        if (!x || !single(x->scale) || size_of(type(x->integers).dtype) != 1 || graph_.is_constant(x->integers))
            return false;
        if (node->op == "MaxPool" && (node->outputs.size() > 1 || graph_.constant(x->scale)->scalar_f64() < 0))
            return false;
        const Node& dequantize = *uses_.producer(node->inputs[0]);
        std::vector<ValueId> inputs = dequantize.inputs;
        const Attrs attrs = dequantize.attrs;
        const std::vector<ValueId> results = node->outputs;
        node->inputs[0] = x->integers;
        for (ValueId& output : node->outputs)
            if (output != no_value) output = graph_.add_value(graph_.value(output).name);
        infer_node(graph_, *node);
        for (std::size_t i = 0; i < results.size(); ++i) {
            if (results[i] == no_value) continue;
            inputs[0] = node->outputs[i];
            Node back;
            back.op = "DequantizeLinear";
            back.name = node->name;
            back.inputs = inputs;
            back.attrs = attrs;
            back.outputs = {results[i]};
            graph_.nodes.insert(std::next(node), std::move(back));
        }
        remarks_.done("fuse_quantized", label(graph_, *node), fmt::format("{} of integers", node->op));
        return true;
    }

    /// QuantizeLinear(DequantizeLinear(x)) -> x, with equal parameters.
    bool cancel(NodeIt root) {
        const auto result = parameters(*root, root->outputs[0], root->inputs[0]);
        const auto x = dequantized(root->inputs[0]);
        if (!x || !result || !single(x->scale) || !single(result->scale) || !are_alike(*x, *result)) return false;
        graph_.replace_uses(root->outputs[0], x->integers);
        return true;
    }

    /// y = QuantizeLinear(Concat(DequantizeLinear(a), DequantizeLinear(b), ...))
    bool concatenate(NodeIt root) {
        const ValueId id = root->inputs[0];
        const Node* node = uses_.producer(id);
        const auto result = parameters(*root, root->outputs[0], id);
        if (node == nullptr || node->op != "Concat" || !result || !single(result->scale)) return false;
        if (uses_.count(id) != 1 || graph_.is_output(id)) return false;
        for (const ValueId input : node->inputs)
            if (const auto x = dequantized(input); !x || !single(x->scale)) return false;
        std::vector<ValueId> inputs;
        for (const ValueId input : node->inputs) {
            const Quantized x = *dequantized(input);
            inputs.push_back(are_alike(x, *result) ? x.integers
                                                   : insert(root, "QuantizeLinear",
                                                            {input, root->inputs[1], root->input(2)}, root->attrs));
        }
        const ValueId y = insert(root, "Concat", inputs, node->attrs);
        remarks_.done("fuse_quantized", label(graph_, *root), "Concat of integers");
        graph_.replace_uses(root->outputs[0], y);
        return true;
    }

    /// One scale, zero point and type.
    bool are_alike(const Quantized& a, const Quantized& b) const {
        const auto number = [&](ValueId value) {
            return value == no_value ? 0.0 : graph_.constant(value)->scalar_f64();
        };
        return type(a.integers).dtype == type(b.integers).dtype && number(a.scale) == number(b.scale) &&
               number(a.zero) == number(b.zero);
    }

    Graph& graph_;
    Remarks& remarks_;
    Budget budget_;
    Uses uses_;
};

}  // namespace

void fuse_quantized(Graph& graph, Remarks& remarks, Budget budget) {
    for_each_subgraph(graph, [&](Graph& subgraph) { fuse_quantized(subgraph, remarks, budget); });
    const auto is_linear = [](const Node& node) {
        return node.op == "QuantizeLinear" || node.op == "DequantizeLinear";
    };
    if (std::none_of(graph.nodes.begin(), graph.nodes.end(), is_linear)) return;
    QuantizedFuser(graph, remarks, std::move(budget)).run();
    for (Node& node : graph.nodes)
        if (is_linear(node)) make_elementwise(graph, node);
    fold_constants(graph, remarks);
}

}  // namespace igata
