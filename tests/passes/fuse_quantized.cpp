#include <doctest/doctest.h>

#include <algorithm>

#include "compiler/driver/audit_int8.hpp"
#include "compiler/passes/passes.hpp"
#include "tests/ops/evaluate.hpp"

using namespace igata;

namespace {

std::vector<std::string> operators(const Graph& graph) {
    std::vector<std::string> ops;
    for (const Node& node : graph.nodes) ops.push_back(node.op);
    return ops;
}

/// The graph's operators after the pass. Its results differ from the definition's by `most`, in units of the result.
std::vector<std::string> fused(const std::string& text, double most) {
    const Graph reference = typed_graph(text);
    const std::vector<Tensor> inputs = ramps(reference);
    Graph graph = clone(reference);
    Remarks remarks;
    fuse_quantized(graph, remarks);
    verify(graph);
    const Tensor expected = evaluate(reference, inputs).at(0);
    const Tensor actual = run_plan(graph, inputs).at(0);
    REQUIRE(actual.type() == expected.type());
    const auto a = actual.to_f64();
    const auto b = expected.to_f64();
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::abs(a[i] - b[i]) <= most);
    return operators(graph);
}

bool has(const std::vector<std::string>& ops, const char* op) { return std::count(ops.begin(), ops.end(), op) > 0; }

/// A float layer on x, u8[1,2,4,4], and weights i8[3,2,3,3], with what stands after it.
std::string convolution(const std::string& after) {
    return R"(graph (r: f32[1,2,4,4]) -> (y) {
          xs = constant f32[] {0.02}
          xz = constant u8[] {128}
          w = constant i8[3,2,1,1] {127,-128,5,-7,64,3}
          ws = constant f32[3] {0.01,0.02,0.5}
          b = constant i32[3] {100,-200,5}
          bs = constant f32[3] {0.0002,0.0004,0.01}
          x = QuantizeLinear(r, xs, xz)
          dx = DequantizeLinear(x, xs, xz)
          dw = DequantizeLinear(w, ws) {axis=0}
          db = DequantizeLinear(b, bs) {axis=0}
          ys = constant f32[] {0.03}
          yz = constant u8[] {100}
    )" + after +
           "}";
}

}  // namespace

TEST_CASE("fuse_quantized: a convolution between integers is one of integers") {
    const auto ops = fused(convolution(R"(c = Conv(dx, dw, db)
          y = QuantizeLinear(c, ys, yz)
    )"),
                           1);
    CHECK(has(ops, "QLinearConv"));
    CHECK(!has(ops, "DequantizeLinear"));
}

TEST_CASE("fuse_quantized: an activation becomes bounds of integers") {
    const auto ops = fused(convolution(R"(c = Conv(dx, dw, db)
          r6 = Relu(c)
          y = QuantizeLinear(r6, ys, yz)
    )"),
                           1);
    CHECK(has(ops, "QLinearConv"));
    CHECK(has(ops, "Clip"));
}

TEST_CASE("fuse_quantized: a result in f32 is made of integer sums") {
    const auto ops = fused(convolution("y = Conv(dx, dw, db)\n"), 1e-4);
    CHECK(has(ops, "ConvInteger"));
    CHECK(!has(ops, "Conv"));
}

TEST_CASE("fuse_quantized: not where the sum has two readers, or the scales lie along another axis") {
    CHECK(!has(fused(convolution(R"(c = Conv(dx, dw, db)
          q = QuantizeLinear(c, ys, yz)
          d = DequantizeLinear(q, ys, yz)
          y = Add(c, d)
    )"),
                     0.05),
               "QLinearConv"));
    CHECK(has(fused(R"(graph (r: f32[2,3]) -> (y) {
          s = constant f32[] {0.02}
          w = constant i8[3,2] {1,-2,3,-4,5,-6}
          ws = constant f32[3] {0.1,0.2,0.3}
          q = QuantizeLinear(r, s)
          dq = DequantizeLinear(q, s)
          dw = DequantizeLinear(w, ws) {axis=0}
          y = MatMul(dq, dw)
        })",
                    1e-4),
              "MatMul"));
}

TEST_CASE("fuse_quantized: matrix products with and without a bias") {
    const std::string product = R"(graph (r: f32[2,3]) -> (y) {
          s = constant f32[] {0.02}
          w = constant i8[2,3] {1,-2,3,-4,5,-6}
          ws = constant f32[2] {0.1,0.2}
          b = constant i32[2] {10,-20}
          bs = constant f32[2] {0.002,0.004}
          z = constant u8[] {7}
          q = QuantizeLinear(r, s, z)
          dq = DequantizeLinear(q, s, z)
          dw = DequantizeLinear(w, ws) {axis=0}
          db = DequantizeLinear(b, bs) {axis=0}
          g = Gemm(dq, dw, db) {transB=1}
          y = QuantizeLinear(g, s, z)
        })";
    CHECK(has(fused(product, 1), "QLinearConv"));
    const std::string plain = R"(graph (r: f32[2,3]) -> (y) {
          s = constant f32[] {0.02}
          w = constant i8[3,2] {1,-2,3,-4,5,-6}
          ws = constant f32[2] {0.1,0.2}
          q = QuantizeLinear(r, s)
          dq = DequantizeLinear(q, s)
          dw = DequantizeLinear(w, ws) {axis=1}
          m = MatMul(dq, dw)
          y = QuantizeLinear(m, s)
        })";
    CHECK(has(fused(plain, 1), "QLinearMatMul"));
}

