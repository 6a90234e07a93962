// Results whose size depends on the data have room for the largest there can be, and their true size is a value:
//
//     graph (x: bool[2,3]) -> (z) { y = NonZero(x)  z = Transpose(y) }
//     graph (x: bool[2,3]) -> (z, z.size) { y, z.size = NonZero(x)  z = Transpose(y) }      z: i64[6,2], z.size: i64
//
// An operator that makes each element from one of the open axis computes what lies beyond the true size, too, and
// nobody looks at it. Others put something neutral there first (OpDef::close), or are refused.
//
//     y = ReduceMax(n)
//     f = Map(counting, n.size, n) => select(x0 < x1, x2, lowest)  y = ReduceMax(f)
//
// A size may also go through shape arithmetic and become a dim again: whoever needs the shape at compile time gets the
// largest, and what it makes is open.
//
//     s = Concat(n.size, three)  y = Expand(x, s)        y.size = n.size
//     y = Expand(x, [6,3])
#include "compiler/passes/follow_sizes.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include <fmt/format.h>

#include "compiler/ir/subgraphs.hpp"
#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/carry_axis.hpp"
#include "compiler/passes/fold.hpp"

namespace igata {

namespace {

[[noreturn]] void refuse(const Graph& graph, const Node& node, ValueId input) {
    throw Unsupported(
        fmt::format("{}: the size of its input '{}' depends on the data", describe(node), graph.value(input).name));
}

/// Others in the node's place, by its operator's `close`; refuses it where there is none.
NodeIt close_or_refuse(Graph& graph, NodeIt node, ValueId input) {
    if (const std::optional<NodeIt> next = close_node(graph, node)) return *next;
    refuse(graph, *node, input);
}

/// An input whose size depends on the data, or no_value.
ValueId open_input(const Graph& graph, const Node& node) {
    for (const ValueId id : node.inputs)
        if (id != no_value && graph.value(id).true_size) return id;
    return no_value;
}

/// Sets the results of a node whose inputs are constants.
void fold_open(Graph& graph, const Node& node) {
    const OpDef& op = op_of(node);
    std::vector<const Tensor*> inputs;
    for (const ValueId id : node.inputs) inputs.push_back(graph.constant(id));
    std::vector<Tensor> results = eval_node(graph, node, inputs);
    const std::int64_t size = results.back().to_i64().front();
    const InferContext context(graph, node);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
        if (node.outputs[i] == no_value) continue;
        Value& value = graph.value(node.outputs[i]);
        const int axis = i + 1 < node.outputs.size() ? op.open_axis(context, i) : -1;
        value.constant =
            axis < 0 ? std::move(results[i])
                     : copy_of(results[i], sliced(view_of(results[i]), static_cast<std::size_t>(axis), 0, size));
        value.type = value.constant->type();
    }
}

// Shape arithmetic ---------------------------------------------------------------------------------------------------

/// What makes a value of constants and one true size alone.
struct Arithmetic {
    ValueId size = no_value;
    std::int64_t largest = 0;
    std::vector<const Node*> nodes = {};

    Tensor evaluate(const Graph& graph, ValueId result, std::int64_t at) const {
        std::map<ValueId, Tensor> values{{size, Tensor::scalar(at)}};
        for (const Node* node : nodes) {
            std::vector<const Tensor*> inputs;
            for (const ValueId id : node->inputs)
                inputs.push_back(id == no_value          ? nullptr
                                 : graph.is_constant(id) ? graph.constant(id)
                                                         : &values.at(id));
            std::vector<Tensor> results = eval_node(graph, *node, inputs);
            for (std::size_t i = 0; i < node->outputs.size(); ++i)
                if (node->outputs[i] != no_value) values[node->outputs[i]] = std::move(results.at(i));
        }
        return values.at(result);
    }
};

using LargestSizes = std::map<ValueId, std::int64_t>;

/// Nothing if other values than constants and one of the sizes go into the result.
std::optional<Arithmetic> arithmetic_of(const Graph& graph, ValueId result, const LargestSizes& sizes) {
    constexpr std::int64_t most_elements = 64;  // far more than a shape has
    Arithmetic arithmetic;
    std::set<ValueId> wanted;
    const auto want = [&](ValueId id) {
        const auto size = sizes.find(id);
        if (id == no_value || graph.is_constant(id)) return true;
        if (size == sizes.end()) return wanted.insert(id), true;
        if (arithmetic.size != no_value && arithmetic.size != id) return false;
        arithmetic.size = id;
        arithmetic.largest = size->second;
        return true;
    };
    if (!want(result)) return std::nullopt;
    for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend() && !wanted.empty(); ++node) {
        bool makes = false;
        for (const ValueId id : node->outputs) makes |= wanted.erase(id) > 0;
        if (!makes) continue;
        if (!std::all_of(node->inputs.begin(), node->inputs.end(), want) || has_subgraphs(*node) ||
            op_of(*node).is_random)
            return std::nullopt;
        for (const ValueId id : node->outputs)
            if (id != no_value && element_count(graph.value(id).type.dims) > most_elements) return std::nullopt;
        arithmetic.nodes.insert(arithmetic.nodes.begin(), &*node);
    }
    if (!wanted.empty() || arithmetic.size == no_value) return std::nullopt;
    return arithmetic;
}

