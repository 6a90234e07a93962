// Operators that look elements up by index: Gather, GatherElements, GatherND, OneHot.
//     y = Gather(x, [2,1,0]) {axis=1}    indices in equal steps known at compile time: a view
//     y = OneHot(i, depth, values)       a loop: values[1] where the index is the position along the new axis
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/lowering.hpp"
#include "compiler/ops/open_axes.hpp"

namespace igata {

namespace {

std::size_t axis_of(const Node& node, std::size_t rank, std::int64_t fallback = 0) {
    return as_index(normalize_axis(node.attrs.get_int("axis", fallback), rank));
}

/// An index counted from the start. Throws BadInput if it is out of range.
std::int64_t checked_index(const Node& node, std::int64_t index, std::int64_t dim) {
    if (index < -dim || index >= dim)
        throw BadInput(fmt::format("{}: index {} is out of range for a dim of {}", describe(node), index, dim));
    return index < 0 ? index + dim : index;
}

/// The result's type. Code at run time clamps an index, which takes something to gather from.
void set_gathered(InferContext& c, Dims dims) {
    if (element_count(c.dims(0)) == 0 && element_count(dims) > 0)
        c.fail(fmt::format("there is nothing to gather from {}", to_string(c.dims(0))));
    c.set_output(0, {c.dtype(0), std::move(dims)});
}

// Gather -------------------------------------------------------------------------------------------------------------

Dims gathered_dims(const Dims& data, const Dims& indices, std::size_t axis) {
    const auto at = static_cast<std::ptrdiff_t>(axis);
    Dims dims(data.begin(), data.begin() + at);
    dims.insert(dims.end(), indices.begin(), indices.end());
    dims.insert(dims.end(), data.begin() + at + 1, data.end());
    return dims;
}

void eval_gather(EvalContext& c) {
    const Tensor& data = c.input(0);
    const std::size_t axis = axis_of(c.node(), data.dims().size());
    const std::int64_t dim = data.dims()[axis];
    const auto at = data.dims().begin() + static_cast<std::ptrdiff_t>(axis);
    const std::int64_t outer = element_count({data.dims().begin(), at});
    const std::size_t block = as_index(element_count({at + 1, data.dims().end()})) * size_of(data.dtype());
    const Dims indices = c.input(1).to_i64();
    std::byte* write = c.make_output(0).mutable_bytes().data();
    for (std::int64_t i = 0; i < outer; ++i)
        for (const std::int64_t index : indices) {
            const std::int64_t row = i * dim + checked_index(c.node(), index, dim);
            std::memcpy(write, data.bytes().data() + as_index(row) * block, block);
            write += block;
        }
}

/// The view that a Gather of constant indices in equal steps is, if it is one.
std::optional<View> gather_view(const View& data, std::size_t axis, const Tensor& indices, const Node& node) {
    Dims rows = indices.to_i64();
    if (indices.dims().size() > 1 || rows.empty()) return std::nullopt;
    for (std::int64_t& row : rows) row = checked_index(node, row, data.dims[axis]);
    const std::int64_t step = rows.size() > 1 ? rows[1] - rows[0] : 1;
    for (std::size_t i = 1; i < rows.size(); ++i)
        if (rows[i] - rows[i - 1] != step) return std::nullopt;
    View view = sliced(data, axis, rows[0], as_dim(rows.size()), step);
    return indices.dims().empty() ? without_axis(std::move(view), axis) : view;
}

void lower_gather(LowerContext& c) {
    const View data = c.input(0);
    const std::size_t axis = axis_of(c.node(), data.dims.size());
    if (const Tensor* indices = c.graph().constant(c.node().inputs[1]))
        if (const auto view = gather_view(data, axis, *indices, c.node())) return c.set_output(0, *view);
    add_kernel(c, "gather", {as_dim(axis)}, {data, c.input(1), c.output(0)});
}

/// Of an axis of which only the data decide how much there is: negative indices count from the true end.
bool close_gather(ExpandContext& c) {
    const auto open = open_axis(c, 0);
    const std::size_t axis = axis_of(c.node(), c.dims(0).size());
    if (!is_open_along(c, 0, axis) || c.dims(0)[axis] == 0) return false;
    const ValueId indices = converted(c, c.value(1), c.dtype(1), DataType::i64);
    const ValueId places =
        c.map(fmt::format("max(min(select(x0 < 0, x0 + x1, x0), {}), 0)", c.dims(0)[axis] - 1), {indices, open->size});
    c.finish(0, c.add("Gather", {bounded(c, c.value(0)), places}, c.attrs()));
    return true;
}

OpDef gather_op() {
    OpDef op;
    op.name = "Gather";
    op.newest = 13;
    op.min_inputs = op.max_inputs = 2;
    op.attrs = {{"axis", AttrKind::integer}};
    op.infer = [](InferContext& c) {
        set_gathered(c, gathered_dims(c.dims(0), c.dims(1), axis_of(c.node(), c.dims(0).size())));
    };
    op.eval = eval_gather;
    op.lower = lower_gather;
    op.carry_axis = [](const InferContext& c, std::size_t input, int axis) {
        const auto own = static_cast<int>(axis_of(c.node(), c.dims(0).size()));
        if (input == 1) return own + axis;
        const int grown = static_cast<int>(c.dims(1).size()) - 1;
        return axis == own ? -1 : axis < own ? axis : axis + grown;
    };
    op.close = close_gather;
    return op;
}

// GatherElements -----------------------------------------------------------------------------------------------------

void infer_gather_elements(InferContext& c) {
    const std::size_t axis = axis_of(c.node(), c.dims(0).size());
    bool fits = c.dims(0).size() == c.dims(1).size();
    for (std::size_t i = 0; fits && i < c.dims(0).size(); ++i) fits = i == axis || c.dims(1)[i] <= c.dims(0)[i];
    if (!fits) c.fail(fmt::format("indices {} do not fit data {}", to_string(c.dims(1)), to_string(c.dims(0))));
    set_gathered(c, c.dims(1));
}

void eval_gather_elements(EvalContext& c) {
    const Tensor& data = c.input(0);
    const std::size_t axis = axis_of(c.node(), data.dims().size());
    const Dims indices = c.input(1).to_i64();
    View lines = view_of(data);  // of the data, with the index along the axis left open
    const std::int64_t stride = std::exchange(lines.strides[axis], 0);
    lines.dims = c.input(1).dims();
    std::byte* write = c.make_output(0).mutable_bytes().data();
    const std::size_t width = size_of(data.dtype());
    for_each_element(lines, row_major_view(data.dtype(), lines.dims), [&](std::size_t line, std::size_t i) {
        const std::int64_t index = checked_index(c.node(), indices[i], data.dims()[axis]);
        std::memcpy(write + i * width, data.bytes().data() + (line + as_index(index * stride)) * width, width);
    });
}

OpDef gather_elements_op() {
    OpDef op;
    op.name = "GatherElements";
    op.since = 11;
    op.newest = 13;
    op.min_inputs = op.max_inputs = 2;
    op.attrs = {{"axis", AttrKind::integer}};
    op.infer = infer_gather_elements;
    op.eval = eval_gather_elements;
    op.lower = [](LowerContext& c) {
        const std::size_t axis = axis_of(c.node(), input_dims(c, 0).size());
        add_kernel(c, "gather_elements", {as_dim(axis)}, {c.input(0), c.input(1), c.output(0)});
    };
    return op;
}

// GatherND -----------------------------------------------------------------------------------------------------------

void infer_gather_nd(InferContext& c) {
    const Dims& data = c.dims(0);
    const Dims& indices = c.dims(1);
    const std::int64_t batch = c.attrs().get_int("batch_dims", 0);
    const std::int64_t coordinates = indices.empty() ? 0 : indices.back();
    const bool fits = !indices.empty() && batch >= 0 && batch < as_dim(indices.size()) && batch < as_dim(data.size()) &&
                      coordinates >= 1 && coordinates + batch <= as_dim(data.size()) &&
                      std::equal(data.begin(), data.begin() + batch, indices.begin());
    if (!fits)
        c.fail(fmt::format("indices {} do not fit data {} with batch_dims {}", to_string(indices), to_string(data),
                           batch));
    Dims dims(indices.begin(), indices.end() - 1);
    dims.insert(dims.end(), data.begin() + batch + coordinates, data.end());
    set_gathered(c, std::move(dims));
}

void eval_gather_nd(EvalContext& c) {
    const Tensor& data = c.input(0);
    const Dims& dims = data.dims();
    const std::int64_t batch = c.attrs().get_int("batch_dims", 0);
    const std::int64_t k = c.input(1).dims().back();
    const Dims indices = c.input(1).to_i64();
    const Dims strides = row_major_strides(dims);
    const std::size_t block = as_index(element_count({dims.begin() + batch + k, dims.end()})) * size_of(data.dtype());
    const std::int64_t batches = element_count({dims.begin(), dims.begin() + batch});
    const std::int64_t tuples = as_dim(indices.size()) / k;
    const std::int64_t batch_size = batches == 0 ? 0 : data.count() / batches;
    std::byte* write = c.make_output(0).mutable_bytes().data();
    for (std::int64_t tuple = 0; tuple < tuples; ++tuple, write += block) {
        std::int64_t from = tuple / (tuples / batches) * batch_size;
        for (std::int64_t i = 0; i < k; ++i) {
            const std::size_t axis = as_index(batch + i);
            from += checked_index(c.node(), indices[as_index(tuple * k + i)], dims[axis]) * strides[axis];
        }
        std::memcpy(write, data.bytes().data() + as_index(from) * size_of(data.dtype()), block);
    }
}

/// Likewise, in the element of each tuple that is an index along the axis.
bool close_gather_nd(ExpandContext& c) {
    const auto open = open_axis(c, 0);
    const std::int64_t tuple = c.dims(1).empty() ? 0 : c.dims(1).back();
    if (!open || open->axis >= tuple || c.attrs().get_int("batch_dims", 0) != 0) return false;
    const std::int64_t dim = c.dims(0)[as_index(open->axis)];
    if (dim == 0) return false;
    Dims along(as_index(tuple), 0);
    along[as_index(open->axis)] = 1;
    const ValueId places =
        c.map(fmt::format("select(x2 == 1, max(min(select(x0 < 0, x0 + x1, x0), {}), 0), x0)", dim - 1),
              {c.value(1), open->size, c.constant_value(Tensor::of_dims(along))});
    c.finish(0, c.add("GatherND", {bounded(c, c.value(0)), places}));
    return true;
}

OpDef gather_nd_op() {
    OpDef op;
    op.name = "GatherND";
    op.since = 11;
    op.newest = 13;
    op.min_inputs = op.max_inputs = 2;
    op.attrs = {{"batch_dims", AttrKind::integer}};
    op.infer = infer_gather_nd;
    op.eval = eval_gather_nd;
    op.carry_axis = [](const InferContext& c, std::size_t input, int axis) {
        const bool is_tuple = axis + 1 == static_cast<int>(c.dims(input).size());
        return input == 1 && !is_tuple && axis >= c.attrs().get_int("batch_dims", 0) ? axis : -1;
    };
    op.close = close_gather_nd;
    op.lower = [](LowerContext& c) {
        const std::int64_t batch = c.node().attrs.get_int("batch_dims", 0);
        add_kernel(c, "gather_nd", {batch}, {c.input(0), c.input(1), c.output(0)});
    };
    return op;
}

// OneHot -------------------------------------------------------------------------------------------------------------

void infer_one_hot(InferContext& c) {
    const Dims depth = integers(c, 1, "depth").value();
    if (depth.size() != 1 || depth[0] < 1) c.fail("depth must be one positive number");
    if (c.dims(2) != Dims{2}) c.fail(fmt::format("values must be [off, on], not {}", to_string(c.input(2))));
    Dims dims = c.dims(0);
    dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(axis_of(c.node(), dims.size() + 1, -1)), depth[0]);
    c.set_output(0, {c.dtype(2), dims});
}

void eval_one_hot(EvalContext& c) {
    const Tensor indices = c.input(0).cast(DataType::i64);
    Tensor& result = c.make_output(0);
    const std::size_t axis = axis_of(c.node(), result.dims().size(), -1);
    const std::int64_t depth = result.dims()[axis];
    const View values = view_of(c.input(2));
    copy_elements(c.input(2), expanded(sliced(values, 0, 0, 1), result.dims()), result, view_of(result));
    View lines = view_of(result);  // one place for each index
    lines.dims[axis] = 1;
    const View places = with_axis(view_of(indices), axis);
    for_each_element(places, lines, [&](std::size_t i, std::size_t line) {
        const std::int64_t index = indices.values<std::int64_t>()[i];
        if (index < -depth || index >= depth) return;
        View place = sliced(values, 0, 0, 1);
        place.offset = as_dim(line) + (index < 0 ? index + depth : index) * lines.strides[axis];
        copy_elements(c.input(2), sliced(values, 0, 1, 1), result, place);
    });
}

void lower_one_hot(LowerContext& c) {
    const View out = c.output(0);
    const std::size_t axis = axis_of(c.node(), out.dims.size(), -1);
    const View index = expanded(with_axis(c.input(0), axis), out.dims);
    const View values = c.input(2);
    const View off = expanded(sliced(values, 0, 0, 1), out.dims);
    const View on = expanded(sliced(values, 0, 1, 1), out.dims);
    const ExprPtr hit = expr::parse("logical_or(cast<i64>(x0) == x3, cast<i64>(x0) + depth == x3)");
    const ExprPtr choice = expr::make(ExprOp::select, {hit, expr::operand(2), expr::operand(1)});
    const double depth = static_cast<double>(out.dims[axis]);
    c.add_map(expr::substitute(choice, {{"depth", depth}}), {index, off, on, positions(c, out.dims, axis)}, out);
}

OpDef one_hot_op() {
    OpDef op;
    op.name = "OneHot";
    op.since = 9;
    op.newest = 28;
    op.min_inputs = op.max_inputs = 3;
    op.attrs = {{"axis", AttrKind::integer}};
    op.infer = infer_one_hot;
    op.carry_axis = [](const InferContext& c, std::size_t input, int axis) {
        const auto own = static_cast<int>(axis_of(c.node(), c.dims(0).size() + 1, -1));
        return input != 0 ? -1 : axis < own ? axis : axis + 1;
    };
    op.eval = eval_one_hot;
    op.lower = lower_one_hot;
    return op;
}

}  // namespace

void register_gather(Registry& registry) {
    for (OpDef op : {gather_op(), gather_elements_op(), gather_nd_op(), one_hot_op()}) {
        op.takes_small_types = op.name != "OneHot";
        registry.add(std::move(op));
    }
}

}  // namespace igata
