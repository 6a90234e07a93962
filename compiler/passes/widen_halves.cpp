// Operators that oneDNN or a kernel of our own runs in f32 take f16 and bf16 as f32, and their results are rounded.
//
//     y = Conv(x, w)                 x1 = Map(x) => cast<f32>(x0)
//   becomes, if x is f16,            w1 = Map(w) => cast<f32>(x0)
//                                    y1 = Conv(x1, w1)
//                                    y = Map(y1) => cast<f16>(x0)
//
// The same results, as that is what these operators do by themselves (`widened`); but constants are converted once, and
// the Maps fuse with what is around them. OpDef::widens_halves says which operators.
#include "compiler/ir/subgraphs.hpp"
#include "compiler/ops/op.hpp"
#include "compiler/ops/widen.hpp"
#include "compiler/passes/passes.hpp"

namespace igata {

namespace {

Node cast(const Node& around, ValueId from, DataType to) {
    return make_map(around.name, expr::cast(to, expr::operand(0)), {from});
}

void widen_node(Graph& graph, NodeIt node) {
    for (ValueId& input : node->inputs) {
        if (input == no_value || !is_half(graph.value(input).type.dtype)) continue;
        input = graph.insert(node, cast(*node, input, DataType::f32), graph.value(input).name,
                             {DataType::f32, graph.value(input).type.dims});
    }
    for (ValueId& output : node->outputs) {
        if (output == no_value || !is_half(graph.value(output).type.dtype)) continue;
        const ValueType type = graph.value(output).type;
        const ValueId wide = graph.add_value(graph.value(output).name, {DataType::f32, type.dims});
        Node narrow = cast(*node, wide, type.dtype);
        narrow.outputs = {output};
        graph.nodes.insert(std::next(node), std::move(narrow));
        output = wide;
    }
}

}  // namespace

void widen_halves(Graph& graph) {
    for_each_subgraph(graph, [](Graph& body) { widen_halves(body); });
    for (auto node = graph.nodes.begin(); node != graph.nodes.end(); ++node)
        if (op_of(*node).widens_halves) widen_node(graph, node);
}

}  // namespace igata
