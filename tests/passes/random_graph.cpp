#include "tests/passes/random_graph.hpp"

#include <algorithm>
#include <cmath>
#include <random>

#include "compiler/passes/passes.hpp"

namespace igata::test {

namespace {

using Ints = std::vector<std::int64_t>;

class NetworkBuilder {
public:
    explicit NetworkBuilder(std::uint32_t seed) : random_(seed) {}

    Graph build() {
        const Dims image{pick(1, 2), pick(5, 9), pick(5, 9), pick(1, 4)};
        const ValueId input = graph_.add_value("image");
        graph_.inputs.push_back({input, DataType::f32, {}});
        for (const std::int64_t dim : image) graph_.inputs[0].dims.push_back({dim, ""});
        dims_ = {image[0], image[3], image[1], image[2]};
        x_ = input;
        if (chance(2)) x_ = mul(add(x_, weights({image[3]}, 1)), weights({1}, 1));
        x_ = add_node("Transpose", {x_}, {{"perm", Ints{0, 3, 1, 2}}});
        for (std::int64_t blocks = pick(3, 7); blocks > 0; --blocks) add_block();
        finish();
        shuffle_nodes();
        return std::move(graph_);
    }

private:
    std::int64_t pick(std::int64_t least, std::int64_t most) {
        return least + static_cast<std::int64_t>(random_() % static_cast<std::uint32_t>(most - least + 1));
    }
    bool chance(std::int64_t of) { return pick(1, of) == 1; }

    ValueId weights(Dims dims, std::int64_t fan_in) {
        Tensor tensor(DataType::f32, std::move(dims));
        for (float& value : tensor.mutable_values<float>())
            value = static_cast<float>((static_cast<double>(random_() % 2001) / 1000.0 - 1.0) / std::sqrt(fan_in));
        return graph_.add_constant("w", std::move(tensor));
    }
    ValueId positive(Dims dims) {
        Tensor tensor(DataType::f32, std::move(dims));
        for (float& value : tensor.mutable_values<float>())
            value = static_cast<float>(random_() % 1000 + 500) / 1000.0F;
        return graph_.add_constant("w", std::move(tensor));
    }
    ValueId number(float value) { return graph_.add_constant("k", Tensor::scalar(value)); }

    ValueId add_node(const char* op, std::vector<ValueId> inputs, Attrs attrs = {}) {
        Node node;
        node.op = op;
        node.name = op + std::to_string(graph_.nodes.size());
        node.inputs = std::move(inputs);
        node.attrs = std::move(attrs);
        return graph_.insert(graph_.nodes.end(), std::move(node), "v");
    }
    ValueId add(ValueId a, ValueId b) { return chance(2) ? add_node("Add", {a, b}) : add_node("Add", {b, a}); }
    ValueId mul(ValueId a, ValueId b) { return chance(2) ? add_node("Mul", {a, b}) : add_node("Mul", {b, a}); }

    ValueId convolution(ValueId x, std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                        std::int64_t groups) {
        const std::int64_t pad = kernel / 2;
        std::vector<ValueId> inputs{x, weights({out, in / groups, kernel, kernel}, in / groups * kernel * kernel)};
        if (chance(2)) inputs.push_back(weights({out}, 1));
        return add_node("Conv", inputs,
                        {{"pads", Ints{pad, pad, pad, pad}}, {"strides", Ints{stride, stride}}, {"group", groups}});
    }

    ValueId activation(ValueId x) {
        switch (pick(0, 6)) {
            case 0: return add_node("Relu", {x});
            case 1: return mul(x, add_node("Sigmoid", {x}));
            case 2: return mul(x, add_node("HardSigmoid", {x}));
            case 3: return add_node("Clip", {x, number(0), number(6)});
            case 4: return add_node("LeakyRelu", {x}, {{"alpha", 0.1F}});
            case 5:
                return add_node("Div",
                                {mul(x, add_node("Clip", {add(x, number(3)), number(0), number(6)})), number(6)});
            default: return x;
        }
    }

