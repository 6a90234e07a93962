// Elementwise operators against numbers computed by other means.
#include <doctest/doctest.h>

#include <cmath>
#include <map>

#include "compiler/diagnostics.hpp"
#include "compiler/ops/elementwise.hpp"
#include "tests/ops/evaluate.hpp"
#include "tests/ops/run_op.hpp"

using namespace igata;
using namespace igata::test;

namespace {

template <class T>
Tensor list(const std::vector<T>& values) {
    return Tensor::of<T>({static_cast<std::int64_t>(values.size())}, values);
}
Tensor floats(const std::vector<float>& values) { return list<float>(values); }
Tensor longs(const std::vector<std::int64_t>& values) { return list<std::int64_t>(values); }
Attr real(float value) { return value; }

void check_close(const Tensor& actual, const std::vector<double>& expected, double tolerance, const std::string& what) {
    const std::vector<double> values = actual.to_f64();
    REQUIRE(values.size() == expected.size());
    for (std::size_t i = 0; i < values.size(); ++i)
        CHECK_MESSAGE(std::abs(values[i] - expected[i]) <= tolerance * std::max(1.0, std::abs(expected[i])), what, "[",
                      i, "] is ", values[i], ", not ", expected[i]);
}

/// In every floating type, to its precision.
void check_function(const std::string& op, const std::vector<double>& x, const std::vector<double>& y,
                    const Attrs& attrs = {}) {
    const Tensor input = list<double>(x);
    for (const auto& [dtype, tolerance] : std::map<DataType, double>{
             {DataType::f64, 6e-8}, {DataType::f32, 4e-7}, {DataType::f16, 1e-3}, {DataType::bf16, 8e-3}}) {
        const Tensor result = run_single({op, {input.cast(dtype)}, attrs});
        CHECK(result.dtype() == dtype);
        check_close(result, y, tolerance, op + " " + std::string(name_of(dtype)));
    }
}

}  // namespace

