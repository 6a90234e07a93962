// A predictor of results whose size depends on the data.
#include <doctest/doctest.h>

#include "compiler/ir/text.hpp"
#include "tests/e2e/cast_model.hpp"

using namespace igata;

TEST_CASE("a result whose size depends on the data, and its size") {
    Remarks remarks;
    const std::string text = R"(graph (x: f32[2,3], t: f32[3,2]) -> (found) {
      n = NonZero(x)
      one = constant i64[] {1}
      columns = Gather(n, one) {axis=0}
      found = Gather(t, columns) {axis=0}
    })";
    const Plan plan = run_pipeline(parse_graph(text), {}, remarks).plan;
    const test::TemporaryFolder folder;
    const EmitOptions options{"p", EmitOptions::Weights::literal, needs_of({&plan, 1})};
    test::write_files(folder.path(), emit(plan, options, remarks));
    test::run_command(std::string(test::strict) + "p.cpp -fopenmp -shared -fPIC -o predictor.so -ldnnl", folder.path());
    test::Predictor predictor(folder.path() / "predictor.so", "p");
    const igata_predictor_info& info = predictor.info();
    REQUIRE(info.output_count == 2);
    CHECK(std::string(info.outputs[1].name) == "found.size");
    CHECK(info.outputs[0].dims[0] == 6);
    CHECK(info.outputs[0].open_axis == 0);
    CHECK(info.outputs[0].size_output == 1);
    CHECK(info.outputs[1].open_axis == -1);

    const Tensor x = Tensor::of<float>({2, 3}, {0, 0, 5, -1, 0, 2});
    const Tensor t = Tensor::of<float>({3, 2}, {1, 2, 3, 4, 5, 6});
    const auto got = predictor.run({x, t}, {Tensor(DataType::f32, {6, 2}), Tensor(DataType::i64, {})});
    CHECK(got[1].to_i64() == Dims{3});
    const auto found = got[0].to_f64();
    CHECK(std::vector<double>(found.begin(), found.begin() + 6) == std::vector<double>{5, 6, 1, 2, 5, 6});
}
