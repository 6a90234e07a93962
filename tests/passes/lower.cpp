#include <doctest/doctest.h>
#include <fmt/format.h>

#include "tests/passes/lowering.hpp"

using namespace igata;

TEST_CASE("lower: a convolution reads an NHWC input through its Transpose, and writes the same order") {
    Remarks remarks;
    const Plan plan = lowered(R"(graph g (x: f32[N,8,8,3]) -> (y) {
  w = constant f32[4,3,1,1] {1,2,3,4,5,6,7,8,9,10,11,12}
  t = Transpose(x) {perm=[0,3,1,2]}
  c = Conv(t, w)
  y = Transpose(c) {perm=[0,2,3,1]}
})",
                              remarks);
    CHECK(steps_of(plan) ==
          "convolution c src=in0:f32[1,3,8,8]@nhwc weights=w1:f32[4,3,1,1] dst=out0:f32[1,4,8,8]@nhwc\n");
    for (const Remark& remark : remarks.all()) CHECK(remark.pass != "lower");
}

TEST_CASE("lower: an NCHW input of a convolution is reordered once, with a remark") {
    Remarks remarks;
    const Plan plan = lowered(R"(graph g (x: f32[1,3,8,8]) -> (y) {
  w = constant f32[2,3,1,1] {1,2,3,4,5,6}
  c = Conv(x, w)
  p = GlobalAveragePool(c)
  y = Reshape(p, s)
  s = constant i64[2] {1,2}
})",
                              remarks);
    CHECK(plan.steps.size() == 3);
    CHECK(remarks.all().size() == 1);
}

TEST_CASE("lower: an elementwise step before a convolution writes the order that it reads") {
    const Plan plan = lowered(R"(graph g (x: f32[1,3,8,8]) -> (y) {
  w = constant f32[2,3,1,1] {1,2,3,4,5,6}
  a = Map(x) => max(x0, 0)
  c = Conv(a, w)
  y = GlobalMaxPool(c)
})");
    CHECK(
        steps_of(plan).starts_with("loop a [64,3] x0=in0:f32(1,64) dst=b1:f32(3,1) {max(x0, 0)}\n"
                                   "convolution c src=b1:f32[1,3,8,8]@nhwc"));
}

