// y = Pad(x, pads, value, axes) {mode="constant" | "reflect" | "edge" | "wrap"}
//
// Along each axis the result is a few runs, each a stretch of the source read forwards, backwards (reflect) or in place
// (edge); the copies are the product of the axes' runs. In constant mode there is one run an axis, and slabs around it.
#include <fmt/format.h>

#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/open_axes.hpp"
#include "compiler/ops/rewriting.hpp"

namespace igata {

namespace {

constexpr std::int64_t most_pad = std::int64_t{1} << 24;

struct Run {
    std::int64_t target, count, source, step;
};

struct Padding {
    Dims dims;                           ///< of the result
    std::vector<std::vector<Run>> runs;  ///< per axis
};

/// The source index that shows at position `i` relative to the source's first element.
std::int64_t source_index(std::int64_t i, std::int64_t dim, const std::string& mode) {
    if (i >= 0 && i < dim) return i;
    if (mode == "edge") return std::clamp<std::int64_t>(i, 0, dim - 1);
    const std::int64_t period = mode == "wrap" ? dim : std::max<std::int64_t>(2 * (dim - 1), 1);
    const std::int64_t place = (i % period + period) % period;
    return place < dim ? place : period - place;
}

/// Adds position `i`, which shows `source`, to the last run if it continues it.
void append(std::vector<Run>& runs, std::int64_t i, std::int64_t source) {
    Run* last = runs.empty() ? nullptr : &runs.back();
    if (last != nullptr && last->target + last->count == i) {
        if (last->count == 1 && std::abs(source - last->source) <= 1) last->step = source - last->source;
        if (last->source + last->count * last->step == source) {
            ++last->count;
            return;
        }
    }
    runs.push_back({i, 1, source, 1});
}

std::vector<Run> axis_runs(std::int64_t dim, std::int64_t begin, std::int64_t result, const std::string& mode) {
    const std::int64_t first = std::clamp<std::int64_t>(begin, 0, result);  // where the source itself shows
    const std::int64_t end = std::clamp<std::int64_t>(begin + dim, first, result);
    if (mode == "constant")
        return end > first ? std::vector<Run>{{first, end - first, first - begin, 1}} : std::vector<Run>{};
    std::vector<Run> runs;
    for (std::int64_t i = 0; i < first; ++i) append(runs, i, source_index(i - begin, dim, mode));
    if (end > first) runs.push_back({first, end - first, first - begin, 1});
    for (std::int64_t i = end; i < result; ++i) append(runs, i, source_index(i - begin, dim, mode));
    return runs;
}

template <class Context>
Padding resolve_padding(const Context& c) {
    const Dims& dims = input_dims(c, 0);
    const std::string mode = c.node().attrs.get_string("mode", "constant");
    if (mode != "constant" && mode != "edge" && mode != "reflect" && mode != "wrap")
        throw std::invalid_argument(fmt::format("mode '{}' is unknown", mode));
    const Dims pads = integers(c, 1, "pads").value();
    Dims axes(dims.size());
    for (std::size_t i = 0; i < axes.size(); ++i) axes[i] = as_dim(i);
    axes = normalize_axes(integers(c, 3, "axes").value_or(axes), dims.size());
    if (pads.size() != 2 * axes.size())
        throw std::invalid_argument(fmt::format("pads {} for {} axes", to_string(pads), axes.size()));
    Padding padding{dims, {}};
    Dims begins(dims.size(), 0);
    for (const std::int64_t pad : pads)
        if (pad > most_pad || pad < -most_pad)
            throw std::invalid_argument(fmt::format("pads {} are too large", to_string(pads)));
    for (std::size_t i = 0; i < axes.size(); ++i) {
        begins[as_index(axes[i])] = pads[i];
        padding.dims[as_index(axes[i])] += pads[i] + pads[i + axes.size()];
    }
    for (std::size_t i = 0; i < dims.size(); ++i) {
        if (padding.dims[i] < 0 || (dims[i] == 0 && padding.dims[i] > 0 && mode != "constant"))
            throw std::invalid_argument(fmt::format("pads {} do not fit {}", to_string(pads), to_string(dims)));
        padding.runs.push_back(axis_runs(dims[i], begins[i], padding.dims[i], mode));
    }
    return padding;
}

/// Calls copy(part of source, part of target) for every combination of the axes' runs.
template <class Copy>
void for_each_copy(const Padding& padding, std::size_t axis, const View& source, const View& target, const Copy& copy) {
    if (axis == padding.runs.size()) return copy(source, target);
    for (const Run& run : padding.runs[axis])
        for_each_copy(padding, axis + 1, sliced(source, axis, run.source, run.count, run.step),
                      sliced(target, axis, run.target, run.count), copy);
}

/// Calls fill(slab of target) for the slabs that no run covers: along each axis before and after its run, within the
/// runs of the axes before it.
template <class Fill>
void for_each_slab(const Padding& padding, View target, const Fill& fill) {
    for (std::size_t axis = 0; axis < padding.runs.size(); ++axis) {
        const Run run = padding.runs[axis].empty() ? Run{0, 0, 0, 1} : padding.runs[axis].front();
        const std::int64_t end = run.target + run.count;
        const View slabs[] = {sliced(target, axis, 0, run.target), sliced(target, axis, end, target.dims[axis] - end)};
        for (const View& slab : slabs)
            if (element_count(slab.dims) > 0) fill(slab);
        target = sliced(target, axis, run.target, run.count);
    }
}

bool is_constant_mode(const Node& node) { return node.attrs.get_string("mode", "constant") == "constant"; }

void eval_pad(EvalContext& c) {
    const Padding padding = resolve_padding(c);
    const Tensor& source = c.input(0);
    Tensor& result = c.make_output(0);
    const Tensor value = c.has_input(2) ? c.input(2).cast(source.dtype()).reshaped({}) : Tensor(source.dtype(), {});
    if (is_constant_mode(c.node()))
        copy_elements(value, expanded(view_of(value), result.dims()), result, view_of(result));
    for_each_copy(padding, 0, view_of(source), view_of(result),
                  [&](const View& from, const View& to) { copy_elements(source, from, result, to); });
}

void lower_pad(LowerContext& c) {
    const Padding padding = resolve_padding(c);
    const View source = c.input(0);
    const View target = c.output(0);
    if (is_constant_mode(c.node())) {
        const View value = c.node().input(2) != no_value ? c.input(2) : c.constant(Tensor(source.dtype, {}));
        const ExprPtr fill =
            value.dtype == source.dtype ? expr::operand(0) : expr::cast(source.dtype, expr::operand(0));
        for_each_slab(padding, target, [&](const View& slab) { c.add_map(fill, {value}, slab); });
    }
    for_each_copy(padding, 0, source, target, [&](const View& from, const View& to) {
        if (element_count(to.dims) > 0) c.add_map(expr::operand(0), {from}, to);
    });
}

std::optional<std::string> drop_empty_pad(RuleMatch& m) {
    const Tensor* pads = m.constant("p");
    const bool none = pads != nullptr && std::ranges::all_of(pads->to_i64(), [](auto pad) { return pad == 0; });
    return none ? replace(m, m["y"], m["x"]) : not_worth_it();
}

/// The entry of `pads` before an axis; the one behind it is half its length further. Nothing where the axis has none.
std::optional<std::size_t> pad_entry(const InferContext& c, std::int64_t axis) {
    const Dims axes = normalize_axes(integers(c, 3, "axes").value_or(Dims{}), c.dims(0).size());
    if (!c.has_input(3)) return as_index(axis);
    const auto found = std::ranges::find(axes, axis);
    return found == axes.end() ? std::nullopt : std::optional(static_cast<std::size_t>(found - axes.begin()));
}

bool is_padded(const InferContext& c, std::int64_t axis) {
    const auto entry = pad_entry(c, axis);
    const Tensor* pads = c.constant(1);
    if (!entry || pads == nullptr) return entry.has_value();
    const Dims values = pads->to_i64();
    return values.at(*entry) != 0 || values.at(*entry + values.size() / 2) != 0;
}

/// The elements of x, open along its axis, with `before` and `behind` of the value around them: each place of the
/// result is one of the source or has the value.
ValueId padded(ExpandContext& c, ValueId x, const TrueSize& open, ValueId before, ValueId behind) {
    const ValueId zero = c.constant_value(Tensor::scalar(std::int64_t{0}));
    const ValueId one = c.constant_value(Tensor::scalar(std::int64_t{1}));
    const ValueId total = c.map("x0 + x1 + x2", {before, open.size, behind});
    const ValueId places = c.add("Range", {zero, total, one});
    const std::int64_t last = std::max<std::int64_t>(c.dims(0)[as_index(open.axis)] - 1, 0);
    const ValueId from = c.map(fmt::format("max(min(x0 - x1, {}), 0)", last), {places, before});
    const ValueId elements = c.add("Gather", {bounded(c, x), from}, {{"axis", open.axis}});
    Dims around;
    for (std::size_t i = 0; i < c.dims(0).size(); ++i)
        if (as_dim(i) != open.axis) around.push_back(as_dim(i));
    const ValueId grid = c.add("Unsqueeze", {places, c.constant_value(Tensor::of_dims(around))});
    const ValueId value = c.has_input(2) ? reshape(c, c.value(2), {}) : c.constant_value(Tensor(c.dtype(0), {}));
    return c.map("select(logical_and(x0 >= x1, x0 < x1 + x2), x3, x4)", {grid, before, open.size, elements, value});
}

/// The other axes first, then the open one.
bool close_pad(ExpandContext& c) {
    const auto open = open_axis(c, 0);
    if (!open || !is_constant_mode(c.node()) || c.dims(1).size() != 1) return false;
    const std::size_t entry = pad_entry(c, open->axis).value();
    const std::size_t behind = entry + as_index(c.dims(1)[0]) / 2;
    Dims of_others(as_index(c.dims(1)[0]), 1);
    of_others[entry] = of_others[behind] = 0;
    std::vector<ValueId> inputs = c.node().inputs;
    inputs[1] = c.map("x0 * x1", {c.value(1), c.constant_value(Tensor::of_dims(of_others))});
    const ValueId x = c.add("Pad", std::move(inputs), c.attrs());
    const auto pad = [&](std::size_t i) {
        return c.add("Gather", {c.value(1), c.constant_value(Tensor::scalar(as_dim(i)))});
    };
    c.finish(0, padded(c, x, *open, pad(entry), pad(behind)));
    return true;
}

/// Opset 1 called the pads `paddings`; up to opset 10 pads and value were attributes.
void raise_pad(Graph& graph, NodeIt node) {
    if (node->attrs.has("paddings")) {
        node->attrs["pads"] = node->attrs.at("paddings");
        node->attrs.erase("paddings");
    }
    if (!node->attrs.has("pads")) return;
    attribute_to_input(graph, *node, "pads", 1);
    node->inputs.push_back(graph.add_constant("value", Tensor::scalar(node->attrs.get_float("value", 0.0F))));
    node->attrs.erase("value");
}

}  // namespace

void register_pad(Registry& registry) {
    OpDef op;
    op.name = "Pad";
    op.takes_small_types = true;
    op.newest = 21;
    op.min_inputs = 2;
    op.max_inputs = 4;
    op.attrs = {{"mode", AttrKind::string}};
    op.raise = raise_pad;
    op.infer = [](InferContext& c) {
        if (c.has_input(2) && element_count(c.dims(2)) != 1)
            c.fail(fmt::format("constant_value is {}, should be one element", to_string(c.input(2))));
        c.set_output(0, {c.dtype(0), resolve_padding(c).dims});
    };
    op.carry_axis = [](const InferContext& c, std::size_t input, int axis) {
        return input == 0 && !is_padded(c, axis) ? axis : -1;
    };
    op.close = close_pad;
    op.eval = eval_pad;
    op.lower = lower_pad;
    op.rules = {{"drop-empty-pad", "y = Pad(x, p, ...)", drop_empty_pad}};
    registry.add(std::move(op));
}

}  // namespace igata
