// If, Loop and Scan whose course is known at compile time.
//
//     y = If(c, x) {then_branch=graph (x) -> (t) { t = Neg(x) }, ...}       c = constant bool {1}
//     y = Neg(x)
//     y, ys = Scan(s, xs) {num_scan_inputs=1, body=graph (s, x) -> (t, t) { t = Add(s, x) }}    xs: f32[2,8]
//     x0 = Gather(xs, 0)  t0 = Add(s, x0)  x1 = Gather(xs, 1)  y = Add(t0, x1)  ys = Concat(t0', y')
//
// Loops of few iterations only, unless nothing else will do: a body that needs the number of its iteration at compile
// time, or a state that grows.
#include "compiler/passes/expand_control.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "compiler/ops/arguments.hpp"
#include "compiler/ops/control.hpp"
#include "compiler/passes/fold.hpp"
#include "compiler/passes/follow_sizes.hpp"

namespace igata {

namespace {

constexpr std::size_t few_nodes = 256;     // unrolled without need
constexpr std::size_t most_nodes = 20000;  // unrolled if that is the only way

void set_input(Graph& body, std::size_t i, const ValueType& type) {
    Graph::Input& input = body.inputs.at(i);
    body.value(input.value).type = type;
    input.dtype = type.dtype;
    input.dims.clear();
    for (const std::int64_t dim : type.dims) input.dims.push_back({dim, ""});
}

void set_constant(Graph& body, std::size_t i, const Tensor& tensor) {
    set_input(body, i, tensor.type());
    body.value(body.inputs[i].value).constant = tensor;
}

void bind_captures(const Graph& graph, const Node& node, Graph& body) {
    const std::size_t count = capture_count(node);
    if (body.inputs.size() < count || node.inputs.size() < count)
        throw std::invalid_argument("has fewer inputs than it captures");
    for (std::size_t i = 0; i < count; ++i) {
        const Value& outside = graph.value(node.inputs[node.inputs.size() - count + i]);
        const std::size_t inside = body.inputs.size() - count + i;
        if (outside.constant) set_constant(body, inside, *outside.constant);
        else set_input(body, inside, outside.type);
    }
}

void bind_iteration(const Graph& graph, const Node& node) {
    const LoopParts parts = loop_parts(node);
    Graph& body = *parts.body;
    if (parts.is_loop) {
        set_input(body, 0, {DataType::i64, {}});
        set_constant(body, 1, Tensor::scalar(true));  // else the body would not run
    }
    for (std::size_t i = 0; i < parts.states; ++i)
        set_input(body, parts.lead + i, graph.value(node.inputs[parts.first + i]).type);
    for (std::size_t i = 0; i < parts.scanned; ++i) {
        ValueType type = graph.value(node.inputs[parts.first + parts.states + i]).type;
        const auto axis = scan_axis(node, "input", i, type.dims.size()).axis;
        type.dims.erase(type.dims.begin() + axis);
        set_input(body, parts.lead + parts.states + i, type);
    }
}

/// Puts bodies in the place of one node.
class Expansion {
public:
    Expansion(Graph& graph, NodeIt node, Remarks& remarks) : graph_(graph), node_(node), remarks_(remarks) {}

    /// True if the node's results now come from elsewhere; the node itself is left for the caller to erase.
    bool run(std::size_t node_limit) {
        return name_in_errors(*node_, [&] {
            if (node_->op == "If") return inline_branch();
            if (node_->op == "Loop") return unroll_loop(node_limit);
            if (node_->op == "Scan") return node_->version == 8 ? unroll_batch() : unroll_scan(node_limit);
            return false;
        });
    }