/// Back to a size that an operator of its own makes; else to any, which others may make of two.
std::optional<Arithmetic> arithmetic_of(const Graph& graph, ValueId result) {
    LargestSizes all;
    for (std::size_t i = 0; i < graph.value_count(); ++i)
        if (const Value& value = graph.value(static_cast<ValueId>(i)); value.true_size)
            all[value.true_size->size] = value.type.dims.at(static_cast<std::size_t>(value.true_size->axis));
    if (all.empty()) return std::nullopt;
    LargestSizes made;
    for (const Node& node : graph.nodes)
        if (op_of(node).open_axis)
            if (const auto size = all.find(node.outputs.back()); size != all.end()) made.insert(*size);
    const std::optional<Arithmetic> arithmetic = arithmetic_of(graph, result, made);
    return arithmetic ? arithmetic : arithmetic_of(graph, result, all);
}

/// Sizes up to the largest: all, or where there are many, those at both ends and enough between.
Dims sample_sizes(std::int64_t largest) {
    constexpr std::int64_t few = 512;
    Dims sizes;
    const std::int64_t step = std::max<std::int64_t>(1, largest / few);
    for (std::int64_t at = 0; at <= largest; at += at < few || at + few >= largest ? 1 : step) sizes.push_back(at);
    return sizes;
}

/// An element that is not the same for all sizes.
struct SizedEntry {
    std::size_t place;
    std::int64_t most;
    ExprPtr formula;  ///< of the size; null if it has no simple one
};

/// A tensor of integers that follow from a true size.
struct SizedTensor {
    Tensor most;  ///< the largest that each can get
    ValueId size = no_value;
    std::vector<SizedEntry> entries = {};
};

/// What gives these results of these sizes: the size, or min(a * size + b, most), so that equal functions look equal.
ExprPtr formula_of(const Dims& sizes, const Dims& results) {
    if (sizes == results) return expr::operand(0);
    if (sizes.size() < 2) return nullptr;
    const std::int64_t most = std::ranges::max(results);
    const std::int64_t slope = results[1] - results[0];
    for (std::size_t i = 0; i < sizes.size(); ++i)
        if (results[i] != std::min(slope * sizes[i] + results[0], most)) return nullptr;
    return expr::parse(fmt::format("min(x0 * {} + {}, {})", slope, results[0], most));
}

/// Found by trying sizes. Nothing if one could be negative.
std::optional<SizedTensor> sized_tensor(const Graph& graph, ValueId id) {
    const std::optional<Arithmetic> arithmetic = arithmetic_of(graph, id);
    if (!arithmetic || !is_integer(graph.value(id).type.dtype)) return std::nullopt;
    const Dims sizes = sample_sizes(arithmetic->largest);
    std::vector<Dims> results(as_index(element_count(graph.value(id).type.dims)));  // by element
    for (const std::int64_t at : sizes) {
        const Dims values = arithmetic->evaluate(graph, id, at).to_i64();
        if (values.size() != results.size()) return std::nullopt;
        for (std::size_t i = 0; i < values.size(); ++i) results[i].push_back(values[i]);
    }
    SizedTensor sized{Tensor(), arithmetic->size};
    Dims most;
    for (std::size_t i = 0; i < results.size(); ++i) {
        const auto [low, high] = std::ranges::minmax(results[i]);
        most.push_back(high);
        if (low == high) continue;
        if (low < 0) return std::nullopt;
        sized.entries.push_back({i, high, formula_of(sizes, results[i])});
    }
    const ValueType& type = graph.value(id).type;
    sized.most = Tensor::of_dims(most).reshaped(type.dims).cast(type.dtype);
    return sized;
}

/// Which values equal nodes make of equal inputs.
class Alike {
public:
    explicit Alike(const Graph& graph) : graph_(graph) {
        for (const Node& node : graph.nodes)
            for (std::size_t i = 0; i < node.outputs.size(); ++i)
                if (node.outputs[i] != no_value) made_[node.outputs[i]] = {&node, i};
    }

