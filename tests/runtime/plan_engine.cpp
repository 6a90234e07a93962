#include "compiler/driver/plan_engine.hpp"

#include <doctest/doctest.h>

#include "compiler/diagnostics.hpp"
#include "compiler/ir/expr.hpp"

namespace igata {
namespace {

Buffer buffer(std::string name, runtime::Space space, std::int64_t offset) {
    Buffer b;
    b.name = std::move(name);
    b.dtype = DataType::f32;
    b.bytes = 16;
    b.space = space;
    b.offset = offset;
    return b;
}

Loop loop(const char* body, Dims extents, std::vector<Dims> inputs, Dims output) {
    Loop result;
    result.extents = std::move(extents);
    for (Dims& strides : inputs) result.inputs.push_back({DataType::f32, std::move(strides)});
    result.output = {DataType::f32, std::move(output)};
    result.body = expr::parse(body);
    return result;
}

/// y = sum over both axes of (x * c + 1), for x: f32[2,2] and c = {1, 10} along the last axis.
Plan two_loops() {
    Plan plan;
    plan.name = "two_loops";
    plan.inputs.push_back({"x", {DataType::f32, {2, 2}}, {}, 0});
    plan.outputs.push_back({"y", {DataType::f32, {1}}, {}, 3});
    plan.buffers = {buffer("x", runtime::Space::input, -1), buffer("c", runtime::Space::weights, 64),
                    buffer("t", runtime::Space::arena, 64), buffer("y", runtime::Space::output, -1)};
    plan.buffers[1].constant = Tensor::of<float>({2}, {1, 10});
    plan.arena_bytes = 128;
    plan.weight_bytes = 128;
    plan.batched = true;
    plan.steps.push_back(
        {"affine", "", loop("x0 * x1 + 1", {2, 2}, {{2, 1}, {0, 1}}, {2, 1}), {{0}, {1}, {2, 0, true, false}}});
    Loop sum = loop("x0", {2, 2}, {{2, 1}}, {0, 0});
    sum.reduce = Reduce::sum;
    sum.reduced = {true, true};
    sum.accumulator = DataType::f32;
    plan.steps.push_back({"total", "", sum, {{2}, {3, 0, true, false}}});
    return plan;
}

TEST_CASE("the plan engine runs loops over arena, weights, inputs and outputs") {
    for (const int threads : {1, 2}) {
        PlanEngine engine(two_loops(), threads);
        const std::vector<Tensor> result = engine.run({Tensor::of<float>({2, 2}, {1, 2, 3, 4})});
        REQUIRE(result.size() == 1);
        CHECK(result[0] == Tensor::of<float>({1}, {68}));
    }
}

TEST_CASE("the plan engine runs a batched plan once per part") {
    PlanEngine engine(two_loops());
    CHECK(engine.run({Tensor::of<float>({4, 2}, {1, 2, 3, 4, 0, 0, 0, 1})})[0] == Tensor::of<float>({2}, {68, 14}));
}

TEST_CASE("the plan engine names an input of the wrong type") {
    PlanEngine engine(two_loops());
    CHECK_THROWS_WITH_AS(engine.run({Tensor(DataType::f32, {3, 2})}), "input 'x' must be f32[2,2], got f32[3,2]",
                         BadInput);
    CHECK_THROWS_WITH_AS(engine.run({}), "the model takes 1 inputs, got 0", BadInput);
}

TEST_CASE("the rows that a plan becomes") {
    const Plan plan = two_loops();
    const runtime::StepSpec row = step_spec(plan, plan.steps[0]);
    CHECK(row.kind == runtime::StepKind::loop);
    CHECK(row.operand_count == 3);
    CHECK(row.operands[1].space == runtime::Space::weights);
    CHECK(row.operands[1].offset == 64);
    CHECK(loop_spec(std::get<Loop>(plan.steps[0].spec)).outer == 2);
    CHECK(loop_spec(std::get<Loop>(plan.steps[1].spec)).outer == 1);  // a reduced outermost dim cannot be split
    Plan unplaced = plan;
    unplaced.buffers[2].offset = -1;
    CHECK_THROWS_WITH_AS(step_spec(unplaced, unplaced.steps[0]), "buffer 't' has no offset", std::logic_error);
}

}  // namespace
}  // namespace igata
