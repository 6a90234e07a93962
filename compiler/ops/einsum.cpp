// y = Einsum(a, b, ...) {equation="bij,bjk->bik"}: sums of products over labelled axes.
//
// Every operand is a view over the box of all labels: a label that it lacks repeats it, one that it has twice takes the
// diagonal. Operands are combined two by two from the left, and what no later one and not the result has is summed at
// once: a MatMul primitive where f32 operands share summed labels and each has its own ones, else a reduction loop. One
// operand of which nothing is summed is a view.
#include <fmt/format.h>

#include "compiler/ir/scalar.hpp"
#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/equation.hpp"
#include "compiler/ops/lowering.hpp"

namespace igata {

namespace {

template <class Context>
Equation equation_of(const Context& c) {
    std::vector<Dims> operands;
    for (std::size_t i = 0; i < c.node().own_input_count(); ++i) operands.push_back(input_dims(c, i));
    return parse_equation(c.node().attrs.get_string("equation", ""), operands);
}

/// The operand over the box, with 1 where it lacks a label.
View labelled(const View& operand, const std::vector<std::size_t>& labels, const Dims& extents) {
    View view = operand;
    view.dims.assign(extents.size(), 1);
    view.strides.assign(extents.size(), 0);
    for (std::size_t axis = 0; axis < labels.size(); ++axis) {
        if (operand.dims[axis] == 1 && extents[labels[axis]] != 1) continue;
        view.dims[labels[axis]] = operand.dims[axis];
        view.strides[labels[axis]] += operand.strides[axis];
    }
    return view;
}

Dims result_dims(const Equation& e) {
    Dims dims;
    for (const std::size_t label : e.result) dims.push_back(e.extents[label]);
    return dims;
}

void infer_einsum(InferContext& c) {
    if (c.dtype(0) == DataType::boolean) c.fail("takes numbers, got bool");
    for (std::size_t i = 1; i < c.input_count(); ++i)
        if (c.dtype(i) != c.dtype(0))
            c.fail(fmt::format("operands are {} and {}", name_of(c.dtype(0)), name_of(c.dtype(i))));
    c.set_output(0, {c.dtype(0), result_dims(equation_of(c))});
}

/// Calls f(offset per view) for every point of the box.
template <class F>
void for_each_point(const Dims& box, const std::vector<View>& views, const F& f) {
    if (element_count(box) == 0) return;
    std::vector<std::size_t> offsets;
    for (const View& view : views) offsets.push_back(as_index(view.offset));
    Dims index(box.size(), 0);
    for (;;) {
        f(offsets);
        std::size_t axis = box.size();
        for (;; --axis) {
            if (axis == 0) return;
            const bool wraps = ++index[axis - 1] == box[axis - 1];
            const std::int64_t steps = wraps ? 1 - box[axis - 1] : 1;
            for (std::size_t i = 0; i < views.size(); ++i)
                offsets[i] = as_index(as_dim(offsets[i]) + steps * views[i].strides[axis - 1]);
            if (!wraps) break;
            index[axis - 1] = 0;
        }
    }
}

void eval_einsum(EvalContext& c) {
    const Equation e = equation_of(c);
    const DataType dtype = c.output_type(0).dtype;
    const auto run = [&]<class T>(DataType wide) {
        Tensor sums(wide, c.output_type(0).dims);
        std::vector<Tensor> operands;
        std::vector<View> views;
        for (std::size_t i = 0; i < c.input_count(); ++i) {
            operands.push_back(c.input(i).cast(wide));
            views.push_back(labelled(view_of(operands.back()), e.terms[i], e.extents));
        }
        views.push_back(labelled(view_of(sums), e.result, e.extents));
        const auto to = sums.mutable_values<T>();
        for_each_point(e.extents, views, [&](const std::vector<std::size_t>& offsets) {
            T product = 1;
            for (std::size_t i = 0; i < operands.size(); ++i)
                product = scalar::multiply(product, operands[i].values<T>()[offsets[i]]);
            to[offsets.back()] = scalar::add(to[offsets.back()], product);
        });
        c.set_output(0, sums.cast(dtype));
    };
    if (is_integer(dtype)) run.template operator()<std::int64_t>(DataType::i64);
    else run.template operator()<double>(DataType::f64);
}

// Lowering ------------------------------------------------------------------------------------------------------------

DataType accumulator_of(DataType dtype) {
    if (is_floating(dtype)) return widened(dtype);
    return is_signed(dtype) ? DataType::i64 : DataType::u64;
}

class EinsumLowering {
public:
    explicit EinsumLowering(LowerContext& c) : c_(c), e_(equation_of(c)), dtype_(input_dtype(c, 0)) {}