    void add_block() {
        const Dims before = dims_;
        const ValueId entry = x_;
        const std::int64_t channels = dims_[1];
        switch (pick(0, 11)) {
            case 0: {
                const std::int64_t out = pick(1, 4);
                x_ = convolution(x_, channels, out, 2 * pick(0, 1) + 1, 1, 1);
                dims_[1] = out;
                x_ = activation(x_);
                break;
            }
            case 1: x_ = activation(convolution(x_, channels, channels, 3, 1, channels)); break;
            case 2: strided_convolution(); break;
            case 3: squeeze_excite(); break;
            case 4:
                x_ = add_node("BatchNormalization", {x_, weights({channels}, 1), weights({channels}, 1),
                                                     weights({channels}, 1), positive({channels})});
                break;
            case 5: x_ = activation(add(mul(x_, weights({channels, 1, 1}, 1)), weights({1, channels, 1, 1}, 1))); break;
            case 6: channels_last(); break;
            case 7: flattened(); break;
            case 8: x_ = add_node("MaxPool", {x_}, {{"kernel_shape", Ints{3, 3}}, {"pads", Ints{1, 1, 1, 1}}}); break;
            case 9: branches(); break;
            case 10: halves(); break;
            default: x_ = activation(x_);
        }
        if (before == dims_ && entry != graph_.inputs[0].value && chance(2)) x_ = add(x_, entry);
        if (chance(8)) output(x_);
    }

    /// With a Pad of its own, symmetric or not.
    void strided_convolution() {
        const std::int64_t channels = dims_[1];
        Ints pads(8, 0);
        for (const std::size_t i : {2U, 3U, 6U, 7U}) pads[i] = pick(0, 1);
        const ValueId padded = add_node("Pad", {x_, graph_.add_constant("pads", Tensor::of_dims(pads))});
        x_ =
            add_node("Conv", {padded, weights({channels, 1, 3, 3}, 9)}, {{"strides", Ints{2, 2}}, {"group", channels}});
        for (const std::size_t axis : {2U, 3U}) dims_[axis] = (dims_[axis] + pads[axis] + pads[axis + 4] - 3) / 2 + 1;
        if (std::min(dims_[2], dims_[3]) < 3) {  // keep it large enough for the next one
            x_ = add_node("Pad", {x_, graph_.add_constant("pads", Tensor::of_dims({0, 0, 2, 2, 0, 0, 2, 2}))});
            dims_[2] += 4;
            dims_[3] += 4;
        }
        x_ = activation(x_);
    }

    void squeeze_excite() {
        const std::int64_t channels = dims_[1];
        ValueId gate = no_value;
        if (chance(2)) {
            gate = add_node("GlobalAveragePool", {x_});
        } else {
            const ValueId mean = add_node("ReduceMean", {x_, graph_.add_constant("axes", Tensor::of_dims({2, 3}))},
                                          {{"keepdims", std::int64_t{0}}});
            gate = add_node("Reshape", {mean, graph_.add_constant("shape", Tensor::of_dims({0, channels, 1, 1}))});
        }
        gate = activation(convolution(gate, channels, 2, 1, 1, 1));
        gate = add_node("Sigmoid", {convolution(gate, 2, channels, 1, 1, 1)});
        x_ = mul(x_, gate);
    }

    void channels_last() {
        ValueId y = add_node("Transpose", {x_}, {{"perm", Ints{0, 2, 3, 1}}});
        y = activation(add(y, weights({dims_[1]}, 1)));
        x_ = add_node("Transpose", {y}, {{"perm", Ints{0, 3, 1, 2}}});
    }

    void flattened() {
        ValueId y = add_node("Reshape", {x_, graph_.add_constant("shape", Tensor::of_dims({dims_[0], dims_[1], -1}))});
        y = activation(mul(y, weights({dims_[1], 1}, 1)));
        x_ = add_node("Reshape", {y, graph_.add_constant("shape", Tensor::of_dims(dims_))});
    }