TEST_CASE("fuse_quantized: what moves elements between equal scales goes without them") {
    const auto ops = fused(R"(graph (r: f32[1,2,4,4]) -> (y) {
          s = constant f32[] {0.02}
          z = constant u8[] {128}
          q = QuantizeLinear(r, s, z)
          d = DequantizeLinear(q, s, z)
          p = MaxPool(d) {kernel_shape=[2,2]}
          y = QuantizeLinear(p, s, z)
        })",
                           0);
    CHECK(ops == std::vector<std::string>{"Map", "MaxPool"});
}

TEST_CASE("the pipeline makes layers of integers, before it folds their weights to floats") {
    Remarks remarks;
    const Plan plan =
        run_pipeline(parse_graph(convolution("c = Conv(dx, dw, db)\n y = QuantizeLinear(c, ys, yz)\n")), {}, remarks)
            .plan;
    CHECK(print(plan).find("quantized_convolution") != std::string::npos);
}

TEST_CASE("fuse_quantized: DequantizeLinear moves behind what moves elements, and meets its QuantizeLinear there") {
    const std::string before = R"(graph (r: f32[1,4,4,4]) -> (y) {
          s = constant f32[] {0.02}
          z = constant u8[] {128}
          q = QuantizeLinear(r, s, z)
          d = DequantizeLinear(q, s, z)
          sizes = constant i64[2] {1,3}
          a, b = Split(d, sizes) {axis=1}
    )";
    const auto ops = fused(before + "y = QuantizeLinear(b, s, z)\n}", 0);
    CHECK(ops == std::vector<std::string>{"Map", "Split"});
    const auto other = fused(before + "s2 = constant f32[] {0.05}\n y = QuantizeLinear(b, s2, z)\n}", 0);
    CHECK(other == std::vector<std::string>{"Map", "Split", "Map", "Map"});
}

TEST_CASE("fuse_quantized: a nearest Resize is one of integers, one that interpolates is not") {
    const auto resized = [](const std::string& attributes, double most) {
        return fused(R"(graph (r: f32[1,4,3,3]) -> (y) {
          s = constant f32[] {0.02}
          z = constant u8[] {128}
          q = QuantizeLinear(r, s, z)
          d = DequantizeLinear(q, s, z)
          scales = constant f32[4] {1,1,2,2}
          e = Resize(d, _, scales) {)" +
                         attributes +
                         R"(}
          p = DepthToSpace(e) {blocksize=2}
          y = QuantizeLinear(p, s, z)
        })",
                     most);
    };
    CHECK(resized("mode=\"nearest\"", 0) == std::vector<std::string>{"Map", "Resize", "DepthToSpace"});
    const auto interpolated = resized("mode=\"linear\"", 1);
    CHECK(interpolated.front() == "Map");
    CHECK(interpolated.back() == "Map");
    CHECK(interpolated.size() == 5);
}

TEST_CASE("a function of one byte is a table: of the layer before it, or a step of its own") {
    const auto plan_of = [](const std::string& text) {
        Remarks remarks;
        return print(run_pipeline(parse_graph(text), {}, remarks).plan);
    };
    const std::string swish = convolution(R"(c = Conv(dx, dw, db)
          q = QuantizeLinear(c, ys, yz)
          d = DequantizeLinear(q, ys, yz)
          g = Sigmoid(d)
          m = Mul(d, g)
          y = QuantizeLinear(m, xs, xz)
    )");
    CHECK(has(fused(swish, 1), "QLinearConv"));
    const std::string plan = plan_of(swish);
    CHECK(plan.find("quantized_convolution") != std::string::npos);
    CHECK(plan.find("sigmoid") == std::string::npos);
    CHECK(plan.find("byte_table") == std::string::npos);

    const std::string alone = plan_of(R"(graph (x: u8[16,16]) -> (y) {
          s = constant f32[] {0.02}
          z = constant u8[] {128}
          d = DequantizeLinear(x, s, z)
          t = Tanh(d)
          y = QuantizeLinear(t, s, z)
        })");
    CHECK(alone.find("byte_table") != std::string::npos);
    CHECK(alone.find("tanh") == std::string::npos);
}

TEST_CASE("fuse_quantized: Concat is one of integers between any scales") {
    const auto ops = fused(R"(graph (r: f32[1,2,4,4]) -> (y) {
          s = constant f32[] {0.02}
          z = constant u8[] {128}
          s2 = constant f32[] {0.05}
          z2 = constant u8[] {7}
          a = QuantizeLinear(r, s, z)
          b = QuantizeLinear(r, s2, z2)
          da = DequantizeLinear(a, s, z)
          db = DequantizeLinear(b, s2, z2)
          c = Concat(da, db, da) {axis=1}
          y = QuantizeLinear(c, s, z)
        })",
                           0);
    CHECK(ops == std::vector<std::string>{"Map", "Map", "Map", "Map", "Concat"});
}

TEST_CASE("audit_int8: layers of which two products of a channel can exceed 16 bits") {
    const auto audited = [](const std::string& weights, const std::string& zero) {
        Graph graph = typed_graph("graph (x: u8[1,3,2,2]) -> (y) {\n w = constant i8[2,3,1,1] {" + weights +
                                  "}\n xz = constant u8[] {0}\n wz = constant i8[] {" + zero +
                                  "}\n y = ConvInteger(x, w, xz, wz)\n}");
        const std::vector<Int8Layer> layers = audit_int8(graph);
        REQUIRE(layers.size() == 1);
        CHECK(layers[0].channels == 2);
        return layers[0].saturating;
    };
    CHECK(audited("64,0,64, 100,28,-100", "0") == 0);  // 255 * 128 is below 2^15
    CHECK(audited("64,0,65, 100,28,-100", "0") == 1);
    CHECK(audited("64,0,65, -100,28,-29", "0") == 2);
    CHECK(audited("127,-128,0, 1,2,3", "0") == 0);  // products of opposite signs
    CHECK(audited("64,0,64, 1,2,3", "-1") == 1);
}
