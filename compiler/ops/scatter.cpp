// Operators that write updates into a copy of their data, at places that other inputs name: Scatter, ScatterElements,
// ScatterND, TensorScatter.
//     y = ScatterElements(x, indices, updates) {axis=1, reduction="add"}
//   becomes the copy and a kernel that writes to it.
//     y = TensorScatter(cache, update, starts) {axis=2}
//   is a ScatterElements whose indices a small loop makes: starts[batch] + the position along the axis.
#include <utility>

#include <fmt/format.h>

#include "compiler/ir/scalar.hpp"
#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/carry_axis.hpp"
#include "compiler/ops/lowering.hpp"
#include "compiler/ops/open_axes.hpp"
#include "runtime/specs.hpp"

namespace igata {

namespace {

/// As runtime/combine.hpp numbers them.
enum class Combine : std::uint8_t { replace, add, multiply, maximum, minimum };

Combine combine_of(const Node& node, DataType dtype) {
    constexpr std::array<const char*, 5> names{"none", "add", "mul", "max", "min"};
    const std::string name = node.attrs.get_string("reduction", "none");
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end())
        throw std::invalid_argument(fmt::format("reduction must be none, add, mul, max or min, got '{}'", name));
    const auto kind = static_cast<Combine>(found - names.begin());
    if (dtype != DataType::boolean || kind == Combine::replace) return kind;
    return kind == Combine::add || kind == Combine::maximum ? Combine::maximum : Combine::minimum;
}

template <class T>
T combined(Combine kind, T a, T b) {
    const auto with = [kind](auto x, auto y) {
        switch (kind) {
            case Combine::add: return scalar::add(x, y);
            case Combine::multiply: return scalar::multiply(x, y);
            case Combine::maximum: return scalar::maximum(x, y);
            case Combine::minimum: return scalar::minimum(x, y);
            case Combine::replace: break;
        }
        return y;
    };
    if (kind == Combine::replace) return b;
    if constexpr (std::is_same_v<T, bool>) return kind == Combine::maximum ? a || b : a && b;
    else if constexpr (std::is_arithmetic_v<T>) return with(a, b);
    else return T(with(static_cast<float>(a), static_cast<float>(b)));
}

/// An index counted from the start. Throws BadInput if it is out of range.
std::int64_t checked_index(const Node& node, std::int64_t index, std::int64_t dim) {
    if (index < -dim || index >= dim)
        throw BadInput(fmt::format("{}: index {} is out of range for a dim of {}", describe(node), index, dim));
    return index < 0 ? index + dim : index;
}

void require_same_type(InferContext& c, std::size_t updates) {
    if (c.dtype(updates) != c.dtype(0))
        c.fail(fmt::format("data is {} but updates are {}", name_of(c.dtype(0)), name_of(c.dtype(updates))));
}

void require_index_type(InferContext& c) {
    if (c.dtype(1) != DataType::i64 && c.dtype(1) != DataType::i32)
        c.fail(fmt::format("indices must be i32 or i64, not {}", name_of(c.dtype(1))));
}

/// The result, holding the data so far.
View copy_data(LowerContext& c) {
    const View out = c.output(0);
    c.add_map(expr::operand(0), {c.input(0)}, out);
    return out;
}

// ScatterElements -----------------------------------------------------------------------------------------------------

std::size_t axis_of(const Node& node, std::size_t rank, std::int64_t fallback = 0) {
    return as_index(normalize_axis(node.attrs.get_int("axis", fallback), rank));
}

void infer_scatter_elements(InferContext& c) {
    require_same_type(c, 2);
    require_index_type(c);
    const Dims& data = c.dims(0);
    const Dims& indices = c.dims(1);
    const std::size_t axis = axis_of(c.node(), data.size());
    static_cast<void>(combine_of(c.node(), c.dtype(0)));
    bool fits = data.size() == indices.size() && indices == c.dims(2);
    for (std::size_t i = 0; fits && i < data.size(); ++i) fits = i == axis || indices[i] <= data[i];
    if (!fits)
        c.fail(fmt::format("indices {} and updates {} do not fit data {}", to_string(indices), to_string(c.dims(2)),
                           to_string(data)));
    c.set_output(0, c.input(0));
}

void eval_scatter_elements(EvalContext& c) {
    const Tensor& updates = c.input(2);
    const std::size_t axis = axis_of(c.node(), c.input(0).dims().size());
    const Combine kind = combine_of(c.node(), updates.dtype());
    const Dims indices = c.input(1).to_i64();
    Tensor result = c.input(0);
    View lines = view_of(result);  // with the index along the axis left open
    const std::int64_t stride = std::exchange(lines.strides[axis], 0);
    lines.dims = updates.dims();
    visit_dtype(result.dtype(), [&]<class T>() {
        const auto from = updates.values<T>();
        const auto to = result.mutable_values<T>();
        for_each_element(lines, view_of(updates), [&](std::size_t line, std::size_t i) {
            T& target = to[line + as_index(stride * checked_index(c.node(), indices[i], result.dims()[axis]))];
            target = combined<T>(kind, target, from[i]);
        });
    });
    c.set_output(0, std::move(result));
}

void lower_scatter_elements(LowerContext& c) {
    const View out = copy_data(c);
    const View updates = c.input(2);
    if (element_count(updates.dims) == 0) return;
    const auto kind = static_cast<std::int64_t>(combine_of(c.node(), out.dtype));
    add_kernel(c, "scatter_elements", {as_dim(axis_of(c.node(), out.dims.size())), kind}, {c.input(1), updates, out});
}

/// What updates there are not go to one place more, which is taken off again.
bool close_scatter_elements(ExpandContext& c) {
    const auto data = open_axis(c, 0);
    const Dims& dims = c.dims(0);
    const std::size_t axis = axis_of(c.node(), dims.size());
    if (open_axis(c, 1).has_value() != open_axis(c, 2).has_value()) return false;
    const ValueId x = data ? bounded(c, c.value(0)) : c.value(0);
    Dims one_more = dims;
    one_more[axis] = 1;
    const ValueId room = concat(c, {x, c.constant_value(Tensor(c.dtype(0), one_more))}, as_dim(axis));
    const ValueId size = is_open_along(c, 0, axis) ? data->size : c.constant_value(Tensor::scalar(dims[axis]));
    const ValueId places =
        c.map("select(x0 < 0, x0 + x1, x0)",
              {converted(c, filled(c, 1, static_cast<double>(dims[axis])), c.dtype(1), DataType::i64), size});
    const ValueId updates = open_axis(c, 2) ? bounded(c, c.value(2)) : c.value(2);
    const ValueId all = c.add(c.node().op, {room, places, updates}, c.attrs());
    const ValueId result = slice(c, all, as_dim(axis), 0, dims[axis]);
    c.finish(0, data ? opened(c, result, as_index(data->axis), data->size) : result);
    return true;
}

OpDef scatter_elements_op(std::string name, int since, int newest) {
    OpDef op;
    op.name = std::move(name);
    op.since = since;
    op.newest = newest;
    op.min_inputs = op.max_inputs = 3;
    op.attrs = {{"axis", AttrKind::integer}, {"reduction", AttrKind::string}};
    op.infer = infer_scatter_elements;
    op.eval = eval_scatter_elements;
    op.lower = lower_scatter_elements;
    op.close = close_scatter_elements;
    return op;
}

// ScatterND -----------------------------------------------------------------------------------------------------------

void infer_scatter_nd(InferContext& c) {
    require_same_type(c, 2);
    require_index_type(c);
    const Dims& data = c.dims(0);
    const Dims& indices = c.dims(1);
    static_cast<void>(combine_of(c.node(), c.dtype(0)));
    if (c.has_input(3) && c.input(3) != ValueType{DataType::i64, {}})
        c.fail(fmt::format("the count must be an i64 scalar, not {}", to_string(c.input(3))));
    const std::int64_t k = indices.empty() ? 0 : indices.back();
    bool fits = !indices.empty() && k <= as_dim(data.size());
    if (fits) {
        Dims updates(indices.begin(), indices.end() - 1);
        updates.insert(updates.end(), data.begin() + k, data.end());
        fits = updates == c.dims(2);
    }
    if (!fits)
        c.fail(fmt::format("indices {} and updates {} do not fit data {}", to_string(indices), to_string(c.dims(2)),
                           to_string(data)));
    c.set_output(0, c.input(0));
}

/// Only as many updates as there are count, where that is known at run time alone (input 3).
std::size_t update_count(const EvalContext& c) {
    const Dims& tuples = c.input(1).dims();
    const std::int64_t count = element_count({tuples.begin(), tuples.end() - 1});
    return as_index(c.has_input(3) ? std::clamp<std::int64_t>(c.input(3).to_i64().at(0), 0, count) : count);
}

void eval_scatter_nd(EvalContext& c) {
    const Tensor& updates = c.input(2);
    const Combine kind = combine_of(c.node(), updates.dtype());
    const Dims indices = c.input(1).to_i64();
    const Dims& tuples = c.input(1).dims();
    const std::size_t k = as_index(tuples.back());
    Tensor result = c.input(0);
    const Dims strides = row_major_strides(result.dims());
    const auto slice = result.dims().begin() + tuples.back();
    const std::size_t block = as_index(element_count({slice, result.dims().end()}));
    const std::size_t count = update_count(c);
    visit_dtype(result.dtype(), [&]<class T>() {
        const auto from = updates.values<T>();
        const auto to = result.mutable_values<T>();
        for (std::size_t tuple = 0; tuple < count; ++tuple) {
            std::size_t start = 0;
            for (std::size_t i = 0; i < k; ++i)
                start += as_index(strides[i] * checked_index(c.node(), indices[tuple * k + i], result.dims()[i]));
            for (std::size_t i = 0; i < block; ++i)
                to[start + i] = combined<T>(kind, to[start + i], from[tuple * block + i]);
        }
    });
    c.set_output(0, std::move(result));
}

void lower_scatter_nd(LowerContext& c) {
    const View out = copy_data(c);
    const View updates = c.input(2);
    if (element_count(updates.dims) == 0) return;
    add_kernel(c, "scatter_nd", {static_cast<std::int64_t>(combine_of(c.node(), out.dtype))},
               {c.input(1), updates, c.input(3), out});
}

OpDef scatter_nd_op() {
    OpDef op;
    op.name = "ScatterND";
    op.since = 11;
    op.newest = 18;
    op.min_inputs = 3;
    op.max_inputs = 4;
    op.attrs = {{"reduction", AttrKind::string}};
    op.infer = infer_scatter_nd;
    op.eval = eval_scatter_nd;
    op.lower = lower_scatter_nd;
    op.carry_axis = [](const InferContext& c, std::size_t input, int axis) {
        const auto open = [&](std::size_t i) { return c.graph().value(c.node().input(i)).true_size.has_value(); };
        return input > 0 && axis == 0 && open(1) && open(2) && c.dims(1).size() > 1 ? takes_size : -1;
    };
    return op;
}

// TensorScatter -------------------------------------------------------------------------------------------------------

bool is_circular(const Node& node) {
    const std::string mode = node.attrs.get_string("mode", "linear");
    if (mode != "linear" && mode != "circular")
        throw std::invalid_argument(fmt::format("mode must be linear or circular, got '{}'", mode));
    return mode == "circular";
}

void infer_tensor_scatter(InferContext& c) {
    require_same_type(c, 1);
    const Dims& cache = c.dims(0);
    const std::size_t axis = axis_of(c.node(), cache.size(), -2);
    static_cast<void>(is_circular(c.node()));
    if (axis == 0) c.fail("axis must not be 0, the batch");
    Dims update = c.dims(1);
    bool fits = update.size() == cache.size() && update[axis] <= cache[axis];
    if (fits) update[axis] = cache[axis];
    if (!fits || update != cache)
        c.fail(fmt::format("update {} does not fit the cache {}", to_string(c.dims(1)), to_string(cache)));
    if (c.has_input(2) && (c.dims(2) != Dims{cache[0]} || c.dtype(2) != DataType::i64))
        c.fail(fmt::format("write_indices must be i64[{}], not {}", cache[0], to_string(c.input(2))));
    c.set_output(0, c.input(0));
}

void eval_tensor_scatter(EvalContext& c) {
    const Tensor& update = c.input(1);
    const Dims& dims = c.input(0).dims();
    const std::size_t axis = axis_of(c.node(), dims.size(), -2);
    const std::int64_t extent = dims[axis];
    const bool circular = is_circular(c.node());
    const Dims starts = c.has_input(2) ? c.input(2).to_i64() : Dims(as_index(dims[0]), 0);
    Tensor result = c.input(0);
    const View from = view_of(update);
    for (std::int64_t batch = 0; batch < dims[0]; ++batch) {
        for (std::int64_t i = 0; i < update.dims()[axis]; ++i) {
            const std::int64_t start = starts[as_index(batch)];
            if (!circular && (start < 0 || start > extent - update.dims()[axis]))
                throw BadInput(fmt::format("{}: write index {} leaves no room for {} in {}", describe(c.node()), start,
                                           update.dims()[axis], extent));
            const std::int64_t at = ((start % extent + extent) % extent + i) % extent;
            copy_elements(update, sliced(sliced(from, 0, batch, 1), axis, i, 1), result,
                          sliced(sliced(view_of(result), 0, batch, 1), axis, at, 1));
        }
    }
    c.set_output(0, std::move(result));
}

void lower_tensor_scatter(LowerContext& c) {
    const View out = copy_data(c);
    const View update = c.input(1);
    if (element_count(update.dims) == 0) return;
    const std::size_t axis = axis_of(c.node(), out.dims.size(), -2);
    Dims line(out.dims.size(), 1);
    line[0] = out.dims[0];
    line[axis] = update.dims[axis];
    View places = positions(c, line, axis);
    if (const View starts = c.input(2); starts.valid()) {
        Dims column(line.size(), 1);
        column[0] = line[0];
        const View sums = c.temporary(DataType::i64, line);
        const char* body = is_circular(c.node()) ? "mod(mod(x0, extent) + x1, extent)" : "x0 + x1";
        const std::map<std::string, double> extent{{"extent", static_cast<double>(out.dims[axis])}};
        c.add_map(expr::substitute(expr::parse(body), extent), {expanded(c.reshaped(starts, column), line), places},
                  sums);
        places = sums;
    }
    add_kernel(c, "scatter_elements", {as_dim(axis), static_cast<std::int64_t>(Combine::replace)},
               {expanded(places, update.dims), update, out});
}

OpDef tensor_scatter_op() {
    OpDef op;
    op.name = "TensorScatter";
    op.since = op.newest = 24;
    op.min_inputs = 2;
    op.max_inputs = 3;
    op.attrs = {{"axis", AttrKind::integer}, {"mode", AttrKind::string}};
    op.infer = infer_tensor_scatter;
    op.eval = eval_tensor_scatter;
    op.lower = lower_tensor_scatter;
    return op;
}

}  // namespace

void register_scatter(Registry& registry) {
    for (OpDef op : {scatter_elements_op("Scatter", 9, 11), scatter_elements_op("ScatterElements", 11, 18),
                     scatter_nd_op(), tensor_scatter_op()})
        registry.add(std::move(op));
}

}  // namespace igata
