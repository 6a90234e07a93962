// The settings of oneDNN that `igata onednn-flags` derives from the steps of models.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "tests/errors/command_line.hpp"

using namespace igata::tests;

namespace {

const std::string models = IGATA_SOURCE_DIR "/tests/models/";

/// One Conv whose kernel covers the whole image, f32[8,2,7,7] -> f32[8,2,1,1], unless pads leave more.
onnx::ModelProto whole_image_convolution(int groups, std::int64_t pad) {
    onnx::ModelProto model = make_model();
    add_value(*model.mutable_graph()->add_input(), "x", {"8", "2", "7", "7"});
    add_value(*model.mutable_graph()->add_output(), "y", {"8", "2", "", ""});
    const std::int64_t channels = 2 / groups;
    add_floats(model, "w", {2, channels, 7, 7}, std::vector<float>(static_cast<std::size_t>(98 * channels), 0.5F));
    onnx::NodeProto& conv = add_node(model, "Conv", {"x", "w"}, {"y"}, "conv");
    onnx::AttributeProto& group = *conv.add_attribute();
    group.set_name("group");
    group.set_type(onnx::AttributeProto::INT);
    group.set_i(groups);
    onnx::AttributeProto& pads = *conv.add_attribute();
    pads.set_name("pads");
    pads.set_type(onnx::AttributeProto::INTS);
    for (int i = 0; i < 4; ++i) pads.add_ints(pad);
    return model;
}

/// What `igata onednn-flags <arguments>` chooses for DNNL_ENABLE_PRIMITIVE.
std::string primitives(const TemporaryFolder& folder, const std::string& arguments) {
    const Outcome outcome = run_igata(folder, "onednn-flags " + arguments);
    const std::string key = "-DDNNL_ENABLE_PRIMITIVE=";
    const auto begin = outcome.out.find(key);
    if (outcome.code != 0 || begin == std::string::npos) return outcome.err;
    return outcome.out.substr(begin + key.size(), outcome.out.find('\n', begin) - begin - key.size());
}

/// The primitives that oneDNN itself reports to have made or run, by their names in DNNL_ENABLE_PRIMITIVE.
std::set<std::string> reported_primitives(const std::string& log) {
    std::set<std::string> names;
    std::istringstream lines(log);
    for (std::string line; std::getline(lines, line);) {
        const auto cpu = line.find(",cpu,");
        if (!line.starts_with("onednn_verbose") || line.find(",info,") != std::string::npos || cpu == std::string::npos)
            continue;
        std::string name = line.substr(cpu + 5, line.find(',', cpu + 5) - cpu - 5);
        if (name.ends_with("_v2")) name.resize(name.size() - 3);  // how 2.x calls some primitives' newer form
        std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
        names.insert(name);
    }
    return names;
}

}  // namespace

TEST_CASE("onednn-flags prints one setting a line") {
    const TemporaryFolder folder;
    CHECK(run_igata(folder, "onednn-flags --bind N=1 --threading seq " + models + "tiny_classifier/model.onnx") ==
          Outcome{0,
                  "-DDNNL_LIBRARY_TYPE=STATIC\n"
                  "-DDNNL_CPU_RUNTIME=SEQ\n"
                  "-DDNNL_GPU_RUNTIME=NONE\n"
                  "-DDNNL_ENABLE_WORKLOAD=INFERENCE\n"
                  "-DDNNL_ENABLE_PRIMITIVE=CONVOLUTION;MATMUL;REORDER\n"
                  "-DDNNL_ENABLE_PRIMITIVE_CPU_ISA=AVX512\n"
                  "-DONEDNN_ENABLE_GEMM_KERNELS_ISA=AVX512\n"
                  "-DDNNL_ARCH_OPT_FLAGS=\n"
                  "-DDNNL_BUILD_EXAMPLES=OFF\n"
                  "-DDNNL_BUILD_TESTS=OFF\n"
                  "-DONEDNN_BUILD_GRAPH=OFF\n"
                  "-DDNNL_VERBOSE=OFF\n"
                  "-DDNNL_ENABLE_MAX_CPU_ISA=OFF\n"
                  "-DDNNL_ENABLE_CPU_ISA_HINTS=OFF\n"
                  "-DDNNL_ENABLE_JIT_PROFILING=OFF\n"
                  "-DDNNL_ENABLE_ITT_TASKS=OFF\n",
                  ""});
    CHECK(run_igata(folder, "onednn-flags " + models + "perceptron/model.onnx").out.find("-DDNNL_CPU_RUNTIME=OMP\n") !=
          std::string::npos);
}

TEST_CASE("onednn-flags names the primitives that the steps need, and those that oneDNN needs for them") {
    const TemporaryFolder folder;
    const std::string perceptron = models + "perceptron/model.onnx";
    CHECK(primitives(folder, perceptron) == "MATMUL;REORDER");
    folder.write("relu.onnx", relu_model().SerializeAsString());
    CHECK(primitives(folder, "relu.onnx") == "REORDER");  // loops need none
    folder.write("conv.onnx", whole_image_convolution(1, 0).SerializeAsString());
    CHECK(primitives(folder, "conv.onnx") == "CONVOLUTION;INNER_PRODUCT;REORDER");
    folder.write("padded.onnx", whole_image_convolution(1, 1).SerializeAsString());
    CHECK(primitives(folder, "padded.onnx") == "CONVOLUTION;REORDER");
    folder.write("grouped.onnx", whole_image_convolution(2, 0).SerializeAsString());
    CHECK(primitives(folder, "grouped.onnx") == "CONVOLUTION;REORDER");
    CHECK(primitives(folder, "padded.onnx relu.onnx " + perceptron) == "CONVOLUTION;MATMUL;REORDER");
}

TEST_CASE("onednn-flags refuses what compile refuses") {
    const TemporaryFolder folder;
    CHECK(run_igata(folder, "onednn-flags") == fails(2, "models is required; see `igata onednn-flags --help`"));
    CHECK(run_igata(folder, "onednn-flags none.onnx") == fails(4, "none.onnx: no such file"));
    folder.write("relu.onnx", relu_model().SerializeAsString());
    CHECK(run_igata(folder, "onednn-flags relu.onnx --bind K=1") ==
          fails(2, "relu.onnx: --bind K=1 names no dim of the model; it has N (x:0)"));
    CHECK(run_igata(folder, "onednn-flags relu.onnx --threading tbb") ==
          fails(2, "--threading: tbb not in {omp,seq}; see `igata onednn-flags --help`"));
}

TEST_CASE("a plan makes no primitive that onednn-flags leaves out") {
    const TemporaryFolder folder;
    setenv("DNNL_VERBOSE", "2", 1);
    std::size_t reported = 0;
    for (const std::string name : {"tiny_classifier", "perceptron", "statistics"}) {
        CAPTURE(name);
        const std::string model = models + name + "/model.onnx";
        const Outcome run = run_igata(folder, "verify " + model + " --data " + models + name + " --engine plan");
        CHECK(run.code == 0);
        const std::string offered = ";" + primitives(folder, model) + ";";
        for (const std::string& primitive : reported_primitives(run.out)) {
            CHECK_MESSAGE(offered.find(";" + primitive + ";") != std::string::npos, primitive);
            ++reported;
        }
    }
    unsetenv("DNNL_VERBOSE");
    CHECK(reported > 0);
}