    /// Runs both branches of an If and selects of what they make; likewise. For branches that end up in different
    /// sizes, or read what has no fixed one.
    bool merge_branches() {
        if (node_->op != "If" || runs_on(*node_)) return false;
        return name_in_errors(*node_, [&] {
            const ValueId condition =
                add_node("Reshape", {node_->inputs.at(0), graph_.add_constant("shape", Tensor::of_dims({}))});
            const std::vector<ValueId> a = append(graph_attribute(*node_, "then_branch"), captures());
            const std::vector<ValueId> b = append(graph_attribute(*node_, "else_branch"), captures());
            if (std::min(a.size(), b.size()) < node_->outputs.size())
                throw std::invalid_argument("its branches have too few outputs");
            for (std::size_t i = 0; i < node_->outputs.size(); ++i)
                if (node_->outputs[i] != no_value) set_output(i, merged(condition, i, a[i], b[i]));
            remarks_.done("expand_control", node_->name, "both branches run");
            return true;
        });
    }

private:
    /// It may take long, or for ever, where the condition does not hold.
    static bool runs_on(const Node& node) {
        const auto graphs = subgraphs(node);
        return std::any_of(graphs.begin(), graphs.end(), [](const Graph* graph) {
            return std::any_of(graph->nodes.begin(), graph->nodes.end(),
                               [](const Node& inner) { return inner.op == "Loop" || runs_on(inner); });
        });
    }

    /// The one axis along which two values may differ in size, if there is one.
    std::optional<std::size_t> varying_axis(std::size_t output, const Value& a, const Value& b) const {
        std::set<std::size_t> axes;
        for (const Value* value : {&a, &b})
            if (value->true_size) axes.insert(as_index(value->true_size->axis));
        if (a.type.dtype != b.type.dtype || a.type.dims.size() != b.type.dims.size()) refuse_merging(output, a, b);
        for (std::size_t i = 0; i < a.type.dims.size(); ++i)
            if (a.type.dims[i] != b.type.dims[i]) axes.insert(i);
        if (axes.size() > 1) refuse_merging(output, a, b);
        return axes.empty() ? std::nullopt : std::optional(*axes.begin());
    }

    [[noreturn]] void refuse_merging(std::size_t output, const Value& a, const Value& b) const {
        throw Unsupported(fmt::format("{}: its branches give output {} as {} and {}; only the data knows which",
                                      describe(*node_), output, to_string(a.type), to_string(b.type)));
    }

    /// The value with room for `most` along an axis, and how much of that is meant.
    std::pair<ValueId, ValueId> with_room(ValueId id, std::size_t axis, std::int64_t most) {
        const std::optional<TrueSize> open = graph_.value(id).true_size;
        const Dims dims = graph_.value(id).type.dims;
        const ValueId size = open ? open->size : graph_.add_constant("size", Tensor::scalar(dims[axis]));
        Dims pads(2 * dims.size(), 0);
        pads[dims.size() + axis] = most - dims[axis];
        const ValueId whole = open ? add_node("Bound", {id}) : id;
        return {add_node("Pad", {whole, graph_.add_constant("pads", Tensor::of_dims(pads))}), size};
    }

    /// Output i.
    ValueId merged(ValueId condition, std::size_t i, ValueId a, ValueId b) {
        const auto axis = varying_axis(i, graph_.value(a), graph_.value(b));
        if (!axis) return add_node("Where", {condition, a, b});
        const std::int64_t most = std::max(graph_.value(a).type.dims[*axis], graph_.value(b).type.dims[*axis]);
        const auto [of_a, size_of_a] = with_room(a, *axis, most);
        const auto [of_b, size_of_b] = with_room(b, *axis, most);
        const ValueId size = add_node("Where", {condition, size_of_a, size_of_b});
        return add_node("Open", {add_node("Where", {condition, of_a, of_b}), size}, {{"axis", as_dim(*axis)}});
    }

    /// The body's outputs, inferred: by Identity, as what makes them may be replaced meanwhile.
    std::vector<ValueId> append(const Graph& body, const std::vector<ValueId>& inputs) {
        if (body.inputs.size() != inputs.size())
            throw std::invalid_argument(
                fmt::format("a body of it takes {} inputs, not {}", body.inputs.size(), inputs.size()));
        const bool first = node_ == graph_.nodes.begin();
        const NodeIt before = first ? node_ : std::prev(node_);
        std::vector<ValueId> outputs = inline_graph(graph_, node_, body, inputs);
        for (ValueId& id : outputs) id = put("Identity", {id}, graph_.add_value(graph_.value(id).name));
        infer_nodes(graph_, first ? graph_.nodes.begin() : std::next(before), node_, remarks_);
        return outputs;
    }

