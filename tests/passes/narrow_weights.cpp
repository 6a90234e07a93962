#include <doctest/doctest.h>

#include <cmath>

#include <fmt/format.h>

#include "compiler/driver/plan_engine.hpp"
#include "tests/passes/lowering.hpp"

using namespace igata;

namespace {

/// Products, convolutions and more with `rows` x 64 weights, all of them multiples of `unit`.
Plan plan_of(double unit, const std::string& nodes = "y = MatMul(x, w)", int rows = 32) {
    std::string values;
    for (int i = 0; i < rows * 64; ++i) values += fmt::format("{}{}", i > 0 ? "," : "", unit * ((i * 37) % 101 - 50));
    const std::string dims = fmt::format("{},64", rows);
    return lowered(
        fmt::format("graph g (x: f32[2,{}], image: f32[1,{},9,9]) -> (y) {{\n"
                    "  w = constant f32[{}] {{{}}}\n  k = constant f32[64,{},1,1] {{{}}}\n  {}\n}}",
                    rows, rows, dims, values, rows, values, nodes));
}

/// As the product or convolution describes them.
DataType type_of_weights(const Plan& plan) {
    for (const Step& step : plan.steps)
        if (!std::holds_alternative<Loop>(step.spec) && !std::holds_alternative<runtime::KernelSpec>(step.spec))
            return operand_spec(step, 1).dtype;
    return DataType::undefined;
}

std::vector<Tensor> run(Plan plan) {
    plan_memory(plan);
    pool_weights(plan);
    verify(plan);
    std::vector<Tensor> inputs;
    for (const Plan::Port& port : plan.inputs) {
        Tensor tensor(DataType::f32, port.type.dims);
        float next = 0.0F;
        for (float& value : tensor.mutable_values<float>()) {
            next += 0.37F;
            value = next - std::floor(next);
        }
        inputs.push_back(tensor);
    }
    return PlanEngine(plan).run(inputs);
}

std::int64_t pool_bytes(Plan plan) {
    pool_weights(plan);
    return plan.weight_bytes;
}

}  // namespace

TEST_CASE("narrow_weights: what 16 bits hold is kept so, and computes the same") {
    for (const auto& [unit, dtype] : {std::pair{0.125, DataType::f16}, std::pair{1048576.0, DataType::bf16}}) {
        for (const std::string text : {"y = MatMul(x, w)", "y = Gemm(x, w)", "y = Conv(image, k)"}) {
            const Plan wide = plan_of(unit, text);
            Plan narrow = wide;
            narrow_weights(narrow);
            CAPTURE(text);
            CHECK(type_of_weights(narrow) == dtype);
            CHECK(pool_bytes(narrow) < pool_bytes(wide));
            CHECK(run(narrow) == run(wide));
            CHECK(steps_of(parse_plan(print(narrow))) == steps_of(narrow));
        }
    }
}

TEST_CASE("narrow_weights: not what would lose a bit, is small, or is read by others") {
    const auto stays = [](Plan plan) {
        narrow_weights(plan);
        return type_of_weights(plan) == DataType::f32;
    };
    CHECK_FALSE(stays(plan_of(0.5)));
    CHECK(stays(plan_of(1.0 / 3)));
    CHECK(stays(plan_of(0.5, "y = MatMul(x, w)", 8)));
    CHECK(stays(plan_of(0.5,
                        "t = MatMul(x, w)\n  s = Slice(w, i, j)\n  i = constant i64[2] {0,0}\n  j = constant i64[2] "
                        "{2,64}\n  y = Add(t, s)")));
}