TEST_CASE("lower: epilogues become post-ops") {
    const auto epilogue_of = [](const std::string& epilogue, const std::string& operands = "") {
        const std::string steps = steps_of(
            lowered(std::string(R"(graph g (x: f32[1,2,4,4], q: f32[1,4,4,2], s: f32[1,2,1,1], r: f32[1,2,4,4]) -> (y) {
  w = constant f32[2,2,1,1] {1,2,3,4}
  k = constant f32[2,1,1] {5,6}
  u = Map(q) => max(x0, 0)
  v = Transpose(u) {perm=[0,3,1,2]}
  c = Conv(x, w)") + (operands.empty() ? "" : " | " + operands) +
                    ") => " + epilogue + R"(
  y = GlobalMaxPool(c)
})"));
        const std::size_t begin = steps.find("convolution");
        const std::size_t end = steps.find('\n', begin);
        std::string line = steps.substr(begin, end - begin);
        line = line.substr(line.find("dst="));
        const std::size_t found = line.find("epilogue=");
        std::string text = found == std::string::npos ? "" : line.substr(found + 9);
        if (steps.find("loop c", end) != std::string::npos) {
            const std::size_t body = steps.find('{', steps.find("loop c", end));
            text += " rest " + steps.substr(body, steps.find('}', body) + 1 - body);
        }
        return text;
    };
    CHECK(epilogue_of("max(x0, 0)") == "[relu]");
    CHECK(epilogue_of("select(x0 < 0, 0.1 * x0, x0)") == "[relu(0.1)]");
    CHECK(epilogue_of("min(max(x0, 0), 6)") == "[clip(0.0,6.0)]");
    CHECK(epilogue_of("max(min(x0, 6), 0)") == "[clip(0.0,6.0)]");
    CHECK(epilogue_of("min(max(x0, 3), 1)") == " rest {min(max(x0, 3), 1)}");
    CHECK(epilogue_of("x0 * sigmoid(x0)") == "[swish(1.0)]");
    CHECK(epilogue_of("sigmoid(1.5 * x0) * x0") == "[swish(1.5)]");
    CHECK(epilogue_of("sigmoid(x0)") == "[sigmoid]");
    CHECK(epilogue_of("select(x0 < 0, 2 * (exp(x0) - 1), x0)") == "[elu(2.0)]");
    CHECK(epilogue_of("min(max(0.2 * x0 + 0.5, 0), 1)") == "[hardsigmoid(0.2,0.5)]");
    CHECK(epilogue_of("x0 * min(max(0.125 * x0 + 0.5, 0), 1)") == "[hardswish(0.125,0.5)]");
    CHECK(epilogue_of("x0 * (min(max(x0 + 3, 0), 6) / 6)") == "[hardswish(0.16666667,0.5)]");
    CHECK(epilogue_of("x0 * min(max(x0 + 3, 0), 6)") == "[hardswish(0.16666667,0.5) linear(6.0)]");
    CHECK(epilogue_of("x0 * (erf(x0 / 1.4142135623730951) + 1) * 0.5") == "[gelu_erf]");
    CHECK(epilogue_of("0.5 * x0 * (erf(x0 * 0.7071067811865476) + 1)") == "[gelu_erf]");
    CHECK(epilogue_of("x0 * 0.5 * (tanh(0.7978845608 * (x0 + 0.044715 * pow(x0, 3))) + 1)") == "[gelu_tanh]");
    CHECK(epilogue_of("x0 * tanh(max(x0, 0) + log1p(exp(-abs(x0))))") == "[mish]");
    CHECK(epilogue_of("max(x0, 0) + log1p(exp(-abs(x0)))") == "[softplus]");
    CHECK(epilogue_of("tanh(3 * x0 - 1)") == "[linear(3.0,-1.0) tanh]");
    CHECK(epilogue_of("round(max(x0, 0))") == "[relu] rest {round(x0)}");
    CHECK(epilogue_of("sin(x0) * x0") == " rest {sin(x0) * x0}");
    CHECK(epilogue_of("exp(sqrt(abs(tanh(sigmoid(x0)))))") == "[sigmoid tanh abs sqrt] rest {exp(x0)}");
    CHECK(epilogue_of("max(x0 * x1, 0)", "s") == "[mul(in2:f32[1,2,1,1]) relu]");
    CHECK(epilogue_of("x1 - x0", "s") == "[linear(-1.0) add(in2:f32[1,2,1,1])]");
    CHECK(epilogue_of("x1 / x0", "s") == " rest {x1 / x0}");
    // A row-major residual is read by a loop; one in the order of the result, and dead here, by a sum.
    CHECK(epilogue_of("x0 + x1", "r") == " rest {x0 + x1}");
    CHECK(epilogue_of("max(x0 + x1, 0)", "v") == "[sum relu]");
    CHECK(epilogue_of("x0 + x1 * 2", "v") == " rest {x0 + x1 * 2}");
}

TEST_CASE("lower: a constant added first is the bias") {
    CHECK(steps_of(lowered(R"(graph g (x: f32[1,4,4,2]) -> (y) {
  w = constant f32[2,2,1,1] {1,2,3,4}
  k = constant f32[2,1,1] {5,6}
  t = Transpose(x) {perm=[0,3,1,2]}
  c = Conv(t, w | k) => max(x0 + x1, 0)
  y = Transpose(c) {perm=[0,2,3,1]}
})")) == "convolution c src=in0:f32[1,2,4,4]@nhwc weights=w1:f32[2,2,1,1] bias=w2:f32[2] dst=out0:f32[1,2,4,4]@nhwc "
         "epilogue=[relu]\n");
}

TEST_CASE("lower: a copy from one dense axis to another is a transposition, if both are long enough") {
    const auto is_transposition = [](const std::string& text) {
        const Plan plan = lowered(text);
        const auto* kernel = std::get_if<runtime::KernelSpec>(&plan.steps.at(0).spec);
        return kernel != nullptr && std::string(kernel->name) == "transpose";
    };
    const auto transposed = [](const std::string& type, const std::string& perm, const std::string& more = "") {
        return "graph g (x: " + type + ") -> (y) {\n  t = Transpose(x) {perm=" + perm +
               "}\n  y = " + (more.empty() ? "Identity" : more) + "(t)\n}";
    };
    CHECK(is_transposition(transposed("f32[2,16,5,10]", "[0,2,3,1]")));
    CHECK(is_transposition(transposed("u8[2,16,5,10]", "[0,2,3,1]")));
    CHECK_FALSE(is_transposition(transposed("f32[1,3,8,8]", "[0,2,3,1]")));
    CHECK_FALSE(is_transposition(transposed("f32[8,9,16]", "[1,0,2]")));
    CHECK_FALSE(is_transposition(transposed("f32[16,32]", "[1,0]", "Sqrt")));
}

TEST_CASE("lower: a reduction of nothing is one constant, however large its result or its other axes are") {
    const auto constant_bytes = [](const std::string& type, const std::string& axes) {
        std::int64_t bytes = 0;
        for (const Buffer& buffer :
             lowered("graph g (x: " + type + ") -> (y) {\n  a = constant i64" + axes + "\n  y = ReduceProd(x, a)\n}")
                 .buffers)
            if (buffer.constant) bytes += buffer.bytes;
        return bytes;
    };
    CHECK(constant_bytes("f32[0,500000000]", "[1] {0}") == 4);
    CHECK(constant_bytes("f32[8000000000,0]", "[2] {0,1}") == 4);
}

TEST_CASE("lower: a residual is overwritten only where it dies") {
    const auto steps = [](const std::string& more, const std::string& outputs) {
        return steps_of(lowered("graph g (x: f32[1,4,4,2]) -> (" + outputs + R"() {
  w = constant f32[2,2,1,1] {1,2,3,4}
  t = Transpose(x) {perm=[0,3,1,2]}
  a = Conv(t, w)
  b = Conv(a, w)
  c = Conv(b, w | a) => x0 + x1
)" + more + R"(  y = Transpose(c) {perm=[0,2,3,1]}
})"));
    };
    CHECK(steps("", "y").find("dst=out0:f32[1,2,4,4]@nhwc epilogue=[sum]") != std::string::npos);
    // Read again later.
    CHECK(steps("  d = Conv(a, w)\n  z = Transpose(d) {perm=[0,2,3,1]}\n", "y, z").find("epilogue=[add(") !=
          std::string::npos);
    // Wanted by the caller.
    CHECK(steps("  z = Transpose(a) {perm=[0,2,3,1]}\n", "y, z").find("epilogue=[add(") != std::string::npos);
    // The convolution reads it itself.
    CHECK(steps_of(lowered(R"(graph g (x: f32[1,4,4,2]) -> (y) {
  w = constant f32[2,2,1,1] {1,2,3,4}
  t = Transpose(x) {perm=[0,3,1,2]}
  a = Conv(t, w)
  b = Conv(a, w | a) => x0 + x1
  y = Transpose(b) {perm=[0,2,3,1]}
})"))
              .find("sum") == std::string::npos);
    // The caller's own memory.
    CHECK(steps_of(lowered(R"(graph g (x: f32[1,4,4,2]) -> (y) {
  w = constant f32[2,2,1,1] {1,2,3,4}
  t = Transpose(x) {perm=[0,3,1,2]}
  a = Conv(t, w)
  b = Conv(a, w | t) => x0 + x1
  y = Transpose(b) {perm=[0,2,3,1]}
})"))
              .find("sum") == std::string::npos);
}

TEST_CASE("lower: outputs that are inputs, constants or shared are copied") {
    Remarks remarks;
    const Plan plan = lowered(R"(graph g (x: f32[2,3]) -> (a = x, b = k, c = y, d = y) {
  k = constant f32[2] {1,2}
  y = Map(x) => max(x0, 0)
})",
                              remarks);
    CHECK(plan.steps.size() == 4);
    CHECK(plan.outputs.size() == 4);
    CHECK(remarks.all().size() == 3);
}