TEST_CASE("functions of one variable") {
    const std::vector<double> x{-3, -1, -0.5, -0.0, 0.25, 1, 2.5};
    const std::map<std::string, std::vector<double>> expected{
        {"Abs", {3, 1, 0.5, 0, 0.25, 1, 2.5}},
        {"Asinh", {-1.8184465, -0.88137359, -0.48121183, 0, 0.24746646, 0.88137359, 1.6472311}},
        {"Atan", {-1.2490458, -0.78539816, -0.46364761, 0, 0.24497866, 0.78539816, 1.1902899}},
        {"Ceil", {-3, -1, 0, 0, 1, 1, 3}},
        {"Celu", {-0.95021293, -0.63212056, -0.39346934, 0, 0.25, 1, 2.5}},
        {"Cos", {-0.9899925, 0.54030231, 0.87758256, 1, 0.96891242, 0.54030231, -0.80114362}},
        {"Cosh", {10.067662, 1.5430806, 1.127626, 1, 1.0314131, 1.5430806, 6.1322895}},
        {"Elu", {-0.95021293, -0.63212056, -0.39346934, 0, 0.25, 1, 2.5}},
        {"Erf", {-0.99997791, -0.84270079, -0.52049988, 0, 0.27632639, 0.84270079, 0.99959305}},
        {"Exp", {0.049787068, 0.36787944, 0.60653066, 1, 1.2840254, 2.7182818, 12.182494}},
        {"Floor", {-3, -1, -1, 0, 0, 1, 2}},
        {"Gelu", {-0.0040496941, -0.15865525, -0.15426877, 0, 0.14967658, 0.84134475, 2.4844758}},
        {"HardSigmoid", {0, 0.3, 0.4, 0.5, 0.55, 0.7, 1}},
        {"HardSwish", {0, -0.33333333, -0.20833333, 0, 0.13541667, 0.66666667, 2.2916667}},
        {"LeakyRelu", {-0.03, -0.01, -0.005, 0, 0.25, 1, 2.5}},
        {"Mish", {-0.14564746, -0.30340146, -0.22074377, 0, 0.16957241, 0.86509839, 2.4713923}},
        {"Neg", {3, 1, 0.5, 0, -0.25, -1, -2.5}},
        {"Relu", {0, 0, 0, 0, 0.25, 1, 2.5}},
        {"Round", {-3, -1, 0, 0, 0, 1, 2}},
        {"Selu", {-1.6705687, -1.1113307, -0.69175819, 0, 0.26267525, 1.050701, 2.6267525}},
        {"Shrink", {-3, -1, 0, 0, 0, 1, 2.5}},
        {"Sigmoid", {0.047425873, 0.26894142, 0.37754067, 0.5, 0.5621765, 0.73105858, 0.92414182}},
        {"Sign", {-1, -1, -1, 0, 1, 1, 1}},
        {"Sin", {-0.14112001, -0.84147098, -0.47942554, 0, 0.24740396, 0.84147098, 0.59847214}},
        {"Sinh", {-10.017875, -1.1752012, -0.52109531, 0, 0.25261232, 1.1752012, 6.0502045}},
        {"Softplus", {0.048587352, 0.31326169, 0.47407698, 0.69314718, 0.82593942, 1.3132617, 2.5788897}},
        {"Softsign", {-0.75, -0.5, -0.33333333, 0, 0.2, 0.5, 0.71428571}},
        {"Swish", {-0.14227762, -0.26894142, -0.18877033, 0, 0.14054413, 0.73105858, 2.3103545}},
        {"Tan", {0.14254654, -1.5574077, -0.54630249, 0, 0.25534192, 1.5574077, -0.7470223}},
        {"Tanh", {-0.99505475, -0.76159416, -0.46211716, 0, 0.24491866, 0.76159416, 0.9866143}},
        {"ThresholdedRelu", {0, 0, 0, 0, 0, 0, 2.5}},
    };
    for (const auto& [op, y] : expected) check_function(op, x, y);
    check_function("Acos", {0.125, 0.5, 1}, {1.4454685, 1.0471976, 0});
    check_function("Asin", {0.125, 0.5, 1}, {0.12532783, 0.52359878, 1.5707963});
    check_function("Acosh", {1, 2, 4}, {0, 1.3169579, 2.0634371});
    check_function("Atanh", {-0.5, 0, 0.75}, {-0.54930614, 0, 0.97295507});
    check_function("Log", {0.125, 0.5, 1}, {-2.0794415, -0.69314718, 0});
    check_function("Sqrt", {0.125, 0.5, 1}, {0.35355339, 0.70710678, 1});
    check_function("Reciprocal", {0.125, 0.5, 1}, {8, 2, 1});
}

TEST_CASE("attributes of activations") {
    check_function("LeakyRelu", {-2, 2}, {-0.5, 2}, {{"alpha", real(0.25F)}});
    check_function("Elu", {-1, 2}, {-1.2642411, 2}, {{"alpha", real(2)}});
    check_function("Celu", {-1, 2}, {-0.78693868, 2}, {{"alpha", real(2)}});
    check_function("Selu", {-1, 2}, {-3.7927234, 6}, {{"alpha", real(2)}, {"gamma", real(3)}});
    check_function("HardSigmoid", {-1, 0, 1}, {0, 0.25, 0.75}, {{"alpha", real(0.5F)}, {"beta", real(0.25F)}});
    check_function("ThresholdedRelu", {2, 2.5}, {0, 2.5}, {{"alpha", real(2)}});
    check_function("Shrink", {-2, -1, 1, 2}, {-1.5, 0, 0, 1.5}, {{"lambd", real(1.5F)}, {"bias", real(0.5F)}});
    check_function("Swish", {-1, 1}, {-0.11920292, 0.88079708}, {{"alpha", real(2)}});
    check_function("Gelu", {-1.5}, {-0.10042842}, {{"approximate", text("tanh")}});
    CHECK(run_single({"Shrink", {list<std::int32_t>({-3, -1, 1, 3})}, {{"lambd", real(1.5F)}, {"bias", real(1.5F)}}}) ==
          list<std::int32_t>({-1, 0, 0, 1}));
    CHECK_THROWS_WITH_AS(run_op({"Gelu", {floats({1})}, {{"approximate", text("fast")}}}),
                         "Gelu 'node': approximate must be none or tanh, got 'fast'", BadInput);
}

