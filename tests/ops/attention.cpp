// Attention and its kin, RotaryEmbedding, losses: numbers from the onnx package's reference evaluator.
#include <doctest/doctest.h>

#include <limits>
#include <memory>

#include "compiler/diagnostics.hpp"
#include "tests/ops/run_op.hpp"

using namespace igata;
using namespace igata::test;

namespace {

Tensor f32(const Dims& dims) { return ramp(DataType::f32, dims); }

/// The ramp, each element by an expression.
Tensor mapped(const char* body, const Dims& dims) {
    const Tensor x = f32(dims);
    Graph graph =
        parse_graph(std::string("graph (x: f32") + to_string(dims) + ") -> (y) {\n  y = Map(x) => " + body + "\n}\n");
    Remarks remarks;
    bind_dims(graph, {}, remarks);
    infer_types(graph, remarks);
    return evaluate(graph, {x}).at(0);
}

std::string message(const OpCase& test) {
    try {
        run_op(test);
    } catch (const BadInput& error) {
        return error.what();
    }
    return "accepted";
}

}  // namespace

TEST_CASE("Attention: shared key heads, a past, a causal mask") {
    const auto results = run_op({"Attention",
                                 {f32({1, 2, 2, 2}),
                                  f32({1, 1, 2, 2}),
                                  mapped("x0 + 1", {1, 1, 2, 1}),
                                  {},
                                  mapped("x0 * 0.5", {1, 1, 1, 2}),
                                  f32({1, 1, 1, 1})},
                                 {{"is_causal", attr(1)}, {"qk_matmul_output_mode", attr(3)}},
                                 0,
                                 4});
    check_near(results[0], {1, 2, 2, 1}, {-0.806275, -0.0611317, -0.855117, -0.0436119});
    CHECK(results[1] == floats({1, 1, 3, 2}, {-0.75, 0.125, -1.5, 0.25, -1.25, 0.5}));
    CHECK(results[2] == floats({1, 1, 3, 1}, {-1.5, -0.5, 1.25}));
    check_near(results[3], {1, 2, 2, 3},
               {0.306275, 0.693725, 0, 0.208143, 0.422137, 0.36972, 0.355117, 0.644883, 0, 0.231186, 0.375914, 0.3929});
}

TEST_CASE("Attention: heads in the last dim, a short mask, and a query that sees nothing") {
    const OpCase test{
        "Attention",
        {f32({1, 2, 4}), f32({1, 3, 4}), f32({1, 3, 4}), Tensor::of<bool>({2, 2}, {true, false, false, false})},
        {{"q_num_heads", attr(2)}, {"kv_num_heads", attr(2)}, {"softcap", 2.0F}, {"scale", 0.5F}}};
    check_near(run_single(test), {1, 2, 4}, {-1.5, 0.25, -1.25, 0.5, 0, 0, 0, 0});
    OpCase added = test;
    constexpr float hidden = -std::numeric_limits<float>::infinity();
    added.inputs[3] = floats({2, 2}, {0, hidden, hidden, hidden});
    check_near(run_single(added), {1, 2, 4}, {-1.5, 0.25, -1.25, 0.5, 0, 0, 0, 0});
}

TEST_CASE("Attention: a window over keys of which only some are valid") {
    const OpCase test{"Attention",
                      {f32({2, 1, 2, 2}), f32({2, 1, 4, 2}), f32({2, 1, 4, 2}), {}, {}, {}, i64s({2}, {1, 4})},
                      {{"left_window_size", attr(1)}, {"right_window_size", attr(0)}}};
    check_near(run_single(test), {2, 1, 2, 2}, {0, 0, -1.5, 0.25, -0.0275095, -1.38875, 0.377762, -1.12224});
}

TEST_CASE("Attention: no keys, halves, and a wider softmax") {
    const Tensor none(DataType::f32, {1, 1, 0, 2});
    CHECK(run_single({"Attention", {f32({1, 1, 2, 2}), none, none}}) == floats({1, 1, 2, 2}, {0, 0, 0, 0}));
    const Tensor x = ramp(DataType::bf16, {1, 1, 2, 2});
    CHECK(run_single({"Attention", {x, x, x}, {{"softmax_precision", attr(1)}}}).dtype() == DataType::bf16);
}

TEST_CASE("Attention: what does not fit is said") {
    const Tensor x = f32({1, 2, 3, 4});
    CHECK(message({"Attention", {x, f32({1, 2, 3, 5}), x}}).find("input 1 should have shape [1,2,3,4]") !=
          std::string::npos);
    CHECK(message({"Attention", {f32({1, 3, 8}), f32({1, 3, 8}), f32({1, 3, 8})}}).find("0 heads do not divide") !=
          std::string::npos);
    CHECK(message({"Attention", {x, f32({1, 3, 3, 4}), f32({1, 3, 3, 4})}}).find("2 query heads cannot share 3") !=
          std::string::npos);
    CHECK(message({"Attention", {x, x, x, {}, x}}).find("go together") != std::string::npos);
}

TEST_CASE("FlexAttention: the model's own words on scores and probabilities") {
    Graph half = parse_graph("graph (p: f32[1,1,2,2]) -> (q) {\n  h = constant f32[1] {0.5}\n  q = Mul(p, h)\n}\n");
    const Tensor x = floats({1, 1, 2, 1}, {1, 3});
    const auto modifier = std::make_shared<Graph>(half);
    // Scores [[1,3],[3,9]]; halved probabilities halve the result.
    const Tensor plain = run_single({"ai.onnx.preview.FlexAttention", {x, x, x}});
    check_near(plain, {1, 1, 2, 1}, {2.761594, 2.995055});
    check_near(run_single({"ai.onnx.preview.FlexAttention", {x, x, x}, {{"prob_mod", modifier}}}), {1, 1, 2, 1},
               {2.761594 / 2, 2.995055 / 2});
    check_near(run_single({"ai.onnx.preview.FlexAttention", {x, x, x}, {{"score_mod", modifier}, {"scale", 2.0F}}}),
               {1, 1, 2, 1}, {2.761594, 2.995055});
}

