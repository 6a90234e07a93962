// Operators that look at the shape or change nothing but the shape:
//     n = Shape(x)                         becomes a constant, or a Concat of dims and the size that the data decide
//     y = Flatten(x) | Squeeze | Unsqueeze becomes Reshape(x, dims) with dims spelt out, which is a view
//     y = Identity(x) | Dropout(x)         becomes x
#include <functional>
#include <stdexcept>

#include <fmt/format.h>

#include "compiler/ops/arguments.hpp"
#include "compiler/ops/carry_axis.hpp"
#include "compiler/ops/composition.hpp"
#include "compiler/ops/open_axes.hpp"
#include "compiler/ops/rewriting.hpp"
#include "compiler/ops/rules/reshape.hpp"

namespace igata {

namespace {

// Shape, Size --------------------------------------------------------------------------------------------------------

std::int64_t shape_bound(const ExpandContext& c, const char* name, std::int64_t fallback) {
    const std::int64_t rank = as_dim(c.dims(0).size());
    const std::int64_t value = c.attrs().get_int(name, fallback);
    return std::clamp(value < 0 ? value + rank : value, std::int64_t{0}, rank);
}

void expand_shape(ExpandContext& c) {
    const Dims dims = c.dims(0);
    const std::int64_t start = shape_bound(c, "start", 0);
    const std::int64_t end = std::max(start, shape_bound(c, "end", as_dim(dims.size())));
    const std::optional<TrueSize> open = c.graph().value(c.value(0)).true_size;
    std::vector<ValueId> parts;
    const auto add_known = [&](std::int64_t from, std::int64_t to) {
        const Tensor known = Tensor::of_dims({dims.begin() + from, dims.begin() + to});
        if (from < to || start == end) parts.push_back(c.constant_value(known));
    };
    if (open && open->axis >= start && open->axis < end) {
        add_known(start, open->axis);
        parts.push_back(c.add("Unsqueeze", {open->size, c.constant_value(Tensor::of_dims({0}))}));
        add_known(open->axis + 1, end);
    } else {
        add_known(start, end);
    }
    c.finish(0, parts.size() == 1 ? parts[0] : concat(c, parts, 0));
}

OpDef shape_op() {
    OpDef op;
    op.name = "Shape";
    op.newest = 21;
    op.attrs = {{"start", AttrKind::integer}, {"end", AttrKind::integer}};
    op.expand = expand_shape;
    return op;
}

OpDef size_op() {
    OpDef op;
    op.name = "Size";
    op.newest = 21;
    op.expand = [](ExpandContext& c) {
        Dims dims = c.dims(0);
        const std::optional<TrueSize> open = c.graph().value(c.value(0)).true_size;
        if (open) dims[static_cast<std::size_t>(open->axis)] = 1;
        const ValueId known = c.constant_value(Tensor::scalar(element_count(dims)));
        c.finish(0, open ? c.add("Mul", {known, open->size}) : known);
    };
    return op;
}

// Reshape and its kin ------------------------------------------------------------------------------------------------

/// What there is of an outermost axis comes first in memory, and is so many elements of the result's outermost axis.
bool close_reshape(ExpandContext& c) {
    const auto open = open_axis(c, 0);
    const Dims& to = c.graph().value(c.node().outputs[0]).type.dims;
    const auto outermost = [](const Dims& dims) {
        const auto found = std::ranges::find_if(dims, [](std::int64_t dim) { return dim != 1; });
        return static_cast<std::size_t>(found - dims.begin());
    };
    const auto inside = [](const Dims& dims, std::size_t axis) {
        return element_count({dims.begin() + as_dim(axis) + 1, dims.end()});
    };
    if (!open || outermost(c.dims(0)) < as_index(open->axis) || outermost(to) == to.size()) return false;
    const std::size_t axis = outermost(to);
    const std::int64_t inner = inside(c.dims(0), as_index(open->axis));
    const std::int64_t wanted = inside(to, axis);
    if (wanted == 0 || inner == 0 || (inner % wanted != 0 && wanted % inner != 0)) return false;
    const std::string scaled =
        inner > wanted ? fmt::format("x0 * {}", inner / wanted) : fmt::format("x0 / {}", wanted / inner);
    const ValueId size = inner == wanted ? open->size : c.map(scaled, {open->size});
    c.finish(0, opened(c, reshape(c, bounded(c, c.value(0)), to), axis, size));
    return true;
}

/// An operator that gives its first input new dims: all that differs is how `dims_of` finds them.
OpDef reshaping(std::string name, std::function<Dims(const InferContext&)> dims_of) {
    OpDef op;
    op.name = std::move(name);
    op.is_reshape = true;
    op.carry_axis = carry_reshape;
    op.close = close_reshape;
    op.infer = [dims_of = std::move(dims_of)](InferContext& c) { c.set_output(0, {c.dtype(0), dims_of(c)}); };
    op.eval = [](EvalContext& c) { c.set_output(0, c.input(0).reshaped(c.output_type(0).dims)); };
    op.lower = [](LowerContext& c) {
        c.set_output(0, c.reshaped(c.input(0), c.graph().value(c.node().outputs[0]).type.dims));
    };
    return op;
}

Dims resolve_shape(const Dims& dims, Dims wanted, bool allow_zero) {
    std::int64_t known = 1;
    std::optional<std::size_t> open;
    const std::string asked = to_string(wanted);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (wanted[i] == 0 && !allow_zero) {
            if (i >= dims.size())
                throw std::invalid_argument(
                    fmt::format("shape {} copies dim {} of {}, which has none", asked, i, to_string(dims)));
            wanted[i] = dims[i];
        }
        if (wanted[i] == -1 && open) throw std::invalid_argument(fmt::format("shape {} holds -1 twice", asked));
        if (wanted[i] < -1) throw std::invalid_argument(fmt::format("shape {} holds {}", asked, wanted[i]));
        if (wanted[i] == -1) open = i;
        else known *= wanted[i];
    }
    const std::int64_t count = element_count(dims);
    if (open && known != 0 && count % known == 0) wanted[*open] = count / known;
    if (element_count(wanted) != count || (open && wanted[*open] < 0))
        throw std::invalid_argument(fmt::format("{} cannot be reshaped to {}", to_string(dims), asked));
    return wanted;
}

/// An element of the shape may be the true size only of data that have it.
int carry_into_shape(const InferContext& c, std::size_t input, int axis) {
    if (input == 0) return carry_reshape(c, input, axis);
    return c.graph().value(c.node().input(0)).true_size ? axis : -1;
}

OpDef reshape_op() {
    OpDef op = reshaping("Reshape", [](const InferContext& c) {
        return resolve_shape(c.dims(0), integers(c, 1, "shape").value(), c.attrs().get_int("allowzero", 0) != 0);
    });
    op.newest = 21;
    op.min_inputs = op.max_inputs = 2;
    op.attrs = {{"allowzero", AttrKind::integer}};
    op.carry_axis = carry_into_shape;
    op.raise = [](Graph& graph, NodeIt node) { attribute_to_input(graph, *node, "shape", 1); };
    add_reshape_rules(op.rules);
    add_sink_reshape_rules(op.rules);
    return op;
}

OpDef flatten_op() {
    OpDef op = reshaping("Flatten", [](const InferContext& c) {
        const Dims& dims = c.dims(0);
        const std::int64_t axis = c.attrs().get_int("axis", 1);
        const std::int64_t rank = as_dim(dims.size());
        if (axis < -rank || axis > rank) c.fail(fmt::format("axis {} is out of range for rank {}", axis, rank));
        const std::int64_t split = axis < 0 ? axis + rank : axis;
        return Dims{element_count({dims.begin(), dims.begin() + split}),
                    element_count({dims.begin() + split, dims.end()})};
    });
    op.newest = 21;
    op.attrs = {{"axis", AttrKind::integer}};
    return op;
}

OpDef squeeze_op() {
    OpDef op = reshaping("Squeeze", [](const InferContext& c) {
        const Dims& dims = c.dims(0);
        const std::optional<Dims> given = integers(c, 1, "axes");
        const Dims axes = normalize_axes(given.value_or(Dims{}), dims.size());
        Dims result;
        for (std::size_t i = 0; i < dims.size(); ++i) {
            const bool named = given ? std::count(axes.begin(), axes.end(), as_dim(i)) > 0 : dims[i] == 1;
            if (!named) result.push_back(dims[i]);
            else if (dims[i] != 1) c.fail(fmt::format("axis {} of {} is not of one element", i, to_string(dims)));
        }
        return result;
    });
    op.newest = 21;
    op.max_inputs = 2;
    op.raise = [](Graph& graph, NodeIt node) { attribute_to_input(graph, *node, "axes", 1); };
    return op;
}

OpDef unsqueeze_op() {
    OpDef op = reshaping("Unsqueeze", [](const InferContext& c) {
        Dims axes = integers(c, 1, "axes").value();
        axes = normalize_axes(axes, c.dims(0).size() + axes.size());
        std::sort(axes.begin(), axes.end());
        Dims result = c.dims(0);
        for (const std::int64_t axis : axes) result.insert(result.begin() + axis, 1);
        return result;
    });
    op.newest = 21;
    op.min_inputs = op.max_inputs = 2;
    op.raise = [](Graph& graph, NodeIt node) { attribute_to_input(graph, *node, "axes", 1); };
    return op;
}

// Identity, Dropout --------------------------------------------------------------------------------------------------

OpDef identity_op() {
    OpDef op = reshaping("Identity", [](const InferContext& c) { return c.dims(0); });
    op.newest = 21;
    op.eval = [](EvalContext& c) { c.set_output(0, c.input(0)); };
    op.lower = [](LowerContext& c) { c.set_output(0, c.input(0)); };
    op.rules = {{"drop-identity", "y = Identity(x)", [](RuleMatch& m) { return replace(m, m["y"], m["x"]); }},
                {"drop-cast", "y = Cast|CastLike(x, ...)", drop_if_same_type}};
    return op;
}

Tensor all_true(const Dims& dims) {
    Tensor mask(DataType::boolean, dims);
    std::ranges::fill(mask.mutable_values<bool>(), true);
    return mask;
}

void infer_dropout(InferContext& c) {
    const Tensor* training = c.has_input(2) ? &c.require_constant(2, "training_mode") : nullptr;
    const Tensor* ratio = c.constant(1);
    const bool keeps_all = ratio != nullptr && ratio->scalar_f64() == 0.0;
    if (training != nullptr && training->scalar_f64() != 0.0 && !keeps_all)
        c.unsupported("training_mode is set; export the model for inference");
    c.set_output(0, c.input(0));
    if (c.has_output(1)) c.set_output_constant(1, all_true(c.dims(0)));
}

/// Before opset 10 the mask had the type of the data; `ratio`, `is_test` and `seed` do not matter without training.
void raise_dropout(Graph& graph, NodeIt node) {
    node->attrs.clear();
    if (!before(*node, 10) || node->output(1) == no_value) return;
    Node like{
        .op = "CastLike", .name = node->name, .inputs = {}, .outputs = {node->outputs[1]}, .attrs = {}, .epilogue = {}};
    node->outputs[1] = graph.add_value(graph.value(node->outputs[1]).name + "_mask");
    like.inputs = {node->outputs[1], node->inputs[0]};
    graph.nodes.insert(std::next(node), std::move(like));
}

OpDef dropout_op() {
    OpDef op;
    op.name = "Dropout";
    op.newest = 22;
    op.max_inputs = 3;
    op.max_outputs = 2;
    op.attrs = {{"seed", AttrKind::integer}};
    op.raise = raise_dropout;
    op.infer = infer_dropout;
    op.eval = [](EvalContext& c) {
        c.set_output(0, c.input(0));
        if (c.has_output(1)) c.set_output(1, all_true(c.input(0).dims()));
    };
    op.lower = [](LowerContext& c) {
        c.set_output(0, c.input(0));
        if (c.node().output(1) != no_value) c.set_output(1, c.constant(all_true(input_dims(c, 0))));
    };
    op.rules = {{"drop-dropout", "y = Dropout(x, ...)", [](RuleMatch& m) { return replace(m, m["y"], m["x"]); }}};
    op.note = "inference only";
    return op;
}

}  // namespace

void register_shape(Registry& registry) {
    for (OpDef op : {shape_op(), size_op(), reshape_op(), flatten_op(), squeeze_op(), unsqueeze_op(), identity_op(),
                     dropout_op()}) {
        op.takes_small_types = true;
        registry.add(std::move(op));
    }
}

}  // namespace igata
