// RNN, GRU, LSTM: one layer over a sequence, forward, reverse or both.
//
// The products of all time steps with W are one MatMul; what remains, step after step, is the kernel `recurrence`,
// called once a direction. f16 and bf16 are computed in f32.
#include "compiler/ops/recurrent.hpp"

#include <initializer_list>
#include <utility>

#include <Eigen/Core>

#include "compiler/ops/lowering.hpp"
#include "compiler/ops/widen.hpp"

namespace igata {

namespace {

// Inputs, in ONNX's order.
enum : std::size_t { in_x, in_w, in_r, in_b, in_lengths, in_h, in_c, in_p };

// Types --------------------------------------------------------------------------------------------------------------

void check_dims(const InferContext& c, std::size_t i, const char* name, const Dims& expected) {
    if (!c.has_input(i)) return;
    if (c.dims(i) != expected) c.fail(fmt::format("{} is {}, not {}", name, to_string(c.dims(i)), to_string(expected)));
    if (i != in_lengths && c.dtype(i) != c.dtype(in_x)) c.fail(fmt::format("{} differs in type from X", name));
}

void infer_recurrent(InferContext& c) {
    if (!is_floating(c.dtype(in_x))) c.fail("X must be of a floating-point type");
    for (const std::size_t i : {in_x, in_w, in_r})
        if (c.dims(i).size() != 3) c.fail(fmt::format("input {} must have 3 dims, is {}", i, to_string(c.dims(i))));
    const Recurrence r = read_recurrence(c);
    check_dims(c, in_w, "W", {r.directions, r.gates * r.hidden, r.input});
    check_dims(c, in_r, "R", {r.directions, r.gates * r.hidden, r.hidden});
    check_dims(c, in_b, "B", {r.directions, 2 * r.gates * r.hidden});
    check_dims(c, in_lengths, "sequence_lens", {r.batch});
    if (c.has_input(in_lengths) && c.dtype(in_lengths) != DataType::i32) c.fail("sequence_lens must be i32");
    check_dims(c, in_h, "initial_h", r.state_dims());
    check_dims(c, in_c, "initial_c", r.state_dims());
    check_dims(c, in_p, "P", {r.directions, 3 * r.hidden});
    for (std::size_t i = 0; i < c.output_count(); ++i)
        c.set_output(i, {c.dtype(in_x), i == 0 ? r.y_dims() : r.state_dims()});
}

// Reference semantics ------------------------------------------------------------------------------------------------

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Vector = Eigen::VectorXd;

/// The arguments of one direction.
class Direction {
public:
    Direction(const EvalContext& c, const Recurrence& r, std::int64_t direction)
        : r_(r),
          direction_(direction),
          w_(part(c, in_w, r.gates * r.hidden, r.input)),
          u_(part(c, in_r, r.gates * r.hidden, r.hidden)),
          wb_(Vector::Zero(r.gates * r.hidden)),
          ub_(wb_),
          p_(Vector::Zero(3 * r.hidden)) {
        if (c.has_input(in_b)) {
            const Matrix b = part(c, in_b, 2, r.gates * r.hidden);
            wb_ = b.row(0).transpose();
            ub_ = b.row(1).transpose();
        }
        if (c.has_input(in_p)) p_ = part(c, in_p, 3 * r.hidden, 1);
    }

    /// One time step: `h`, and for an LSTM `c`, become the next state.
    void step(const Vector& x, Vector& h, Vector& c) const {
        const Vector a = w_ * x + wb_;
        if (r_.gates == 1) h = activated(0, a + u_ * h + ub_);
        else if (r_.gates == 3) step_gru(a, h);
        else step_lstm(a + u_ * h + ub_, h, c);
    }

private:
    /// Rows and columns of the direction's share of an input.
    Matrix part(const EvalContext& c, std::size_t i, std::int64_t rows, std::int64_t columns) const {
        const std::vector<double> values = c.input(i).to_f64();
        return Eigen::Map<const Matrix>(values.data() + direction_ * rows * columns, rows, columns);
    }

    /// Clipping is for gates: an LSTM's cell state is not clipped on its way through h.
    Vector activated(std::size_t function, Vector x) const {
        const auto clip = function == 2 ? 0.0 : static_cast<double>(r_.clip);
        const Activation& f = r_.activation(direction_, function);
        return x.unaryExpr([&](double v) { return f(clip > 0 && v == v ? std::clamp(v, -clip, clip) : v); });
    }

    void step_gru(const Vector& a, Vector& h) const {
        const std::int64_t n = r_.hidden;
        const Vector zr = activated(0, a.head(2 * n) + u_.topRows(2 * n) * h + ub_.head(2 * n));
        const auto z = zr.head(n).array();
        const auto reset = zr.tail(n).array();
        Vector inner;
        if (r_.linear_before_reset) inner = reset * (u_.bottomRows(n) * h + ub_.tail(n)).array();
        else inner = u_.bottomRows(n) * (reset * h.array()).matrix() + ub_.tail(n);
        const Vector candidate = activated(1, a.tail(n) + inner);
        h = ((1 - z) * candidate.array() + z * h.array()).matrix().eval();
    }