    /// A node before the one whose place is taken, not inferred.
    ValueId put(const char* op, std::vector<ValueId> inputs, ValueId output, Attrs attrs = {}) {
        Node node;
        node.op = op;
        node.name = node_->name;
        node.inputs = std::move(inputs);
        node.outputs = {output};
        node.attrs = std::move(attrs);
        graph_.nodes.insert(node_, std::move(node));
        return output;
    }

    ValueId add_node(const char* op, std::vector<ValueId> inputs, Attrs attrs = {}) {
        const ValueId result = put(op, std::move(inputs), graph_.add_value(op), std::move(attrs));
        infer_nodes(graph_, std::prev(node_), node_, remarks_);
        return result;
    }

    ValueId element(ValueId value, std::int64_t axis, std::int64_t index) {
        return add_node("Gather", {value, graph_.add_constant("index", Tensor::scalar(index))}, {{"axis", axis}});
    }

    ValueId stack(const std::vector<ValueId>& values, const ScanAxis& along) {
        const ValueId axes = graph_.add_constant("axes", Tensor::of_dims({along.axis}));
        std::vector<ValueId> slices;
        for (const ValueId value : values) slices.push_back(add_node("Unsqueeze", {value, axes}));
        if (along.backward) std::reverse(slices.begin(), slices.end());
        return add_node("Concat", std::move(slices), {{"axis", along.axis}});
    }

    std::vector<ValueId> captures() const {
        const std::vector<ValueId>& inputs = node_->inputs;
        return {inputs.end() - static_cast<std::ptrdiff_t>(capture_count(*node_)), inputs.end()};
    }

    /// The output is `by` under its own name.
    void set_output(std::size_t output, ValueId by) {
        const ValueId id = node_->output(output);
        if (id == no_value) return;
        put("Identity", {by}, id);
        infer_nodes(graph_, std::prev(node_), node_, remarks_);
    }

    bool inline_branch() {
        const Tensor* condition = graph_.constant(node_->input(0));
        if (condition == nullptr || condition->count() != 1) return false;
        const bool holds = condition->scalar_f64() != 0;
        const Graph& branch = graph_attribute(*node_, holds ? "then_branch" : "else_branch");
        const std::vector<ValueId> results = append(branch, captures());
        if (results.size() < node_->outputs.size()) throw std::invalid_argument("its branch has too few outputs");
        for (std::size_t i = 0; i < node_->outputs.size(); ++i) set_output(i, results[i]);
        remarks_.done("expand_control", node_->name, fmt::format("its condition is always {}", holds));
        return true;
    }

    void finish(const LoopParts& parts, const std::vector<ValueId>& states,
                const std::vector<std::vector<ValueId>>& stacks, std::size_t trips) {
        for (std::size_t i = 0; i < parts.states; ++i) set_output(i, states[i]);
        for (std::size_t i = 0; i < parts.stacked; ++i) {
            if (node_->output(parts.states + i) == no_value) continue;
            const std::size_t rank = graph_.value(stacks[i].front()).type.dims.size() + 1;
            set_output(parts.states + i, stack(stacks[i], scan_axis(*node_, "output", i, rank)));
        }
        remarks_.done("expand_control", node_->name, fmt::format("unrolled, {} iterations", trips));
    }

    /// Runs one iteration's body; returns its outputs.
    std::vector<ValueId> iterate(const LoopParts& parts, std::vector<ValueId> lead, std::vector<ValueId>& states,
                                 const std::vector<ValueId>& scanned, std::vector<std::vector<ValueId>>& stacks) {
        std::vector<ValueId> inputs = std::move(lead);
        inputs.insert(inputs.end(), states.begin(), states.end());
        inputs.insert(inputs.end(), scanned.begin(), scanned.end());
        const std::vector<ValueId> outer = captures();
        inputs.insert(inputs.end(), outer.begin(), outer.end());
        std::vector<ValueId> outputs = append(*parts.body, inputs);
        for (std::size_t i = 0; i < parts.states; ++i) states[i] = outputs[parts.lead_out + i];
        for (std::size_t i = 0; i < parts.stacked; ++i) stacks[i].push_back(outputs[parts.lead_out + parts.states + i]);
        return outputs;
    }

