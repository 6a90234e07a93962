// One predictor with several plans: batches that they make up, shapes, and weights that are there once.
#include <doctest/doctest.h>

#include <cmath>

#include "tests/e2e/cast_model.hpp"

using namespace igata;
using test::models;

namespace {

constexpr const char* to_library = " -fopenmp -shared -fPIC -o predictor.so -ldnnl";

const EmittedFile& file(const std::vector<EmittedFile>& files, const std::string& path) {
    for (const EmittedFile& candidate : files)
        if (candidate.path == path) return candidate;
    throw std::runtime_error("no " + path);
}

}  // namespace

TEST_CASE("several plans: one pool of weights, and any batch that they make up") {
    const auto model = models / "perceptron" / "model.onnx";
    const test::TemporaryFolder folder;
    test::write_files(folder.path(), test::cast_plans(model, "p", {{{"batch", 1}}, {{"batch", 8}}}));
    test::run_command(std::string(test::strict) + "p.cpp" + to_library, folder.path());
    test::Predictor predictor(folder.path() / "predictor.so", "p");
    const igata_predictor_info& info = predictor.info();
    REQUIRE(info.plan_count == 2);
    CHECK(info.plans == &info);
    CHECK(info.plans[1].inputs[0].dims[0] == 8);
    const auto single = test::cast_model(model, "p", EmitOptions::Weights::incbin);
    CHECK(info.weight_bytes == file(single, "p.bin").bytes.size());

    Tensor x(DataType::f32, {19, 12});
    const auto values = x.mutable_values<float>();
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i));
    const Tensor logits(DataType::f32, {19, 4}), hidden(DataType::f32, {19, 16});
    const auto all = predictor.run({x}, {logits, hidden});
    for (std::size_t row = 0; row < 19; ++row) {
        Tensor one = Tensor::from_bytes(DataType::f32, {1, 12}, x.bytes().subspan(row * 48, 48));
        const auto got = predictor.run({one}, {Tensor(DataType::f32, {1, 4}), Tensor(DataType::f32, {1, 16})});
        const Tensor expected = Tensor::from_bytes(DataType::f32, {1, 4}, all[0].bytes().subspan(row * 16, 16));
        CHECK(test::difference(got[0], expected) < 1e-5);
    }

    const std::int64_t dims[] = {9, 12}, wide[] = {8, 13};
    const std::int64_t* inputs[] = {dims};
    std::int64_t logits_dims[2], hidden_dims[2];
    std::int64_t* outputs[] = {logits_dims, hidden_dims};
    CHECK(predictor.output_dims(inputs, outputs) == IGATA_OK);
    CHECK(logits_dims[0] == 9);
    CHECK(hidden_dims[1] == 16);
    inputs[0] = wide;
    CHECK(predictor.output_dims(inputs, outputs) == IGATA_BAD_ARGUMENT);
    CHECK(predictor.last_error() ==
          "no plan serves x [8,13]; there is x [1,12]; x [8,12]; and batches made up of these");
    CHECK(predictor.output_dims(nullptr, outputs) == IGATA_BAD_ARGUMENT);
    CHECK(predictor.last_error() == "the dims of input 'x' are null");
    CHECK(predictor.implementation(2) != nullptr);  // the second plan's
    CHECK(predictor.implementation(4) == nullptr);
}

TEST_CASE("the C++ wrapper of several plans: shapes and a table") {
    const test::TemporaryFolder folder;
    test::write_files(folder.path(),
                      test::cast_plans(models / "open_width.onnx", "w", {{{"W", 4}}, {{"N", 2}, {"W", 6}}}));
    test::write_file(folder.path() / "main.cpp",
                     test::read_file(IGATA_SOURCE_DIR "/tests/e2e/programs/several_shapes.cpp"));
    CHECK_NOTHROW(test::run_command(
        std::string(test::strict) + "w.cpp main.cpp -fopenmp -I. -o program -ldnnl && ./program", folder.path()));
}
