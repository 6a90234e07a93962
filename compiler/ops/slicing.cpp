// Operators that take tensors apart and put them together along an axis.
//     y = Slice(x, starts, ends, axes, steps)     a view, backwards too
//     a, b = Split(x, split) {axis=1}             views
//     y = Concat(a, b) {axis=1}                   one copy per input into its part of y, unless it was made there
#include <fmt/format.h>

#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/carry_axis.hpp"
#include "compiler/ops/open_axes.hpp"
#include "compiler/ops/rewriting.hpp"

namespace igata {

namespace {

// Slice --------------------------------------------------------------------------------------------------------------

struct Range {
    std::size_t axis;
    std::int64_t start, count, step;
};

Range resolve_range(std::size_t axis, std::int64_t dim, std::int64_t start, std::int64_t end, std::int64_t step) {
    if (step == 0) throw std::invalid_argument("a step is zero");
    step = std::clamp(step, -dim - 1, dim + 1);
    const std::int64_t low = step > 0 ? 0 : -1;
    const std::int64_t high = step > 0 ? dim : dim - 1;
    start = std::clamp(start < 0 ? start + dim : start, step > 0 ? low : std::min<std::int64_t>(0, high), high);
    end = std::clamp(end < 0 ? end + dim : end, low, high);
    const std::int64_t span = step > 0 ? end - start : start - end;
    return {axis, start, span <= 0 ? 0 : (span - 1) / std::abs(step) + 1, step};
}

template <class Context>
std::vector<Range> slice_ranges(const Context& c) {
    const Dims& dims = input_dims(c, 0);
    const Dims starts = integers(c, 1, "starts").value();
    const Dims ends = integers(c, 2, "ends").value();
    Dims every(starts.size());
    for (std::size_t i = 0; i < every.size(); ++i) every[i] = as_dim(i);
    const Dims axes = normalize_axes(integers(c, 3, "axes").value_or(every), dims.size());
    const Dims steps = integers(c, 4, "steps").value_or(Dims(starts.size(), 1));
    if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
        throw std::invalid_argument("starts, ends, axes and steps differ in length");
    std::vector<Range> ranges;
    for (std::size_t i = 0; i < axes.size(); ++i) {
        const std::size_t axis = as_index(axes[i]);
        ranges.push_back(resolve_range(axis, dims[axis], starts[i], ends[i], steps[i]));
    }
    return ranges;
}

View slice_view(View view, const std::vector<Range>& ranges) {
    for (const Range& range : ranges) view = sliced(std::move(view), range.axis, range.start, range.count, range.step);
    return view;
}

std::optional<std::string> drop_whole_slice(RuleMatch& m) {
    if (m.type("x") != m.type("y")) return not_worth_it();
    const Tensor* steps = m.graph.constant(m.node("y").input(4));
    const bool forwards =
        m.node("y").input(4) == no_value ||
        (steps != nullptr && std::ranges::all_of(steps->to_i64(), [](auto step) { return step > 0; }));
    return forwards ? replace(m, m["y"], m["x"]) : not_worth_it();
}

/// The elements [start, end) by `step` of an axis, of which there are `size` and at most `dim`.
struct OpenRange {
    ValueId start, end, size;
    std::int64_t dim, step;
    std::optional<std::int64_t> known_start, known_end;

    OpenRange(ExpandContext& c, const TrueSize& open, std::size_t entry, std::int64_t by)
        : size(open.size),
          dim(c.dims(0)[as_index(open.axis)]),
          step(std::clamp(by, -dim - 1, dim + 1)),
          known_start(known(c, 1, entry)),
          known_end(known(c, 2, entry)) {
        const ValueId at = c.constant_value(Tensor::scalar(as_dim(entry)));
        const std::string counted = "select(x0 < 0, max(x0 + x1, 0), x0)";
        const std::string first = step > 0 ? "min(" + counted + ", x1)" : "min(" + counted + ", x1 - 1)";
        const std::string last = step > 0 ? first : "min(select(x0 < 0, max(x0 + x1, -1), x0), x1 - 1)";
        const auto bound = [&](std::size_t input, const std::string& body) {
            const ValueId asked = c.add("Gather", {c.value(input), at});
            return c.map(body, {converted(c, asked, c.dtype(input), DataType::i64), size});
        };
        start = bound(1, first);
        end = bound(2, last);
    }

