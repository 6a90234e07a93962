// Where sizes that the data decide begin and end, written by OpDef::close (see open_axes.hpp):
//     y = Bound(x)                x with what lies beyond its true size
//     y = Open(x, size) {axis=0}  of x, the first `size` elements along an axis
#include <algorithm>

#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/carry_axis.hpp"
#include "compiler/ops/lowering.hpp"
#include "compiler/ops/rewriting.hpp"

namespace igata {

namespace {

OpDef bound_op() {
    OpDef op;
    op.name = "Bound";
    op.is_internal = op.takes_small_types = op.is_reshape = true;
    op.infer = [](InferContext& c) { c.set_output(0, c.input(0)); };
    op.eval = [](EvalContext& c) { c.set_output(0, c.input(0)); };
    op.lower = [](LowerContext& c) { c.set_output(0, c.input(0)); };
    op.carry_axis = [](const InferContext&, std::size_t, int) { return closes; };
    op.rules = {{"drop-bound", "y = Bound(x)", [](RuleMatch& m) { return replace(m, m["y"], m["x"]); }}};
    return op;
}

std::size_t axis_of(const Node& node) { return as_index(node.attrs.get_int("axis", 0)); }

OpDef open_op() {
    OpDef op;
    op.name = "Open";
    op.is_internal = op.takes_small_types = true;
    op.min_inputs = op.max_inputs = 2;
    op.attrs = {{"axis", AttrKind::integer, true}};
    op.size_input = 1;
    op.infer = [](InferContext& c) {
        ValueType type = c.input(0);
        std::int64_t& dim = type.dims[axis_of(c.node())];
        if (const Tensor* size = c.constant(1)) dim = std::clamp<std::int64_t>(size->to_i64()[0], 0, dim);
        c.set_output(0, std::move(type));
    };
    op.eval = [](EvalContext& c) {
        const std::size_t axis = axis_of(c.node());
        const std::int64_t size = c.output_type(0).dims[axis];
        c.set_output(0, copy_of(c.input(0), sliced(view_of(c.input(0)), axis, 0, size)));
    };
    op.lower = [](LowerContext& c) {
        const std::size_t axis = axis_of(c.node());
        const std::int64_t size = c.graph().value(c.node().outputs[0]).type.dims[axis];
        c.set_output(0, sliced(c.input(0), axis, 0, size));
    };
    op.rules = {{"drop-open", "y = Open(x, size)", drop_if_same_type}};
    return op;
}

}  // namespace

void register_open(Registry& registry) {
    registry.add(bound_op());
    registry.add(open_op());
}

}  // namespace igata