    /// Joined along the channels or the rows; a branch may be there twice, or be read elsewhere.
    void branches() {
        const std::size_t axis = chance(3) ? 2 : 1;
        std::vector<ValueId> parts;
        std::int64_t joined = 0;
        std::int64_t last = 0;  // channels of the last part
        for (std::int64_t count = pick(2, 3); count > 0; --count) {
            std::int64_t channels = dims_[1];
            switch (pick(0, 4)) {
                case 0: parts.push_back(x_); break;
                case 1:
                    if (axis == 1) channels = pick(1, 3);
                    parts.push_back(activation(convolution(x_, dims_[1], channels, 1, 1, 1)));
                    break;
                case 2:
                    parts.push_back(
                        add_node("MaxPool", {x_}, {{"kernel_shape", Ints{3, 3}}, {"pads", Ints{1, 1, 1, 1}}}));
                    break;
                case 3:
                    if (!parts.empty()) {
                        parts.push_back(activation(parts.back()));
                        channels = last;
                        break;
                    }
                    [[fallthrough]];
                default: parts.push_back(mul(activation(x_), weights({channels, 1, 1}, 1)));
            }
            last = channels;
            joined += axis == 1 ? channels : dims_[axis];
        }
        x_ = add_node("Concat", parts, {{"axis", static_cast<std::int64_t>(axis)}});
        dims_[axis] = joined;
        if (axis == 2 || joined > 6) {  // keep it small
            const auto all = [&](std::int64_t end) { return graph_.add_constant("end", Tensor::of_dims({end})); };
            dims_[axis] = std::min<std::int64_t>(joined, 6);
            x_ = add_node("Slice", {x_, all(0), all(dims_[axis]), all(static_cast<std::int64_t>(axis))});
        }
    }

    /// Some of the channels, the others as they are, in turned order.
    void halves() {
        if (dims_[1] < 2) return;
        const std::int64_t first = pick(1, dims_[1] - 1);
        const auto part = [&](std::int64_t begin, std::int64_t end) {
            return add_node("Slice", {x_, graph_.add_constant("begin", Tensor::of_dims({begin})),
                                      graph_.add_constant("end", Tensor::of_dims({end})),
                                      graph_.add_constant("axis", Tensor::of_dims({1}))});
        };
        const ValueId rest = part(first, dims_[1]);
        ValueId worked = part(0, first);
        worked = activation(chance(2) ? convolution(worked, first, first, 3, 1, 1) : worked);
        x_ = add_node("Concat", {rest, worked}, {{"axis", std::int64_t{1}}});
    }

    void output(ValueId id) {
        if (graph_.is_output(id) || id == graph_.inputs[0].value) return;
        graph_.outputs.push_back({id, "out" + std::to_string(graph_.outputs.size()), {}});
    }

    void finish() {
        const ValueId pooled = add_node("Flatten", {add_node("GlobalAveragePool", {x_})});
        ValueId y = no_value;
        if (chance(2)) y = add_node("Gemm", {pooled, weights({dims_[1], 3}, dims_[1]), weights({3}, 1)});
        else y = add(add_node("MatMul", {pooled, weights({dims_[1], 3}, dims_[1])}), weights({3}, 1));
        output(add_node("Sigmoid", {y}));
    }

    /// Models are not always sorted.
    void shuffle_nodes() {
        std::vector<Node> nodes(graph_.nodes.begin(), graph_.nodes.end());
        for (std::size_t i = nodes.size(); i > 1; --i) std::swap(nodes[i - 1], nodes[random_() % i]);
        graph_.nodes.assign(nodes.begin(), nodes.end());
        sort_nodes(graph_);
    }

    std::mt19937 random_;
    Graph graph_;
    ValueId x_ = no_value;
    Dims dims_;  // of x_, NCHW
};

}  // namespace

Graph random_graph(std::uint32_t seed) { return NetworkBuilder(seed).build(); }

}  // namespace igata::test