TEST_CASE("lower: reshapes are views where strides allow") {
    CHECK(lowered(R"(graph g (x: f32[2,3,4]) -> (y) {
  s = constant i64[2] {6,4}
  a = Map(x) => max(x0, 0)
  y = Reshape(a, s)
})")
              .steps.size() == 1);
    // A transposed matrix cannot be flattened in place.
    CHECK(lowered(R"(graph g (x: f32[2,3]) -> (y) {
  s = constant i64[1] {6}
  a = Transpose(x) {perm=[1,0]}
  y = Reshape(a, s)
})")
              .steps.size() == 1);
}

TEST_CASE("lower: a batch left open makes a batched plan") {
    const auto batched = [](const std::string& in, const std::string& out) {
        return lowered("graph g (x: f32[" + in + "]) -> (y: [" + out + "]) {\n  y = Map(x) => max(x0, 0)\n}").batched;
    };
    CHECK(batched("unk__1292,3", "unk__1293,3"));
    CHECK(batched("N,3", "N,3"));
    CHECK_FALSE(batched("1,3", "1,3"));
    CHECK_FALSE(batched("N,3", "1,3"));
}

TEST_CASE("lower: a plan is batched only where no node mixes the items") {
    const auto batched = [](const std::string& nodes) {
        return lowered(
                   "graph g (x: f32[N,3,4]) -> (y: [M,?,?]) {\n  w = constant f32[4,4] "
                   "{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16}\n"
                   "  zero = constant i64[1] {0}\n  one = constant i64[1] {1}\n  flat = constant i64[3] {1,1,-1}\n  "
                   "keep = constant i64[3] {0,4,3}\n" +
                   nodes + "}")
            .batched;
    };
    CHECK(batched("  y = MatMul(x, w)\n"));
    CHECK(batched("  y = Softmax(x) {axis=1}\n"));
    CHECK(batched("  y = Softmax(x) {axis=-1}\n"));
    CHECK_FALSE(batched("  y = Softmax(x) {axis=0}\n"));
    CHECK(batched("  m = ReduceMean(x, one)\n  y = Sub(x, m)\n"));
    CHECK_FALSE(batched("  m = ReduceMean(x, zero)\n  y = Sub(x, m)\n"));
    CHECK(batched("  y = Reshape(x, keep)\n"));
    const std::string reversal = "  last = constant i64[1] {-1}\n  far = constant i64[1] {-100}\n";
    CHECK_FALSE(batched(reversal + "  y = Slice(x, last, far, zero, last)\n"));
    CHECK(batched("  far = constant i64[1] {100}\n  y = Slice(x, one, far, one, one)\n"));
    CHECK(batched("  t = Transpose(x) {perm=[1,0,2]}\n  s = Softmax(t) {axis=0}\n  y = Transpose(s) {perm=[1,0,2]}\n"));
    CHECK_FALSE(
        batched("  t = Transpose(x) {perm=[1,0,2]}\n  s = Softmax(t) {axis=1}\n  y = Transpose(s) {perm=[1,0,2]}\n"));
    CHECK_FALSE(batched("  t = Transpose(x) {perm=[2,1,0]}\n  m = ReduceMax(t, one)\n  y = Mul(m, x)\n"));
    CHECK_FALSE(
        batched("  t = Transpose(x) {perm=[1,0,2]}\n  u = Transpose(x) {perm=[1,2,0]}\n  m = MatMul(t, u)\n"
                "  y = Transpose(m) {perm=[1,2,0]}\n"));
}

