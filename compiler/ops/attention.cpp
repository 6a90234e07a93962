// Attention: softmax(q k' / sqrt(size) + bias) v, head by head; a composition of MatMul, Map and Softmax.
//     y = Attention(q, k, v)
//     s = MatMul(q * scale, k')  p = Softmax(s)  y = MatMul(p, v)
// Query heads that share a key and value head are rows of one product, so that nothing is repeated. The masks (causal,
// window, padding) are conditions on positions inside the expression that adds the bias, not tensors.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "compiler/ops/composition.hpp"
#include "compiler/ops/known_value.hpp"
#include "compiler/ops/onnx_type.hpp"

namespace igata {

namespace {

enum Input : std::uint8_t { query, key, value, mask, past_key, past_value, valid_length };

/// What the shapes and attributes say.
struct Shape {
    bool packed;  ///< heads lie in the last dim: [batch, length, heads * size]
    std::int64_t batch, query_heads, heads, queries, size, value_size;
    std::int64_t past;  ///< positions before those of `key`
    std::int64_t keys;  ///< with the past
};

std::int64_t divided(const ExpandContext& c, std::size_t i, std::int64_t heads) {
    const std::int64_t width = c.dims(i).back();
    if (heads < 1 || width % heads != 0) c.fail(fmt::format("{} heads do not divide {}", heads, to_string(c.input(i))));
    return width / heads;
}

void require_dims(const ExpandContext& c, std::size_t i, const Dims& dims) {
    if (c.dims(i) != dims)
        c.fail(fmt::format("input {} should have shape {}, is {}", i, to_string(dims), to_string(c.input(i))));
}

Shape shape_of(const ExpandContext& c) {
    const std::size_t rank = c.dims(query).size();
    for (const std::size_t i : {query, key, value})
        if (c.dims(i).size() != rank || (rank != 3 && rank != 4))
            c.fail("query, key and value must have three dims each, or four");
    for (const std::size_t i : {query, key, value})
        if (!is_floating(c.dtype(i))) c.unsupported(fmt::format("needs floats, not {}", name_of(c.dtype(i))));
    const bool packed = rank == 3;
    const Attrs& attrs = c.attrs();
    Shape s{};
    s.packed = packed;
    s.batch = c.dims(query)[0];
    s.query_heads = packed ? attrs.get_int("q_num_heads", 0) : c.dims(query)[1];
    s.heads = packed ? attrs.get_int("kv_num_heads", 0) : c.dims(key)[1];
    s.queries = c.dims(query)[rank - 2];
    s.size = packed ? divided(c, query, s.query_heads) : c.dims(query)[3];
    s.value_size = packed ? divided(c, value, s.heads) : c.dims(value)[3];
    const std::int64_t added = c.dims(key)[rank - 2];
    if (s.heads < 1 || s.query_heads % s.heads != 0)
        c.fail(fmt::format("{} query heads cannot share {} key heads", s.query_heads, s.heads));
    const auto dims = [&](std::int64_t length, std::int64_t size) {
        return packed ? Dims{s.batch, length, s.heads * size} : Dims{s.batch, s.heads, length, size};
    };
    require_dims(c, key, dims(added, s.size));
    require_dims(c, value, dims(added, s.value_size));
    if (c.has_input(past_key) != c.has_input(past_value)) c.fail("past_key and past_value go together");
    if (c.has_input(past_key)) {
        if (c.has_input(valid_length)) c.fail("nonpad_kv_seqlen does not go with past_key");
        if (c.dims(past_key).size() != 4) c.fail("past_key must have four dims");
        s.past = c.dims(past_key)[2];
        require_dims(c, past_key, {s.batch, s.heads, s.past, s.size});
        require_dims(c, past_value, {s.batch, s.heads, s.past, s.value_size});
    }
    if (c.has_input(valid_length)) require_dims(c, valid_length, {s.batch});
    s.keys = s.past + added;
    return s;
}

/// [batch, heads, length, size]
ValueId with_heads(ExpandContext& c, const Shape& s, ValueId x, std::int64_t heads, std::int64_t length,
                   std::int64_t size) {
    if (!s.packed) return x;
    return transpose(c, reshape(c, x, {s.batch, length, heads, size}), {0, 2, 1, 3});
}

/// A condition on a pair of positions, as the text of an expression of some operands.
struct Condition {
    std::string text;  ///< empty: always true
    std::vector<ValueId> operands;
};

/// Builds the condition under which query i sees key j, its operands numbered from `first`. The query's position is
/// i + past, or counted from the end of the valid keys.
class Visibility {
public:
    Visibility(ExpandContext& c, const Shape& s) : c_(c), s_(s) {
        causal_ = c.attrs().get_int("is_causal", 0) != 0;
        constexpr std::int64_t widest = std::int64_t{1} << 40;
        left_ = std::min(c.attrs().get_int("left_window_size", -1), widest);
        right_ = std::min(c.attrs().get_int("right_window_size", -1), widest);
        if (left_ < -1 || right_ < -1) c.fail("a window's size must be -1 or more");
        if (causal_ || left_ >= 0 || right_ >= 0 || c.has_input(valid_length)) {
            keys_ = counting(c, s.keys, 2, 1);
            queries_ = counting(c, s.queries, 2, 0);
        }
        if (c.has_input(valid_length)) valid_ = reshape(c, c.value(valid_length), {s.batch, 1, 1, 1});
        if (c.has_input(mask) && c.dtype(mask) == DataType::boolean) mask_ = padded_mask(c, s);
    }