TEST_CASE("activations keep NaN and survive large arguments") {
    for (const char* op : {"Relu", "LeakyRelu", "Elu", "Selu", "Celu", "Sigmoid", "HardSigmoid", "HardSwish", "Mish",
                           "Softplus", "Tanh", "Gelu", "Swish", "Softsign", "Clip"}) {
        const float result = run_single({op, {floats({not_a_number})}}).values<float>()[0];
        CHECK_MESSAGE(std::isnan(result), op);
    }
    CHECK(run_single({"Softplus", {floats({1000, -1000})}}) == floats({1000, 0}));
    CHECK(run_single({"Mish", {floats({1000})}}) == floats({1000}));
    CHECK(run_single({"Sigmoid", {floats({1000, -1000})}}) == floats({1, 0}));
    CHECK(run_single({"Round", {floats({2.5F, 3.5F, -2.5F, 1e10F})}}) == floats({2, 4, -2, 1e10F}));
}

TEST_CASE("arithmetic in each class of types, broadcast") {
    CHECK(run_single({"Add", {Tensor::of<float>({2, 1}, {1, 2}), floats({10, 20})}}) ==
          Tensor::of<float>({2, 2}, {11, 21, 12, 22}));
    const std::int64_t beyond_double = (std::int64_t{1} << 53) + 1;
    CHECK(run_single({"Mul", {longs({beyond_double}), Tensor::scalar<std::int64_t>(3)}}) == longs({3 * beyond_double}));
    CHECK(run_single({"Div", {longs({7, -7, 5}), longs({2, 2, 0})}}) == longs({3, -3, 0}));
    CHECK(run_single({"Sub", {list<std::uint8_t>({1}), list<std::uint8_t>({2})}}) == list<std::uint8_t>({255}));
    CHECK(run_single({"Mod", {longs({-4, 7, 5}), longs({3, -3, -8})}}) == longs({2, -2, -3}));
    CHECK(run_single({"Mod", {longs({-4, 7, 5}), longs({3, -3, -8})}, {{"fmod", attr(1)}}}) == longs({-1, 1, 5}));
    CHECK(run_single({"Mod", {floats({-4.5F, 7}), floats({3, -3})}, {{"fmod", attr(1)}}}) == floats({-1.5F, 1}));
    CHECK(run_single({"Abs", {list<std::int8_t>({-5, 5})}}) == list<std::int8_t>({5, 5}));
    CHECK(run_single({"Where", {bools({true, false}), longs({1, 2}), Tensor::scalar<std::int64_t>(9)}}) ==
          longs({1, 9}));
    CHECK(run_single({"PRelu", {Tensor::of<float>({2, 2}, {-1, -2, -3, 4}), floats({2, 3})}}) ==
          Tensor::of<float>({2, 2}, {-2, -6, -6, 4}));
    CHECK_THROWS_WITH_AS(run_op({"Add", {floats({1}), longs({1})}}), "Add 'node': add of f32 and i64", BadInput);
    CHECK_THROWS_WITH_AS(run_op({"Add", {floats({1, 2}), floats({1, 2, 3})}}),
                         "Add 'node': shapes [2] and [3] do not broadcast", BadInput);
    CHECK_THROWS_WITH_AS(run_op({"Sqrt", {longs({4})}, {}, 13}),
                         "Sqrt 'node' (opset 13): takes floating-point numbers, got i64", BadInput);
    CHECK_THROWS_WITH_AS(run_op({"Add", {floats({1})}}), "Add 'node': takes 2 inputs, got 1", BadInput);
}

TEST_CASE("Pow has the type of its base") {
    CHECK(run_single({"Pow", {floats({2, 9}), longs({3, -1})}}).dtype() == DataType::f32);
    check_close(run_single({"Pow", {floats({2, 9}), longs({3, -1})}}), {8, 1.0 / 9}, 1e-6, "Pow");
    CHECK(run_single({"Pow", {list<std::int32_t>({4, 3}), floats({0.5F, 2})}}) == list<std::int32_t>({2, 9}));
    CHECK(run_single({"Pow", {longs({3, -2}), list<std::int32_t>({39, 3})}}) == longs({4052555153018976267, -8}));
    CHECK(run_single({"Pow", {list<double>({2}), floats({0.5F})}}) == list<double>({std::sqrt(2.0)}));
}