    bool unroll_loop(std::size_t node_limit) {
        const LoopParts parts = loop_parts(*node_);
        const ValueId count = node_->inputs[0];
        const ValueId condition = node_->inputs[1];
        if ((count != no_value && !graph_.is_constant(count)) ||
            (condition != no_value && !graph_.is_constant(condition)) || (count == no_value && condition == no_value))
            return false;
        std::int64_t most = std::numeric_limits<std::int64_t>::max();
        if (count != no_value) most = graph_.constant(count)->to_i64().at(0);
        const std::size_t limit = node_limit / std::max<std::size_t>(parts.body->nodes.size(), 1);
        if (condition == no_value && most > as_dim(limit)) return false;
        bool runs = condition == no_value || graph_.constant(condition)->scalar_f64() != 0;
        if (most <= 0 || !runs) return false;  // what it stacks has a type only as a loop
        std::vector<ValueId> states(node_->inputs.begin() + 2,
                                    node_->inputs.begin() + 2 + static_cast<std::ptrdiff_t>(parts.states));
        std::vector<std::vector<ValueId>> stacks(parts.stacked);
        std::int64_t k = 0;
        const bool is_first = node_ == graph_.nodes.begin();
        const NodeIt before = is_first ? node_ : std::prev(node_);
        const auto give_up = [&] {
            graph_.nodes.erase(is_first ? graph_.nodes.begin() : std::next(before), node_);
            return false;
        };
        for (; runs && k < most; ++k) {
            if (as_index(k) >= limit) return give_up();
            const std::vector<ValueId> lead{graph_.add_constant("iteration", Tensor::scalar(k)),
                                            graph_.add_constant("condition", Tensor::scalar(true))};
            const std::vector<ValueId> outputs = iterate(parts, lead, states, {}, stacks);
            if (condition == no_value) continue;
            const Tensor* next = graph_.constant(outputs[0]);
            if (next == nullptr) return give_up();
            runs = next->scalar_f64() != 0;
        }
        finish(parts, states, stacks, as_index(k));
        return true;
    }

    bool unroll_scan(std::size_t node_limit) {
        const LoopParts parts = loop_parts(*node_);
        std::vector<ValueId> states(node_->inputs.begin(),
                                    node_->inputs.begin() + static_cast<std::ptrdiff_t>(parts.states));
        std::vector<ScanAxis> along;
        std::int64_t length = -1;
        for (std::size_t i = 0; i < parts.scanned; ++i) {
            const Dims& dims = graph_.value(node_->inputs[parts.states + i]).type.dims;
            along.push_back(scan_axis(*node_, "input", i, dims.size()));
            const std::int64_t extent = dims[as_index(along.back().axis)];
            if (length >= 0 && extent != length) return false;  // which infer says
            length = extent;
        }
        if (length < 1 || as_index(length) > node_limit / std::max<std::size_t>(parts.body->nodes.size(), 1))
            return false;
        std::vector<std::vector<ValueId>> stacks(parts.stacked);
        for (std::int64_t k = 0; k < length; ++k) {
            std::vector<ValueId> elements;
            for (std::size_t i = 0; i < parts.scanned; ++i)
                elements.push_back(
                    element(node_->inputs[parts.states + i], along[i].axis, along[i].backward ? length - 1 - k : k));
            iterate(parts, {}, states, elements, stacks);
        }
        finish(parts, states, stacks, as_index(length));
        return true;
    }

