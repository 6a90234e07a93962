// Transposes sink towards the results, until they meet their inverse, an operator that minds the axes, or the end:
//     t = Transpose(x) {perm=[0,2,3,1]}  y = Mul(t, c)      =>  m = Mul(x, c')  y = Transpose(m) {perm=[0,2,3,1]}
//     t = Transpose(x) {perm=p}  y = ReduceMean(t, axes)    =>  r = ReduceMean(x, p[axes])  y = Transpose(r)
//     t, u = Transpose(x), Transpose(z)  y = Concat(t, u)   =>  c = Concat(x, z)  y = Transpose(c)
// The other inputs of an elementwise operator or Concat are Transposes alike, constants (transposed now), single
// numbers, or such that their inverse transpose only moves axes of one element, and is a Reshape.
//
// A Transpose and a Pad settle with the Pad next to the convolution or pooling that may absorb it:
//     t = Transpose(x)  y = Pad(t, pads)                    =>  p = Pad(x, pads')  y = Transpose(p)   elsewhere
//     p = Pad(x, pads)  y = Transpose(p)  z = Conv(y, w)    =>  t = Transpose(x)  y = Pad(t, pads')
#include <algorithm>

#include "compiler/ops/arguments.hpp"
#include "compiler/ops/rewriting.hpp"
#include "compiler/ops/rules/transpose.hpp"

