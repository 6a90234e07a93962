// LinearAttention: instead of a softmax over all keys, a state that every step adds key x value to and that the query
// reads; a kernel, since each step needs the last one's state.
//     state = exp(decay) * state + key x change    output = scale * query' state
// where the change is the value, or with a `delta` rule beta * (value - state' key).
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/lowering.hpp"

namespace igata {

namespace {

enum Input : std::uint8_t { query, key, value, past, decay, beta };

struct Shape {
    std::int64_t batch, steps, query_heads, heads, size, value_size;
    std::int64_t decay_size = 0;  ///< numbers a head
    std::int64_t beta_heads = 0;
    double scale = 1;

    Dims state() const { return {batch, heads, size, value_size}; }
    Dims with_heads(std::int64_t count, std::int64_t width) const { return {batch, steps, count, width}; }
};

template <class Context>
bool has(const Context& c, std::size_t i) {
    return c.node().input(i) != no_value;
}

void require(bool holds, const std::string& otherwise) {
    if (!holds) throw std::invalid_argument(otherwise);
}

template <class Context>
Shape shape_of(const Context& c) {
    const Attrs& attrs = c.node().attrs;
    for (const std::size_t i : {query, key, value, decay, beta})
        require(!has(c, i) || (input_dims(c, i).size() == 3 && input_dims(c, i)[0] == input_dims(c, query)[0] &&
                               input_dims(c, i)[1] == input_dims(c, query)[1]),
                fmt::format("input {} must be [batch, steps, heads * size], as the query is", i));
    const auto width = [&](std::size_t i) { return input_dims(c, i)[2]; };
    Shape s{input_dims(c, query)[0],
            input_dims(c, query)[1],
            attrs.get_int("q_num_heads", 0),
            attrs.get_int("kv_num_heads", 0),
            0,
            0};
    require(s.heads > 0 && s.query_heads > 0 && s.query_heads % s.heads == 0,
            fmt::format("{} query heads cannot share {} key heads", s.query_heads, s.heads));
    require(width(query) % s.query_heads == 0 && width(value) % s.heads == 0, "the heads do not divide the inputs");
    s.size = width(query) / s.query_heads;
    s.value_size = width(value) / s.heads;
    require(width(key) == s.heads * s.size, "query and key differ in the size of a head");
    const std::string rule = attrs.get_string("update_rule", "gated_delta");
    const bool gated = rule == "gated" || rule == "gated_delta";
    const bool delta = rule == "delta" || rule == "gated_delta";
    require(gated || delta || rule == "linear", fmt::format("update_rule '{}' is not known", rule));
    require(gated == has(c, decay), fmt::format("update_rule '{}' {} a decay", rule, gated ? "needs" : "takes no"));
    require(delta == has(c, beta), fmt::format("update_rule '{}' {} a beta", rule, delta ? "needs" : "takes no"));
    if (gated) {
        require(width(decay) == s.heads || width(decay) == s.heads * s.size, "the decay does not fit the heads");
        s.decay_size = width(decay) / s.heads;
    }
    if (delta) {
        s.beta_heads = width(beta);
        require(s.beta_heads == s.heads || s.beta_heads == 1, "beta does not fit the heads");
    }
    require(!has(c, past) || input_dims(c, past) == s.state(), "past_state does not fit key and value");
    s.scale = static_cast<double>(attrs.get_float("scale", 0));
    if (s.scale == 0) s.scale = 1 / std::sqrt(static_cast<double>(std::max<std::int64_t>(s.size, 1)));
    return s;
}

/// One head of one sample, step by step, by the definition.
class Recurrence {
public:
    Recurrence(const EvalContext& c, const Shape& s) : s_(s) {
        for (std::size_t i = 0; i < 6; ++i)
            if (c.has_input(i)) inputs_[i] = c.input(i).to_f64();
        state = inputs_[past];
        state.resize(as_index(element_count(s.state())));
        output.resize(as_index(s.batch * s.steps * s.query_heads * s.value_size));
    }

    void run(std::int64_t batch, std::int64_t head) {
        double* memory = state.data() + (batch * s_.heads + head) * s_.size * s_.value_size;
        const auto at = [&](std::int64_t d, std::int64_t e) -> double& { return memory[d * s_.value_size + e]; };
        for (std::int64_t row = batch * s_.steps; row < (batch + 1) * s_.steps; ++row) {
            const double* k = inputs_[key].data() + (row * s_.heads + head) * s_.size;
            const double* v = inputs_[value].data() + (row * s_.heads + head) * s_.value_size;
            const double* gate = inputs_[decay].data() + (row * s_.heads + head) * s_.decay_size;
            const double* rate = inputs_[beta].data() + row * s_.beta_heads + (s_.beta_heads > 1 ? head : 0);
            for (std::int64_t e = 0; e < s_.value_size; ++e) {
                double change = v[e];
                double known = 0;
                for (std::int64_t d = 0; d < s_.size; ++d) {
                    if (s_.decay_size > 0) at(d, e) *= std::exp(gate[s_.decay_size > 1 ? d : 0]);
                    known += at(d, e) * k[d];
                }
                if (s_.beta_heads > 0) change = *rate * (change - known);
                for (std::int64_t d = 0; d < s_.size; ++d) at(d, e) += k[d] * change;
            }
            const std::int64_t shared = s_.query_heads / s_.heads;
            const std::int64_t first = row * s_.query_heads + head * shared;
            for (std::int64_t h = first; h < first + shared; ++h)
                for (std::int64_t e = 0; e < s_.value_size; ++e)
                    for (std::int64_t d = 0; d < s_.size; ++d)
                        output[as_index(h * s_.value_size + e)] +=
                            s_.scale * inputs_[query][as_index(h * s_.size + d)] * at(d, e);
        }
    }

