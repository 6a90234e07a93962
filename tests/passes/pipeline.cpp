#include <doctest/doctest.h>

#include <cstdio>

#include "compiler/ir/text.hpp"
#include "compiler/passes/passes.hpp"

using namespace igata;

namespace {

const char* const network = R"(graph net (x: f32[N,2,3,3]) -> (y) {
  w = constant f32[2,2,1,1] {1,2,3,4}
  i = Identity(x)
  c = Conv(i, w)
  s = Sigmoid(c)
  y = Mul(c, s)
})";

/// Runs the pipeline; returns what it dumped.
std::string dump(PipelineOptions options, PipelineResult* result = nullptr) {
    std::FILE* file = std::tmpfile();
    options.dump = file;
    Remarks remarks;
    PipelineResult done = run_pipeline(parse_graph(network), options, remarks);
    std::string text(static_cast<std::size_t>(std::ftell(file)), '\0');
    std::rewind(file);
    CHECK(std::fread(text.data(), 1, text.size(), file) == text.size());
    std::fclose(file);
    if (result != nullptr) *result = std::move(done);
    return text;
}

PipelineOptions stopping_after(const std::string& pass) {
    PipelineOptions options;
    options.stop_after = pass;
    return options;
}

}  // namespace

TEST_CASE("pipeline: --print-after prints the graph as it is then") {
    PipelineOptions options = stopping_after("fuse_epilogues");
    options.print_after = {"bind_dims", "fuse_epilogues"};
    CHECK(dump(options) == R"(; after bind_dims
graph net (x: f32[1,2,3,3]) -> (y) {
  i = Identity(x)
  w = constant f32[2,2,1,1] {1,2,3,4}
  c = Conv(i, w)
  s = Sigmoid(c)
  y = Mul(c, s)
}

; after fuse_epilogues
graph net (x: f32[1,2,3,3]) -> (y: [1,2,3,3]) {
  w = constant f32[2,2,1,1] {1,2,3,4}
  y: f32[1,2,3,3] = Conv(x, w) => x0 * sigmoid(x0)
}

)");
}

TEST_CASE("pipeline: --print-after=all prints after every pass, --time-passes says how long each took") {
    PipelineOptions options;
    options.print_after = {"all"};
    options.time_passes = true;
    PipelineResult result;
    const std::string text = dump(options, &result);
    CHECK(result.seconds.size() == 20);
    for (const auto& [pass, seconds] : result.seconds) {
        CHECK(text.find("; after " + pass + "\n") != std::string::npos);
        CHECK(text.find(pass + " ") != std::string::npos);
    }
    CHECK(result.plan.steps.size() > 0);
}

TEST_CASE("pipeline: --stop-after ends early, and names the passes if it is wrong") {
    PipelineResult result;
    dump(stopping_after("simplify"), &result);
    CHECK(result.graph.nodes.size() == 3);
    CHECK(result.plan.steps.empty());
    CHECK_THROWS_WITH(
        dump(stopping_after("optimise")),
        "--stop-after: there is no pass 'optimise'; the passes are bind_dims, infer_types, "
        "widen_halves, fold_constants, fuse_quantized, "
        "simplify, fuse_maps, fuse_epilogues, assign_layouts, lower, absorb_scales, "
        "absorb_means, absorb_maps, schedule, stream_strips, narrow_weights, allow_bf16, apply_tuning, plan_memory, "
        "pool_weights");
}

TEST_CASE("pipeline: bisection allows only the first rewrites, of all passes together") {
    const std::size_t nodes[] = {4, 3, 2, 1, 1};
    for (int limit = 0; limit < 5; ++limit) {
        PipelineOptions options = stopping_after("fuse_epilogues");
        options.bisect = limit;
        PipelineResult result;
        dump(options, &result);
        CHECK(result.graph.nodes.size() == nodes[limit]);
    }
}

TEST_CASE("pipeline: unfused, every operator lowers by itself") {
    PipelineOptions options;
    options.fuse = false;
    std::vector<std::string> seen;
    options.after = [&](const std::string& pass, const Graph&) { seen.push_back(pass); };
    PipelineResult result;
    dump(options, &result);
    CHECK(seen == std::vector<std::string>{"bind_dims", "infer_types", "widen_halves", "fold_constants"});
    CHECK(result.graph.nodes.size() == 4);
    CHECK(!result.plan.steps.empty());
}