    ValueId count(ExpandContext& c) const {
        const std::int64_t by = std::abs(step);
        return c.map(fmt::format("max((x1 - x0 + {}) / {}, 0)", by - 1, by),
                     step > 0 ? std::vector<ValueId>{start, end} : std::vector<ValueId>{end, start});
    }

    std::int64_t most() const {
        if (!known_start || !known_end) return dim == 0 ? 0 : (dim - 1) / std::abs(step) + 1;
        std::int64_t count = 0;
        for (std::int64_t at = 0; at <= dim; ++at)
            count = std::max(count, resolve_range(0, at, *known_start, *known_end, step).count);
        return count;
    }

    ValueId elements(ExpandContext& c, ValueId x, std::int64_t axis) const {
        const std::int64_t n = most();
        if (n == 0) return slice(c, x, axis, 0, 0);
        if (known_start && *known_start >= 0 && step > 0)
            return slice(c, x, axis, *known_start, *known_start + (n - 1) * step + 1, step);
        const ValueId places =
            c.map(fmt::format("max(min(x0 + {} * x1, {}), 0)", step, dim - 1), {start, counting(c, n, 1, 0)});
        return c.add("Gather", {x, places}, {{"axis", axis}});
    }

private:
    static std::optional<std::int64_t> known(ExpandContext& c, std::size_t input, std::size_t entry) {
        if (c.constant(input) == nullptr) return std::nullopt;
        return bounded_integers(*c.constant(input)).at(entry);
    }
};

/// The other axes first, then the open one, on its own.
bool close_slice(ExpandContext& c) {
    const auto open = open_axis(c, 0);
    if (!open || (c.has_input(3) && c.constant(3) == nullptr) || (c.has_input(4) && c.constant(4) == nullptr))
        return false;
    Dims every(as_index(c.dims(1).at(0)));
    for (std::size_t i = 0; i < every.size(); ++i) every[i] = as_dim(i);
    const Dims axes = normalize_axes(integers(c, 3, "axes").value_or(every), c.dims(0).size());
    const Dims steps = integers(c, 4, "steps").value_or(Dims(axes.size(), 1));
    const auto own = std::ranges::find(axes, open->axis);
    if (own == axes.end()) return false;
    const auto entry = static_cast<std::size_t>(own - axes.begin());
    ValueId x = c.value(0);
    if (axes.size() > 1) {
        every.erase(every.begin() + as_dim(entry));
        const auto others = [&](ValueId of_all) {
            return c.add("Gather", {of_all, c.constant_value(Tensor::of_dims(every))});
        };
        x = c.add("Slice", {x, others(c.value(1)), others(c.value(2)), others(c.constant_value(Tensor::of_dims(axes))),
                            others(c.constant_value(Tensor::of_dims(steps)))});
    }
    const OpenRange range(c, *open, entry, steps[entry]);
    const ValueId elements = range.elements(c, bounded(c, x), open->axis);
    c.finish(0, opened(c, elements, as_index(open->axis), range.count(c)));
    return true;
}

OpDef slice_op() {
    OpDef op;
    op.name = "Slice";
    op.newest = 13;
    op.min_inputs = 3;
    op.max_inputs = 5;
    op.raise = [](Graph& graph, NodeIt node) {
        attribute_to_input(graph, *node, "starts", 1);
        attribute_to_input(graph, *node, "ends", 2);
        attribute_to_input(graph, *node, "axes", 3);
    };
    op.infer = [](InferContext& c) {
        c.set_output(0, {c.dtype(0), slice_view(row_major_view(c.dtype(0), c.dims(0)), slice_ranges(c)).dims});
    };
    op.eval = [](EvalContext& c) {
        c.set_output(0, copy_of(c.input(0), slice_view(view_of(c.input(0)), slice_ranges(c))));
    };
    op.lower = [](LowerContext& c) { c.set_output(0, slice_view(c.input(0), slice_ranges(c))); };
    op.carry_axis = [](const InferContext& c, std::size_t input, int axis) {
        const std::vector<Range> ranges = slice_ranges(c);
        if (input == 2) {  // an end that is a true size
            const Range& range = ranges[static_cast<std::size_t>(axis)];
            const std::int64_t most = c.require_constant(2, "ends").to_i64()[static_cast<std::size_t>(axis)];
            return range.start == 0 && range.step == 1 && range.count == most ? static_cast<int>(range.axis) : -1;
        }
        if (input != 0) return -1;
        for (const Range& range : ranges) {
            const bool whole = range.start == 0 && range.step == 1 && range.count == c.dims(0)[range.axis];
            if (static_cast<int>(range.axis) == axis && !whole) return -1;
        }
        return axis;
    };
    op.close = close_slice;
    op.rules = {{"drop-whole-slice", "y = Slice(x, ...)", drop_whole_slice}};
    return op;
}

// Split --------------------------------------------------------------------------------------------------------------

template <class Context>
std::vector<Range> split_ranges(const Context& c) {
    const Dims& dims = input_dims(c, 0);
    const std::size_t axis = as_index(normalize_axis(c.node().attrs.get_int("axis", 0), dims.size()));
    const std::int64_t dim = dims[axis];
    const std::int64_t parts = as_dim(c.node().outputs.size());
    const std::int64_t chunk = (dim + parts - 1) / parts;
    Dims equal(as_index(parts), chunk);
    equal.back() = dim - chunk * (parts - 1);
    const Dims sizes = integers(c, 1, "split").value_or(equal);
    std::vector<Range> ranges;
    std::int64_t start = 0;
    for (const std::int64_t size : sizes) {
        if (size < 0)
            throw std::invalid_argument(
                fmt::format("cannot split axis {} of {} in parts of {}", axis, to_string(dims), to_string(sizes)));
        ranges.push_back({axis, start, size, 1});
        start += size;
    }
    if (as_dim(ranges.size()) != parts || start != dim)
        throw std::invalid_argument(fmt::format("axis {} of {} does not split into {} outputs of {}", axis,
                                                to_string(dims), parts, to_string(sizes)));
    return ranges;
}

template <class Context, class Body>
void for_each_part(Context& c, Body body) {
    const std::vector<Range> ranges = split_ranges(c);
    for (std::size_t i = 0; i < ranges.size(); ++i)
        if (c.node().output(i) != no_value) body(i, std::vector<Range>{ranges[i]});
}

OpDef split_op() {
    OpDef op;
    op.name = "Split";
    op.newest = 18;
    op.max_inputs = 2;
    op.max_outputs = -1;
    op.attrs = {{"axis", AttrKind::integer}, {"num_outputs", AttrKind::integer}};
    op.raise = [](Graph& graph, NodeIt node) { attribute_to_input(graph, *node, "split", 1); };
    op.infer = [](InferContext& c) {
        const std::int64_t asked = c.attrs().get_int("num_outputs", as_dim(c.output_count()));
        if (asked != as_dim(c.output_count()))
            c.fail(fmt::format("num_outputs is {} but it has {} outputs", asked, c.output_count()));
        const View whole = row_major_view(c.dtype(0), c.dims(0));
        for_each_part(c, [&](std::size_t i, const auto& part) {
            c.set_output(i, {c.dtype(0), slice_view(whole, part).dims});
        });
    };
    op.eval = [](EvalContext& c) {
        const View whole = view_of(c.input(0));
        for_each_part(
            c, [&](std::size_t i, const auto& part) { c.set_output(i, copy_of(c.input(0), slice_view(whole, part))); });
    };
    op.lower = [](LowerContext& c) {
        const View whole = c.input(0);
        for_each_part(c, [&](std::size_t i, const auto& part) { c.set_output(i, slice_view(whole, part)); });
    };
    op.carry_axis = [](const InferContext& c, std::size_t, int axis) {
        return carry_unless(as_index(normalize_axis(c.attrs().get_int("axis", 0), c.dims(0).size())), axis);
    };
    op.rules = {{"drop-split-in-one", "y = Split(x, ...)", [](RuleMatch& m) {
                     return m.node("y").outputs.size() == 1 ? replace(m, m["y"], m["x"]) : not_worth_it();
                 }}};
    return op;
}

// Concat -------------------------------------------------------------------------------------------------------------

std::size_t concat_axis(const Node& node, std::size_t rank) {
    return as_index(normalize_axis(node.attrs.get_int("axis", 0), rank));
}

void infer_concat(InferContext& c) {
    ValueType result = c.input(0);
    const std::size_t axis = concat_axis(c.node(), result.dims.size());
    for (std::size_t i = 1; i < c.input_count(); ++i) {
        const ValueType& next = c.input(i);
        bool fits = next.dtype == result.dtype && next.dims.size() == result.dims.size();
        for (std::size_t d = 0; fits && d < next.dims.size(); ++d) fits = d == axis || next.dims[d] == result.dims[d];
        if (!fits)
            c.fail(fmt::format("input {} is {}, which does not fit {} along axis {}", i, to_string(next),
                               to_string(c.input(0)), axis));
        result.dims[axis] += next.dims[axis];
    }
    c.set_output(0, result);
}

/// Calls body(i, part of `whole` that input i fills).
template <class Context, class Body>
void for_each_piece(const Context& c, const View& whole, Body body) {
    const std::size_t axis = concat_axis(c.node(), whole.dims.size());
    std::int64_t start = 0;
    for (std::size_t i = 0; i < c.node().own_input_count(); ++i) {
        const std::int64_t size = input_dims(c, i)[axis];
        body(i, sliced(whole, axis, start, size));
        start += size;
    }
}

/// All that the inputs have room for, and of that the elements which are there, by their places.
bool close_concat(ExpandContext& c) {
    const std::size_t axis = concat_axis(c.node(), c.dims(0).size());
    std::vector<ValueId> parts;
    std::int64_t room = 0;
    for (std::size_t i = 0; i < c.input_count(); ++i) {
        if (open_axis(c, i) && !is_open_along(c, i, axis)) return false;
        room += c.dims(i)[axis];
    }
    for (std::size_t i = 0; i < c.input_count(); ++i)
        parts.push_back(open_axis(c, i) ? bounded(c, c.value(i)) : c.value(i));
    ValueId joined = concat(c, std::move(parts), as_dim(axis));
    const ValueId places = counting(c, room, 1, 0);
    ValueId from = places;
    ValueId end = no_value;
    for (std::size_t i = 0; i < c.input_count(); ++i) {
        const std::int64_t most = c.dims(i)[axis];
        const auto open = open_axis(c, i);
        const ValueId size = open ? open->size : c.constant_value(Tensor::scalar(most));
        end = i == 0 ? size : c.map("x0 + x1", {end, size});
        if (open && i + 1 < c.input_count())
            from = c.map(fmt::format("x0 + select(x1 < x2, 0, {} - x3)", most), {from, places, end, size});
    }
    if (from != places && room > 0)
        joined =
            c.add("Gather", {joined, c.map(fmt::format("min(x0, {})", room - 1), {from})}, {{"axis", as_dim(axis)}});
    c.finish(0, opened(c, joined, axis, end));
    return true;
}

OpDef concat_op() {
    OpDef op;
    op.name = "Concat";
    op.newest = 13;
    op.max_inputs = -1;
    op.attrs = {{"axis", AttrKind::integer, true}};
    op.raise = [](Graph&, NodeIt node) {
        if (before(*node, 4)) node->attrs.emplace("axis", std::int64_t{1});
    };
    op.infer = infer_concat;
    op.eval = [](EvalContext& c) {
        Tensor& result = c.make_output(0);
        for_each_piece(c, view_of(result), [&](std::size_t i, const View& piece) {
            copy_elements(c.input(i), view_of(c.input(i)), result, piece);
        });
    };
    op.lower = [](LowerContext& c) {
        for_each_piece(c, c.output(0), [&](std::size_t i, const View& piece) {
            if (element_count(piece.dims) > 0 && !is_same_memory(c.input(i), piece))
                c.add_map(expr::operand(0), {c.input(i)}, piece);
        });
    };
    op.joined_axis = concat_axis;
    op.carry_axis = [](const InferContext& c, std::size_t, int axis) {
        for (const ValueId id : c.node().inputs)
            if (!c.graph().value(id).true_size) return -1;
        return carry_unless(concat_axis(c.node(), c.dims(0).size()), axis);
    };
    op.close = close_concat;
    op.rules = {{"drop-concat-of-one", "y = Concat(x)", [](RuleMatch& m) { return replace(m, m["y"], m["x"]); }}};
    return op;
}

}  // namespace

void register_slicing(Registry& registry) {
    for (OpDef op : {slice_op(), split_op(), concat_op()}) {
        op.takes_small_types = true;
        registry.add(std::move(op));
    }
}

}  // namespace igata