TEST_CASE("comparisons, logic and bits") {
    CHECK(run_single({"Equal", {longs({1, 2}), longs({1, 3})}}) == bools({true, false}));
    CHECK(run_single({"Equal", {bools({true, false}), bools({true, true})}}) == bools({true, false}));
    CHECK(run_single({"Less", {floats({1, not_a_number}), floats({2, 2})}}) == bools({true, false}));
    CHECK(run_single({"GreaterOrEqual", {floats({2, not_a_number}), floats({2, 2})}}) == bools({true, false}));
    CHECK(run_single({"Xor", {bools({true, true}), bools({true, false})}}) == bools({false, true}));
    CHECK(run_single({"And", {bools({true, true}), bools({true, false})}}) == bools({true, false}));
    CHECK(run_single({"Or", {bools({false, true}), bools({false, false})}}) == bools({false, true}));
    CHECK(run_single({"Not", {bools({false, true})}}) == bools({true, false}));
    CHECK(run_single({"BitwiseAnd", {longs({12}), longs({10})}}) == longs({8}));
    CHECK(run_single({"BitwiseNot", {list<std::uint8_t>({12})}}) == list<std::uint8_t>({243}));
    const Tensor ones = list<std::uint32_t>({1, 1U << 31});
    const Tensor by = list<std::uint32_t>({4, 1});
    CHECK(run_single({"BitShift", {ones, by}, {{"direction", text("LEFT")}}}) == list<std::uint32_t>({16, 0}));
    CHECK(run_single({"BitShift", {ones, by}, {{"direction", text("RIGHT")}}}) == list<std::uint32_t>({0, 1U << 30}));
    CHECK_THROWS_WITH_AS(run_op({"BitShift", {ones, by}}), "BitShift 'node': attribute 'direction' is missing",
                         BadInput);
    const Tensor special = floats({infinity, -infinity, not_a_number, 1});
    CHECK(run_single({"IsNaN", {special}}) == bools({false, false, true, false}));
    CHECK(run_single({"IsInf", {special}}) == bools({true, true, false, false}));
    CHECK(run_single({"IsInf", {special}, {{"detect_negative", attr(0)}}}) == bools({true, false, false, false}));
    CHECK(run_single({"IsInf", {special}, {{"detect_positive", attr(0)}}}) == bools({false, true, false, false}));
    CHECK(run_single({"IsInf", {special}, {{"detect_positive", attr(0)}, {"detect_negative", attr(0)}}}) ==
          bools({false, false, false, false}));
}

TEST_CASE("variadic operators") {
    const Tensor a = floats({1, 5});
    const Tensor b = floats({3, not_a_number});
    const Tensor c = Tensor::of<float>({1}, {2});
    CHECK(run_single({"Max", {a, c}}) == floats({2, 5}));
    CHECK(std::isnan(run_single({"Min", {a, b, c}}).values<float>()[1]));
    CHECK(run_single({"Sum", {a, a, c}}) == floats({4, 12}));
    CHECK(run_single({"Mean", {a, a, c, Tensor::scalar(0.0F)}}) == floats({1, 3}));
    CHECK(run_single({"Max", {a}}) == a);
}

TEST_CASE("Clip takes its bounds as inputs since opset 11, as attributes before") {
    const Tensor x = floats({-2, 0.5F, 9});
    const Tensor low = Tensor::scalar(-1.0F);
    const Tensor high = Tensor::scalar(6.0F);
    CHECK(run_single({"Clip", {x, low, high}}) == floats({-1, 0.5F, 6}));
    CHECK(run_single({"Clip", {x, Tensor(), high}}) == floats({-2, 0.5F, 6}));
    CHECK(run_single({"Clip", {x, low}}) == floats({-1, 0.5F, 9}));
    CHECK(run_single({"Clip", {x}}) == x);
    CHECK(run_single({"Clip", {x, high, low}}) == floats({-1, -1, -1}));
    CHECK(run_single({"Clip", {x}, {{"min", real(0)}, {"max", real(1)}}, 6}) == floats({0, 0.5F, 1}));
    CHECK(run_single({"Clip", {longs({-5, 5}), Tensor::scalar<std::int64_t>(0)}}) == longs({0, 5}));
    CHECK_THROWS_WITH_AS(run_op({"Clip", {x, x}}), "Clip 'node': min must be one element, not f32[3]", BadInput);
}