    void run() {
        const std::size_t count = e_.terms.size();
        if (element_count(e_.extents) == 0) return set_constant_output(c_, Tensor(dtype_, result_dims(e_)));
        std::vector<View> operands;
        for (std::size_t i = 0; i < count; ++i) operands.push_back(labelled(c_.input(i), e_.terms[i], e_.extents));
        View left = operands[0];
        if (count == 1) return finish_one(left);
        for (std::size_t i = 1; i < count; ++i) {
            std::vector<bool> kept(e_.extents.size(), false);
            for (const std::size_t label : e_.result) kept[label] = true;
            for (std::size_t later = i + 1; later < count; ++later)
                for (const std::size_t label : e_.terms[later]) kept[label] = true;
            left = combine(left, operands[i], kept, i + 1 == count);
        }
    }

private:
    using Labels = std::vector<std::size_t>;

    /// One operand: a view, repeated or summed along what the result lacks.
    void finish_one(const View& operand) {
        std::vector<bool> kept(e_.extents.size(), false);
        for (const std::size_t label : e_.result) kept[label] = true;
        for (std::size_t label = 0; label < kept.size(); ++label) {
            if (kept[label] || e_.extents[label] == 1) continue;
            add_loop({operand}, kept, output());
            return;
        }
        View view = operand;
        view.dims = result_dims(e_);
        view.strides.clear();
        for (const std::size_t label : e_.result) view.strides.push_back(operand.strides[label]);
        c_.set_output(0, view);
    }

    View output() { return labelled(c_.output(0), e_.result, e_.extents); }

    /// A dense scratch value with the labels that are kept and that one of the operands has.
    View scratch(const View& a, const View& b, const std::vector<bool>& kept) {
        Dims dims = a.dims;
        for (std::size_t label = 0; label < dims.size(); ++label)
            dims[label] = kept[label] ? std::max(a.dims[label], b.dims[label]) : 1;
        return c_.temporary(accumulator_of(dtype_), dims);
    }

    void add_loop(const std::vector<View>& operands, const std::vector<bool>& kept, View out) {
        Dims box(e_.extents.size(), 1);
        for (const View& operand : operands)
            for (std::size_t label = 0; label < box.size(); ++label)
                box[label] = std::max(box[label], operand.dims[label]);
        Dims summed;
        for (std::size_t label = 0; label < box.size(); ++label)
            if (!kept[label] && box[label] != 1) summed.push_back(as_dim(label));
        const DataType wide = accumulator_of(dtype_);
        std::vector<ExprPtr> elements;
        for (std::size_t i = 0; i < operands.size(); ++i) {
            const ExprPtr element = expr::operand(static_cast<int>(i));
            elements.push_back(operands[i].dtype == wide ? element : expr::cast(wide, element));
        }
        const ExprPtr body = elements.size() == 1 ? elements[0] : expr::make(ExprOp::mul, elements);
        if (summed.empty()) return c_.add_map(out.dtype == wide ? body : expr::cast(out.dtype, body), operands, out);
        c_.add_reduce(Reduce::sum, body, operands, box, summed, out, wide, nullptr);
    }

    View combine(View a, View b, const std::vector<bool>& kept, bool last) {
        a = without_own_sums(a, b, kept);
        b = without_own_sums(b, a, kept);
        Labels batch, rows, columns, inner;
        for (std::size_t label = 0; label < kept.size(); ++label) {
            const bool in_a = a.dims[label] != 1;
            const bool in_b = b.dims[label] != 1;
            if (in_a && in_b) (kept[label] ? batch : inner).push_back(label);
            else if (in_a) rows.push_back(label);
            else if (in_b) columns.push_back(label);
        }
        const bool product = a.dtype == DataType::f32 && b.dtype == DataType::f32 && dtype_ == DataType::f32 &&
                             !inner.empty() && !rows.empty() && !columns.empty();
        if (product) return multiply(a, b, batch, rows, columns, inner, last);
        const View out = last ? output() : scratch(a, b, kept);
        add_loop({a, b}, kept, out);
        return out;
    }

