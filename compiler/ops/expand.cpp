// Operators that repeat: y = Expand(x, shape) and y = Tile(x, repeats). Both are views with strides of 0.
#include <utility>

#include <fmt/format.h>

#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/carry_axis.hpp"
#include "compiler/ops/open_axes.hpp"
#include "compiler/ops/rewriting.hpp"

namespace igata {

namespace {

/// What is open stays so as a whole; what is repeated as often as a true size says must be one.
int carry_expanded(const InferContext& c, std::size_t input, int axis) {
    const Dims& from = c.dims(0);
    const Dims& to = c.graph().value(c.node().outputs.at(0)).type.dims;
    const std::size_t carried = as_index(axis) + to.size() - (input == 0 ? from.size() : as_index(c.dims(1)[0]));
    const bool added = carried + from.size() < to.size();
    const std::int64_t dim = added ? 1 : from[carried + from.size() - to.size()];
    const bool is_open = input == 0 || c.graph().value(c.node().input(0)).true_size;
    return dim == (is_open ? to[carried] : 1) ? static_cast<int>(carried) : -1;
}

OpDef expand_op() {
    OpDef op;
    op.name = "Expand";
    op.takes_small_types = true;
    op.since = 8;
    op.newest = 13;
    op.min_inputs = op.max_inputs = 2;
    op.infer = [](InferContext& c) {
        c.set_output(0, {c.dtype(0), broadcast(c.dims(0), integers(c, 1, "shape").value())});
    };
    op.eval = [](EvalContext& c) {
        c.set_output(0, copy_of(c.input(0), expanded(view_of(c.input(0)), c.output_type(0).dims)));
    };
    op.lower = [](LowerContext& c) {
        c.set_output(0, expanded(c.input(0), c.graph().value(c.node().outputs[0]).type.dims));
    };
    op.carry_axis = carry_expanded;
    op.rules = {{"drop-expand", "y = Expand(x, ...)", drop_if_same_type}};
    return op;
}

Dims tiled_dims(Dims dims, const Dims& repeats) {
    if (repeats.size() != dims.size())
        throw std::invalid_argument(fmt::format("{} repeats for rank {}", repeats.size(), dims.size()));
    for (std::size_t i = 0; i < dims.size(); ++i) {
        if (repeats[i] < 0)
            throw std::invalid_argument(fmt::format("repeats {} holds {}", to_string(repeats), repeats[i]));
        if (__builtin_mul_overflow(dims[i], repeats[i], &dims[i]))
            throw std::invalid_argument(fmt::format("repeats {} are too large", to_string(repeats)));
    }
    return dims;
}

/// The source with an axis of stride 0 before each repeated axis (or in its place, if that has one element).
View repeated(View view, const Dims& repeats) {
    for (std::size_t i = repeats.size(); i-- > 0;) {
        if (repeats[i] == 1) continue;
        if (view.dims[i] != 1) view = with_axis(std::move(view), i);
        view.dims[i] = repeats[i];
        view.strides[i] = 0;
    }
    return view;
}

/// Opset 1 repeated along one axis, both given as inputs: that is a Concat of copies.
void raise_tile(Graph& graph, NodeIt node) {
    if (!before(*node, 6)) return;
    const Tensor* tiles = graph.constant(node->input(1));
    const Tensor* axis = graph.constant(node->input(2));
    if (tiles == nullptr || axis == nullptr)
        throw Unsupported(fmt::format("{}: tiles and axis must be known at compile time", describe(*node)));
    node->op = "Concat";
    node->attrs = {{"axis", axis->to_i64().at(0)}};
    node->inputs = std::vector<ValueId>(as_index(tiles->to_i64().at(0)), node->inputs[0]);
}

/// Along an axis of which only the data decide how much there is: copies of what there is, one after the other.
bool close_tile(ExpandContext& c) {
    const auto open = open_axis(c, 0);
    if (!open || c.constant(1) == nullptr) return false;
    Dims others = c.constant(1)->to_i64();
    const auto copies = as_index(std::exchange(others[as_index(open->axis)], 1));
    if (copies > 64) return false;
    const ValueId copy = c.add("Tile", {c.value(0), c.constant_value(Tensor::of_dims(others))});
    c.finish(0, copies == 0 ? slice(c, bounded(c, copy), open->axis, 0, 0)
                            : concat(c, std::vector<ValueId>(copies, copy), open->axis));
    return true;
}

OpDef tile_op() {
    OpDef op;
    op.name = "Tile";
    op.takes_small_types = true;
    op.newest = 13;
    op.min_inputs = op.max_inputs = 2;
    op.raise = raise_tile;
    op.infer = [](InferContext& c) {
        c.set_output(0, {c.dtype(0), tiled_dims(c.dims(0), integers(c, 1, "repeats").value())});
    };
    op.eval = [](EvalContext& c) {
        const View view = repeated(view_of(c.input(0)), integers(c, 1, "repeats").value());
        c.set_output(0, copy_of(c.input(0), view).reshaped(c.output_type(0).dims));
    };
    op.lower = [](LowerContext& c) {
        const View view = repeated(c.input(0), integers(c, 1, "repeats").value());
        c.set_output(0, c.reshaped(view, c.graph().value(c.node().outputs[0]).type.dims));
    };
    op.carry_axis = [](const InferContext& c, std::size_t input, int axis) {
        return input == 0 && integers(c, 1, "repeats").value()[as_index(axis)] == 1 ? axis : -1;
    };
    op.close = close_tile;
    op.rules = {{"drop-tile", "y = Tile(x, ...)", drop_if_same_type}};
    return op;
}

}  // namespace

void register_expand(Registry& registry) {
    registry.add(expand_op());
    registry.add(tile_op());
}

}  // namespace igata