    bool operator()(ValueId a, ValueId b) {
        if (a == b) return true;
        if (a == no_value || b == no_value) return false;
        const Tensor* of_a = graph_.constant(a);
        const Tensor* of_b = graph_.constant(b);
        if (of_a != nullptr || of_b != nullptr) return of_a != nullptr && of_b != nullptr && *of_a == *of_b;
        const auto known = found_.find({a, b});
        if (known != found_.end()) return known->second;
        constexpr int deepest = 1000;  // what makes a size is not far; whole networks before it need not be compared
        if (depth_ == deepest) return false;
        ++depth_;
        const bool alike = is_made_alike(a, b);
        --depth_;
        return found_[{a, b}] = alike;
    }

private:
    bool is_made_alike(ValueId a, ValueId b) {
        const auto x = made_.find(a), y = made_.find(b);
        if (x == made_.end() || y == made_.end() || x->second.second != y->second.second) return false;
        const Node& p = *x->second.first;
        const Node& q = *y->second.first;
        const bool same_body =
            p.epilogue && q.epilogue ? expr::equal(p.epilogue, q.epilogue) : p.epilogue == q.epilogue;
        return p.op == q.op && p.version == q.version && same_body && p.operand_begin == q.operand_begin &&
               p.attrs == q.attrs && !op_of(p).is_random && std::ranges::equal(p.inputs, q.inputs, std::ref(*this));
    }

    const Graph& graph_;
    std::map<ValueId, std::pair<const Node*, std::size_t>> made_;
    std::map<std::pair<ValueId, ValueId>, bool> found_;
    int depth_ = 0;
};

/// Two true sizes are the same whatever the data.
bool is_same_size(const Graph& graph, ValueId a, ValueId b) {
    if (a == b || Alike(graph)(a, b)) return true;
    const std::optional<Arithmetic> of_a = arithmetic_of(graph, a);
    const std::optional<Arithmetic> of_b = arithmetic_of(graph, b);
    if (!of_a || !of_b || of_a->size != of_b->size) return false;
    const Dims sizes = sample_sizes(of_a->largest);
    return std::all_of(sizes.begin(), sizes.end(), [&](std::int64_t at) {
        return of_a->evaluate(graph, a, at).to_i64() == of_b->evaluate(graph, b, at).to_i64();
    });
}

/// The element of a tensor as a true size.
ValueId size_of_entry(Graph& graph, NodeIt before, ValueId tensor, const SizedTensor& sized, const SizedEntry& entry) {
    const auto typed = [&](Node node) {
        const ValueId result = graph.insert(before, std::move(node), "size");
        infer_and_fold(graph, *std::prev(before));
        return result;
    };
    const auto node_of = [&](std::string_view op, std::vector<ValueId> inputs) {
        Node node;
        node.op = op;
        node.name = before->name;
        node.inputs = std::move(inputs);
        node.version = op_of(node).newest;
        return node;
    };
    if (entry.formula && entry.formula->op == ExprOp::operand) return sized.size;
    if (entry.formula) return typed(make_map(before->name, entry.formula, {sized.size}));
    const ValueId flat = typed(node_of("Reshape", {tensor, graph.add_constant("shape", Tensor::of_dims({-1}))}));
    const ValueId element = typed(
        node_of("Gather", {flat, graph.add_constant("index", Tensor::scalar(static_cast<std::int64_t>(entry.place)))}));
    const std::string body = fmt::format("min(cast<i64>(x0), {})", entry.most);
    return typed(make_map(before->name, expr::parse(body), {element}));
}

/// Makes a constant of a typed node's result that selects from what has true sizes in it, but none itself: of the dims
/// of an open value, those that are fixed.
void fold_fixed(Graph& graph, const Node& node) {
    const ValueId id = node.output(0);
    if (id == no_value || graph.is_constant(id) || node.inputs.empty() || node.inputs[0] == no_value) return;
    const auto count_of = [&](ValueId value) { return element_count(graph.value(value).type.dims); };
    if (node.outputs.size() > 1 || count_of(id) >= count_of(node.inputs[0]) || count_of(node.inputs[0]) > 16) return;
    const std::optional<SizedTensor> sized = sized_tensor(graph, id);
    if (sized && sized->entries.empty()) graph.value(id).constant = sized->most;
}

/// An element of an input that was a true size and is the largest now.
struct BoundEntry {
    std::size_t input, entry;
    ValueId value, size;  ///< what the input was, and the true size
};