    Condition condition(std::size_t first) const {
        Condition result;
        const auto operand = [&](ValueId id) {
            result.operands.push_back(id);
            return fmt::format("x{}", first + result.operands.size() - 1);
        };
        const auto also = [&](const std::string& text) {
            result.text = result.text.empty() ? text : fmt::format("logical_and({}, {})", result.text, text);
        };
        if (mask_ != no_value) also(operand(mask_));
        if (keys_ == no_value) return result;
        const std::string j = operand(keys_);
        const std::string n = valid_ == no_value ? "" : operand(valid_);
        if (!n.empty()) also(fmt::format("{} < {}", j, n));
        if (!causal_ && left_ < 0 && right_ < 0) return result;
        const std::string i = operand(queries_);
        const std::string at =
            n.empty() ? fmt::format("({} + {})", i, s_.past) : fmt::format("({} + {} - {})", i, n, s_.queries);
        if (causal_) also(fmt::format("{} <= {}", j, at));
        if (left_ >= 0) also(fmt::format("{} >= {} - {}", j, at, left_));
        if (right_ >= 0) also(fmt::format("{} <= {} + {}", j, at, right_));
        return result;
    }

    /// Every query is known to see a key.
    bool leaves_no_query_blind() const {
        if (c_.has_input(mask) || c_.has_input(valid_length)) return false;
        for (std::int64_t i = 0; i < s_.queries; ++i) {
            const std::int64_t at = i + s_.past;
            const std::int64_t from = left_ < 0 ? 0 : std::max<std::int64_t>(0, at - left_);
            std::int64_t to = causal_ ? std::min(at, s_.keys - 1) : s_.keys - 1;
            if (right_ >= 0) to = std::min(to, at + right_);
            if (from > to) return false;
        }
        return true;
    }

