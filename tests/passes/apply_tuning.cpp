#include <doctest/doctest.h>

#include "compiler/driver/needs.hpp"
#include "compiler/driver/plan_engine.hpp"
#include "tests/passes/lowering.hpp"

using namespace igata;
using runtime::ConvolutionSpec;
using runtime::Implementation;

namespace {

constexpr const char* expand = "convolution src=f32[1,8,64,64]@nhwc weights=f32[64,8,1,1] dst=f32[1,64,64,64]@nhwc";
constexpr const char* depthwise =
    "convolution src=f32[1,64,64,64]@nhwc weights=f32[64,1,3,3] dst=f32[1,64,64,64]@nhwc groups=64 pads_begin=1,1 "
    "pads_end=1,1";

/// A 1x1 convolution and the depthwise one after it, which the pipeline would run in strips.
constexpr const char* model = R"(graph g (x: f32[1,8,64,64]) -> (y) {
  w1 = constant f32[64,8,1,1] #0
  w2 = constant f32[64,1,3,3] #0
  wide = Conv(x, w1)
  y = Conv(wide, w2) {group=64, pads=[1,1,1,1]}
})";

Tensor pattern(DataType dtype, const Dims& dims) {
    Tensor tensor(dtype, dims);
    int i = 0;
    for (float& value : tensor.mutable_values<float>()) value = static_cast<float>(++i * 7 % 23) / 23.0F - 0.5F;
    return tensor;
}

PipelineResult cast(const Tuning& tuning, Remarks& remarks) {
    Graph graph = parse_graph(model);
    for (const char* name : {"w1", "w2"}) {
        std::optional<Tensor>& constant = graph.value(graph.find_value(name)).constant;
        constant = pattern(constant->dtype(), constant->dims());
    }
    PipelineOptions options;
    options.tuning = tuning;
    return run_pipeline(std::move(graph), options, remarks);
}

const ConvolutionSpec& spec_of(const Plan& plan, std::size_t i) {
    std::size_t seen = 0;
    for (const Step& step : plan.steps)
        if (const auto* spec = std::get_if<ConvolutionSpec>(&step.spec))
            if (seen++ == i) return *spec;
    throw std::out_of_range("no such convolution");
}

}  // namespace

TEST_CASE("print_geometry: a step without names, buffers and what runs it") {
    Remarks remarks;
    const Plan plan = cast({}, remarks).plan;
    std::vector<std::string> texts;
    for (const Step& step : plan.steps)
        if (std::holds_alternative<ConvolutionSpec>(step.spec)) texts.push_back(print_geometry(step));
    CHECK(texts == std::vector<std::string>{expand, depthwise});
}

TEST_CASE("a tuning is printed and parsed") {
    const Tuning tuning{{expand, Implementation::pointwise}, {depthwise, Implementation::onednn_convolution}};
    const std::string text = print(tuning, "first\nsecond");
    CHECK(text.starts_with("igata-tuned 1\n; first\n; second\n"));
    CHECK(parse_tuning(text) == tuning);
    CHECK(parse_tuning("igata-tuned 1").empty());
    CHECK(parse_tuning("igata-tuned 1 ; new\r\n\r\n  ; nothing\r\n").empty());
}

TEST_CASE("a tuning that is not well written is refused with its line") {
    const auto refused = [](const std::string& text, const char* why) {
        CHECK_THROWS_WITH_AS(parse_tuning(text), why, BadInput);
    };
    const char* strange = "line 1: not written by `igata tune`: it would begin with 'igata-tuned 1'";
    refused("", strange);
    refused("igata-tuned 2\n", strange);
    refused("igata-tuned 1\nstrips\n", "line 2: no step after 'strips'");
    refused("igata-tuned 1\n; x\nautomatic convolution\n", "line 3: 'automatic' is nothing that runs a step");
    refused("igata-tuned 1\npointwise a\nstrips a\n", "line 3: the same step a second time");
}

TEST_CASE("apply_tuning: the choice goes into the step, which is no longer in strips") {
    Remarks remarks;
    const Plan usual = cast({}, remarks).plan;
    CHECK(spec_of(usual, 0).streamed);
    const Plan tuned = cast({{expand, Implementation::onednn_convolution}}, remarks).plan;
    CHECK_FALSE(spec_of(tuned, 0).streamed);
    CHECK(spec_of(tuned, 0).implementation == Implementation::onednn_convolution);
    CHECK(steps_of(parse_plan(print(tuned))) == steps_of(tuned));
    const Tensor x = pattern(DataType::f32, {1, 8, 64, 64});
    const Tensor expected = PlanEngine(usual).run({x}).front();
    const Tensor actual = PlanEngine(tuned).run({x}).front();
    for (std::size_t i = 0; i < expected.values<float>().size(); ++i)
        REQUIRE(actual.values<float>()[i] == doctest::Approx(expected.values<float>()[i]).epsilon(1e-4));
}

TEST_CASE("apply_tuning: what strips do is not taken from them") {
    Remarks remarks;
    const Tuning tuning{{expand, Implementation::strips}, {depthwise, Implementation::onednn_convolution}};
    const Plan plan = cast(tuning, remarks).plan;
    CHECK(spec_of(plan, 0).streamed);
    CHECK(spec_of(plan, 1).implementation == Implementation::automatic);
    const runtime::Needs needs = needs_of({&plan, 1});
    CHECK(needs.has(Implementation::strips));
    CHECK(needs.has(Implementation::depthwise_3x3));
}

TEST_CASE("apply_tuning: a remark tells that a file is for another model") {
    Remarks remarks;
    cast({{"convolution of another model", Implementation::pointwise}}, remarks);
    REQUIRE_FALSE(remarks.all().empty());
    const Remark& last = remarks.all().back();
    CHECK(last.pass == "apply_tuning");
    CHECK(last.refused);
    CHECK(last.message == "none of the tuned steps is in this model");
}
