// A result that joins its inputs (Concat) is begun by whoever makes the first of them: each then lies in its place.
//
//     a = Map(x) => ...                       loop a x -> y[0:8]
//     b = Map(x) => ...            becomes    loop b x -> y[8:12]
//     y = Concat(a, b) {axis=1}
//
// Where a place is no dense piece of memory (channels, where they lie innermost), only loops and the like store to it,
// and nobody else may read it there: a primitive would be slower, or make a copy of its own.
#include "compiler/ir/view.hpp"
#include "compiler/passes/lower_context.hpp"

namespace igata {

void GraphLowering::find_places() {
    std::unordered_map<ValueId, int> readers;
    for (const Node& node : graph_.nodes)
        for (const ValueId id : node.inputs) ++readers[id];
    for (const Graph::Output& output : graph_.outputs) readers[output.value] += 2;
    for (const Node& node : graph_.nodes) {
        const OpDef& op = op_of(node);
        if (!op.joined_axis || node.has_epilogue() || node.own_input_count() == 1) continue;
        const ValueId whole = node.outputs.front();
        const std::size_t axis = op.joined_axis(node, graph_.value(whole).type.dims.size());
        std::int64_t start = 0;
        for (const ValueId id : node.inputs) {
            if (!graph_.is_constant(id)) places_.emplace(id, Place{whole, axis, start, readers[id] > 1});
            start += graph_.value(id).type.dims[axis];
        }
    }
}

View GraphLowering::place_output(std::size_t i, const std::vector<int>& order, bool anywhere) {
    const ValueId id = node_->outputs.at(i);
    const ValueType& type = graph_.value(id).type;
    const auto found = places_.find(id);
    if (found == places_.end() || element_count(type.dims) == 0) return fresh(type.dtype, type.dims, order);
    const Place& place = found->second;
    if (layout_of(place.whole) != order) return fresh(type.dtype, type.dims, order);
    View& whole = views_.at(static_cast<std::size_t>(place.whole));
    View begun = whole;
    if (!begun.valid()) {
        const ValueType& all = graph_.value(place.whole).type;
        begun = {no_buffer, 0, all.dtype, all.dims, strides_for_order(all.dims, order)};
    }
    View piece = sliced(begun, place.axis, place.start, type.dims[place.axis]);
    if (!piece.is_dense() && (!anywhere || place.is_read_elsewhere)) return fresh(type.dtype, type.dims, order);
    if (!whole.valid()) {
        whole = fresh(begun.dtype, begun.dims, order);
        values_on_.at(static_cast<std::size_t>(whole.buffer)).push_back(place.whole);
        piece.buffer = whole.buffer;
    }
    if (piece.is_dense()) piece.strides = strides_for_order(piece.dims, order);
    return piece;
}

}  // namespace igata
