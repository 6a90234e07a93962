#include <doctest/doctest.h>

#include "tests/errors/command_line.hpp"

using namespace igata::tests;

namespace {

void record(const TemporaryFolder& folder, const std::string& file, const std::string& name,
            const std::vector<float>& values, std::int64_t rows) {
    std::filesystem::create_directories((folder / file).parent_path());
    onnx::TensorProto tensor;
    tensor.set_name(name);
    tensor.set_data_type(onnx::TensorProto::FLOAT);
    tensor.add_dims(rows);
    tensor.add_dims(4);
    for (const float value : values) tensor.add_float_data(value);
    folder.write(file, tensor.SerializeAsString());
}

}  // namespace

TEST_CASE("verify replays what was recorded, and exits with 1 beyond tolerance") {
    const TemporaryFolder folder;
    folder.write("model.onnx", relu_model().SerializeAsString());
    record(folder, "test_data_set_0/input_0.pb", "x", {-1, 2, -3, 4}, 1);
    record(folder, "test_data_set_0/output_0.pb", "y", {0, 2, 0, 4}, 1);
    record(folder, "test_data_set_1/input_0.pb", "x", {-1, 2, -3, 4, 1, 1, 1, 1}, 2);
    record(folder, "test_data_set_1/output_0.pb", "y", {0, 2, 0, 4, 1, 1, 1, 1}, 2);
    for (const std::string engine : {"interpreter", "plan", "generated"}) {
        const Outcome fine = run_igata(folder, "verify model.onnx --data . --engine " + engine);
        CHECK(fine.err == "");
        CHECK(fine.code == 0);
        CHECK(fine.out.ends_with("2 of 2 data sets within rtol 0.001, atol 0.0001\n"));
    }
    CHECK(run_igata(folder, "conformance . --engine plan") == Outcome{0, "1 passed, 0 failed, 0 skipped\n", ""});
    record(folder, "test_data_set_1/output_0.pb", "y", {0, 2, 0.5, 4, 1, 1, 1, 1}, 2);
    const Outcome wrong = run_igata(folder, "verify model.onnx --data . --engine plan");
    CHECK(wrong.code == 1);
    CHECK(wrong.out.find("FAILED: 1 of 8 elements beyond tolerance\n1 of 2 data sets") != std::string::npos);
    CHECK(run_igata(folder, "conformance . --engine plan") ==
          Outcome{1,
                  "failed  .: test_data_set_1: output 'y': 1 of 8 elements beyond tolerance, largest error 0.5\n"
                  "0 passed, 1 failed, 0 skipped\n",
                  ""});
}

TEST_CASE("compile says what bf16 costs in precision") {
    const TemporaryFolder folder;
    onnx::ModelProto model = make_model();
    add_value(*model.mutable_graph()->add_input(), "x", {"1", "4"});
    add_value(*model.mutable_graph()->add_output(), "y", {});
    // 1 + 2^-9 is a half too fine for bf16, and becomes 1.
    add_floats(model, "w", {4, 2}, {1, 1.001953125, 1, 1.001953125, 1, 1, 1, 1});
    add_node(model, "MatMul", {"x", "w"}, {"y"}, "sum");
    folder.write("m.onnx", model.SerializeAsString());
    record(folder, "data/test_data_set_0/input_0.pb", "x", {1, 2, -4, 8}, 1);
    record(folder, "data/test_data_set_0/output_0.pb", "y", {7, 7, 7, 7}, 1);  // is not looked at
    CHECK(run_igata(folder, "compile m.onnx -o out --precision bf16 --data data") ==
          Outcome{0, "y: with bf16, at most 0.0059 from f32, where results reach 7\n", ""});
    CHECK(run_igata(folder, "compile m.onnx -o none --precision bf16 --data .") ==
          fails(4, ".: holds no test_data_set_*"));
    CHECK_FALSE(std::filesystem::exists(folder / "none"));
}

TEST_CASE("recorded data that do not suit the model are named") {
    const TemporaryFolder folder;
    folder.write("model.onnx", relu_model().SerializeAsString());
    CHECK(run_igata(folder, "verify model.onnx --data . --engine plan") == fails(4, ".: holds no test_data_set_*"));
    CHECK(run_igata(folder, "verify model.onnx --data absent --engine plan") == fails(4, "absent: no such folder"));
    record(folder, "test_data_set_0/output_0.pb", "y", {0, 2, 0, 4}, 1);
    CHECK(run_igata(folder, "verify model.onnx --data . --engine plan").err ==
          "igata: ./test_data_set_0: nothing recorded for input 'x'\n");
    folder.write("test_data_set_0/input_0.pb", "no tensor");
    CHECK(run_igata(folder, "verify model.onnx --data . --engine plan").err ==
          "igata: ./test_data_set_0/input_0.pb: not a recorded tensor (truncated, damaged, or of another format)\n");
}
