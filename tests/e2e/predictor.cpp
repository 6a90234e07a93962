// Small models from the ONNX file to compiled C++.
#include <doctest/doctest.h>

#include <cmath>

#include <fmt/format.h>

#include "compiler/ir/text.hpp"
#include "compiler/ops/interpret_graph.hpp"
#include "tests/e2e/cast_model.hpp"

using namespace igata;
using test::models;

namespace {

/// Those of tests/models.
const std::vector<std::string> names = {"tiny_classifier", "perceptron", "statistics"};

constexpr const char* to_library = " -fopenmp -shared -fPIC -o predictor.so -ldnnl";

void check_data_sets(test::Predictor& predictor, const std::filesystem::path& folder) {
    int sets = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (!entry.is_directory()) continue;
        const auto inputs = test::read_tensors(entry.path(), "input_");
        const auto expected = test::read_tensors(entry.path(), "output_");
        const auto got = predictor.run(inputs, expected);
        for (std::size_t i = 0; i < got.size(); ++i)
            CHECK_MESSAGE(test::difference(got[i], expected[i]) < 1e-5, entry.path() << " output " << i);
        ++sets;
    }
    CHECK(sets > 0);
}

}  // namespace

TEST_CASE("generated predictors compile without a warning and reproduce recorded results") {
    for (const std::string& name : names) {
        CAPTURE(name);
        const test::TemporaryFolder folder;
        test::write_files(folder.path(), test::cast_model(models / name / "model.onnx", name));
        test::run_command(test::strict + name + ".cpp" + to_library, folder.path());
        test::Predictor predictor(folder.path() / "predictor.so", name);
        check_data_sets(predictor, models / name);
    }
}

TEST_CASE("weights in a file of their own give the same results") {
    const std::string name = "tiny_classifier";
    const auto model = models / name / "model.onnx";
    SUBCASE("included by the assembler") {
        const test::TemporaryFolder folder;
        test::write_files(folder.path(), test::cast_model(model, name, EmitOptions::Weights::incbin));
        test::run_command(test::strict + name + ".cpp" + to_library, folder.path());
        test::Predictor predictor(folder.path() / "predictor.so", name);
        check_data_sets(predictor, models / name);
    }
    SUBCASE("mapped, and only the right file") {
        const test::TemporaryFolder folder;
        test::write_files(folder.path(), test::cast_model(model, name, EmitOptions::Weights::file));
        test::run_command(test::strict + name + ".cpp" + to_library, folder.path());
        const std::string right = (folder.path() / (name + ".bin")).string();
        const auto library = folder.path() / "predictor.so";
        igata_options options{1, right.c_str()};
        {
            test::Predictor predictor(library, name, &options);
            CHECK(predictor.info().weights_in_file == 1);
            check_data_sets(predictor, models / name);
        }
        const auto refusal = [&](const char* path) {
            options.weights = path;
            std::string said = "nothing";
            try {
                test::Predictor predictor(library, name, &options);
            } catch (const std::runtime_error& error) {
                said = error.what();
            }
            return said;
        };
        CHECK(refusal(nullptr) == "no weights file given: set igata_options.weights");
        CHECK(refusal("/nonexistent.bin") == "cannot open /nonexistent.bin");
        std::string bytes = test::read_file(right);
        bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
        const std::string wrong = (folder.path() / "wrong.bin").string();
        test::write_file(wrong, bytes);
        CHECK(refusal(wrong.c_str()) == "not the weights of this predictor: " + wrong);
        test::write_file(wrong, bytes.substr(1));
        CHECK(refusal(wrong.c_str()) == "not the weights of this predictor: " + wrong);
    }
}

TEST_CASE("weights of f16 take two bytes each in the file, and compute the same") {
    std::string weights;
    for (int i = 0; i < 64 * 64; ++i) weights += fmt::format("{}{}", i > 0 ? "," : "", (i * 37 % 101 - 50) / 64.0);
    const Graph graph = parse_graph(fmt::format(
        "graph (x: f16[2,64]) -> (y) {{\n  w = constant f16[64,64] {{{}}}\n  y = MatMul(x, w)\n}}", weights));
    Remarks remarks;
    const Plan plan = run_pipeline(Graph(graph), {}, remarks).plan;
    const test::TemporaryFolder folder;
    const EmitOptions options{"half", EmitOptions::Weights::file, needs_of({&plan, 1})};
    test::write_files(folder.path(), emit(plan, options, remarks));
    const auto bytes = std::filesystem::file_size(folder.path() / "half.bin");
    CHECK(bytes >= 64 * 64 * 2);
    CHECK(bytes < 64 * 64 * 2 + 512);
    test::run_command(test::strict + std::string("half.cpp") + to_library, folder.path());
    const std::string file = (folder.path() / "half.bin").string();
    const igata_options given{1, file.c_str()};
    test::Predictor predictor(folder.path() / "predictor.so", "half", &given);
    Tensor x(DataType::f32, {2, 64});
    for (std::size_t i = 0; i < 128; ++i) x.mutable_values<float>()[i] = static_cast<float>(i % 13) / 8.0F;
    const std::vector<Tensor> inputs{x.cast(DataType::f16)};
    const std::vector<Tensor> expected = interpret(graph, inputs);
    CHECK(test::difference(predictor.run(inputs, expected).at(0), expected.at(0)) < 1e-3);
}

