// Reshapes sink through elementwise operators, so that these stay next to what computes their input:
//     r = Reshape(x: f32[1,8,1,1], [1,1,1,8])  y = Mul(r, c)   =>  m = Mul(x, c')  y = Reshape(m, [1,1,1,8])
// The other inputs are Reshapes of the same dims, single numbers, or constants that can be reshaped along: of all
// elements, or any where the Reshape only moves axes of one element.
#include <algorithm>

#include "compiler/ops/arguments.hpp"
#include "compiler/ops/rewriting.hpp"
#include "compiler/ops/rules/reshape.hpp"

namespace igata {

namespace {

/// By value: inserting nodes moves the graph's values.
Dims dims_of(const RuleMatch& m, ValueId id) { return m.graph.value(id).type.dims; }

/// The dims before the Reshape that makes `id`, or nothing if none does.
std::optional<Dims> reshaped_from(const RuleMatch& m, ValueId id) {
    const Node* producer = id == no_value ? nullptr : m.uses.producer(id);
    if (producer == nullptr || producer->op != "Reshape") return std::nullopt;
    return dims_of(m, producer->inputs[0]);
}

/// What dims become where Reshape turns `from` into `to`, if dims broadcast to `to`; nothing if there is no such shape.
std::optional<Dims> follow(const Dims& dims, const Dims& from, const Dims& to) {
    if (dims == to) return from;
    if (dims.size() > to.size()) return std::nullopt;
    Dims aligned = dims;
    aligned.insert(aligned.begin(), to.size() - dims.size(), 1);
    Dims result(from.size(), 1);
    std::size_t j = 0;
    for (std::size_t i = 0; i < to.size(); ++i) {
        if (to[i] == 1) continue;
        while (j < from.size() && from[j] == 1) ++j;
        if (j == from.size() || from[j] != to[i]) return std::nullopt;
        result[j++] = aligned[i];
    }
    return result;
}

bool can_follow(const RuleMatch& m, ValueId id, const Dims& from, const Dims& to) {
    if (id == no_value || element_count(dims_of(m, id)) == 1) return true;
    if (const auto source = reshaped_from(m, id)) return *source == from && dims_of(m, id) == to;
    return m.graph.is_constant(id) && follow(dims_of(m, id), from, to).has_value();
}

std::optional<std::string> sink_through_map(RuleMatch& m) {
    const NodeIt root = m.at("y");
    if (!root->is_map() && !op_of(*root).expression) return not_worth_it();
    const Dims to = m.type("y").dims;
    const auto first = std::ranges::find_if(
        root->inputs, [&](ValueId id) { return reshaped_from(m, id).has_value() && dims_of(m, id) == to; });
    if (first == root->inputs.end()) return not_worth_it();
    const Dims from = *reshaped_from(m, *first);
    if (!std::ranges::all_of(root->inputs, [&](ValueId id) { return can_follow(m, id, from, to); }))
        return not_worth_it();
    Node node = *root;
    for (ValueId& id : node.inputs) {
        if (id == no_value) continue;
        if (reshaped_from(m, id).has_value() && dims_of(m, id) == to) id = m.uses.producer(id)->inputs[0];
        else if (element_count(dims_of(m, id)) == 1) id = insert_reshape(m.graph, root, id, {});
        else id = insert_reshape(m.graph, root, id, *follow(dims_of(m, id), from, to));
    }
    const ValueId mapped = m.graph.insert(root, std::move(node), m.graph.value(m["y"]).name);
    return replace(m, m["y"], insert_reshape(m.graph, root, mapped, to));
}

}  // namespace

void add_sink_reshape_rules(std::vector<Rule>& rules) {
    rules.push_back({"sink-reshape", "y = _(...)", sink_through_map});
}

}  // namespace igata