TEST_CASE("lower: what a Concat alone reads is made in its place, also where channels lie innermost") {
    const Plan plan = lowered(R"(graph g (x: f32[1,2,4,4], z: f32[1,3,4,4]) -> (y) {
  w = constant f32[1,5,1,1] {1,2,3,4,5}
  a = Map(x) => max(x0, 0)
  b = Map(z) => x0 + 1
  j = Concat(a, b) {axis=1}
  c = Conv(j, w)
  y = GlobalMaxPool(c)
})");
    CHECK(
        steps_of(plan).starts_with("loop a [16,2] x0=in0:f32(1,16) dst=b1:f32(5,1) {max(x0, 0)}\n"
                                   "loop b [16,3] x0=in1:f32(1,16) dst=b1+8:f32(5,1) {x0 + 1}\n"
                                   "convolution c src=b1:f32[1,5,4,4]@nhwc"));
}

TEST_CASE("lower: a primitive makes its result in the place of a Concat only where that is dense") {
    const auto plan_with = [](int axis) {
        return steps_of(lowered(fmt::format(R"(graph g (x: f32[1,2,4,4]) -> (y) {{
  w = constant f32[2,2,1,1] {{1,2,3,4}}
  a = Conv(x, w)
  b = Conv(a, w)
  j = Concat(a, b) {{axis={}}}
  y = GlobalMaxPool(j)
}})",
                                            axis)));
    };
    const std::string along_rows = plan_with(2);
    CHECK(along_rows.find("dst=b2:f32[1,2,4,4]@nhwc\n") != std::string::npos);
    CHECK(along_rows.find("convolution b src=b2:f32[1,2,4,4]@nhwc weights=w1:f32[2,2,1,1] "
                          "dst=b2+128:f32[1,2,4,4]@nhwc\n") != std::string::npos);
    CHECK(along_rows.find("loop j") == std::string::npos);
    const std::string along_channels = plan_with(1);
    CHECK(along_channels.find("loop j") != std::string::npos);
    CHECK(along_channels.find("loop j.2") != std::string::npos);
}

TEST_CASE("lower: a part of a Concat that somebody else reads, or that is an output, is copied") {
    const std::string shared = steps_of(lowered(R"(graph g (x: f32[1,2,4,4], z: f32[1,3,4,4]) -> (y, b) {
  w = constant f32[1,2,1,1] {1,2}
  a = Map(x) => max(x0, 0)
  b = Map(z) => x0 + 1
  j = Concat(a, b) {axis=1}
  c = Conv(a, w)
  k = Concat(c, j) {axis=1}
  y = GlobalMaxPool(k)
})"));
    CHECK(shared.find("loop j [") != std::string::npos);
    CHECK(shared.find("loop j.2 [") != std::string::npos);
}