    std::vector<double> state, output;

private:
    const Shape& s_;
    std::vector<double> inputs_[6];
};

void infer_linear_attention(InferContext& c) {
    const Shape s = shape_of(c);
    for (std::size_t i = 0; i < c.input_count(); ++i)
        if (c.has_input(i) && !is_floating(c.dtype(i)))
            c.fail(fmt::format("needs floats, not {}", name_of(c.dtype(i))));
    c.set_output(0, {c.dtype(query), {s.batch, s.steps, s.query_heads * s.value_size}});
    if (c.output_count() > 1) c.set_output(1, {c.dtype(c.has_input(past) ? past : query), s.state()});
}

void eval_linear_attention(EvalContext& c) {
    const Shape s = shape_of(c);
    Recurrence recurrence(c, s);
    for (std::int64_t batch = 0; batch < s.batch; ++batch)
        for (std::int64_t head = 0; head < s.heads; ++head) recurrence.run(batch, head);
    const ValueType& type = c.output_type(0);
    c.set_output(0, Tensor::of(type.dims, recurrence.output).cast(type.dtype));
    if (c.output_count() > 1)
        c.set_output(
            1, Tensor::of(s.state(), recurrence.state).cast(c.has_input(past) ? c.input(past).dtype() : type.dtype));
}

/// Input i as row-major f32 of the given dims.
View wide_input(LowerContext& c, std::size_t i, const Dims& dims) {
    if (!has(c, i)) return {};
    const View own = c.input(i);
    if (own.dtype == DataType::f32) return c.reshaped(c.row_major(own), dims);
    const View wide = c.temporary(DataType::f32, own.dims);
    c.add_map(expr::cast(DataType::f32, expr::operand(0)), {own}, wide);
    return c.reshaped(wide, dims);
}

void lower_linear_attention(LowerContext& c) {
    const Shape s = shape_of(c);
    std::vector<View> operands{wide_input(c, query, s.with_heads(s.query_heads, s.size)),
                               wide_input(c, key, s.with_heads(s.heads, s.size)),
                               wide_input(c, value, s.with_heads(s.heads, s.value_size)),
                               wide_input(c, decay, s.with_heads(s.heads, s.decay_size)),
                               wide_input(c, beta, {s.batch, s.steps, s.beta_heads}),
                               wide_input(c, past, s.state())};
    const View out = c.output_in_order(0, row_major_order(3));
    const bool wanted = c.node().output(1) != no_value;
    const View state = wanted ? c.output_in_order(1, row_major_order(4)) : View{};
    const bool narrow_out = out.dtype != DataType::f32;
    const bool narrow_state = !wanted || state.dtype != DataType::f32;
    const View wide_state = narrow_state ? c.temporary(DataType::f32, s.state()) : state;
    const View wide_out = narrow_out ? c.temporary(DataType::f32, out.dims) : out;
    operands.push_back(wide_state);
    operands.push_back(c.reshaped(wide_out, s.with_heads(s.query_heads, s.value_size)));
    add_kernel(c, "linear_attention", {}, operands, {6, 7}, {static_cast<float>(s.scale)});
    if (narrow_out) c.add_map(expr::cast(out.dtype, expr::operand(0)), {wide_out}, out);
    if (wanted && narrow_state) c.add_map(expr::cast(state.dtype, expr::operand(0)), {wide_state}, state);
}

}  // namespace

void register_linear_attention(Registry& registry) {
    OpDef op;
    op.name = "LinearAttention";
    op.since = op.newest = 27;
    op.min_inputs = 3;
    op.max_inputs = 6;
    op.max_outputs = 2;
    op.attrs = {{"chunk_size", AttrKind::integer},
                {"kv_num_heads", AttrKind::integer, true},
                {"q_num_heads", AttrKind::integer, true},
                {"scale", AttrKind::real},
                {"update_rule", AttrKind::string}};
    op.infer = infer_linear_attention;
    op.eval = eval_linear_attention;
    op.lower = lower_linear_attention;
    registry.add(std::move(op));
}

}  // namespace igata
