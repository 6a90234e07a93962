// Reductions along axes: one table row each, holding what is reduced (body), how, and what becomes of it (finish).
//     y = ReduceMean(x, axes) {keepdims=0}     n is the number of elements that one result stems from
#include <fmt/format.h>

#include "compiler/ir/interpret.hpp"
#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/carry_axis.hpp"
#include "compiler/ops/lowering.hpp"
#include "compiler/ops/open_axes.hpp"
#include "compiler/ops/rewriting.hpp"

namespace igata {

namespace {

struct Row {
    const char* name;
    Reduce kind;
    const char* body;
    const char* finish;
    bool real;  ///< computes with floats even for integers
    int newest;
};

constexpr Row rows[] = {
    {"ReduceSum", Reduce::sum, "x0", "x0", false, 13},
    {"ReduceMean", Reduce::sum, "x0", "x0 / n", false, 18},
    {"ReduceProd", Reduce::product, "x0", "x0", false, 18},
    {"ReduceMax", Reduce::maximum, "x0", "x0", false, 20},
    {"ReduceMin", Reduce::minimum, "x0", "x0", false, 20},
    {"ReduceL1", Reduce::sum, "abs(x0)", "x0", false, 18},
    {"ReduceL2", Reduce::sum, "x0 * x0", "sqrt(x0)", true, 18},
    {"ReduceSumSquare", Reduce::sum, "x0 * x0", "x0", false, 18},
    {"ReduceLogSum", Reduce::sum, "x0", "log(x0)", true, 18},
};

/// The type in which a reduction runs; `exact`: as the reference does, wider than the plan needs.
DataType accumulator_of(const Row& row, DataType dtype, bool exact) {
    const bool extremum = row.kind == Reduce::maximum || row.kind == Reduce::minimum;
    if (is_floating(dtype)) return exact || dtype == DataType::f64 ? DataType::f64 : DataType::f32;
    if (row.real) return DataType::f64;
    if (dtype == DataType::boolean) return DataType::u8;
    if (extremum) return dtype;
    return is_signed(dtype) ? DataType::i64 : DataType::u64;
}

template <class Context>
Dims reduced_axes(const Context& c) {
    const std::size_t rank = input_dims(c, 0).size();
    Dims axes = integers(c, 1, "axes").value_or(Dims{});
    if (axes.empty() && c.node().attrs.get_int("noop_with_empty_axes", 0) == 0)
        for (std::size_t i = 0; i < rank; ++i) axes.push_back(as_dim(i));
    axes = normalize_axes(axes, rank);
    std::sort(axes.begin(), axes.end());
    return axes;
}

Dims kept_dims(Dims dims, const Dims& axes) {
    for (const std::int64_t axis : axes) dims[as_index(axis)] = 1;
    return dims;
}

Dims dropped_dims(Dims dims, const Dims& axes) {
    for (std::size_t i = axes.size(); i-- > 0;) dims.erase(dims.begin() + axes[i]);
    return dims;
}

void infer_reduce(InferContext& c) {
    const Dims axes = reduced_axes(c);
    const bool keep = c.attrs().get_int("keepdims", 1) != 0;
    c.set_output(0, {c.dtype(0), keep ? kept_dims(c.dims(0), axes) : dropped_dims(c.dims(0), axes)});
}

/// The result with the reduced axes as axes of one element.
View output_with_axes(LowerContext& c, const Dims& axes) {
    View out = c.output(0);
    if (c.node().attrs.get_int("keepdims", 1) == 0)
        for (const std::int64_t axis : axes) out = with_axis(std::move(out), as_index(axis));
    return out;
}

template <class T>
T combine(Reduce kind, T a, T b) {
    switch (kind) {
        case Reduce::sum: return static_cast<T>(a + b);
        case Reduce::product: return static_cast<T>(a * b);
        case Reduce::maximum: return a != a || a > b ? a : b;
        case Reduce::minimum: return a != a || a < b ? a : b;
    }
    return a;
}

template <class T>
T neutral(Reduce kind) {
    using Limits = std::numeric_limits<T>;
    switch (kind) {
        case Reduce::sum: return T{0};
        case Reduce::product: return T{1};
        case Reduce::maximum: return Limits::has_infinity ? static_cast<T>(-Limits::infinity()) : Limits::lowest();
        case Reduce::minimum: return Limits::has_infinity ? Limits::infinity() : Limits::max();
    }
    return T{0};
}

/// The elements combined along the axes, which stay as axes of one element.
Tensor reduce_tensor(Reduce kind, const Tensor& source, const Dims& axes) {
    Tensor result(source.dtype(), kept_dims(source.dims(), axes));
    const View target = expanded(view_of(result), source.dims());
    const auto run = [&]<class T>() {
        const auto read = source.values<T>();
        const auto write = result.mutable_values<T>();
        std::ranges::fill(write, neutral<T>(kind));
        for_each_element(view_of(source), target, [&](std::size_t from, std::size_t to) {
            write[to] = combine<T>(kind, write[to], read[from]);
        });
    };
    visit_dtype(source.dtype(), [&]<class T>() {
        if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) run.template operator()<T>();
        else throw std::logic_error("no reduction runs in this type");
    });
    return result;
}

struct Formula {
    ExprPtr body, finish;
};

Formula formula_of(const Row& row, DataType dtype, DataType accumulator, const Dims& dims, const Dims& axes) {
    std::int64_t n = 1;
    for (const std::int64_t axis : axes) n *= dims[as_index(axis)];
    if (n == 0 && row.finish == std::string_view("x0 / n") && !is_floating(dtype))
        throw std::invalid_argument("the mean of no integers is undefined");
    const ExprPtr element = dtype == accumulator ? expr::operand(0) : expr::cast(accumulator, expr::operand(0));
    const ExprPtr body = expr::parse(row.body);
    const ExprPtr finish = expr::substitute(expr::parse(row.finish), {{"n", static_cast<double>(n)}});
    return {expr::replace_operands(body, std::vector<ExprPtr>{element}), finish};
}

Tensor reduce_exactly(const Row& row, const Tensor& source, const Dims& axes) {
    const DataType wide = accumulator_of(row, source.dtype(), true);
    const Formula formula = formula_of(row, source.dtype(), wide, source.dims(), axes);
    const Tensor elements = eval_map(formula.body, {&source}, {wide, source.dims()});
    const Tensor reduced = reduce_tensor(row.kind, elements, axes);
    return eval_map(formula.finish, {&reduced}, reduced.type()).cast(source.dtype());
}

/// Of no elements at all: the same for each place of the result, of which there may be many.
template <class ReduceTensor>
void lower_empty(LowerContext& c, const Dims& axes, const ReduceTensor& reduce) {
    const View out = output_with_axes(c, axes);
    if (element_count(out.dims) == 0) return;
    Dims line(out.dims.size(), 1);
    for (const std::int64_t axis : axes) line[as_index(axis)] = c.input(0).dims[as_index(axis)];
    c.add_map(expr::operand(0), {c.constant(reduce(Tensor(out.dtype, line)))}, out);
}

void lower_reduce(LowerContext& c, const Row& row) {
    const View source = c.input(0);
    const Dims axes = reduced_axes(c);
    if (element_count(source.dims) == 0)
        return lower_empty(c, axes, [&](const Tensor& x) { return reduce_exactly(row, x, axes); });
    const DataType accumulator = accumulator_of(row, source.dtype, false);
    const Formula formula = formula_of(row, source.dtype, accumulator, source.dims, axes);
    c.add_reduce(row.kind, formula.body, {source}, source.dims, axes, output_with_axes(c, axes), accumulator,
                 formula.finish->op == ExprOp::operand ? nullptr : formula.finish);
}

// ReduceLogSumExp, by way of the maximum so that nothing overflows ---------------------------------------------------

/// What is subtracted before exp: the maximum, unless that is infinite.
ExprPtr finite_maximum() { return expr::parse("select(isinf(x0), 0, x0)"); }

Tensor log_sum_exp(const Tensor& source, const Dims& axes) {
    const Tensor x = source.cast(DataType::f64);
    const Tensor largest = reduce_tensor(Reduce::maximum, x, axes);
    const Tensor shift = eval_map(finite_maximum(), {&largest}, largest.type());
    const Tensor powers = eval_map(expr::parse("exp(x0 - x1)"), {&x, &shift}, x.type());
    const Tensor sum = reduce_tensor(Reduce::sum, powers, axes);
    return eval_map(expr::parse("log(x0) + x1"), {&sum, &shift}, sum.type()).cast(source.dtype());
}

void lower_log_sum_exp(LowerContext& c) {
    const View source = c.input(0);
    const Dims axes = reduced_axes(c);
    if (element_count(source.dims) == 0)
        return lower_empty(c, axes, [&](const Tensor& x) { return log_sum_exp(x, axes); });
    const DataType wide = is_floating(source.dtype) ? widened(source.dtype) : DataType::f64;
    const auto of_wide = [&](const char* text) {
        return expr::replace_operands(expr::parse(text), std::vector<ExprPtr>{expr::cast(wide, expr::operand(0))});
    };
    const Dims kept = kept_dims(source.dims, axes);
    const View shift = c.temporary(wide, kept);
    const View sum = c.temporary(wide, kept);
    c.add_reduce(Reduce::maximum, of_wide("x0"), {source}, source.dims, axes, shift, wide, finite_maximum());
    c.add_reduce(Reduce::sum, of_wide("exp(x0 - x1)"), {source, shift}, source.dims, axes, sum, wide,
                 expr::parse("log(x0)"));
    const ExprPtr total = expr::parse("x0 + x1");
    c.add_map(wide == source.dtype ? total : expr::cast(source.dtype, total), {sum, shift}, output_with_axes(c, axes));
}

// Rules --------------------------------------------------------------------------------------------------------------

/// y = ReduceMean(x, axes) over all spatial axes  =>  g = GlobalAveragePool(x)  y = Reshape(g)
std::optional<std::string> mean_to_pool(RuleMatch& m) {
    const ValueType& x = m.type("x");
    const Tensor* given = m.constant("axes");
    if (x.dtype != DataType::f32 || x.dims.size() < 3 || x.dims.size() > 5 || given == nullptr) return not_worth_it();
    Dims axes = normalize_axes(given->to_i64(), x.dims.size());
    std::sort(axes.begin(), axes.end());
    if (axes.size() + 2 != x.dims.size() || axes.front() != 2) return not_worth_it();
    const ValueId pooled = insert_node(m.graph, m.at("y"), "GlobalAveragePool", {m["x"]});
    return replace(m, m["y"], insert_reshape(m.graph, m.at("y"), pooled, m.type("y").dims));
}

// Axes of which only the data decide how much there is
// ------------------------------------------------------------------

double neutral_of(Reduce kind) {
    switch (kind) {
        case Reduce::sum: return 0;
        case Reduce::product: return 1;
        case Reduce::maximum: return lowest;
        case Reduce::minimum: return highest;
    }
    return 0;
}

/// The sum of what there is, divided by its number.
bool close_mean(ExpandContext& c) {
    const auto open = open_axis(c, 0);
    if (!open) return false;
    std::int64_t n = 1;  // that a result stems from, but for the open axis
    for (const std::int64_t axis : reduced_axes(c))
        if (axis != open->axis) n *= c.dims(0)[as_index(axis)];
    const DataType wide = is_floating(c.dtype(0)) ? widened(c.dtype(0)) : DataType::i64;
    std::vector<ValueId> inputs = with_filled(c, 0);
    inputs[0] = converted(c, inputs[0], c.dtype(0), wide);
    const ValueId sum = c.add("ReduceSum", std::move(inputs), c.attrs());
    const std::string mean = fmt::format("cast<{}>(x0 / cast<{}>({} * x1))", name_of(c.dtype(0)), name_of(wide), n);
    c.finish(0, c.map(mean, {sum, open->size}));
    return true;
}

OpDef reduction(std::string name, int newest) {
    OpDef op;
    op.name = std::move(name);
    op.newest = newest;
    op.max_inputs = 2;
    op.attrs = {{"keepdims", AttrKind::integer}, {"noop_with_empty_axes", AttrKind::integer}};
    op.raise = [](Graph& graph, NodeIt node) { attribute_to_input(graph, *node, "axes", 1); };
    op.infer = infer_reduce;
    op.carry_axis = [](const InferContext& c, std::size_t, int axis) {
        return carry_reduced(reduced_axes(c), c.attrs().get_int("keepdims", 1) != 0, axis);
    };
    return op;
}

}  // namespace

void register_reduce(Registry& registry) {
    for (const Row& row : rows) {
        OpDef op = reduction(row.name, row.newest);
        op.eval = [&row](EvalContext& c) {
            c.set_output(0, reduce_exactly(row, c.input(0), reduced_axes(c)).reshaped(c.output_type(0).dims));
        };
        op.lower = [&row](LowerContext& c) { lower_reduce(c, row); };
        op.close = op.name == "ReduceMean" ? close_mean : std::function(close_filled(neutral_of(row.kind)));
        if (op.name == "ReduceMean") op.rules.push_back({"mean-to-pool", "y = ReduceMean(x, axes)", mean_to_pool});
        registry.add(std::move(op));
    }
    OpDef op = reduction("ReduceLogSumExp", 18);
    op.eval = [](EvalContext& c) {
        c.set_output(0, log_sum_exp(c.input(0), reduced_axes(c)).reshaped(c.output_type(0).dims));
    };
    op.lower = lower_log_sum_exp;
    op.close = close_filled(lowest);
    registry.add(std::move(op));
}

}  // namespace igata
