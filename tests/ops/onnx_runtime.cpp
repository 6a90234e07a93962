// Operators of ONNX Runtime's own domain: what it makes of ramps, recorded from version 1.32.
#include <doctest/doctest.h>

#include "compiler/diagnostics.hpp"
#include "compiler/passes/passes.hpp"
#include "tests/ops/run_op.hpp"

using namespace igata;
using namespace igata::test;

namespace {

Tensor f32(const Dims& dims) { return ramp(DataType::f32, dims); }
Tensor i32s(const Dims& dims, const std::vector<std::int32_t>& values) {
    return Tensor::of<std::int32_t>(dims, values);
}
Tensor bytes(const Dims& dims, const std::vector<std::uint8_t>& values) {
    return Tensor::of<std::uint8_t>(dims, values);
}
Tensor scale(float value) { return Tensor::scalar(value); }
Tensor zero(std::uint8_t value) { return Tensor::scalar(value); }
Tensor signed_zero(std::int8_t value) { return Tensor::scalar(value); }

std::vector<Tensor> run(const std::string& op, const std::vector<Tensor>& inputs, const Attrs& attrs = {},
                        std::size_t outputs = 1) {
    return run_op({"com.microsoft." + op, inputs, attrs, 1, outputs});
}

void check(const std::string& op, const std::vector<Tensor>& inputs, const Attrs& attrs, const Dims& dims,
           const std::vector<double>& expected) {
    CAPTURE(op);
    check_near(run(op, inputs, attrs).at(0), dims, expected);
}

void check_bytes(const std::string& op, const std::vector<Tensor>& inputs, const Attrs& attrs, const Dims& dims,
                 const std::vector<std::uint8_t>& expected) {
    CAPTURE(op);
    CHECK(run(op, inputs, attrs).at(0) == bytes(dims, expected));
}

/// The ramp, each element times `factor` plus `offset`.
Tensor scaled(const Dims& dims, float factor, float offset) {
    std::vector<float> values;
    for (const double value : f32(dims).to_f64()) values.push_back(static_cast<float>(value) * factor + offset);
    return floats(dims, values);
}

/// The first and the fourth result of a node that has no others.
std::vector<Tensor> with_sum(const std::string& op, const std::vector<Tensor>& inputs) {
    Graph graph = graph_of({"Identity", {f32({1})}}, {true});
    graph.nodes.clear();
    graph.inputs.clear();
    Node node;
    node.op = "com.microsoft." + op;
    node.attrs = {{"epsilon", 0.01F}};
    for (const Tensor& input : inputs) node.inputs.push_back(graph.add_constant("x", input));
    node.outputs = {graph.add_value("y"), no_value, no_value, graph.add_value("sum")};
    graph.outputs = {{node.outputs[0], "y", {}, {}}, {node.outputs[3], "sum", {}, {}}};
    graph.nodes.push_back(node);
    Remarks remarks;
    infer_types(graph, remarks);
    return evaluate(graph, {});
}

const Tensor a = bytes({2, 3}, {0, 40, 90, 128, 200, 255});
const Tensor b = bytes({2, 3}, {5, 60, 100, 110, 190, 250});
const Tensor image = bytes({1, 2, 2, 2}, {0, 40, 90, 128, 200, 255, 13, 77});
const Tensor weights = Tensor::of<std::int8_t>({2, 3}, {1, -2, 3, 40, -50, 60});
const Tensor columns = Tensor::of<std::int8_t>({3, 2}, {1, 40, -2, -50, 3, 60});

}  // namespace

TEST_CASE("ONNX Runtime's activations") {
    const Tensor x = f32({2, 3});
    const std::vector<double> biased{-0.00404969, 0.345731, -0.0155241, -0.158655, -0.169971, -0.154269};
    check("Gelu", {x}, {}, {2, 3}, {-0.100211, 0.149677, -0.132062, 0.345731, -0.158655, 0.580029});
    check("BiasGelu", {x, f32({3})}, {}, {2, 3}, biased);
    check("FastGelu", {x, f32({3})}, {}, {2, 3}, {-0.00363752, 0.345714, -0.0150843, -0.158808, -0.170039, -0.154286});
    check("FastGelu", {x}, {}, {2, 3}, {-0.100428, 0.149675, -0.132286, 0.345714, -0.158808, 0.579961});
    check("QuickGelu", {x}, {}, {2, 3}, {-0.108338, 0.1512, -0.133066, 0.350388, -0.154204, 0.58639});
    check("QuickGelu", {x}, {{"alpha", 1.0F}}, {2, 3}, {-0.273638, 0.140544, -0.278375, 0.31123, -0.268941, 0.509384});
}