TEST_CASE("a predictor refuses null pointers and impossible batches") {
    const test::TemporaryFolder folder;
    test::write_files(folder.path(), test::cast_model(models / "perceptron" / "model.onnx", "p", {}, {{"batch", 2}}));
    test::run_command(std::string(test::strict) + "p.cpp" + to_library, folder.path());
    test::Predictor predictor(folder.path() / "predictor.so", "p");
    std::vector<float> x(48), logits(16), hidden(64);
    const void* inputs[] = {x.data()};
    void* outputs[] = {logits.data(), hidden.data()};
    CHECK(predictor.info().batched == 1);
    CHECK(predictor.status(inputs, outputs, 4) == IGATA_OK);
    CHECK(predictor.status(inputs, outputs, 0) == IGATA_OK);
    CHECK(predictor.status(inputs, outputs, 3) == IGATA_BAD_ARGUMENT);
    CHECK(predictor.last_error() == "the batch is not a positive multiple of the one this predictor was cast for");
    CHECK(predictor.status(inputs, outputs, -2) == IGATA_BAD_ARGUMENT);
    outputs[1] = nullptr;
    CHECK(predictor.status(inputs, outputs, 2) == IGATA_BAD_ARGUMENT);
    CHECK(predictor.last_error() == "output 'hidden' is null");
    CHECK(predictor.status(nullptr, outputs, 2) == IGATA_BAD_ARGUMENT);
}

TEST_CASE("a predictor says what its steps are and how long each took") {
    const test::TemporaryFolder folder;
    test::write_files(folder.path(), test::cast_model(models / "perceptron" / "model.onnx", "p", {}, {{"batch", 2}}));
    test::run_command(std::string(test::strict) + "p.cpp" + to_library, folder.path());
    test::Predictor predictor(folder.path() / "predictor.so", "p");
    const int count = predictor.info().step_count;
    REQUIRE(count > 0);
    std::int64_t flops = 0;
    for (int i = 0; i < count; ++i) {
        const igata_step_info& step = predictor.info().steps[i];
        CHECK(std::string(step.name) != "");
        CHECK(std::string(step.origin) != "");
        CHECK(step.bytes > 0);
        flops += step.flops;
        REQUIRE(predictor.implementation(i) != nullptr);
        const std::string implementation = predictor.implementation(i);
        if (step.kind == std::string("loop")) CHECK(implementation == "igata:loop");
        else CHECK(implementation.find(':') != std::string::npos);
    }
    CHECK(flops > 0);
    CHECK(predictor.implementation(-1) == nullptr);
    CHECK(predictor.implementation(count) == nullptr);

    std::vector<float> x(48, 0.5F), logits(16), hidden(64), profiled_logits(16), profiled_hidden(64);
    const void* inputs[] = {x.data()};
    void* outputs[] = {logits.data(), hidden.data()};
    void* profiled[] = {profiled_logits.data(), profiled_hidden.data()};
    std::vector<double> seconds(static_cast<std::size_t>(count), 0.0);
    CHECK(predictor.status(inputs, outputs, 4) == IGATA_OK);
    CHECK(predictor.profile(inputs, profiled, 4, seconds.data()) == IGATA_OK);
    CHECK(profiled_logits == logits);
    CHECK(profiled_hidden == hidden);
    for (const double step : seconds) CHECK(step > 0.0);
    CHECK(predictor.profile(inputs, profiled, 3, seconds.data()) == IGATA_BAD_ARGUMENT);
    CHECK(predictor.profile(inputs, profiled, 4, nullptr) == IGATA_BAD_ARGUMENT);
}

TEST_CASE("a name that is no identifier is refused with one that is") {
    CHECK_THROWS_WITH_AS(test::cast_model(models / "perceptron" / "model.onnx", "my-model"),
                         "the name 'my-model' is no C++ identifier: pass another with --name, for example my_model",
                         Error);
    CHECK_THROWS_AS(test::cast_model(models / "perceptron" / "model.onnx", "class"), Error);
}

TEST_CASE("weights that are too many for their place are refused before anything is made") {
    Plan plan;
    const auto refused = [&](EmitOptions::Weights weights, std::int64_t bytes, const char* why) {
        plan.weight_bytes = bytes;
        CHECK_THROWS_WITH_AS(emit(plan, {"photo", weights}, {}), why, Error);
    };
    refused(EmitOptions::Weights::literal, 300'000'000,
            "--weights literal: 300 MB of weights are more than the 256 MB that a C++ compiler can be asked to read as "
            "literals; use --weights incbin or file");
    refused(EmitOptions::Weights::incbin, 2'400'000'000,
            "--weights incbin: 2400 MB of weights are more than the 2000 MB that a program can hold; use --weights "
            "file");
}

namespace {

/// The output as kept in generated/: the inlined runtime, which stands in runtime/, left out.
std::string without_runtime(const std::string& text) {
    const std::size_t begin = text.find("#include <");
    const std::size_t end = text.find("namespace igata::runtime::model {");
    if (begin == std::string::npos || end == std::string::npos) return text;
    return text.substr(0, begin) + "// ... the runtime ...\n\nnamespace {\n" + text.substr(end);
}

}  // namespace

TEST_CASE("casting gives the same bytes each time, and those in generated/") {
    const std::filesystem::path kept = IGATA_SOURCE_DIR "/generated";
    for (const std::string& name : names) {
        const auto files = test::cast_model(models / name / "model.onnx", name);
        const auto again = test::cast_model(models / name / "model.onnx", name);
        REQUIRE(files.size() == again.size());
        for (std::size_t i = 0; i < files.size(); ++i) {
            CHECK(files[i].bytes == again[i].bytes);
            const std::string text = files[i].path == name + ".cpp" ? without_runtime(files[i].bytes) : files[i].bytes;
            if (std::getenv("IGATA_BLESS") != nullptr) test::write_file(kept / files[i].path, text);
            CHECK_MESSAGE(test::read_file(kept / files[i].path) == text,
                          files[i].path << " changed: run e2e_tests with IGATA_BLESS=1 and look at the difference");
        }
    }
}
