// RNN, GRU, LSTM against ONNX Runtime's results.
#include <doctest/doctest.h>

#include <cmath>

#include "compiler/diagnostics.hpp"
#include "tests/ops/cases.hpp"
#include "tests/ops/run_op.hpp"

using namespace igata;
using namespace igata::test;

namespace {

/// Multiples of 1/8 in [-3/4, 3/4].
Tensor spread(const Dims& dims, std::size_t seed) {
    std::vector<float> values(static_cast<std::size_t>(element_count(dims)));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = (static_cast<float>((i * 7 + seed) % 13) - 6.0F) / 8.0F;
    return Tensor::of(dims, values);
}

const Dims x_dims{3, 2, 2};  // steps, batch, input
constexpr std::int64_t units = 2;

Tensor w(std::int64_t gates, std::int64_t directions) { return spread({directions, gates * units, 2}, 2); }
Tensor r(std::int64_t gates, std::int64_t directions) { return spread({directions, gates * units, units}, 3); }
Tensor b(std::int64_t gates, std::int64_t directions) { return spread({directions, 2 * gates * units}, 4); }
Tensor lengths(const std::vector<std::int32_t>& values) {
    return Tensor::of<std::int32_t>({static_cast<std::int64_t>(values.size())}, values);
}

OpCase full_lstm() {
    return {"LSTM",
            {spread(x_dims, 1), w(4, 2), r(4, 2), b(4, 2), lengths({2, 3}), spread({2, 2, units}, 5),
             spread({2, 2, units}, 6), spread({2, 3 * units}, 7)},
            {{"direction", text("bidirectional")}, {"hidden_size", attr(units)}},
            0,
            3};
}

Tensor swapped(const Tensor& tensor, const std::vector<std::int64_t>& perm) { return tensor.transposed(perm); }

}  // namespace

TEST_CASE("LSTM in both directions with everything that is optional") {
    const auto results = run_op(full_lstm());
    check_values(results[0], {{3, 2, 2, 2}, {0.073878,   -0.433667, 0.202621,   -0.469462, -0.0387162, -0.455327,
                                             -0.0472526, -0.500624, 0.199649,   -0.52662,  0.301748,   -0.461105,
                                             -0.0323083, -0.397717, -0.0579753, -0.476166, 0,          0,
                                             0.258338,   -0.227544, 0,          0,         -0.0811748, -0.416964}});
    check_values(results[1],
                 {{2, 2, 2}, {0.199649, -0.52662, 0.258338, -0.227544, -0.0387162, -0.455327, -0.0472526, -0.500624}});
    check_values(results[2],
                 {{2, 2, 2}, {0.345515, -0.764332, 0.77088, -0.40709, -0.244469, -0.670316, -0.280735, -0.781251}});
}

TEST_CASE("layout 1 has the batch first") {
    OpCase test = full_lstm();
    const auto expected = run_op(test);
    test.attrs["layout"] = attr(1);
    for (const std::size_t i : {0U, 5U, 6U}) test.inputs[i] = swapped(test.inputs[i], {1, 0, 2});
    const auto results = run_op(test);
    check_same(swapped(results[0], {1, 2, 0, 3}), expected[0]);
    check_same(swapped(results[1], {1, 0, 2}), expected[1]);
    check_same(swapped(results[2], {1, 0, 2}), expected[2]);
}

TEST_CASE("activations with parameters, clipped gates, coupled input and forget gates") {
    Tensor h = run_op({"LSTM",
                       {spread(x_dims, 1), w(4, 1), r(4, 1), b(4, 1)},
                       {{"direction", text("reverse")},
                        {"clip", 0.5F},
                        {"input_forget", attr(1)},
                        {"activations", std::vector<std::string>{"HardSigmoid", "softsign", "LeakyRelu"}},
                        {"activation_alpha", std::vector<float>{0.25F, 0.125F}},
                        {"activation_beta", std::vector<float>{0.375F}}},
                       7,
                       2})
                   .at(1);
    check_values(h, {{1, 2, 2}, {0.131771, -0.0181556, 0.124082, -0.017126}});
}

TEST_CASE("GRU resets before or after the product") {
    const std::vector<Tensor> inputs{spread(x_dims, 1), w(3, 1), r(3, 1), b(3, 1), lengths({2, 3})};
    check_values(run_single({"GRU", inputs, {}}), {{3, 1, 2, 2},
                                                   {0.0797206, -0.360235, 0.040567, -0.362522, 0.122022, -0.597773,
                                                    0.0577666, -0.602593, 0, 0, 0.568487, -0.501651}});
    check_values(run_single({"GRU", inputs, {{"linear_before_reset", attr(1)}}, 3}),
                 {{3, 1, 2, 2},
                  {0.0173572, -0.34509, -0.0213378, -0.349786, -0.0096972, -0.575465, -0.0718793, -0.583709, 0, 0,
                   0.412665, -0.408235}});
}