    /// Opset 8 scans each item of a batch: one Scan of the newer form an item.
    bool unroll_batch() {
        const LoopParts parts = loop_parts(*node_);
        if (node_->inputs[0] != no_value)
            throw Unsupported(fmt::format("{}: sequence_lens is not supported", describe(*node_)));
        const Dims& dims = graph_.value(node_->inputs.back()).type.dims;
        if (dims.empty() || dims[0] == 0) throw std::invalid_argument("a scanned value has no batch");
        const std::int64_t batch = dims[0];
        std::vector<std::vector<ValueId>> results(node_->outputs.size());
        for (std::int64_t item = 0; item < batch; ++item) {
            Node scan = *node_;
            scan.version = 9;
            scan.inputs.clear();
            for (std::size_t i = 1; i < node_->inputs.size(); ++i)
                scan.inputs.push_back(i < 1 + parts.states + parts.scanned ? element(node_->inputs[i], 0, item)
                                                                           : node_->inputs[i]);
            scan.attrs.erase("directions");
            if (node_->attrs.has("directions"))
                scan.attrs["scan_input_directions"] = node_->attrs.get_ints("directions");
            scan.attrs["body"] = std::make_shared<Graph>(clone(*parts.body));
            for (std::size_t i = 0; i < scan.outputs.size(); ++i)
                if (scan.outputs[i] != no_value)
                    results[i].push_back(scan.outputs[i] = graph_.add_value(graph_.value(scan.outputs[i]).name));
            infer_nodes(graph_, graph_.nodes.insert(node_, std::move(scan)), node_, remarks_);
        }
        for (std::size_t i = 0; i < results.size(); ++i)
            if (!results[i].empty()) set_output(i, stack(results[i], {}));
        return true;
    }

    Graph& graph_;
    NodeIt node_;
    Remarks& remarks_;
};

/// Gives the inputs of the node's bodies the types, and where they are captured the constants, of what enters there,
/// and goes on from them.
void infer_bodies(const Graph& graph, Node& node, Remarks& remarks) {
    name_in_errors(node, [&] {
        if (node.op == "Loop" || node.op == "Scan") bind_iteration(graph, node);
        for (Graph* body : subgraphs(node)) bind_captures(graph, node, *body);
    });
    for (Graph* body : subgraphs(node)) {
        infer_nodes(*body, body->nodes.begin(), body->nodes.end(), remarks);
        for (const Graph::Output& output : body->outputs)
            if (body->value(output.value).true_size)
                throw Unsupported(fmt::format("{}: the size of '{}', which a body of it returns, depends on the data",
                                              describe(node), output.name));
    }
}

/// Both branches in the place of an If, whose `reason` to be refused is thrown where they cannot be.
void merge_or_refuse(Expansion& expansion, const Unsupported& reason) {
    try {
        if (expansion.merge_branches()) return;
    } catch (const BadInput&) {  // a branch makes no sense where it is not taken
        throw reason;
    }
    throw reason;
}

/// Types of a node that holds graphs; false if others have taken its place.
bool infer_control(Graph& graph, NodeIt node, Remarks& remarks) {
    Expansion expansion(graph, node, remarks);
    if (node->op == "Scan") check_sizes(graph, *node);  // how far it goes is in the sizes
    if (expansion.run(few_nodes)) return false;
    const Attrs pristine = node->attrs;
    for (auto& [name, attr] : node->attrs)
        if (auto* body = std::get_if<std::shared_ptr<Graph>>(&attr)) *body = std::make_shared<Graph>(clone(**body));
    try {
        check_sizes(graph, *node);
        infer_bodies(graph, *node, remarks);
        infer_and_fold(graph, *node);
        return true;
    } catch (const Unsupported& reason) {
        node->attrs = pristine;
        if (!expansion.run(most_nodes)) merge_or_refuse(expansion, reason);
        return false;
    }
}

}  // namespace

void infer_nodes(Graph& graph, NodeIt begin, NodeIt end, Remarks& remarks) {
    for (NodeIt node = begin; node != end;) {
        if (op_of(*node).expand) {
            node = expand_node(graph, node);
            continue;
        }
        if (op_of(*node).open_axis) {
            node = infer_open(graph, node);
            continue;
        }
        if (!has_subgraphs(*node)) {
            node = infer_sized(graph, node);
            continue;
        }
        if (infer_control(graph, node, remarks)) ++node;
        else node = graph.nodes.erase(node);
    }
}

void expand_control(Graph& graph, Remarks& remarks) {
    for (NodeIt node = graph.nodes.begin(); node != graph.nodes.end();)
        node = has_subgraphs(*node) && Expansion(graph, node, remarks).run(few_nodes) ? graph.nodes.erase(node)
                                                                                      : std::next(node);
}

}  // namespace igata
