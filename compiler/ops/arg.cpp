// Operators along one axis whose result at a place depends on more than that place: ArgMax, ArgMin, CumSum,
// CumProd.
#include <utility>

#include <fmt/format.h>

#include "compiler/ir/scalar.hpp"
#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/carry_axis.hpp"
#include "compiler/ops/lowering.hpp"
#include "compiler/ops/open_axes.hpp"

namespace igata {

namespace {

// ArgMax, ArgMin -----------------------------------------------------------------------------------------------------

std::size_t arg_axis(const Node& node, std::size_t rank) {
    return as_index(normalize_axis(node.attrs.get_int("axis", 0), rank));
}

void infer_arg(InferContext& c) {
    Dims dims = c.dims(0);
    const std::size_t axis = arg_axis(c.node(), dims.size());
    if (dims[axis] == 0) c.fail(fmt::format("axis {} of {} has no elements", axis, to_string(dims)));
    dims[axis] = 1;
    if (c.attrs().get_int("keepdims", 1) == 0) dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axis));
    c.set_output(0, {DataType::i64, dims});
}

void eval_arg(EvalContext& c) {
    const Tensor& source = c.input(0);
    const std::size_t axis = arg_axis(c.node(), source.dims().size());
    const bool maximum = c.node().op == "ArgMax";
    const bool last = c.attrs().get_int("select_last_index", 0) != 0;
    View lines = view_of(source);
    const std::int64_t count = std::exchange(lines.dims[axis], 1);
    const auto stride = as_index(lines.strides[axis]);
    const auto write = c.make_output(0).mutable_values<std::int64_t>();
    visit_dtype(source.dtype(), [&]<class T>() {
        const auto read = source.values<T>();
        for_each_element(lines, row_major_view(DataType::i64, lines.dims), [&](std::size_t line, std::size_t to) {
            std::size_t best = 0;
            for (std::size_t i = 1; i < as_index(count); ++i) {
                const T& value = read[line + i * stride];
                const T& leader = read[line + best * stride];
                if ((maximum ? value > leader : value < leader) || (last && value == leader)) best = i;
            }
            write[to] = as_dim(best);
        });
    });
}

void lower_arg(LowerContext& c) {
    const View source = c.input(0);
    const std::size_t axis = arg_axis(c.node(), source.dims.size());
    View out = c.output(0);
    if (c.node().attrs.get_int("keepdims", 1) == 0) out = with_axis(std::move(out), axis);
    const std::int64_t last = c.node().attrs.get_int("select_last_index", 0) != 0 ? 1 : 0;
    add_kernel(c, "arg_extremum", {as_dim(axis), c.node().op == "ArgMax" ? 1 : 0, last}, {source, out});
}

OpDef arg_op(std::string name) {
    OpDef op;
    op.name = std::move(name);
    op.newest = 13;
    op.attrs = {{"axis", AttrKind::integer}, {"keepdims", AttrKind::integer}, {"select_last_index", AttrKind::integer}};
    op.infer = infer_arg;
    op.carry_axis = [](const InferContext& c, std::size_t, int axis) {
        return carry_reduced({as_dim(arg_axis(c.node(), c.dims(0).size()))}, c.attrs().get_int("keepdims", 1) != 0,
                             axis);
    };
    op.close = [](ExpandContext& c) {  // what is beyond comes after its equals
        const bool last = c.attrs().get_int("select_last_index", 0) != 0;
        return !last && close_filled(c.node().op == "ArgMax" ? lowest : highest)(c);
    };
    op.eval = eval_arg;
    op.lower = lower_arg;
    return op;
}

// CumSum, CumProd ----------------------------------------------------------------------------------------------------

template <class Context>
std::size_t cumulative_axis(const Context& c) {
    const Dims axis = integers(c, 1, "axis").value();
    if (axis.size() != 1) throw std::invalid_argument("axis must be one number");
    return as_index(normalize_axis(axis[0], input_dims(c, 0).size()));
}

void eval_cumulative(EvalContext& c) {
    const Tensor& source = c.input(0);
    View lines = view_of(source);
    const std::size_t axis = cumulative_axis(c);
    const std::int64_t count = std::exchange(lines.dims[axis], 1);
    const bool exclusive = c.attrs().get_int("exclusive", 0) != 0;
    const bool reverse = c.attrs().get_int("reverse", 0) != 0;
    const bool product = c.node().op == "CumProd";
    Tensor& result = c.make_output(0);
    visit_dtype(source.dtype(), [&]<class T>() {
        using Total = std::conditional_t<std::is_integral_v<T>, std::int64_t, double>;
        const auto read = source.values<T>();
        const auto write = result.mutable_values<T>();
        for_each_element(lines, lines, [&](std::size_t line, std::size_t) {
            Total total = product ? 1 : 0;
            for (std::int64_t i = 0; i < count; ++i) {
                const std::size_t at = line + as_index((reverse ? count - 1 - i : i) * lines.strides[axis]);
                const auto element = static_cast<Total>(read[at]);
                const Total next = product ? scalar::multiply(total, element) : scalar::add(total, element);
                if constexpr (std::is_arithmetic_v<T>) write[at] = static_cast<T>(exclusive ? total : next);
                else write[at] = T(static_cast<float>(exclusive ? total : next));
                total = next;
            }
        });
    });
}

OpDef cumulative_op(std::string name, int since, int newest) {
    OpDef op;
    op.name = std::move(name);
    op.since = since;
    op.newest = newest;
    op.min_inputs = op.max_inputs = 2;
    op.attrs = {{"exclusive", AttrKind::integer}, {"reverse", AttrKind::integer}};
    op.infer = [](InferContext& c) {
        static_cast<void>(cumulative_axis(c));
        c.set_output(0, c.input(0));
    };
    op.carry_axis = [](const InferContext& c, std::size_t, int axis) { return carry_unless(cumulative_axis(c), axis); };
    op.close = [](ExpandContext& c) { return reopen_filled(c, c.node().op == "CumProd" ? 1 : 0); };
    op.eval = eval_cumulative;
    op.lower = [](LowerContext& c) {
        const Attrs& attrs = c.node().attrs;
        add_kernel(c, "cumulative",
                   {as_dim(cumulative_axis(c)), attrs.get_int("exclusive", 0), attrs.get_int("reverse", 0),
                    c.node().op == "CumProd" ? 1 : 0},
                   {c.input(0), c.output(0)});
    };
    return op;
}

}  // namespace

void register_arg(Registry& registry) {
    for (OpDef op :
         {arg_op("ArgMax"), arg_op("ArgMin"), cumulative_op("CumSum", 11, 14), cumulative_op("CumProd", 26, 26)})
        registry.add(std::move(op));
}

}  // namespace igata
