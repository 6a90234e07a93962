// Random numbers: RandomNormal, RandomUniform, their ...Like, Bernoulli, Multinomial.
//     b = Bernoulli(p)      u = uniform numbers  b = u < p
// Number i follows from the seed and i alone (Philox4x32-10), so that a run repeats the last one and threads do not
// matter. A node without a seed takes one from its name.
#include <array>
#include <bit>
#include <cmath>
#include <numbers>
#include <utility>

#include <fmt/format.h>

#include "compiler/ir/interpret.hpp"
#include "compiler/ops/known_value.hpp"
#include "compiler/ops/lowering.hpp"
#include "compiler/ops/onnx_type.hpp"

namespace igata {

namespace {

/// A given seed is below 2^32; others are not, so that the two never meet.
std::uint64_t seed_of(const Node& node) {
    if (node.attrs.has("seed")) return std::bit_cast<std::uint32_t>(node.attrs.get_float("seed", 0));
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char letter : node.name) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3U;
    return hash | std::uint64_t{1} << 32U;
}

std::int64_t seed_argument(const Node& node) { return std::bit_cast<std::int64_t>(seed_of(node)); }

/// Number `counter` of [0, 1).
double uniform(std::uint64_t seed, std::uint64_t counter) {
    std::array<std::uint32_t, 4> state{static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32U)};
    std::array<std::uint32_t, 2> round_key{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32U)};
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t first = state[0] * std::uint64_t{0xD2511F53};
        const std::uint64_t second = state[2] * std::uint64_t{0xCD9E8D57};
        state = {static_cast<std::uint32_t>(second >> 32U) ^ state[1] ^ round_key[0],
                 static_cast<std::uint32_t>(second), static_cast<std::uint32_t>(first >> 32U) ^ state[3] ^ round_key[1],
                 static_cast<std::uint32_t>(first)};
        round_key = {round_key[0] + 0x9E3779B9, round_key[1] + 0xBB67AE85};
    }
    const std::uint64_t bits = std::uint64_t{state[1]} << 32U | state[0];
    return static_cast<double>(bits >> 11U) / static_cast<double>(std::uint64_t{1} << 53U);
}

Tensor uniform_numbers(const Node& node, const Dims& dims) {
    Tensor numbers(DataType::f64, dims);
    std::uint64_t i = 0;
    for (double& x : numbers.mutable_values<double>()) x = uniform(seed_of(node), i++);
    return numbers;
}

// RandomNormal, RandomUniform ----------------------------------------------------------------------------------------

struct Distribution {
    bool normal;
    float first, second;  ///< mean and scale; low and high
};

Distribution distribution_of(const Node& node) {
    if (node.op.starts_with("RandomNormal"))
        return {true, node.attrs.get_float("mean", 0), node.attrs.get_float("scale", 1)};
    return {false, node.attrs.get_float("low", 0), node.attrs.get_float("high", 1)};
}

void infer_random(InferContext& c) {
    const bool like = c.input_count() > 0;
    const DataType fallback = like ? c.dtype(0) : DataType::f32;
    const DataType dtype =
        c.attrs().has("dtype") ? data_type_of_onnx(c.attrs().get_int("dtype", 1), c.node()) : fallback;
    if (!is_floating(dtype)) c.fail(fmt::format("makes floats, not {}", name_of(dtype)));
    c.set_output(0, {dtype, like ? c.dims(0) : c.attrs().get_ints("shape")});
}

void eval_random(EvalContext& c) {
    const Distribution d = distribution_of(c.node());
    const auto first = static_cast<double>(d.first);
    const auto second = static_cast<double>(d.second);
    const std::uint64_t seed = seed_of(c.node());
    Tensor numbers(DataType::f64, c.output_type(0).dims);
    std::uint64_t i = 0;
    for (double& x : numbers.mutable_values<double>()) {
        if (d.normal) {
            const double radius = std::sqrt(-2 * std::log(1 - uniform(seed, 2 * i)));
            x = first + second * radius * std::cos(2 * std::numbers::pi * uniform(seed, 2 * i + 1));
        } else {
            x = first + (second - first) * uniform(seed, i);
        }
        ++i;
    }
    c.set_output(0, numbers.cast(c.output_type(0).dtype));
}

OpDef random_op(std::string name, bool normal, bool like) {
    OpDef op;
    op.name = std::move(name);
    op.newest = 22;
    op.min_inputs = op.max_inputs = like ? 1 : 0;
    op.is_random = true;
    op.note = "the same numbers at every run";
    op.attrs = {{"dtype", AttrKind::integer},
                {normal ? "mean" : "high", AttrKind::real},
                {normal ? "scale" : "low", AttrKind::real},
                {"seed", AttrKind::real}};
    if (!like) op.attrs.push_back({"shape", AttrKind::integers, true});
    op.infer = infer_random;
    op.eval = eval_random;
    op.lower = [](LowerContext& c) {
        const Distribution d = distribution_of(c.node());
        const std::size_t rank = c.graph().value(c.node().outputs[0]).type.dims.size();
        const View out = c.output_in_order(0, row_major_order(rank));
        add_kernel(c, "random", {seed_argument(c.node()), d.normal ? 1 : 0}, {out}, {}, {d.first, d.second});
    };
    return op;
}

