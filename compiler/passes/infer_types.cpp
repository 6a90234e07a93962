// Types and shapes of all values, from the inputs down.
//
//     s = Shape(x)  n = Gather(s, zero)  y = Reshape(x, n)        x: f32[1,8]
//     y: f32[1] ...                                               s, n are constants
//
// Sizes that depend on the data are followed (see follow_sizes).
//
// A node whose operator is a composition of others is replaced by them first (OpDef::expand).
//
// Small values that follow from constants alone become constants at once, because shapes hang on them. Bodies of If,
// Loop and Scan are typed with the node that holds them, or put in its place (see expand_control).
#include <algorithm>

#include <fmt/format.h>

#include "compiler/ops/op.hpp"
#include "compiler/passes/expand_control.hpp"
#include "compiler/passes/fill_dim.hpp"
#include "compiler/passes/follow_sizes.hpp"
#include "compiler/passes/merge_equal.hpp"
#include "compiler/passes/passes.hpp"

namespace igata {

namespace {

/// Models may lie about their outputs, and runtimes let them: what was inferred holds.
void correct_declared_dims(Graph& graph, Remarks& remarks) {
    for (Graph::Output& output : graph.outputs) {
        const ValueType& type = graph.value(output.value).type;
        bool differs = !output.dims.empty() && output.dims.size() != type.dims.size();
        for (std::size_t i = 0; !differs && i < output.dims.size(); ++i)
            differs = output.dims[i].known() && output.dims[i].value != type.dims[i];
        if (differs)
            remarks.refused("infer_types", output.name,
                            fmt::format("the model declares another shape for output '{}' than it computes, {}",
                                        output.name, to_string(type)));
        output.dims.resize(type.dims.size(), {0, ""});
        for (std::size_t i = 0; i < type.dims.size(); ++i) fill_dim(output.dims[i], type.dims[i]);
    }
}

/// Equal ones make one size, along which values fit each other.
bool makes_size(const Node& node) {
    const OpDef* op = Registry::instance().find(node.op);
    return op != nullptr && op->open_axis;
}

}  // namespace

void infer_types(Graph& graph, Remarks& remarks) {
    if (std::ranges::any_of(graph.nodes, makes_size)) merge_equal_nodes(graph, remarks, {});
    infer_nodes(graph, graph.nodes.begin(), graph.nodes.end(), remarks);
    add_size_outputs(graph);
    correct_declared_dims(graph, remarks);
}

}  // namespace igata