    /// Summed along what only `operand` has, if that is to be summed at all.
    View without_own_sums(const View& operand, const View& other, std::vector<bool> kept) {
        bool sums = false;
        for (std::size_t label = 0; label < kept.size(); ++label) {
            const bool own = !kept[label] && operand.dims[label] != 1 && other.dims[label] == 1;
            kept[label] = !own;
            sums = sums || own;
        }
        if (!sums) return operand;
        const View out = scratch(operand, operand, kept);
        add_loop({operand}, kept, out);
        return out;
    }

    /// The view as a matrix per batch item: [batch, rows, columns], each of several labels joined.
    View matrices(const View& view, const std::array<Labels, 3>& groups) {
        View permuted = view;
        permuted.dims.clear();
        permuted.strides.clear();
        Dims joined;
        for (const Labels& group : groups) {
            std::int64_t extent = 1;
            for (const std::size_t label : group) {
                permuted.dims.push_back(view.dims[label]);
                permuted.strides.push_back(view.strides[label]);
                extent *= view.dims[label];
            }
            joined.push_back(extent);
        }
        View result = c_.reshaped(permuted, joined);
        const bool dense =
            (result.strides[1] == 1 || result.dims[1] == 1 || result.strides[2] == 1 || result.dims[2] == 1) &&
            std::ranges::all_of(result.strides, [](std::int64_t stride) { return stride > 0; });
        return dense ? result : c_.row_major(result);
    }

    View multiply(const View& a, const View& b, const Labels& batch, const Labels& rows, const Labels& columns,
                  const Labels& inner, bool last) {
        const View left = matrices(a, {batch, rows, inner});
        const View right = matrices(b, {batch, inner, columns});
        Labels order = batch;
        order.insert(order.end(), rows.begin(), rows.end());
        order.insert(order.end(), columns.begin(), columns.end());
        View out = last ? ordered_output(order) : ordered_scratch(a, b, order);
        View dst = row_major_view(DataType::f32, {left.dims[0], left.dims[1], right.dims[2]});
        dst.buffer = out.buffer;
        dst.offset = out.offset;
        runtime::MatMulSpec spec;
        spec.a = memory_spec(left);
        spec.b = memory_spec(right);
        spec.dst = memory_spec(dst);
        spec.b_is_constant = e_.terms.size() == 2 && c_.graph().is_constant(c_.node().input(1));
        c_.add(spec, {left, right, View{}, dst});
        return out;
    }

    /// The result, dense with these labels from outermost to innermost.
    View ordered_output(const Labels& order) {
        std::vector<int> axes;
        const auto add = [&](bool wanted, std::size_t label) {
            for (std::size_t axis = 0; axis < e_.result.size(); ++axis)
                if (wanted && e_.result[axis] == label) axes.push_back(static_cast<int>(axis));
        };
        for (std::size_t label = 0; label < e_.extents.size(); ++label)
            add(std::find(order.begin(), order.end(), label) == order.end(), label);
        for (const std::size_t label : order) add(true, label);
        return c_.output_in_order(0, axes);
    }

    View ordered_scratch(const View& a, const View& b, const Labels& order) {
        Dims dims;
        for (const std::size_t label : order) dims.push_back(std::max(a.dims[label], b.dims[label]));
        return labelled(c_.temporary(DataType::f32, dims), order, e_.extents);
    }

    LowerContext& c_;
    Equation e_;
    DataType dtype_;
};

}  // namespace

void register_einsum(Registry& registry) {
    OpDef op;
    op.name = "Einsum";
    op.since = 12;
    op.newest = 28;
    op.max_inputs = -1;
    op.attrs = {{"equation", AttrKind::string, true}};
    op.infer = infer_einsum;
    op.eval = eval_einsum;
    op.lower = [](LowerContext& c) { EinsumLowering(c).run(); };
    registry.add(std::move(op));
}

}  // namespace igata