    /// The mask, where it is shorter than the keys lengthened by what hides them.
    static ValueId padded_mask(ExpandContext& c, const Shape& s) {
        const DataType dtype = c.dtype(mask);
        const bool is_condition = dtype == DataType::boolean;
        const DataType wanted = is_condition ? dtype : c.dtype(query);
        const ValueId own = converted(c, c.value(mask), dtype, wanted);
        Dims dims = c.dims(mask);
        if (dims.empty() || dims.back() > s.keys || dims.size() > 4)
            c.fail(fmt::format("the mask {} does not fit {} keys", to_string(c.input(mask)), s.keys));
        dims.back() = s.keys - dims.back();
        if (dims.back() == 0) return own;
        Tensor padding(DataType::f32, dims);
        if (!is_condition) std::ranges::fill(padding.mutable_values<float>(), -std::numeric_limits<float>::infinity());
        return concat(c, {own, c.constant_value(padding.cast(wanted))}, -1);
    }

private:
    ExpandContext& c_;
    const Shape& s_;
    bool causal_ = false;
    std::int64_t left_ = -1, right_ = -1;
    ValueId mask_ = no_value, keys_ = no_value, queries_ = no_value, valid_ = no_value;
};

/// A number as the type holds it.
double rounded(double x, DataType dtype) { return Tensor::scalar(x).cast(dtype).scalar_f64(); }

/// q k' scaled, [batch, query heads, queries, keys]. Halves are scaled before the product, both sides, lest it
/// overflow.
ValueId scores_of(ExpandContext& c, const Shape& s, ValueId q, ValueId k) {
    const DataType dtype = c.dtype(query);
    const double fallback = 1 / std::sqrt(static_cast<double>(std::max<std::int64_t>(s.size, 1)));
    const double scale = c.attrs().has("scale") ? static_cast<double>(c.attrs().get_float("scale", 1)) : fallback;
    const bool both = dtype == DataType::f16 || dtype == DataType::bf16;
    const std::string factor = fmt::format("x0 * {:.17g}", both ? rounded(std::sqrt(scale), dtype) : scale);
    q = reshape(c, c.map(factor, {q}), {s.batch, s.heads, s.query_heads / s.heads * s.queries, s.size});
    k = transpose(c, both ? c.map(factor, {k}) : k, {0, 1, 3, 2});
    return reshape(c, c.add("MatMul", {q, k}), {s.batch, s.query_heads, s.queries, s.keys});
}

/// Scores with the bias: -inf where a key is hidden.
ValueId biased(ExpandContext& c, const Shape& s, const Visibility& visibility, ValueId scores) {
    std::vector<ValueId> operands{scores};
    std::string text = "x0";
    if (c.has_input(mask) && c.dtype(mask) != DataType::boolean) {
        operands.push_back(Visibility::padded_mask(c, s));
        text = "x0 + x1";
    }
    const Condition seen = visibility.condition(operands.size());
    if (!seen.text.empty()) text = fmt::format("select({}, {}, -inf)", seen.text, text);
    if (text == "x0") return scores;
    operands.insert(operands.end(), seen.operands.begin(), seen.operands.end());
    return c.map(text, operands);
}

/// Rows of zeros for queries that see no key at all.
ValueId guarded(ExpandContext& c, const Shape& s, const Visibility& visibility, ValueId probabilities) {
    if (s.keys == 0 || visibility.leaves_no_query_blind()) return probabilities;
    std::vector<ValueId> operands;
    std::string text;
    if (c.has_input(mask) && c.dtype(mask) != DataType::boolean) {
        operands.push_back(Visibility::padded_mask(c, s));
        text = "x0 > -inf";
    }
    const Condition seen = visibility.condition(operands.size());
    operands.insert(operands.end(), seen.operands.begin(), seen.operands.end());
    if (text.empty()) text = seen.text;
    else if (!seen.text.empty()) text = fmt::format("logical_and({}, {})", text, seen.text);
    const ValueId any = reduce(c, "ReduceMax", c.map(text, operands), -1);
    return c.map("select(x1, x0, 0)", {probabilities, any});
}

void expand_attention(ExpandContext& c) {
    const Shape s = shape_of(c);
    const DataType dtype = c.dtype(query);
    const std::int64_t added = s.keys - s.past;
    ValueId k = with_heads(c, s, c.value(key), s.heads, added, s.size);
    ValueId v = with_heads(c, s, c.value(value), s.heads, added, s.value_size);
    if (c.has_input(past_key)) {
        k = concat(c, {c.value(past_key), k}, 2);
        v = concat(c, {c.value(past_value), v}, 2);
    }
    c.finish(1, k);
    c.finish(2, v);
    const std::int64_t mode = c.attrs().get_int("qk_matmul_output_mode", 0);
    if (mode < 0 || mode > 3) c.fail(fmt::format("qk_matmul_output_mode is {}, not 0 to 3", mode));
    const auto show = [&](std::int64_t stage, ValueId id) {
        if (stage == mode) c.finish(3, id);
    };
    const ValueId q = with_heads(c, s, c.value(query), s.query_heads, s.queries, s.size);
    ValueId scores = scores_of(c, s, q, k);
    show(0, scores);
    const auto cap = static_cast<double>(c.attrs().get_float("softcap", 0));
    if (cap > 0) scores = c.map(fmt::format("{0:.17g} * tanh(x0 / {0:.17g})", cap), {scores});
    show(1, scores);
    const Visibility visibility(c, s);
    scores = biased(c, s, visibility, scores);
    show(2, scores);
    const std::int64_t precision = c.attrs().get_int("softmax_precision", 0);
    const DataType wide = precision == 0 ? dtype : data_type_of_onnx(precision, c.node());
    if (!is_floating(wide)) c.fail("softmax_precision must be a floating-point type");
    ValueId p = c.add("Softmax", {converted(c, scores, dtype, wide)}, {{"axis", std::int64_t{-1}}});
    p = converted(c, guarded(c, s, visibility, p), wide, dtype);
    show(3, p);
    p = reshape(c, p, {s.batch, s.heads, s.query_heads / s.heads * s.queries, s.keys});
    if (c.dtype(value) != dtype) v = converted(c, v, c.dtype(value), dtype);
    ValueId y = reshape(c, c.add("MatMul", {p, v}), {s.batch, s.query_heads, s.queries, s.value_size});
    if (s.packed) y = reshape(c, transpose(c, y, {0, 2, 1, 3}), {s.batch, s.queries, s.query_heads * s.value_size});
    c.finish(0, y);
}

// FlexAttention -------------------------------------------------------------------------------------------------------

/// The tensor after the subgraph that the attribute holds, if there is one.
ValueId modified(ExpandContext& c, const std::string& attribute, ValueId x) {
    const auto found = c.attrs().find(attribute);
    if (found == c.attrs().end()) return x;
    const Graph& body = *std::get<std::shared_ptr<Graph>>(found->second);
    if (body.inputs.size() != 1 || body.outputs.size() != 1)
        c.fail(fmt::format("{} should have one input and one output", attribute));
    std::map<ValueId, ValueId> here{{body.inputs[0].value, x}, {no_value, no_value}};
    const auto translated = [&](ValueId id) {
        if (const auto known = here.find(id); known != here.end()) return known->second;
        const Tensor* constant = body.constant(id);
        const ValueId outside =
            constant != nullptr ? c.constant_value(*constant) : c.graph().find_value(body.value(id).name);
        if (outside == no_value) c.fail(fmt::format("{} reads a value that nothing defines", attribute));
        return here[id] = outside;
    };
    for (const Node& node : body.nodes) {
        if (node.outputs.size() != 1) c.unsupported(fmt::format("{} in {}: has several results", node.op, attribute));
        std::vector<ValueId> inputs;
        for (const ValueId id : node.inputs) inputs.push_back(translated(id));
        here[node.outputs[0]] = c.add(node.op, std::move(inputs), node.attrs);
    }
    return translated(body.outputs[0].value);
}

/// Attention without masks, whose scores and probabilities pass through subgraphs of the model's own.
void expand_flex_attention(ExpandContext& c) {
    const DataType dtype = c.dtype(query);
    if (c.dims(query).size() != 4) c.fail("takes four dims");
    const Shape s = shape_of(c);
    const DataType wide = c.attrs().has("softmax_precision")
                              ? data_type_of_onnx(c.attrs().get_int("softmax_precision", 1), c.node())
                          : dtype == DataType::f64 ? DataType::f64
                                                   : DataType::f32;
    if (!is_floating(wide)) c.fail("softmax_precision must be a floating-point type");
    const ValueId scores = converted(c, scores_of(c, s, c.value(query), c.value(key)), dtype, wide);
    const ValueId softmax = c.add("Softmax", {modified(c, "score_mod", scores)}, {{"axis", std::int64_t{-1}}});
    const ValueId p =
        reshape(c, modified(c, "prob_mod", softmax), {s.batch, s.heads, s.query_heads / s.heads * s.queries, s.keys});
    const ValueId v = converted(c, c.value(value), c.dtype(value), wide);
    const ValueId y = reshape(c, c.add("MatMul", {p, v}), {s.batch, s.query_heads, s.queries, s.value_size});
    c.finish(0, converted(c, y, wide, c.dtype(value)));
}

OpDef flex_attention_op() {
    OpDef op;
    op.name = "ai.onnx.preview.FlexAttention";
    op.min_inputs = op.max_inputs = 3;
    op.attrs = {{"prob_mod", AttrKind::graph},
                {"scale", AttrKind::real},
                {"score_mod", AttrKind::graph},
                {"softmax_precision", AttrKind::integer}};
    op.expand = expand_flex_attention;
    return op;
}

}  // namespace

void register_attention(Registry& registry) {
    OpDef op;
    op.name = "Attention";
    op.since = 23;
    op.newest = 25;
    op.min_inputs = 3;
    op.max_inputs = 7;
    op.max_outputs = 4;
    for (const char* name : {"is_causal", "kv_num_heads", "left_window_size", "q_num_heads", "qk_matmul_output_mode",
                             "right_window_size", "softmax_precision"})
        op.attrs.push_back({name, AttrKind::integer});
    for (const char* name : {"scale", "softcap"}) op.attrs.push_back({name, AttrKind::real});
    op.expand = expand_attention;
    registry.add(std::move(op));
    registry.add(flex_attention_op());
}

}  // namespace igata
