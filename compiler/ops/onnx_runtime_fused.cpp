// What ONNX Runtime's optimiser writes into a model that it saves: compositions under names of its own domain.
//     y = com.microsoft.SkipLayerNormalization(x, skip, gamma, beta, bias)
//     s = Map(x, skip, bias) => x0 + x1 + x2  y = LayerNormalization(s, gamma, beta)
// They are taken apart, and fused again as those of any other model are.
#include <utility>

#include <fmt/format.h>

#include "compiler/ops/composition.hpp"

namespace igata {

namespace {

OpDef define(const char* name, int min_inputs, int max_inputs, std::vector<AttrDef> attrs,
             std::function<void(ExpandContext&)> expand) {
    OpDef op;
    op.name = name;
    op.min_inputs = min_inputs;
    op.max_inputs = max_inputs;
    op.attrs = std::move(attrs);
    op.expand = std::move(expand);
    return op;
}

/// The sum of a value and of those inputs that are there.
ValueId plus(ExpandContext& c, ValueId sum, std::initializer_list<std::size_t> inputs) {
    for (const std::size_t i : inputs)
        if (c.has_input(i)) sum = c.map("x0 + x1", {sum, c.value(i)});
    return sum;
}

// Activations ---------------------------------------------------------------------------------------------------------

/// Of the first input, and of a bias if there is one.
std::function<void(ExpandContext&)> gelu(const char* approximate) {
    return [approximate](ExpandContext& c) {
        c.finish(0, c.add("Gelu", {plus(c, c.value(0), {1})}, {{"approximate", std::string(approximate)}}));
    };
}

void expand_quick_gelu(ExpandContext& c) {
    const double alpha = double{c.attrs().get_float("alpha", 1.702F)};
    c.finish(0, c.map(fmt::format("x0 * sigmoid({} * x0)", alpha), {c.value(0)}));
}

/// The activation that an attribute names, with its parameters.
ValueId activated(ExpandContext& c, ValueId x, const std::vector<float>& parameters) {
    const std::string name = c.attrs().get_string("activation", "");
    const auto parameter = [&](std::size_t i, float fallback) {
        return i < parameters.size() ? parameters[i] : fallback;
    };
    if (name.empty()) return x;
    if (name == "Relu" || name == "Sigmoid" || name == "Tanh") return c.add(name, {x});
    if (name == "LeakyRelu") return c.add(name, {x}, {{"alpha", parameter(0, 0.01F)}});
    if (name == "HardSigmoid") return c.add(name, {x}, {{"alpha", parameter(0, 0.2F)}, {"beta", parameter(1, 0.5F)}});
    if (name == "Clip" && parameters.size() == 2)
        return c.map(fmt::format("min(max(x0, {}), {})", double{parameters[0]}, double{parameters[1]}), {x});
    c.unsupported(fmt::format("its activation is {} with {} parameters", name, parameters.size()));
}

// Products ------------------------------------------------------------------------------------------------------------

ValueId matrix(ExpandContext& c, std::size_t i, const std::string& attribute) {
    const std::size_t rank = c.dims(i).size();
    if (c.attrs().get_int(attribute, 0) == 0 || rank < 2) return c.value(i);
    Dims perm(rank);
    for (std::size_t axis = 0; axis < rank; ++axis) perm[axis] = as_dim(axis);
    std::swap(perm[rank - 1], perm[rank - 2]);
    return transpose(c, c.value(i), std::move(perm));
}

void expand_fused_mat_mul(ExpandContext& c) {
    for (const char* name : {"transBatchA", "transBatchB"})
        if (c.attrs().get_int(name, 0) != 0) c.unsupported(fmt::format("{} is not 0", name));
    const ValueId product = c.add("MatMul", {matrix(c, 0, "transA"), matrix(c, 1, "transB")});
    const double alpha = double{c.attrs().get_float("alpha", 1)};
    c.finish(0, alpha == 1 ? product : c.map(fmt::format("{} * x0", alpha), {product}));
}

void expand_fused_gemm(ExpandContext& c) {
    Attrs attrs;
    for (const char* name : {"alpha", "beta", "transA", "transB"})
        if (const auto found = c.attrs().find(name); found != c.attrs().end()) attrs.insert(*found);
    std::vector<float> parameters;
    for (const char* name : {"activation_alpha", "activation_beta"})
        if (c.attrs().has(name)) parameters.push_back(c.attrs().get_float(name, 0));
    c.finish(0, activated(c, c.add("Gemm", {c.value(0), c.value(1), c.value(2)}, std::move(attrs)), parameters));
}

/// activation(Conv(x, w, bias) + z)
void expand_fused_conv(ExpandContext& c) {
    Attrs attrs = c.attrs();
    for (const char* name : {"activation", "activation_params"}) attrs.erase(name);
    const ValueId conv = c.add("Conv", {c.value(0), c.value(1), c.value(2)}, std::move(attrs));
    c.finish(0, activated(c, plus(c, conv, {3}), c.attrs().get_floats("activation_params")));
}

// Normalization -------------------------------------------------------------------------------------------------------

Attrs of_last_axis(const ExpandContext& c, float epsilon) {
    return {{"axis", std::int64_t{-1}}, {"epsilon", c.attrs().get_float("epsilon", epsilon)}};
}

/// The first result, and as the fourth the sum that is normalized; those between are made for training.
void finish_normalized(ExpandContext& c, ValueId normalized, ValueId sum) {
    if (c.has_output(1) || c.has_output(2)) c.unsupported("mean and deviation are no results");
    c.finish(0, normalized);
    c.finish(3, sum);
}

/// Inputs: x, skip, gamma, beta, bias.
void expand_skip_layer_normalization(ExpandContext& c) {
    const ValueId sum = plus(c, c.value(0), {1, 4});
    finish_normalized(c, c.add("LayerNormalization", {sum, c.value(2), c.value(3)}, of_last_axis(c, 1e-12F)), sum);
}

/// Inputs: x, skip, gamma, bias.
void expand_skip_simplified_layer_normalization(ExpandContext& c) {
    const ValueId sum = plus(c, c.value(0), {1, 3});
    finish_normalized(c, c.add("RMSNormalization", {sum, c.value(2)}, of_last_axis(c, 1e-5F)), sum);
}

/// In ONNX's own domain, though not of ONNX.
void expand_simplified_layer_normalization(ExpandContext& c) {
    if (c.has_output(1)) c.unsupported("the deviation is no result");
    c.finish(0, c.add("RMSNormalization", {c.value(0), c.value(1)},
                      {{"axis", c.attrs().get_int("axis", -1)}, {"epsilon", c.attrs().get_float("epsilon", 1e-5F)}}));
}

void expand_embed_layer_normalization(ExpandContext& c) {
    enum Input : std::uint8_t { ids, segments, words, positions, segment_table, gamma, beta, mask, position_ids };
    for (const Input i : {ids, words, positions, gamma, beta})
        if (!c.has_input(i)) c.fail(fmt::format("input {} is missing", static_cast<int>(i)));
    if (c.has_input(segments) != c.has_input(segment_table)) c.fail("needs segments and their table, or neither");
    if (c.dims(ids).size() != 2) c.fail(fmt::format("needs ids [batch,tokens], not {}", to_string(c.input(ids))));
    if (c.attrs().get_int("mask_index_type", 0) != 0) c.unsupported("mask_index_type is not 0");
    const std::int64_t batch = c.dims(ids)[0];
    const std::int64_t tokens = c.dims(ids)[1];
    ValueId sum = c.add("Gather", {c.value(words), c.value(ids)});
    const ValueId position = c.has_input(position_ids) ? c.add("Gather", {c.value(positions), c.value(position_ids)})
                                                       : slice(c, c.value(positions), 0, 0, tokens);
    sum = c.map("x0 + x1", {sum, position});
    if (c.has_input(segments))
        sum = c.map("x0 + x1", {sum, c.add("Gather", {c.value(segment_table), c.value(segments)})});
    c.finish(0, c.add("LayerNormalization", {sum, c.value(gamma), c.value(beta)}, of_last_axis(c, 1e-12F)));
    if (c.has_output(1)) {  // how many tokens of each text there are
        const ValueId zeros = c.constant_value(Tensor(DataType::i32, {batch}));
        const ValueId axes = c.constant_value(Tensor::of_dims({1}));
        c.finish(
            1, c.has_input(mask) ? c.add("ReduceSum", {c.value(mask), axes}, {{"keepdims", std::int64_t{0}}}) : zeros);
    }
    c.finish(2, sum);
}

}  // namespace

void register_onnx_runtime_fused(Registry& registry) {
    const AttrDef epsilon{"epsilon", AttrKind::real};
    const AttrDef activation{"activation", AttrKind::string};
    registry.add(define("com.microsoft.Gelu", 1, 1, {}, gelu("none")));
    registry.add(define("com.microsoft.BiasGelu", 2, 2, {}, gelu("none")));
    registry.add(define("com.microsoft.FastGelu", 1, 2, {}, gelu("tanh")));
    registry.add(define("com.microsoft.QuickGelu", 1, 1, {{"alpha", AttrKind::real}}, expand_quick_gelu));
    registry.add(define("com.microsoft.FusedMatMul", 2, 2,
                        {{"alpha", AttrKind::real},
                         {"transA", AttrKind::integer},
                         {"transB", AttrKind::integer},
                         {"transBatchA", AttrKind::integer},
                         {"transBatchB", AttrKind::integer}},
                        expand_fused_mat_mul));
    registry.add(define("com.microsoft.FusedGemm", 2, 3,
                        {activation,
                         {"activation_alpha", AttrKind::real},
                         {"activation_beta", AttrKind::real},
                         {"activation_gamma", AttrKind::real},
                         {"alpha", AttrKind::real},
                         {"beta", AttrKind::real},
                         {"transA", AttrKind::integer},
                         {"transB", AttrKind::integer}},
                        expand_fused_gemm));
    registry.add(define("com.microsoft.FusedConv", 2, 4,
                        {activation,
                         {"activation_params", AttrKind::reals},
                         {"auto_pad", AttrKind::string},
                         {"dilations", AttrKind::integers},
                         {"group", AttrKind::integer},
                         {"kernel_shape", AttrKind::integers},
                         {"pads", AttrKind::integers},
                         {"strides", AttrKind::integers}},
                        expand_fused_conv));
    OpDef skip = define("com.microsoft.SkipLayerNormalization", 3, 5, {epsilon}, expand_skip_layer_normalization);
    OpDef simplified = define("com.microsoft.SkipSimplifiedLayerNormalization", 3, 4, {epsilon},
                              expand_skip_simplified_layer_normalization);
    skip.max_outputs = simplified.max_outputs = 4;
    registry.add(std::move(skip));
    registry.add(std::move(simplified));
    OpDef rms = define("SimplifiedLayerNormalization", 2, 2,
                       {{"axis", AttrKind::integer}, epsilon, {"stash_type", AttrKind::integer}},
                       expand_simplified_layer_normalization);
    rms.max_outputs = 2;
    rms.note = "ONNX Runtime's";
    registry.add(std::move(rms));
    OpDef embed = define("com.microsoft.EmbedLayerNormalization", 7, 9,
                         {epsilon, {"mask_index_type", AttrKind::integer}}, expand_embed_layer_normalization);
    embed.max_outputs = 3;
    embed.may_lack_inputs = true;
    registry.add(std::move(embed));
}

}  // namespace igata