TEST_CASE("RNN with a function for each direction") {
    const auto results =
        run_op({"RNN",
                {spread(x_dims, 1), w(1, 2), r(1, 2), {}, {}, spread({2, 2, units}, 5)},
                {{"direction", text("bidirectional")}, {"activations", std::vector<std::string>{"Relu", "Softplus"}}},
                1,
                2});
    check_values(results[1], {{2, 2, 2}, {0.518799, 0.748779, 0, 0, 0.942053, 0.660961, 1.13369, 0.600842}});
}

TEST_CASE("every activation, element type and more units than a panel has") {
    for (const char* name : {"Relu", "Tanh", "Sigmoid", "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh",
                             "HardSigmoid", "Elu", "Softsign", "Softplus"})
        for (const DataType dtype : {DataType::f32, DataType::f64}) {
            CAPTURE(name);
            run_op({"RNN",
                    {spread(x_dims, 1).cast(dtype), w(1, 1).cast(dtype), r(1, 1).cast(dtype)},
                    {{"activations", std::vector<std::string>{name}},
                     {"activation_alpha", std::vector<float>{0.375F}},
                     {"activation_beta", std::vector<float>{0.25F}}}});
        }
    for (const auto& [op, gates] : {std::pair{"RNN", 1}, std::pair{"GRU", 3}, std::pair{"LSTM", 4}}) {
        const std::int64_t hidden = 37;
        const auto scaled = [](const Tensor& tensor) {
            std::vector<double> values = tensor.to_f64();
            std::vector<float> quarter;
            for (const double value : values) quarter.push_back(static_cast<float>(value / 4));
            return Tensor::of(tensor.dims(), quarter);
        };
        run_op({op,
                {spread({4, 7, 5}, 1), scaled(spread({1, gates * hidden, 5}, 2)),
                 scaled(spread({1, gates * hidden, hidden}, 3)), spread({1, 2 * gates * hidden}, 4),
                 lengths({4, 0, 1, 2, 3, 4, 1})}});
    }
}

TEST_CASE("half precision is computed in f32") {
    OpCase test{"GRU", {spread(x_dims, 1), w(3, 1), r(3, 1), b(3, 1)}};
    const Tensor expected = run_single(test);
    for (Tensor& input : test.inputs) input = input.cast(DataType::f16);
    const Tensor result = evaluate(graph_of(test, {false, false, false, false}), {}).at(0);
    CHECK(result == expected.cast(DataType::f16));
    std::vector<Tensor> x{test.inputs[0]};
    CHECK(run_plan(graph_of(test, {true, false, false, false}), x).at(0).dtype() == DataType::f16);
}

TEST_CASE("no steps, no batch") {
    const auto states = run_op({"LSTM", {spread({0, 2, 2}, 1), w(4, 1), r(4, 1)}, {}, 0, 3});
    CHECK(states[1] == Tensor(DataType::f32, {1, 2, units}));
    CHECK(run_single({"GRU", {spread({3, 0, 2}, 1), w(3, 1), r(3, 1)}}).dims() == Dims{3, 1, 0, units});
}

TEST_CASE("recurrent operators say what does not fit") {
    const auto fails = [](const char* op, std::vector<Tensor> inputs, const Attrs& attrs, const char* message) {
        CHECK_THROWS_WITH_AS(run_op({op, std::move(inputs), attrs}), message, BadInput);
    };
    const Tensor x = spread(x_dims, 1);
    fails("GRU", {x, w(4, 1), r(3, 1)}, {}, "GRU 'node': W is [1,8,2], not [1,6,2]");
    fails("LSTM", {x, w(4, 1), r(4, 1)}, {{"hidden_size", attr(3)}},
          "LSTM 'node': hidden_size is 3, but R has 2 units");
    fails("RNN", {x, w(1, 1), r(1, 1)}, {{"direction", text("up")}}, "RNN 'node': there is no direction 'up'");
    fails("RNN", {x, w(1, 1), r(1, 1)}, {{"activations", std::vector<std::string>{"Gauss"}}},
          "RNN 'node': no activation is named 'Gauss'");
    fails("RNN", {x, w(1, 1), r(1, 1)}, {{"activations", std::vector<std::string>{"Tanh", "Tanh"}}},
          "RNN 'node': 2 activations are given, not 1");
    fails("RNN", {x, w(1, 1), r(1, 1), {}, lengths({1, 2, 3})}, {}, "RNN 'node': sequence_lens is [3], not [2]");
}
