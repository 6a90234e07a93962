// Plans compute what the operators' definitions say, fused and unfused.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <random>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "compiler/driver/plan_engine.hpp"
#include "compiler/ir/text.hpp"
#include "compiler/passes/passes.hpp"
#include "tests/first_seed.hpp"
#include "tests/passes/before_after.hpp"
#include "tests/passes/random_graph.hpp"

using namespace igata;

namespace {

std::vector<Tensor> run_plan(Graph graph, std::uint32_t seed, bool fuse) {
    Remarks remarks;
    PipelineOptions options;
    options.fuse = fuse;
    const PipelineResult result = run_pipeline(std::move(graph), options, remarks);
    std::vector<Tensor> inputs;
    for (const Plan::Port& port : result.plan.inputs) inputs.push_back(test::random_tensor(port.type, seed++));
    return PlanEngine(result.plan).run(inputs);
}

/// A random expression over x0 and the operands x1 to xn, of what activations are made of.
std::string random_expression(std::mt19937& random, int depth, int operands) {
    const auto pick = [&](std::uint32_t count) { return random() % count; };
    const std::string leaf =
        pick(3) != 0 || operands == 0 ? "x0" : "x" + std::to_string(1 + pick(static_cast<std::uint32_t>(operands)));
    if (depth == 0) return leaf;
    const std::string a = random_expression(random, depth - 1, operands);
    const auto b = [&] { return pick(2) == 0 ? leaf : random_expression(random, depth - 1, operands); };
    switch (pick(18)) {
        case 0: return "max(" + a + ", 0)";
        case 1: return "min(max(" + a + ", -0.5), 0.75)";
        case 2: return "sigmoid(" + a + ")";
        case 3: return "tanh(" + a + ")";
        case 4: return "(" + a + " * sigmoid(" + a + "))";
        case 5: return "(" + a + " * sigmoid(1.7 * " + a + "))";
        case 6: return "select(" + a + " < 0, 0.1 * " + a + ", " + a + ")";
        case 7: return "select(" + a + " < 0, 2 * (exp(" + a + ") - 1), " + a + ")";
        case 8: return "min(max(0.2 * " + a + " + 0.5, 0), 1)";
        case 9: return "(" + a + " * min(max(" + a + " / 6 + 0.5, 0), 1))";
        case 10: return "(0.5 * " + a + " * (erf(" + a + " * 0.70710678) + 1))";
        case 11: return "abs(" + a + ")";
        case 12: return "(0.5 * " + a + " - 0.25)";
        case 13: return "(" + a + " + " + b() + ")";
        case 14: return "(" + a + " - " + b() + ")";
        case 15: return "(" + a + " * " + b() + ")";
        case 16: return "max(" + a + ", " + b() + ")";
        default: return "floor(" + a + ")";
    }
}

/// `name = constant f32[dims]` of random values.
std::string random_constant(const std::string& name, const Dims& dims, std::mt19937& random) {
    std::string values;
    for (std::int64_t i = element_count(dims); i > 0; --i)
        values += fmt::format("{}{}", static_cast<double>(random() % 2001) / 4000.0 - 0.25, i > 1 ? "," : "");
    return fmt::format("  {} = constant f32[{}] {{{}}}\n", name, fmt::join(dims, ","), values);
}

}  // namespace

TEST_CASE("an item has the same bits alone and in a batch, whatever kernels a plan for the batch could choose") {
    std::mt19937 random(3);
    std::string text = "graph g (x: f32[N,48,48,3]) -> (y, z) {\n";
    text += random_constant("stem", {24, 3, 3, 3}, random) + random_constant("expand", {64, 24, 1, 1}, random) +
            random_constant("depth", {64, 1, 3, 3}, random) + random_constant("gate", {64, 64, 1, 1}, random) +
            random_constant("project", {32, 64, 1, 1}, random) + random_constant("dense", {32, 32, 3, 3}, random) +
            random_constant("head", {32, 40}, random) + random_constant("bias", {40}, random);
    const auto outputs = [&](std::int64_t count, const Tensor& x) {
        Remarks remarks;
        PipelineOptions options;
        options.bindings = {{"N", count}};
        Graph graph = parse_graph(text + R"(  i = Transpose(x) {perm=[0,3,1,2]}
  a = Conv(i, stem) {pads=[1,1,1,1]}
  b = Relu(a)
  c = Conv(b, expand)
  d = Relu(c)
  e = Conv(d, depth) {pads=[1,1,1,1], group=64}
  f = Relu(e)
  m = GlobalAveragePool(f)
  g = Conv(m, gate)
  h = Sigmoid(g)
  k = Mul(f, h)
  l = Conv(k, project)
  z = Conv(l, dense) {pads=[1,1,1,1]}
  p = GlobalAveragePool(z)
  q = Flatten(p)
  y = Gemm(q, head, bias)
})");
        return PlanEngine(run_pipeline(std::move(graph), options, remarks).plan).run({x});
    };
    constexpr std::int64_t batch = 6;
    const Tensor x = test::random_tensor({DataType::f32, {batch, 48, 48, 3}}, 5);
    const std::vector<Tensor> together = outputs(batch, x);
    for (std::int64_t item = 0; item < batch; ++item) {
        const auto part = [&](const Tensor& all) {
            const std::size_t bytes = all.bytes().size() / batch;
            return all.bytes().subspan(static_cast<std::size_t>(item) * bytes, bytes);
        };
        const std::vector<Tensor> alone = outputs(1, Tensor::from_bytes(DataType::f32, {1, 48, 48, 3}, part(x)));
        for (std::size_t i = 0; i < alone.size(); ++i) CHECK(std::ranges::equal(alone[i].bytes(), part(together[i])));
    }
}