TEST_CASE("ONNX Runtime's products with what it fused into them") {
    check("FusedMatMul", {f32({3, 2}), f32({2, 3})}, {{"transA", attr(1)}, {"transB", attr(1)}, {"alpha", 0.5F}},
          {2, 2}, {1.59375, -0.125, -0.59375, 0.09375});
    check("FusedMatMul", {f32({2, 1, 3}), f32({2, 2, 3})}, {{"transB", attr(1)}}, {2, 1, 2},
          {3.875, -1.9375, -1.75, -0.25});
    CHECK_THROWS_AS(run("FusedMatMul", {f32({2, 1, 3}), f32({2, 2, 3})}, {{"transBatchA", attr(1)}}), Unsupported);
    check("FusedGemm", {f32({2, 3}), f32({2, 3}), f32({2})},
          {{"transB", attr(1)}, {"alpha", 0.5F}, {"activation", std::string("LeakyRelu")}, {"activation_alpha", 0.25F}},
          {2, 2}, {0.4375, -0.179688, -0.617188, 1.15625});
    const std::vector<Tensor> conv{f32({1, 1, 3, 3}), f32({1, 1, 2, 2}), f32({1})};
    const auto activated = [](const char* name, const std::vector<float>& parameters) {
        return Attrs{{"activation", std::string(name)}, {"activation_params", parameters}};
    };
    check("FusedConv", conv, activated("Clip", {-0.5F, 0.75F}), {1, 1, 2, 2}, {-0.3125, -0.5, -0.5, -0.5});
    check("FusedConv", conv, activated("HardSigmoid", {0.1F, 0.25F}), {1, 1, 2, 2},
          {0.21875, 0.19375, 0.14375, 0.11875});
    check("FusedConv", conv, activated("LeakyRelu", {0.5F}), {1, 1, 2, 2}, {-0.15625, -0.28125, -0.53125, -0.65625});
    check("FusedConv", {conv[0], conv[1], {}, floats({1, 1, 2, 2}, {-2, 1, 3, 4})},
          {{"activation", std::string("Relu")}}, {1, 1, 2, 2}, {0, 1.9375, 3.4375, 4.1875});
    CHECK_THROWS_AS(run("FusedConv", conv, activated("Softplus", {})), Unsupported);
}

TEST_CASE("ONNX Runtime's normalizations of a sum give the sum, too") {
    const Tensor x = f32({1, 2, 4});
    const Tensor skip = scaled({1, 2, 4}, 2, 1);
    const std::vector<double> sum{-6, 1, -5, 2, -4.5, 2.5, -3.5, 3.5};
    const auto layer = with_sum("SkipLayerNormalization", {x, skip, f32({4}), scaled({4}, 3, 0), scaled({4}, 1, -1)});
    check_near(layer[0], {1, 2, 4}, {-2.80362, 0.962047, -2.68976, 2.06546, -2.80362, 0.962047, -2.68976, 2.06546});
    check_near(layer[1], {1, 2, 4}, sum);
    const auto simplified = with_sum("SkipSimplifiedLayerNormalization", {x, skip, f32({4}), scaled({4}, 1, -1)});
    check_near(simplified[0], {1, 2, 4}, {2.21498, 0.0615271, 1.53818, 0.246108, 1.88964, 0.174966, 1.22476, 0.489906});
    check_near(simplified[1], {1, 2, 4}, sum);
    check("SkipLayerNormalization", {x, scaled({2, 4}, 1, 1), f32({4})}, {}, {1, 2, 4},
          {1.69706, 0.212132, 1.06066, 0.565685, 1.69706, 0.212132, 1.06066, 0.565685});
    check_near(run_single({"SimplifiedLayerNormalization", {x, f32({4})}, {{"epsilon", 0.01F}}, 1}), {1, 2, 4},
               {2.20498, 0.0612495, 1.53124, 0.244998, 1.6863, 0.210787, 1.05394, 0.562099});
}

TEST_CASE("ONNX Runtime's embeddings") {
    const Tensor ids = i32s({2, 2}, {2, 0, 1, 1});
    const Tensor words = f32({3, 4});
    const Tensor positions = scaled({5, 4}, 2, 0);
    const Tensor beta = scaled({4}, 1, -1);
    const auto all = run("EmbedLayerNormalization",
                         {ids, i32s({2, 2}, {0, 1, 1, 0}), words, positions, scaled({2, 4}, 3, 0), f32({4}), beta,
                          i32s({2, 2}, {1, 1, 1, 0})},
                         {{"epsilon", 0.01F}}, 3);
    check_near(all[0], {2, 2, 4},
               {-0.774225, -0.462371, -1.22275, -0.0891012, -0.803245, -0.537906, -1.18953, 0.0655849, -0.803245,
                -0.537906, -1.18953, 0.0655849, -0.803245, -0.537906, -1.18953, 0.0655849});
    CHECK(all[1] == i32s({2}, {2, 1}));
    check_near(all[2], {2, 2, 4}, {-8, 2.5, -6.5, 1, -6.5, 4, -5, 5.5, -7, 3.5, -5.5, 5, -7.5, 3, -6, 4.5});
    const auto plain =
        run("EmbedLayerNormalization", {ids, {}, words, positions, {}, f32({4}), beta}, {{"epsilon", 0.01F}}, 2);
    check_near(plain[0], {2, 2, 4},
               {-0.858776, -0.385284, -1.33821, -0.317642, -0.804149, -0.538019, -1.19009, 0.0652836, -0.804149,
                -0.538019, -1.19009, 0.0652836, -0.804149, -0.538019, -1.19009, 0.0652836});
    CHECK(plain[1] == i32s({2}, {0, 0}));
    CHECK_THROWS_AS(run("EmbedLayerNormalization", {ids, {}, {}, positions, {}, f32({4}), beta}), BadInput);
    CHECK_THROWS_AS(run("EmbedLayerNormalization", {ids, ids, words, positions, {}, f32({4}), beta}), BadInput);
}

