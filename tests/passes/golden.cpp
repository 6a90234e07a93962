// The three EfficientNet-B0 files, from two converters, become one small graph that computes what was recorded.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>

#include "compiler/frontend/onnx_import.hpp"
#include "compiler/frontend/tensor_proto.hpp"
#include "compiler/ir/text.hpp"
#include "compiler/ops/op.hpp"
#include "compiler/passes/passes.hpp"
#include "tests/passes/before_after.hpp"

using namespace igata;
namespace fs = std::filesystem;

namespace {

const fs::path root = IGATA_SOURCE_DIR;

Graph fused(const fs::path& model) {
    Remarks remarks;
    PipelineOptions options;
    options.stop_after = "fuse_epilogues";
    return run_pipeline(import_onnx(model, remarks), options, remarks).graph;
}

bool is_gate(const Graph& graph, const Node& node) {
    return expr::print(node.epilogue) == "x0 * x1" && !graph.is_constant(node.inputs[0]) &&
           !graph.is_constant(node.inputs[1]);
}

void check_structure(const Graph& graph) {
    INFO(print(graph));
    std::map<std::string, int> counts;
    for (const Node& node : graph.nodes) {
        std::string kind = node.op;
        if (node.is_map()) kind = is_gate(graph, node) ? "gate" : "map";
        else if (node.has_epilogue()) kind += " with epilogue";
        ++counts[kind];
    }
    const auto take = [&](const std::string& kind) {
        const int count = counts[kind];
        counts.erase(kind);
        return count;
    };
    // The seven projections of blocks without a residual are linear.
    CHECK(take("Conv with epilogue") == 74);
    CHECK(take("Conv") == 7);
    CHECK(take("GlobalAveragePool") == 17);
    CHECK(take("gate") == 16);
    CHECK(take("MatMul with epilogue") + take("Gemm with epilogue") == 1);
    CHECK(take("map") <= 1);        // the normalisation of the image
    CHECK(take("Transpose") <= 1);  // of the image
    take("Reshape");                // a view
    CHECK(counts.empty());
    for (const Node& node : graph.nodes)
        if (node.op == "Transpose") CHECK(graph.value(node.inputs[0]).type.dims == Dims{1, 224, 224, 3});
}

void check_result(const Graph& graph, const fs::path& data) {
    const Tensor image = read_tensor_proto(data / "input_0.pb");
    const Tensor expected = read_tensor_proto(data / "output_0.pb");
    const Tensor result = test::evaluate(graph, {image}).at(0);
    REQUIRE(result.type() == expected.type());
    CHECK(std::abs(result.to_f64()[0] - expected.to_f64()[0]) < 2e-5);
}

}  // namespace

TEST_CASE("golden: EfficientNet-B0 of tf2onnx") {
    const fs::path folder = root / "examples/efficientnet_b0";
    const Graph graph = fused(folder / "model.onnx");
    check_structure(graph);
    check_result(graph, folder / "test_data_set_0");
}

TEST_CASE("golden: EfficientNet-B0 of keras2onnx, optimised and not") {
    for (const char* name : {"efficientnet_b0_keras2onnx", "efficientnet_b0_keras2onnx_unoptimized"}) {
        const fs::path folder = root.parent_path() / "shared/models" / name;
        if (!fs::exists(folder)) {
            MESSAGE("skipped: " << std::string(name) << " is not beside this repository");
            continue;
        }
        CAPTURE(std::string(name));
        const Graph graph = fused(folder / "model.onnx");
        check_structure(graph);
        check_result(graph, folder / "test_data_set_0");
    }
}