/// Types the node. Where it wants to know integers at compile time that are known but for a true size, it gets the
/// largest: those that it needs, from the last input to the first, since data come before what shapes them.
std::vector<BoundEntry> infer_bound(Graph& graph, NodeIt at) {
    Node& node = *at;
    std::vector<BoundEntry> bound;
    try {
        infer_and_fold(graph, node);
        return bound;
    } catch (const Unsupported&) {
        for (std::size_t i = node.own_input_count(); i-- > 0;) {
            if (node.inputs[i] == no_value || graph.is_constant(node.inputs[i])) continue;
            const std::optional<SizedTensor> sized = sized_tensor(graph, node.inputs[i]);
            if (!sized) continue;
            for (const SizedEntry& entry : sized->entries)
                bound.push_back(
                    {i, entry.place, node.inputs[i], size_of_entry(graph, at, node.inputs[i], *sized, entry)});
            node.inputs[i] = graph.add_constant(graph.value(node.inputs[i]).name, sized->most);
            try {
                infer_and_fold(graph, node);
                return bound;
            } catch (const Unsupported&) {
                continue;
            }
        }
        throw;
    }
}

/// Gives the outputs of a typed node the true sizes that its inputs have. Returns an input that it does not carry, or
/// no_value.
ValueId carry_sizes(Graph& graph, Node& node, const std::vector<BoundEntry>& bound) {
    const OpDef& op = op_of(node);
    std::optional<TrueSize> carried;
    ValueId refused = no_value;
    const InferContext context(graph, node);
    const auto carry = [&](std::size_t input, int axis, ValueId value, ValueId size) {
        const int to = op.carry_axis ? op.carry_axis(context, input, axis) : -1;
        const bool agrees =
            !carried || to == closes || (carried->axis == to && is_same_size(graph, carried->size, size));
        if (to == -1 || !agrees) refused = value;
        else if (to != closes) carried = {to, size};
    };
    for (std::size_t i = 0; i < context.input_count(); ++i)
        if (const auto own = context.has_input(i) ? graph.value(node.input(i)).true_size : std::nullopt)
            carry(i, own->axis, node.input(i), own->size);
    for (const BoundEntry& each : bound) carry(each.input, static_cast<int>(each.entry), each.value, each.size);
    if (refused != no_value) return refused;
    if (op.size_input >= 0 && !graph.is_constant(node.inputs[static_cast<std::size_t>(op.size_input)]))
        carried = {static_cast<int>(node.attrs.get_int("axis", 0)),
                   node.inputs[static_cast<std::size_t>(op.size_input)]};
    if (carried && carried->axis == takes_size) node.inputs.push_back(carried->size);
    else if (carried)
        for (const ValueId id : node.outputs)
            if (id != no_value) graph.value(id).true_size = carried;
    return no_value;
}

}  // namespace

NodeIt infer_open(Graph& graph, NodeIt node) {
    const OpDef& op = op_of(*node);
    if (const ValueId open = open_input(graph, *node); open != no_value) return close_or_refuse(graph, node, open);
    const auto size_output = static_cast<std::size_t>(op.max_outputs) - 1;
    if (node->outputs.size() <= size_output) {
        node->outputs.resize(size_output, no_value);
        node->outputs.push_back(graph.add_value("size"));
    }
    infer_node(graph, *node);
    if (is_foldable(graph, *node)) {
        fold_open(graph, *node);
        return graph.nodes.erase(node);
    }
    const InferContext context(graph, *node);
    for (std::size_t i = 0; i < size_output; ++i)
        if (const int axis = op.open_axis(context, i); node->outputs[i] != no_value && axis >= 0)
            graph.value(node->outputs[i]).true_size = {axis, node->outputs[size_output]};
    return std::next(node);
}

void check_sizes(const Graph& graph, const Node& node) {
    if (const ValueId open = open_input(graph, node); open != no_value) refuse(graph, node, open);
}

NodeIt infer_sized(Graph& graph, NodeIt node) {
    const std::vector<ValueId> inputs = node->inputs;
    ValueId refused = op_of(*node).carry_axis ? no_value : open_input(graph, *node);
    if (refused == no_value) refused = carry_sizes(graph, *node, infer_bound(graph, node));
    if (refused == no_value) {
        fold_fixed(graph, *node);
        return std::next(node);
    }
    node->inputs = inputs;
    return close_or_refuse(graph, node, refused);
}

void add_size_outputs(Graph& graph) {
    const std::size_t own = graph.outputs.size();
    for (std::size_t i = 0; i < own; ++i) {
        const std::optional<TrueSize> size = graph.value(graph.outputs[i].value).true_size;
        if (!size || graph.outputs[i].open.axis >= 0) continue;
        const auto is_size = [&](const Graph::Output& output) { return output.value == size->size; };
        const auto after = graph.outputs.begin() + static_cast<std::ptrdiff_t>(own);
        auto found = std::find_if(after, graph.outputs.end(), is_size);
        const auto number = static_cast<std::size_t>(found - graph.outputs.begin());
        if (found == graph.outputs.end())
            graph.outputs.push_back({size->size, graph.outputs[i].name + ".size", {}, {}});
        graph.outputs[i].open = {size->axis, number};
    }
}

}  // namespace igata