// Bernoulli ----------------------------------------------------------------------------------------------------------

ExprPtr is_hit(DataType probability, DataType result) {
    const ExprPtr p = probability == DataType::f64 ? expr::operand(1) : expr::cast(DataType::f64, expr::operand(1));
    const ExprPtr hit = expr::make(ExprOp::lt, {expr::operand(0), p});
    return result == DataType::boolean ? hit : expr::cast(result, hit);
}

OpDef bernoulli_op() {
    OpDef op;
    op.name = "Bernoulli";
    op.since = 15;
    op.newest = 22;
    op.is_random = true;
    op.note = "the same numbers at every run";
    op.attrs = {{"dtype", AttrKind::integer}, {"seed", AttrKind::real}};
    op.infer = [](InferContext& c) {
        if (!is_floating(c.dtype(0))) c.fail(fmt::format("needs floats, not {}", name_of(c.dtype(0))));
        const DataType own = c.dtype(0);
        c.set_output(
            0, {c.attrs().has("dtype") ? data_type_of_onnx(c.attrs().get_int("dtype", 1), c.node()) : own, c.dims(0)});
    };
    op.eval = [](EvalContext& c) {
        const Tensor numbers = uniform_numbers(c.node(), c.input(0).dims());
        const ValueType& type = c.output_type(0);
        c.set_output(0, eval_map(is_hit(c.input(0).dtype(), type.dtype), {&numbers, &c.input(0)}, type));
    };
    op.lower = [](LowerContext& c) {
        const View p = c.input(0);
        const View numbers = c.temporary(DataType::f64, p.dims);
        add_kernel(c, "random", {seed_argument(c.node()), 0}, {numbers}, {}, {0.0F, 1.0F});
        const View out = c.output(0);
        c.add_map(is_hit(p.dtype, out.dtype), {numbers, p}, out);
    };
    return op;
}

// Multinomial --------------------------------------------------------------------------------------------------------

void infer_multinomial(InferContext& c) {
    const Dims& dims = c.dims(0);
    if (!is_floating(c.dtype(0)) || dims.size() != 2 || dims[1] < 1)
        c.fail(fmt::format("needs the logarithms of weights of at least one class, not {}", to_string(c.input(0))));
    const DataType dtype = data_type_of_onnx(c.attrs().get_int("dtype", 6), c.node());
    if (dtype != DataType::i32 && dtype != DataType::i64)
        c.fail(fmt::format("makes i32 or i64, not {}", name_of(dtype)));
    const std::int64_t samples = c.attrs().get_int("sample_size", 1);
    if (samples < 0) c.fail(fmt::format("sample_size is {}", samples));
    c.set_output(0, {dtype, {dims[0], samples}});
}

void eval_multinomial(EvalContext& c) {
    const Dims& dims = c.output_type(0).dims;
    const std::int64_t classes = c.input(0).dims()[1];
    const std::vector<double> logarithms = c.input(0).to_f64();
    Tensor result(DataType::i64, dims);
    for (std::int64_t row = 0; row < dims[0]; ++row) {
        const double* line = logarithms.data() + row * classes;
        const double largest = *std::max_element(line, line + classes);
        double total = 0;
        for (std::int64_t i = 0; i < classes; ++i) total += std::exp(line[i] - largest);
        for (std::int64_t k = row * dims[1]; k < (row + 1) * dims[1]; ++k) {
            const double wanted = total * uniform(seed_of(c.node()), static_cast<std::uint64_t>(k));
            std::int64_t choice = 0;
            for (double sum = std::exp(line[0] - largest); sum <= wanted && choice + 1 < classes;)
                sum += std::exp(line[++choice] - largest);
            result.mutable_values<std::int64_t>()[as_index(k)] = choice;
        }
    }
    c.set_output(0, result.cast(c.output_type(0).dtype));
}

OpDef multinomial_op() {
    OpDef op;
    op.name = "Multinomial";
    op.since = 7;
    op.newest = 22;
    op.is_random = true;
    op.note = "the same numbers at every run";
    op.attrs = {{"dtype", AttrKind::integer}, {"sample_size", AttrKind::integer}, {"seed", AttrKind::real}};
    op.infer = infer_multinomial;
    op.eval = eval_multinomial;
    op.lower = [](LowerContext& c) {
        add_kernel(c, "multinomial", {seed_argument(c.node())}, {c.input(0), c.output(0)});
    };
    return op;
}

}  // namespace

void register_random(Registry& registry) {
    for (OpDef op : {random_op("RandomNormal", true, false), random_op("RandomNormalLike", true, true),
                     random_op("RandomUniform", false, false), random_op("RandomUniformLike", false, true),
                     bernoulli_op(), multinomial_op()})
        registry.add(std::move(op));
}

}  // namespace igata