TEST_CASE("ONNX Runtime's operators between bytes") {
    const std::vector<Tensor> two{a, scale(.02F), zero(120), b, scale(.03F), zero(100)};
    const auto to = [](std::vector<Tensor> inputs, float to_scale, std::uint8_t to_zero) {
        inputs.push_back(scale(to_scale));
        inputs.push_back(zero(to_zero));
        return inputs;
    };
    const std::vector<Tensor> one{a, scale(.05F), zero(120)};
    const std::vector<Tensor> picture{image, scale(.05F), zero(120)};
    check_bytes("QLinearAdd", to(two, .05F, 110), {}, {2, 3}, {5, 54, 98, 119, 196, 254});
    check_bytes("QLinearMul", to(two, .07F, 110), {}, {2, 3}, {208, 137, 110, 111, 172, 255});
    check_bytes("QLinearSigmoid", to(one, 1 / 256.0F, 0), {}, {2, 3}, {1, 5, 47, 153, 251, 255});
    check_bytes("QLinearLeakyRelu", to(one, .04F, 30), {{"alpha", .25F}}, {2, 3}, {0, 5, 21, 40, 130, 199});
    check_bytes("QLinearGlobalAveragePool", to(picture, .04F, 100), {}, {1, 2, 1, 1}, {31, 120});
    check_bytes("QLinearGlobalAveragePool", to(picture, .04F, 100), {{"channels_last", attr(1)}}, {1, 1, 1, 2},
                {45, 106});
    check_bytes("QLinearAveragePool", to(picture, .04F, 100), {{"kernel_shape", Dims{1, 2}}}, {1, 2, 2, 1},
                {0, 86, 234, 6});
    const std::vector<Tensor> logits{a, scale(.02F), zero(120)};
    check_bytes("QLinearSoftmax", to(logits, 1 / 256.0F, 0), {{"axis", attr(-1)}, {"opset", attr(13)}}, {2, 3},
                {28, 61, 167, 14, 60, 181});
    check_bytes("QLinearSoftmax", to({a.reshaped({1, 2, 3}), logits[1], logits[2]}, 1 / 256.0F, 0),
                {{"axis", attr(1)}, {"opset", attr(11)}}, {1, 2, 3}, {1, 2, 6, 14, 58, 174});
    check_bytes("QLinearConcat", {scale(.05F), zero(100), a, scale(.02F), zero(120), b, scale(.05F), zero(100)},
                {{"axis", attr(1)}}, {2, 6}, {52, 68, 88, 5, 60, 100, 103, 132, 154, 110, 190, 250});
    CHECK_THROWS_AS(run("QLinearConcat", {scale(.05F), zero(100), a, scale(.02F), zero(120), b}, {{"axis", attr(1)}}),
                    BadInput);
}

TEST_CASE("ONNX Runtime's products of bytes") {
    const Tensor sa = scale(.02F);
    const Tensor za = zero(120);
    const Tensor bias = i32s({2}, {10, -20});
    check_bytes("QGemm", {a, sa, za, columns, scale(.03F), signed_zero(2), bias, scale(.05F), zero(110)}, {}, {2, 2},
                {115, 84, 108, 157});
    check_bytes("QGemm",
                {a, sa, za, weights, floats({2}, {.03F, .01F}), Tensor::of<std::int8_t>({2}, {0, 0}), bias, scale(.05F),
                 zero(110)},
                {{"transB", attr(1)}}, {2, 2}, {110, 100, 113, 128});
    check("QGemm", {a, sa, za, weights, scale(.03F), signed_zero(2)}, {{"transB", attr(1)}, {"alpha", .5F}}, {2, 2},
          {0.123, -0.642, -0.0579, 1.1922});
    check("MatMulIntegerToFloat", {a, columns, sa, scale(.03F), za, signed_zero(0), f32({2})}, {}, {2, 2},
          {-1.53, -1.31, -1.3482, 2.902});
}
