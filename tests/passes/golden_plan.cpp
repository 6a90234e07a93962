// What real models must become: the number of steps, and that nothing is reordered, padded or activated on its own.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "compiler/frontend/onnx_import.hpp"
#include "compiler/ir/text.hpp"
#include "compiler/passes/lifetimes.hpp"
#include "compiler/passes/passes.hpp"

using namespace igata;

namespace {

Plan plan_of(const std::filesystem::path& file, Remarks& remarks) {
    return run_pipeline(import_onnx(file, remarks), {}, remarks).plan;
}

bool is_copy(const Loop& loop) { return !loop.reduce && loop.body->op == ExprOp::operand; }
bool mentions(const ExprPtr& e, ExprOp op) {
    return e->op == op ||
           std::any_of(e->args.begin(), e->args.end(), [&](const ExprPtr& arg) { return mentions(arg, op); });
}

void check_efficientnet_b0(const std::string& folder) {
    const std::filesystem::path file = std::filesystem::path(IGATA_SOURCE_DIR) / folder / "model.onnx";
    if (!std::filesystem::exists(file)) {
        MESSAGE("skipped: there is no " << folder);
        return;
    }
    Remarks remarks;
    const Plan plan = plan_of(file, remarks);
    int convolutions = 0, sums = 0, swishes = 0, means = 0, scalings = 0, matmuls = 0, others = 0;
    for (const Step& step : plan.steps) {
        CAPTURE(step.name);
        if (const auto* convolution = std::get_if<runtime::ConvolutionSpec>(&step.spec)) {
            ++convolutions;
            means += convolution->mean.is_present() ? 1 : 0;
            scalings += convolution->scale.is_present() ? 1 : 0;
            for (int i = 0; i < convolution->epilogue.count; ++i) {
                const runtime::PostOp& op = convolution->epilogue.ops[i];
                sums += op.kind == runtime::PostOp::Kind::sum ? 1 : 0;
                swishes += op.kind == runtime::PostOp::Kind::eltwise && op.eltwise == runtime::Eltwise::swish ? 1 : 0;
            }
        } else if (const auto* loop = std::get_if<Loop>(&step.spec)) {
            CHECK_FALSE(is_copy(*loop));
            CHECK_FALSE(mentions(loop->body, ExprOp::sigmoid));
            ++others;
        } else if (std::holds_alternative<runtime::MatMulSpec>(step.spec)) {
            ++matmuls;
        } else {
            ++others;
        }
    }
    CHECK(plan.steps.size() <= 83);
    CHECK(convolutions == 81);
    CHECK(swishes == 49);
    CHECK(sums == 9);
    CHECK(means == 17);
    CHECK(scalings == 16);
    CHECK(matmuls == 1);
    CHECK(others <= 1);
    CHECK(plan.batched);
    for (const Remark& remark : remarks.all()) CHECK(remark.pass != "lower");
    CHECK(plan.arena_bytes == peak_bytes(memory_groups(plan), plan.steps.size()));
    CHECK(plan.arena_bytes < 6900000);
    CHECK(plan.weight_bytes < 16100000);

    // The text form holds all but the large constants.
    const Plan parsed = parse_plan(print(plan));
    verify(parsed);
    const auto steps = [](const Plan& p) { return print(p).substr(print(p).find("  loop")); };
    CHECK(steps(parsed) == steps(plan));
}

}  // namespace

TEST_CASE("EfficientNet-B0 of tf2onnx becomes 83 steps") { check_efficientnet_b0("examples/efficientnet_b0"); }
TEST_CASE("EfficientNet-B0 of keras2onnx becomes 83 steps") {
    check_efficientnet_b0("../shared/models/efficientnet_b0_keras2onnx");
}
TEST_CASE("EfficientNet-B0 of keras2onnx, its 304 Transposes left in, becomes 83 steps") {
    check_efficientnet_b0("../shared/models/efficientnet_b0_keras2onnx_unoptimized");
}