    void step_lstm(const Vector& gates, Vector& h, Vector& c) const {
        const std::int64_t n = r_.hidden;
        const auto peephole = [&](std::int64_t gate) { return (p_.segment(gate * n, n).array() * c.array()).matrix(); };
        const Vector i = activated(0, gates.segment(0, n) + peephole(0));
        Vector f = activated(0, gates.segment(2 * n, n) + peephole(2));
        if (r_.input_forget) f = (1 - i.array()).matrix();
        const Vector candidate = activated(1, gates.segment(3 * n, n));
        c = (f.array() * c.array() + i.array() * candidate.array()).matrix().eval();
        const Vector o = activated(0, gates.segment(n, n) + peephole(1));
        h = (o.array() * activated(2, c).array()).matrix();
    }

    const Recurrence& r_;
    std::int64_t direction_;
    Matrix w_, u_;
    Vector wb_, ub_, p_;
};

/// One sequence of the batch in one direction.
template <class T>
void eval_sequence(EvalContext& context, const Recurrence& r, const Direction& direction, std::int64_t d,
                   std::int64_t b, std::vector<Tensor>& outputs) {
    const std::int64_t n = r.hidden;
    const std::int64_t state_at = (r.batch_first ? b * r.directions + d : d * r.batch + b) * n;
    const auto state = [&](std::size_t input) -> Vector {
        if (!context.has_input(input)) return Vector::Zero(n);
        const T* values = context.input(input).values<T>().data() + state_at;
        return Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>(values, n).template cast<double>();
    };
    const auto store = [&](std::size_t output, std::int64_t at, const Vector& values) {
        if (outputs.size() <= output || outputs[output].empty()) return;
        T* to = outputs[output].mutable_values<T>().data() + at;
        for (std::int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(values[i]);
    };
    Vector h = state(in_h);
    Vector c = state(in_c);
    std::int64_t length = r.steps;
    if (context.has_input(in_lengths))
        length = std::clamp<std::int64_t>(context.input(in_lengths).values<std::int32_t>()[as_index(b)], 0, r.steps);
    for (std::int64_t k = 0; k < length; ++k) {
        const std::int64_t t = r.is_reverse(d) ? length - 1 - k : k;
        const std::int64_t row = r.batch_first ? b * r.steps + t : t * r.batch + b;
        const T* x = context.input(in_x).values<T>().data() + row * r.input;
        direction.step(Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>(x, r.input).template cast<double>(), h, c);
        store(0, (r.batch_first ? row * r.directions + d : (t * r.directions + d) * r.batch + b) * n, h);
    }
    store(1, state_at, h);
    store(2, state_at, c);
}

void eval_recurrent(EvalContext& c) {
    const Recurrence r = read_recurrence(c);
    std::vector<Tensor> outputs(c.output_count());
    for (std::size_t i = 0; i < outputs.size(); ++i)
        if (c.has_output(i)) outputs[i] = Tensor(c.output_type(i).dtype, c.output_type(i).dims);
    for (std::int64_t d = 0; d < r.directions; ++d) {
        const Direction direction(c, r, d);
        for (std::int64_t b = 0; b < r.batch; ++b)
            visit_wide(c.input(in_x).dtype(), [&]<class T>() { eval_sequence<T>(c, r, direction, d, b, outputs); });
    }
    for (std::size_t i = 0; i < outputs.size(); ++i)
        if (c.has_output(i)) c.set_output(i, std::move(outputs[i]));
}

// Lowering -----------------------------------------------------------------------------------------------------------

/// Input i in f32 or f64, row-major.
View wide_input(LowerContext& c, std::size_t i) {
    const View view = c.input(i);
    if (!view.valid()) return view;
    if (const Tensor* constant = c.graph().constant(c.node().input(i)); constant != nullptr && is_half(view.dtype))
        return c.constant(constant->cast(DataType::f32));
    return converted(c, view, wide_type(view.dtype), row_major_order(view.dims.size()));
}

/// X times all of W, as [steps, batch, directions * gates * hidden].
View project(LowerContext& c, const Recurrence& r) {
    const View x = wide_input(c, in_x);
    const std::int64_t rows = r.steps * r.batch;
    const std::int64_t columns = r.directions * r.gates * r.hidden;
    const View result = c.temporary(x.dtype, {rows, columns});
    const View a = c.reshaped(x, {rows, r.input});
    const std::vector<std::int64_t> swap{1, 0};
    const View b = transposed(c.reshaped(wide_input(c, in_w), {columns, r.input}), swap);
    if (r.input == 0) {
        c.add_map(expr::constant(0.0), {}, result);
    } else if (x.dtype == DataType::f32 && rows > 0 && columns > 0) {
        runtime::MatMulSpec spec;
        spec.a = memory_spec(a);
        spec.b = memory_spec(b);
        spec.dst = memory_spec(result);
        spec.b_is_constant = c.graph().is_constant(c.node().input(in_w));
        c.add(spec, {a, b, View{}, result});
    } else {
        c.add_reduce(Reduce::sum, expr::parse("x0 * x1"), {with_axis(a, 2), with_axis(b, 0)}, {rows, r.input, columns},
                     {1}, with_axis(result, 1), x.dtype, nullptr);
    }
    const std::vector<std::int64_t> steps_first{1, 0, 2};
    return r.batch_first ? transposed(c.reshaped(result, {r.batch, r.steps, columns}), steps_first)
                         : c.reshaped(result, {r.steps, r.batch, columns});
}

/// The share of a direction, which is the given axis.
View share(const View& view, std::size_t axis, std::int64_t direction) {
    return view.valid() ? without_axis(sliced(view, axis, direction, 1), axis) : view;
}

View parameters(LowerContext& c, const Recurrence& r, std::int64_t direction) {
    std::vector<float> values(6, 0.0F);
    for (std::size_t i = 0; i < r.functions(); ++i) {
        values[2 * i] = r.activation(direction, i).alpha;
        values[2 * i + 1] = r.activation(direction, i).beta;
    }
    return c.constant(Tensor::of<float>({3, 2}, values));
}

void add_direction(LowerContext& c, const Recurrence& r, std::int64_t d, const View& projected,
                   const std::vector<View>& inputs, const std::vector<View>& outputs) {
    const std::int64_t columns = r.gates * r.hidden;
    const std::size_t state_axis = r.batch_first ? 1 : 0;
    View y = share(outputs[0], r.batch_first ? 2 : 1, d);
    const std::vector<std::int64_t> steps_first{1, 0, 2};
    if (y.valid() && r.batch_first) y = transposed(y, steps_first);
    const std::vector<View> operands{sliced(projected, 2, d * columns, columns),
                                     share(inputs[in_r], 0, d),
                                     share(inputs[in_b], 0, d),
                                     inputs[in_lengths],
                                     share(inputs[in_h], state_axis, d),
                                     share(inputs[in_c], state_axis, d),
                                     share(inputs[in_p], 0, d),
                                     parameters(c, r, d),
                                     y,
                                     share(outputs[1], state_axis, d),
                                     share(outputs[2], state_axis, d)};
    std::vector<std::size_t> written;
    for (std::size_t i = 8; i < operands.size(); ++i)
        if (operands[i].valid()) written.push_back(i);
    std::vector<std::int64_t> ints{r.gates, r.is_reverse(d) ? 1 : 0, r.input_forget ? 1 : 0,
                                   r.linear_before_reset ? 1 : 0};
    for (std::size_t i = 0; i < r.functions(); ++i) ints.push_back(as_dim(r.activation(d, i).kind));
    add_kernel(c, "recurrence", ints, operands, written, {r.clip});
}

void lower_recurrent(LowerContext& c) {
    const Recurrence r = read_recurrence(c);
    const View projected = project(c, r);
    std::vector<View> inputs(in_p + 1);
    for (const std::size_t i : {in_r, in_b, in_h, in_c, in_p}) inputs[i] = wide_input(c, i);
    if (c.input(in_lengths).valid()) inputs[in_lengths] = c.row_major(c.input(in_lengths));
    std::vector<View> results(3);
    std::vector<View> computed(3);
    for (std::size_t i = 0; i < c.node().outputs.size(); ++i) {
        if (c.node().outputs[i] == no_value) continue;
        const std::size_t rank = i == 0 ? 4 : 3;
        results[i] = c.output_in_order(i, row_major_order(rank));
        computed[i] = is_half(results[i].dtype) ? c.temporary(DataType::f32, results[i].dims) : results[i];
    }
    for (std::int64_t d = 0; d < r.directions; ++d) add_direction(c, r, d, projected, inputs, computed);
    for (std::size_t i = 0; i < results.size(); ++i)
        if (results[i].valid() && is_half(results[i].dtype))
            c.add_map(expr::cast(results[i].dtype, expr::operand(0)), {computed[i]}, results[i]);
}

OpDef recurrent_op(std::string name, std::vector<AttrDef> own_attrs) {
    OpDef op;
    op.name = std::move(name);
    op.newest = 22;
    op.min_inputs = 3;
    op.max_inputs = op.name == "LSTM" ? 8 : 6;
    op.max_outputs = op.name == "LSTM" ? 3 : 2;
    op.attrs = {{"activations", AttrKind::strings},   {"activation_alpha", AttrKind::reals},
                {"activation_beta", AttrKind::reals}, {"clip", AttrKind::real},
                {"direction", AttrKind::string},      {"hidden_size", AttrKind::integer},
                {"layout", AttrKind::integer},        {"output_sequence", AttrKind::integer}};
    op.attrs.insert(op.attrs.end(), own_attrs.begin(), own_attrs.end());
    op.infer = infer_recurrent;
    op.eval = widened<eval_recurrent>;
    op.lower = lower_recurrent;
    return op;
}

}  // namespace

void register_recurrent(Registry& registry) {
    registry.add(recurrent_op("RNN", {}));
    registry.add(recurrent_op("GRU", {{"linear_before_reset", AttrKind::integer}}));
    registry.add(recurrent_op("LSTM", {{"input_forget", AttrKind::integer}}));
}

}  // namespace igata