namespace igata {

namespace {

const Node* transpose_of(const RuleMatch& m, ValueId id) {
    const Node* producer = id == no_value ? nullptr : m.uses.producer(id);
    return producer != nullptr && producer->op == "Transpose" ? producer : nullptr;
}

Dims dims_of(const RuleMatch& m, ValueId id) { return m.graph.value(id).type.dims; }

Dims perm_of(const RuleMatch& m, const Node& transpose) {
    return transpose_perm(transpose, dims_of(m, transpose.inputs[0]).size());
}

Dims permuted(const Dims& dims, const Dims& perm) {
    Dims result;
    for (const std::int64_t axis : perm) result.push_back(dims[as_index(axis)]);
    return result;
}

Dims inverse_of(const Dims& perm) {
    Dims inverse(perm.size());
    for (std::size_t i = 0; i < perm.size(); ++i) inverse[as_index(perm[i])] = as_dim(i);
    return inverse;
}

Dims with_leading_ones(Dims dims, std::size_t rank) {
    dims.insert(dims.begin(), rank - dims.size(), 1);
    return dims;
}

bool can_untranspose(const RuleMatch& m, ValueId id, const Dims& perm) {
    if (id == no_value || m.graph.is_constant(id)) return true;
    const Node* transpose = transpose_of(m, id);
    if (transpose != nullptr && perm_of(m, *transpose) == perm) return true;
    const Dims dims = dims_of(m, id);
    if (dims.size() > perm.size()) return false;  // an operand that does not count for the shape, as CastLike's
    return element_count(dims) == 1 || is_mere_reshape(with_leading_ones(dims, perm.size()), inverse_of(perm));
}

/// The value whose Transpose by `perm` is `id`, up to broadcasting; new nodes go before the root.
ValueId untranspose(RuleMatch& m, NodeIt root, ValueId id, const Dims& perm) {
    if (id == no_value) return id;
    const Node* transpose = transpose_of(m, id);
    if (transpose != nullptr && perm_of(m, *transpose) == perm) return transpose->inputs[0];
    const Dims given = dims_of(m, id);
    if (element_count(given) == 1) return id;
    const Dims inverse = inverse_of(perm);
    const Dims dims = with_leading_ones(given, perm.size());
    if (is_mere_reshape(dims, inverse)) return insert_reshape(m.graph, root, id, permuted(dims, inverse));
    const ValueId whole = dims == given ? id : insert_reshape(m.graph, root, id, dims);
    return insert_node(m.graph, root, "Transpose", {whole}, {{"perm", inverse}});
}

ValueId transpose_again(RuleMatch& m, NodeIt root, ValueId id, const Dims& perm) {
    if (std::is_sorted(perm.begin(), perm.end())) return id;
    return insert_node(m.graph, root, "Transpose", {id}, {{"perm", perm}});
}

/// A copy of the root on other inputs.
ValueId insert_alike(RuleMatch& m, NodeIt root, std::vector<ValueId> inputs, const Attrs& attrs) {
    Node node = *root;
    node.inputs = std::move(inputs);
    node.attrs = attrs;
    return m.graph.insert(root, std::move(node), m.graph.value(root->outputs[0]).name);
}

/// The perm of the first input of full rank that is a Transpose, if all inputs can do without.
std::optional<Dims> common_perm(const RuleMatch& m, const Node& root) {
    const std::size_t rank = m.type("y").dims.size();
    for (const ValueId id : root.inputs) {
        const Node* transpose = transpose_of(m, id);
        if (transpose == nullptr || m.graph.value(id).type.dims.size() != rank) continue;
        Dims perm = perm_of(m, *transpose);
        const bool all =
            std::ranges::all_of(root.inputs, [&](ValueId input) { return can_untranspose(m, input, perm); });
        return all ? std::optional(std::move(perm)) : std::nullopt;
    }
    return std::nullopt;
}

std::vector<ValueId> untransposed_inputs(RuleMatch& m, NodeIt root, const Dims& perm) {
    std::vector<ValueId> inputs;
    for (const ValueId id : root->inputs) inputs.push_back(untranspose(m, root, id, perm));
    return inputs;
}

std::optional<std::string> sink_through_map(RuleMatch& m) {
    const NodeIt root = m.at("y");
    if (!root->is_map() && !op_of(*root).expression) return not_worth_it();
    const std::optional<Dims> perm = common_perm(m, *root);
    if (!perm) return not_worth_it();
    const ValueId mapped = insert_alike(m, root, untransposed_inputs(m, root, *perm), root->attrs);
    return replace(m, m["y"], transpose_again(m, root, mapped, *perm));
}

std::optional<std::string> sink_through_concat(RuleMatch& m) {
    const NodeIt root = m.at("y");
    const std::optional<Dims> perm = common_perm(m, *root);
    if (!perm) return not_worth_it();
    const std::int64_t axis = normalize_axis(root->attrs.get_int("axis", 1), perm->size());
    const ValueId joined =
        insert_alike(m, root, untransposed_inputs(m, root, *perm), {{"axis", (*perm)[as_index(axis)]}});
    return replace(m, m["y"], transpose_again(m, root, joined, *perm));
}

/// The perm of the axes that are left when a reduction drops some.
Dims perm_without(const Dims& perm, const Dims& dropped) {
    Dims left;
    for (std::size_t i = 0; i < perm.size(); ++i)
        if (std::ranges::find(dropped, as_dim(i)) == dropped.end()) left.push_back(perm[i]);
    Dims sorted = left;
    std::ranges::sort(sorted);
    for (std::int64_t& axis : left) axis = std::ranges::find(sorted, axis) - sorted.begin();
    return left;
}

std::optional<std::string> sink_through_reduce(RuleMatch& m) {
    const NodeIt root = m.at("y");
    const Dims perm = perm_of(m, m.node("t"));
    const ValueId given = root->input(1);
    if (given != no_value && !m.graph.is_constant(given)) return not_worth_it();
    Dims axes = given == no_value ? Dims{} : normalize_axes(m.graph.constant(given)->to_i64(), perm.size());
    if (axes.empty() && root->attrs.get_int("noop_with_empty_axes", 0) == 0)
        for (std::size_t i = 0; i < perm.size(); ++i) axes.push_back(as_dim(i));
    const ValueId mapped = m.graph.add_constant("axes", Tensor::of_dims(permuted(perm, axes)));
    const ValueId reduced = insert_alike(m, root, {m["x"], mapped}, root->attrs);
    const bool keep = root->attrs.get_int("keepdims", 1) != 0;
    return replace(m, m["y"], transpose_again(m, root, reduced, keep ? perm : perm_without(perm, axes)));
}

// Pad ----------------------------------------------------------------------------------------------------------------

/// Somebody reads the value who minds the axes and may absorb a Pad.
bool feeds_a_window(const RuleMatch& m, ValueId id) {
    return std::ranges::any_of(m.uses.readers(id), [](const Node* reader) {
        return reader->op == "Conv" || reader->op == "AveragePool" || reader->op == "MaxPool";
    });
}

/// The begins and ends of all axes; empty if not known.
std::vector<Dims> full_pads(const RuleMatch& m, const Node& pad, std::size_t rank) {
    const Tensor* pads = m.graph.constant(pad.input(1));
    if (pads == nullptr || (pad.input(3) != no_value && !m.graph.is_constant(pad.input(3)))) return {};
    const Dims given = pads->to_i64();
    Dims axes;
    for (std::size_t i = 0; i < given.size() / 2; ++i) axes.push_back(as_dim(i));
    if (pad.input(3) != no_value) axes = normalize_axes(m.graph.constant(pad.input(3))->to_i64(), rank);
    std::vector<Dims> full(2, Dims(rank, 0));
    for (std::size_t i = 0; i < axes.size(); ++i) {
        full[0][as_index(axes[i])] = given[i];
        full[1][as_index(axes[i])] = given[i + axes.size()];
    }
    return full;
}

ValueId insert_pad(RuleMatch& m, NodeIt root, const Node& pad, ValueId x, const std::vector<Dims>& pads,
                   const Dims& perm) {
    Dims joined = permuted(pads[0], perm);
    const Dims ends = permuted(pads[1], perm);
    joined.insert(joined.end(), ends.begin(), ends.end());
    std::vector<ValueId> inputs{x, m.graph.add_constant("pads", Tensor::of_dims(joined))};
    if (pad.input(2) != no_value) inputs.push_back(pad.input(2));
    return insert_node(m.graph, root, "Pad", std::move(inputs), pad.attrs);
}

std::optional<std::string> sink_through_pad(RuleMatch& m) {
    const Dims perm = perm_of(m, m.node("t"));
    const std::vector<Dims> pads = full_pads(m, m.node("y"), perm.size());
    if (pads.empty() || feeds_a_window(m, m["y"])) return not_worth_it();
    const ValueId padded = insert_pad(m, m.at("y"), m.node("y"), m["x"], pads, inverse_of(perm));
    return replace(m, m["y"], transpose_again(m, m.at("y"), padded, perm));
}

std::optional<std::string> hoist_above_pad(RuleMatch& m) {
    const Dims perm = perm_of(m, m.node("y"));
    const std::vector<Dims> pads = full_pads(m, m.node("p"), perm.size());
    if (pads.empty() || !m.used_once("p") || !feeds_a_window(m, m["y"])) return not_worth_it();
    const ValueId x = transpose_again(m, m.at("y"), m["x"], perm);
    return replace(m, m["y"], insert_pad(m, m.at("y"), m.node("p"), x, pads, perm));
}

}  // namespace

void add_sink_transpose_rules(std::vector<Rule>& rules) {
    rules.push_back({"sink-transpose", "y = _(...)", sink_through_map});
    rules.push_back({"sink-transpose-through-concat", "y = Concat(...)", sink_through_concat});
    rules.push_back({"sink-transpose-through-reduction",
                     "t = Transpose(x)  y = ReduceSum|ReduceMean|ReduceMax|ReduceMin|ReduceProd|ReduceL1|ReduceL2|"
                     "ReduceSumSquare|ReduceLogSum|ReduceLogSumExp(t, ...)",
                     sink_through_reduce});
    rules.push_back({"sink-transpose-through-pad", "t = Transpose(x)  y = Pad(t, ...)", sink_through_pad});
    rules.push_back({"hoist-transpose-above-pad", "p = Pad(x, ...)  y = Transpose(p)", hoist_above_pad});
}

}  // namespace igata