TEST_CASE("random networks compute the same as plans") {
    for (std::uint32_t seed = test::first_seed(), end = seed + 60; seed < end; ++seed) {
        CAPTURE(seed);
        Remarks remarks;
        Graph graph = test::random_graph(seed);
        bind_dims(graph, {}, remarks);
        infer_types(graph, remarks);
        const std::vector<Tensor> expected = test::evaluate(graph, seed);
        CHECK(test::difference(run_plan(clone(graph), seed, false), expected) < 1e-3);
        CHECK(test::difference(run_plan(std::move(graph), seed, true), expected) < 1e-3);
    }
}

TEST_CASE("random epilogues compute the same as plans") {
    std::mt19937 random(10 + test::first_seed());
    for (std::uint32_t seed = 1; seed <= 120; ++seed) {
        // x1 is a residual that dies here, x2 one that does not, x3 lies along the channels, x4 is a constant.
        const std::string body = random_expression(random, 1 + static_cast<int>(seed % 4), 4);
        const bool floors = body.find("floor") != std::string::npos;  // steps: close inputs may give distant results
        CAPTURE(body);
        CAPTURE(seed);
        Remarks remarks;
        Graph graph = parse_graph(R"(graph g (x: f32[2,5,6,3], c: f32[2,1,1,4], z: f32[1,4,1,1]) -> (y) {
  w = constant f32[4,3,1,1] {0.5,-0.25,0.125,0.75,-0.5,0.25,1,-1,0.5,0.375,0.25,-0.625}
  v = constant f32[4,4,1,1] {0.5,-0.25,0.125,0.75,-0.5,0.25,1,-1,0.5,0.375,0.25,-0.625,0.5,0.5,-0.75,0.25}
  k = constant f32[4,1,1] {0.5,-0.5,0.25,1}
  t = Transpose(x) {perm=[0,3,1,2]}
  a = Conv(t, w)
  b = Conv(t, w) => tanh(x0)
  d = Conv(b, v | a, b, z, k) => )" +
                                  body + R"(
  y = Map(d, b) => x0 + x1
})");
        bind_dims(graph, {}, remarks);
        infer_types(graph, remarks);
        const std::vector<Tensor> expected = test::evaluate(graph, seed);
        CHECK(test::difference(run_plan(std::move(graph), seed, false), expected) < (floors ? 1.1 : 1e-3));
    }
}

TEST_CASE("networks with an extent of zero compute the same as plans") {
    for (const char* text : {
             "graph g (a: f32[0,3], b: f32[3,2], c: f32[2]) -> (y) { y = MatMul(a, b | c) => max(x0 + x1, 0) }",
             "graph g (a: f32[2,0], b: f32[0,3], c: f32[3]) -> (y) { y = MatMul(a, b | c) => max(x0 + x1, 0) }",
             "graph g (a: f32[4,3], b: f32[3,0]) -> (y) { y = MatMul(a, b) }",
             "graph g (a: f32[0,2,3], b: f32[3,2]) -> (y) { y = MatMul(a, b) }",
             "graph g (a: f32[4,3], b: f32[3,0]) -> (y) { y = Gemm(a, b) => max(x0, 0) }",
             "graph g (a: f32[2,0], b: f32[0,3], c: f32[3]) -> (y) { y = Gemm(a, b, c) }",
             "graph g (a: f32[2,0,4,4], b: f32[3,0,3,3], c: f32[3]) -> (y) { y = Conv(a, b, c) => max(x0, 0.5) }",
             "graph g (a: f32[2,3,4,4], b: f32[0,3,3,3]) -> (y) { y = Conv(a, b) }",
             "graph g (a: f32[0,3,4,4], b: f32[4,3,3,3]) -> (y) { y = Conv(a, b) => x0 * sigmoid(x0) }",
             "graph g (a: f32[2,0], b: f32[0]) -> (y) { y = LayerNormalization(a, b) }",
             "graph g (a: f32[1,2,0], b: f32[2]) -> (y) { y = InstanceNormalization(a, b, b) }",
             "graph g (a: f32[1,2,0], b: f32[2]) -> (y) { y = GroupNormalization(a, b, b) {num_groups=2} }",
         }) {
        CAPTURE(text);
        Remarks remarks;
        Graph graph = parse_graph(text);
        bind_dims(graph, {}, remarks);
        infer_types(graph, remarks);
        const std::vector<Tensor> expected = test::evaluate(graph, 1);
        CHECK(test::difference(run_plan(std::move(graph), 1, true), expected) < 1e-6);
    }
}