TEST_CASE("Cast to every type, by number and by name") {
    const Tensor x = floats({-1.5F, 0, 300.7F});
    CHECK(run_single({"Cast", {x}, {{"to", attr(7)}}}) == longs({-1, 0, 300}));
    CHECK(run_single({"Cast", {x}, {{"to", attr(9)}}}) == bools({true, false, true}));
    CHECK(run_single({"Cast", {x}, {{"to", attr(2)}}}) == list<std::uint8_t>({255, 0, 44}));
    CHECK(run_single({"Cast", {x}, {{"to", attr(1)}}}) == x);
    CHECK(run_single({"Cast", {x}, {{"to", text("INT32")}}, 1}) == list<std::int32_t>({-1, 0, 300}));
    CHECK(run_single({"Cast", {longs({std::int64_t{1} << 40})}, {{"to", attr(6)}}}) == list<std::int32_t>({0}));
    CHECK(run_single({"Cast", {floats({1.0F / 3})}, {{"to", attr(16)}}}) == list<BFloat16>({BFloat16(1.0F / 3)}));
    CHECK(run_single({"CastLike", {x, longs({})}}) == longs({-1, 0, 300}));
    CHECK_THROWS_WITH_AS(run_op({"Cast", {x}, {{"to", attr(8)}}}),
                         "Cast 'node': element type 8 (strings or complex numbers) is not supported", Unsupported);
}

TEST_CASE("before opset 7 an axis says where the second operand meets the first") {
    const Tensor a = counted({2, 3, 2});
    const Tensor b = floats({10, 20, 30});
    const Attrs legacy{{"broadcast", attr(1)}, {"axis", attr(1)}};
    CHECK(run_single({"Add", {a, b}, legacy, 6}) ==
          Tensor::of<float>({2, 3, 2}, {10, 11, 22, 23, 34, 35, 16, 17, 28, 29, 40, 41}));
    CHECK(run_single({"Pow", {Tensor::of<float>({1, 2, 2}, {1, 2, 3, 4}), floats({1, 2})}, legacy, 6}) ==
          Tensor::of<float>({1, 2, 2}, {1, 2, 9, 16}));
    CHECK(run_single({"Mul", {a, floats({1, 10})}, {{"broadcast", attr(1)}}, 6}) ==
          Tensor::of<float>({2, 3, 2}, {0, 10, 2, 30, 4, 50, 6, 70, 8, 90, 10, 110}));
    CHECK(
        run_single({"Greater", {a, floats({5, 7})}, {{"broadcast", attr(1)}, {"axis", attr(0)}}, 1}) ==
        Tensor::of<bool>({2, 3, 2}, {false, false, false, false, false, false, false, false, true, true, true, true}));
    CHECK(run_single({"PRelu", {Tensor::of<float>({1, 2, 2}, {-1, -2, -3, 4}), floats({2, 3})}, {}, 6}) ==
          Tensor::of<float>({1, 2, 2}, {-2, -4, -9, 4}));
    const Graph graph = typed_graph("graph (a: f32[2,3,2], b: f32[3]) -> (c) {\n  c = AlignAxis:6(b, a) {axis=1}\n}");
    CHECK(to_string(graph.value(graph.outputs[0].value).type) == "f32[3,1]");
}

TEST_CASE("the Map form leaves absent inputs out and takes numbers in") {
    const auto form_of = [](const std::string& statement) {
        const Graph graph = typed_graph(
            "graph (x: f32[2,3], c: bool[3]) -> (y) {\n  k = constant f32[1] {0.5}\n"
            "  v = constant f32[3] {1,2,3}\n  n = constant i64[] {7}\n" +
            statement + "\n}");
        const MapForm form = map_form(graph, graph.nodes.front());
        std::string text = expr::print(form.body) + " of";
        for (const std::size_t i : form.inputs) text += " " + graph.value(graph.nodes.front().inputs[i]).name;
        return text;
    };
    CHECK(form_of("y = Mul(x, k)") == "x0 * 0.5 of x");
    CHECK(form_of("y = Mul(k, x)") == "0.5 * x0 of x");
    CHECK(form_of("y = Mul(v, x)") == "x0 * x1 of v x");
    CHECK(form_of("y = Clip(x, _, k)") == "min(x0, 0.5) of x");
    CHECK(form_of("y = CastLike(x, n)") == "cast<i64>(x0) of x");
    CHECK(form_of("y = Where(c, k, x)") == "select(x0, 0.5, x1) of c x");
}

