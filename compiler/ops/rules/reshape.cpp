// All that changes nothing but the shape becomes one Reshape with its dims spelt out, and Reshapes merge.
//     y = Flatten(x) | Squeeze(x) | Unsqueeze(x, axes) | Reshape(x, [0,-1])   =>  y = Reshape(x, [2,12])
//     a = Reshape(x, s)  y = Reshape(a, t)                                    =>  y = Reshape(x, t)
//     y = Reshape(x: f32[2,12], [2,12])                                       =>  x
#include "compiler/ops/rules/reshape.hpp"

#include "compiler/ops/arguments.hpp"
#include "compiler/ops/rewriting.hpp"

namespace igata {

namespace {

bool is_canonical(RuleMatch& m) {
    const Node& node = m.node("y");
    const Tensor* shape = m.graph.constant(node.input(1));
    return node.op == "Reshape" && shape != nullptr && shape->to_i64() == m.type("y").dims;
}

std::optional<std::string> spell_out(RuleMatch& m) {
    if (is_canonical(m)) return not_worth_it();
    return replace(m, m["y"], insert_reshape(m.graph, m.at("y"), m["x"], m.type("y").dims));
}

std::optional<std::string> merge(RuleMatch& m) {
    return replace(m, m["y"], insert_reshape(m.graph, m.at("y"), m["x"], m.type("y").dims));
}

}  // namespace

void add_reshape_rules(std::vector<Rule>& rules) {
    rules.push_back({"drop-reshape", "y = Reshape|Flatten|Squeeze|Unsqueeze(x, ...)", drop_if_same_type});
    rules.push_back({"spell-out-reshape", "y = Reshape|Flatten|Squeeze|Unsqueeze(x, ...)", spell_out});
    rules.push_back({"merge-reshapes", "a = Reshape(x, _)  y = Reshape(a, _)", merge});
}

}  // namespace igata