TEST_CASE("RotaryEmbedding turns a part of every head") {
    for (const std::int64_t interleaved : {0, 1})
        check_near(
            run_single(
                {"RotaryEmbedding",
                 {f32({1, 2, 6}), mapped("cos(x0)", {3, 1}), mapped("sin(x0)", {3, 1}), i64s({1, 2}, {2, 0})},
                 {{"num_heads", attr(2)}, {"rotary_embedding_dim", attr(2)}, {"interleaved", attr(interleaved)}}}),
            {1, 2, 6},
            {-0.235737, 1.50231, -1.25, -0.791323, -0.789815, 0.75, 0.944442, 0.818858, -0.5, -0.160952, -1.26455,
             -1.5});
    CHECK(message({"RotaryEmbedding", {f32({1, 2, 2, 4}), f32({1, 2, 1}), f32({1, 2, 1})}}).find("2 numbers a token") !=
          std::string::npos);
}

TEST_CASE("RotaryEmbedding pairs halves or neighbours") {
    const Tensor x = floats({1, 1, 1, 4}, {1, 2, 3, 4});
    const Tensor cosine = floats({1, 1, 2}, {0, 1});
    const Tensor sine = floats({1, 1, 2}, {1, 0});
    CHECK(run_single({"RotaryEmbedding", {x, cosine, sine}}) == floats({1, 1, 1, 4}, {-3, 2, 1, 4}));
    CHECK(run_single({"RotaryEmbedding", {x, cosine, sine}, {{"interleaved", attr(1)}}}) ==
          floats({1, 1, 1, 4}, {-2, 1, 3, 4}));
}

TEST_CASE("LinearAttention by its rules") {
    const auto run = [](const char* rule, const Tensor& decay, const Tensor& beta) {
        return run_op({"LinearAttention",
                       {f32({1, 2, 8}), f32({1, 2, 4}), f32({1, 2, 2}), f32({1, 2, 2, 1}), decay, beta},
                       {{"q_num_heads", attr(4)}, {"kv_num_heads", attr(2)}, {"update_rule", std::string(rule)}},
                       0,
                       2});
    };
    const auto linear = run("linear", {}, {});
    check_near(linear[0], {1, 2, 4}, {-0.817592, -0.707107, 1.43631, 1.27058, -1.64623, 0.773398, -1.33687, -1.4805});
    check_near(linear[1], {1, 2, 2, 1}, {2, -1.0625, -1.9375, 1.125});
    const auto delta = run("gated_delta", mapped("-abs(x0)", {1, 2, 2}), f32({1, 2, 1}));
    check_near(delta[0], {1, 2, 4}, {5.30963, 4.59211, 2.89694, 2.56268, -0.0176388, 0.436182, -0.582168, -0.803671});
    check_near(delta[1], {1, 2, 2, 1}, {-0.690494, -0.296154, -1.59305, 0.340039});
    const auto gated = run("gated", mapped("-abs(x0)", {1, 2, 4}), {});
    check_near(gated[0], {1, 2, 4}, {-2.06336, -1.75665, 0.70133, 0.658485, -1.59497, 0.739175, -0.703489, -0.70954});
    check_near(gated[1], {1, 2, 2, 1}, {1.9546, -1.02267, -0.691784, 0.65755});
    CHECK_THROWS_AS(run("delta", {}, {}), BadInput);
    CHECK_THROWS_AS(run("cubic", {}, {}), BadInput);
}

TEST_CASE("losses: weights, an ignored label, reductions") {
    const Tensor x = f32({2, 3, 2});
    const Tensor labels = i64s({2, 2}, {0, 2, 1, 1});
    const Attrs ignoring{{"ignore_index", attr(1)}};
    check_near(run_single({"NegativeLogLikelihoodLoss", {x, labels, floats({3}, {0.5F, 1, 2})}, ignoring}), {}, {-0.3});
    check_near(run_single({"NegativeLogLikelihoodLoss", {x, labels}, ignoring}), {}, {0.375});
    const auto entropy = run_op(
        {"SoftmaxCrossEntropyLoss", {f32({2, 3}), i64s({2}, {2, 0})}, {{"reduction", std::string("none")}}, 0, 2});
    check_near(entropy[0], {2}, {1.83426, 0.919149});
    check_near(entropy[1], {2, 3}, {-2.08426, -0.334258, -1.83426, -0.919149, -2.41915, -0.669149});
    check_near(run_single({"NegativeLogLikelihoodLoss",
                           {floats({1, 2}, {-1, -2}), i64s({1}, {-7})},
                           {{"ignore_index", attr(-7)}, {"reduction", std::string("sum")}},
                           12}),
               {}, {0});
    CHECK_THROWS_AS(run_op({"NegativeLogLikelihoodLoss", {x, i64s({2}, {0, 0})}}), BadInput);
    CHECK_THROWS_AS(run_op({"NegativeLogLikelihoodLoss", {x, labels}, {{"reduction", std::string("max")}}}), BadInput);
}

TEST_CASE("SwiGLU gates one input by the other") {
    check_near(run_single({"SwiGLU", {floats({2}, {0, 1}), floats({2}, {3, 2})}}), {2}, {0, 1.4621172});
}
