// Transposes meet and cancel.
//     a = Transpose(x) {perm=p}  y = Transpose(a) {perm=q}   =>  y = Transpose(x) {perm=p[q]}
//     y = Transpose(x) {perm=[0,1,2]}                        =>  x
//     y = Transpose(x: f32[1,8,1,1]) {perm=[0,2,3,1]}        =>  y = Reshape(x, [1,1,1,8])
#include <algorithm>

#include "compiler/ops/arguments.hpp"
#include "compiler/ops/rewriting.hpp"
#include "compiler/ops/rules/transpose.hpp"

namespace igata {

bool is_mere_reshape(const Dims& dims, const Dims& perm) {
    std::int64_t last = -1;
    for (const std::int64_t axis : perm) {
        if (dims[as_index(axis)] == 1) continue;
        if (axis < last) return false;
        last = axis;
    }
    return true;
}

namespace {

std::optional<std::string> drop_or_reshape(RuleMatch& m) {
    const Dims& dims = m.type("x").dims;
    const Dims perm = transpose_perm(m.node("y"), dims.size());
    if (std::is_sorted(perm.begin(), perm.end())) return replace(m, m["y"], m["x"]);
    if (!is_mere_reshape(dims, perm)) return not_worth_it();
    return replace(m, m["y"], insert_reshape(m.graph, m.at("y"), m["x"], m.type("y").dims));
}

std::optional<std::string> merge(RuleMatch& m) {
    const std::size_t rank = m.type("x").dims.size();
    const Dims inner = transpose_perm(m.node("a"), rank);
    Dims perm = transpose_perm(m.node("y"), rank);
    for (std::int64_t& axis : perm) axis = inner[as_index(axis)];
    return replace(m, m["y"], insert_node(m.graph, m.at("y"), "Transpose", {m["x"]}, {{"perm", perm}}));
}

}  // namespace

void add_transpose_rules(std::vector<Rule>& rules) {
    rules.push_back({"drop-transpose", "y = Transpose(x)", drop_or_reshape});
    rules.push_back({"merge-transposes", "a = Transpose(x)  y = Transpose(a)", merge});
}

}  // namespace igata