namespace {

/// The plan gives what the operators' definitions give, NaN for NaN.
void check_plan(const Graph& graph, const std::vector<Tensor>& inputs) {
    const std::vector<Tensor> expected = evaluate(graph, inputs);
    const std::vector<Tensor> results = run_plan(graph, inputs);
    REQUIRE(results.size() == expected.size());
    for (std::size_t i = 0; i < results.size(); ++i) {
        REQUIRE(results[i].type() == expected[i].type());
        const std::vector<double> a = results[i].to_f64();
        const std::vector<double> b = expected[i].to_f64();
        for (std::size_t k = 0; k < a.size(); ++k)
            CHECK((a[k] == b[k] || (std::isnan(a[k]) && std::isnan(b[k])) ||
                   std::abs(a[k] - b[k]) <= 1e-3 * std::abs(b[k])));
    }
}

}  // namespace

TEST_CASE("samples of every operator that has them compute the same as a plan") {
    int samples = 0;
    for (const OpDef& op : Registry::instance().all()) {
        for (std::uint32_t seed = 0; op.sample && seed < 12; ++seed, ++samples) {
            const std::string source = op.sample(seed);
            CAPTURE(source);
            const Graph graph = typed_graph(source);
            check_plan(graph, ramps(graph));
        }
    }
    CHECK(samples > 600);
}

TEST_CASE("numbers that alone decide the type of a body have that of the result") {
    for (const char* type : {"f32", "f16", "bf16", "f64", "u8", "i32", "i64"}) {
        const std::string constant = std::string(" = constant ") + type;
        CAPTURE(constant);
        const Graph graph = typed_graph("graph (c: bool[4]) -> (y) {\n  a" + constant + "[] {3}\n  b" + constant +
                                        "[1] {7}\n  y = Where(c, a, b)\n}");
        check_plan(graph, {Tensor::of<bool>({4}, {true, false, false, true})});
    }
}

TEST_CASE("more inputs than a loop takes become several loops") {
    for (const char* op : {"Sum", "Max", "Mean"}) {
        std::string inputs;
        std::string names;
        const int count = std::string(op) == "Max" ? 600 : 30;  // with so many, all but linear work would be felt
        for (int i = 0; i < count; ++i) {
            inputs += (i == 0 ? "x" : ", x") + std::to_string(i) + (i % 3 == 0 ? ": f32[4,1]" : ": f32[3]");
            names += (i == 0 ? "x" : ", x") + std::to_string(i);
        }
        const Graph graph = typed_graph("graph (" + inputs + ") -> (y) {\n  y = " + op + "(" + names + ")\n}");
        CHECK(graph.value(graph.outputs[0].value).type.dims == Dims{4, 3});
        check_plan(graph, ramps(graph));
    }
}

TEST_CASE("every operator of the registry is complete and sorted") {
    const std::vector<OpDef>& all = Registry::instance().all();
    for (std::size_t i = 0; i < all.size(); ++i) {
        CAPTURE(all[i].name);
        CHECK((all[i].infer || all[i].expand));
        CHECK((all[i].eval || all[i].expression || all[i].expand));
        CHECK(!all[i].family.empty());
        CHECK(all[i].since <= all[i].newest);
        CHECK(Registry::instance().find(all[i].name) == &all[i]);
        if (i > 0) CHECK(all[i - 1].name < all[i].name);
    }
    CHECK(Registry::instance().find("NoSuchOperator") == nullptr);
    Node node;
    node.op = "NoSuchOperator";
    node.name = "block1/odd";
    node.version = 17;
    CHECK(describe(node) == "NoSuchOperator 'block1/odd' (opset 17)");
    CHECK_THROWS_AS(op_of(node), Unsupported);
}
