// What rewrite rules are made of.
#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "compiler/ops/op.hpp"

namespace igata {

/// What a rule returns that refuses without a word: the pattern is there, but not worth a remark.
inline std::optional<std::string> not_worth_it() { return std::string(); }

/// A new node before `before` under the same name; returns its result.
inline ValueId insert_node(Graph& graph, NodeIt before, const std::string& op, std::vector<ValueId> inputs,
                           Attrs attrs = {}) {
    Node node;
    node.op = op;
    node.name = before->name;
    node.inputs = std::move(inputs);
    node.attrs = std::move(attrs);
    return graph.insert(before, std::move(node), graph.value(before->outputs.at(0)).name);
}

/// Likewise a Reshape in the canonical form: a constant shape without 0 (copy) or -1.
/// `dims` by value, since new values move the graph's others.
inline ValueId insert_reshape(Graph& graph, NodeIt before, ValueId x, Dims dims) {
    const ValueId shape = graph.add_constant("shape", Tensor::of_dims(dims));
    const bool empty = std::count(dims.begin(), dims.end(), 0) > 0;
    return insert_node(graph, before, "Reshape", {x, shape}, empty ? Attrs{{"allowzero", std::int64_t{1}}} : Attrs{});
}

/// Everybody who read `from` now reads `to`; the makers of `from` are dead if nothing else keeps them.
inline std::optional<std::string> replace(RuleMatch& match, ValueId from, ValueId to) {
    match.graph.replace_uses(from, to);
    return std::nullopt;
}

/// For rules on `y = Op(x, ...)`: y is x under another name if their types agree.
inline std::optional<std::string> drop_if_same_type(RuleMatch& match) {
    return match.type("x") == match.type("y") ? replace(match, match["y"], match["x"]) : not_worth_it();
}

}  // namespace igata
