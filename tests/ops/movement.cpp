// Shapes, constants, transposes, slices, pads and repeats: values worked out by hand from ONNX's operator texts.
#include <doctest/doctest.h>

#include "compiler/diagnostics.hpp"
#include "tests/ops/run_op.hpp"

using namespace igata;
using namespace igata::test;

TEST_CASE("Shape counts its start and end from either side, clamped") {
    const Tensor x(DataType::u8, {2, 3, 5});
    CHECK(run_single({"Shape", {x}}) == ints({2, 3, 5}));
    CHECK(run_single({"Shape", {x}, {{"start", attr(1)}}}) == ints({3, 5}));
    CHECK(run_single({"Shape", {x}, {{"start", attr(-2)}, {"end", attr(-1)}}}) == ints({3}));
    CHECK(run_single({"Shape", {x}, {{"start", attr(-9)}, {"end", attr(9)}}}) == ints({2, 3, 5}));
    CHECK(run_single({"Shape", {x}, {{"start", attr(2)}, {"end", attr(1)}}}) == ints({}));
    CHECK(run_single({"Size", {x}}) == Tensor::scalar<std::int64_t>(30));
}

TEST_CASE("Reshape copies dims for 0 and works out -1") {
    const Tensor x = counted({2, 3, 4});
    CHECK(run_single({"Reshape", {x, ints({0, -1})}}).dims() == Dims{2, 12});
    CHECK(run_single({"Reshape", {x, ints({4, 6})}}) == counted({4, 6}));
    CHECK(run_single({"Reshape", {x}, {{"shape", list({-1, 8})}}, 1}).dims() == Dims{3, 8});
    CHECK(run_single({"Reshape", {counted({0, 3}), ints({3, 0})}, {{"allowzero", attr(1)}}}).dims() == Dims{3, 0});
    CHECK_THROWS_WITH_AS(run_op({"Reshape", {x, ints({5, -1})}}),
                         "Reshape 'node': [2,3,4] cannot be reshaped to [5,-1]", BadInput);
    CHECK_THROWS_WITH_AS(run_op({"Reshape", {x, ints({-1, -1})}}), "Reshape 'node': shape [-1,-1] holds -1 twice",
                         BadInput);
    CHECK_THROWS_WITH_AS(run_op({"Reshape", {x, ints({4, 3, 2, 0})}}),
                         "Reshape 'node': shape [4,3,2,0] copies dim 3 of [2,3,4], which has none", BadInput);
}

TEST_CASE("Flatten, Squeeze and Unsqueeze change only the dims") {
    const Tensor x = counted({2, 1, 3, 1});
    CHECK(run_single({"Flatten", {x}}).dims() == Dims{2, 3});
    CHECK(run_single({"Flatten", {x}, {{"axis", attr(0)}}}).dims() == Dims{1, 6});
    CHECK(run_single({"Flatten", {x}, {{"axis", attr(-1)}}}).dims() == Dims{6, 1});
    CHECK(run_single({"Squeeze", {x}}).dims() == Dims{2, 3});
    CHECK(run_single({"Squeeze", {x, ints({-1})}}).dims() == Dims{2, 1, 3});
    CHECK(run_single({"Squeeze", {x}, {{"axes", list({1})}}, 11}).dims() == Dims{2, 3, 1});
    CHECK_THROWS_WITH_AS(run_op({"Squeeze", {x, ints({2})}}),
                         "Squeeze 'node': axis 2 of [2,1,3,1] is not of one element", BadInput);
    CHECK(run_single({"Unsqueeze", {counted({2, 3}), ints({4, 0, -3})}}).dims() == Dims{1, 2, 1, 3, 1});
    CHECK(run_single({"Unsqueeze", {counted({2, 3}), ints({-1, 0})}}).dims() == Dims{1, 2, 3, 1});
    CHECK(run_single({"Unsqueeze", {counted({2, 3})}, {{"axes", list({1})}}, 11}).dims() == Dims{2, 1, 3});
    CHECK_THROWS_WITH_AS(run_op({"Unsqueeze", {counted({2}), ints({0, 0})}}), "Unsqueeze 'node': axis 0 is named twice",
                         BadInput);
}

TEST_CASE("Dropout passes its data on and masks nothing") {
    const Tensor x = counted({2, 2});
    const auto results = run_op({"Dropout", {x}, {}, 13, 2});
    CHECK(results[0] == x);
    CHECK(results[1] == Tensor::of<bool>({2, 2}, {true, true, true, true}));
    CHECK(run_op({"Dropout", {x}, {{"ratio", 0.3F}}, 7, 2})[1] == floats({2, 2}, {1, 1, 1, 1}));
    CHECK(run_single({"Dropout", {x, Tensor::scalar(0.0F), Tensor::scalar(true)}}) == x);
    CHECK_THROWS_AS(run_op({"Dropout", {x, Tensor::scalar(0.5F), Tensor::scalar(true)}}), Unsupported);
}

TEST_CASE("Constant in all its forms") {
    CHECK(run_single({"Constant", {}, {{"value", Attr(counted({3}))}}}) == counted({3}));
    CHECK(run_single({"Constant", {}, {{"value_float", 2.5F}}}) == Tensor::scalar(2.5F));
    CHECK(run_single({"Constant", {}, {{"value_floats", std::vector<float>{1, 2}}}}) == floats({2}, {1, 2}));
    CHECK(run_single({"Constant", {}, {{"value_int", attr(-7)}}}) == Tensor::scalar<std::int64_t>(-7));
    CHECK(run_single({"Constant", {}, {{"value_ints", list({4, 5})}}}) == ints({4, 5}));
    CHECK_THROWS_AS(run_op({"Constant", {}, {{"value_string", std::string("a")}}}), Unsupported);
    CHECK_THROWS_AS(run_op({"Constant", {}}), BadInput);
}

TEST_CASE("ConstantOfShape, Range and EyeLike") {
    CHECK(run_single({"ConstantOfShape", {ints({2, 2})}}) == Tensor(DataType::f32, {2, 2}));
    const Tensor seven = Tensor::of<std::int32_t>({1}, {7});
    CHECK(run_single({"ConstantOfShape", {ints({3})}, {{"value", Attr(seven)}}}) ==
          Tensor::of<std::int32_t>({3}, {7, 7, 7}));
    CHECK(run_single({"ConstantOfShape", {ints({})}}) == Tensor::scalar(0.0F));
    CHECK_THROWS_WITH_AS(run_op({"ConstantOfShape", {ints({2, -1})}}),
                         "ConstantOfShape 'node': its result f32[2,-1] has a negative dim", BadInput);
    const auto range = [](auto a, auto b, auto c) {
        return run_single({"Range", {Tensor::scalar(a), Tensor::scalar(b), Tensor::scalar(c)}});
    };
    CHECK(range(1.0F, 5.0F, 2.0F) == floats({2}, {1, 3}));
    CHECK(range(10, 4, -3) == Tensor::of<std::int32_t>({2}, {10, 7}));
    CHECK(range(std::int64_t{3}, std::int64_t{3}, std::int64_t{1}).dims() == Dims{0});
    CHECK_THROWS_AS(range(1, 2, 0), BadInput);
    CHECK(run_single({"EyeLike", {Tensor(DataType::i32, {2, 3})}, {{"k", attr(1)}}}) ==
          Tensor::of<std::int32_t>({2, 3}, {0, 1, 0, 0, 0, 1}));
    CHECK(run_single({"EyeLike", {Tensor(DataType::i32, {2, 2})}, {{"k", attr(-1)}, {"dtype", attr(1)}}}) ==
          floats({2, 2}, {0, 0, 1, 0}));
}

TEST_CASE("constants of many elements that follow from few numbers are made at run time") {
    const auto planned = [](const std::string& body, const Tensor& x) {
        Remarks remarks;
        const Plan plan =
            run_pipeline(parse_graph("graph (x: " + to_string(x.type()) + ") -> (y) {" + body + "}"), {}, remarks).plan;
        CHECK(plan.weight_bytes < 100'000);
        return PlanEngine(plan).run({x})[0];
    };
    const Tensor filled = planned(R"(
      shape = constant i64[2] {4096,2048}
      filled = ConstantOfShape(shape)
      y = Add(filled, x))",
                                  floats({1}, {3}));
    CHECK(filled.values<float>().back() == 3);
    const Tensor range = planned(R"(
      start = constant i64[] {5}  limit = constant i64[] {-9000001}  delta = constant i64[] {-2}
      range = Range(start, limit, delta)
      y = Add(range, x))",
                                 ints({1}));
    REQUIRE(range.count() == 4500003);
    for (const std::int64_t i : {0, 4095, 4096, 4497407, 4497408, 4500002})
        CHECK(range.values<std::int64_t>()[static_cast<std::size_t>(i)] == 6 - 2 * i);
    const Tensor steps = planned(R"(
      start = constant f32[] {1}  limit = constant f32[] {1000001}  delta = constant f32[] {0.125}
      range = Range(start, limit, delta)
      y = Add(range, x))",
                                 floats({1}, {1}));
    REQUIRE(steps.count() == 8000000);
    for (const std::size_t i : {0, 5000, 7999999})
        CHECK(steps.values<float>()[i] == 2 + 0.125F * static_cast<float>(i));
    const Tensor tiled = planned(R"(
      line = constant f32[3] {1,2,3}
      repeats = constant i64[1] {2000000}
      tiles = Tile(line, repeats)
      y = Add(tiles, x))",
                                 floats({1}, {1}));
    REQUIRE(tiled.count() == 6000000);
    CHECK(tiled.values<float>()[5999998] == 3);
    const Tensor eye = planned("eye = EyeLike(x) {k=1} y = Add(eye, x)", Tensor(DataType::f32, {2100, 2100}));
    CHECK(eye.values<float>()[2100 + 1] == 0);
    CHECK(eye.values<float>()[2100 + 2] == 1);
    CHECK(eye.values<float>()[2 * 2100 + 1] == 0);
}

TEST_CASE("tensors of more than eight axes may be looked at otherwise, and are not computed with") {
    const auto text = [](const std::string& body) {
        return "graph (x: f32[512]) -> (y) { nine = constant i64[9] {2,2,2,2,2,2,2,2,2}  flat = constant i64[1] {-1}  "
               "a = Reshape(x, nine)  " +
               body + "  y = Reshape(b, flat) }";
    };
    const Graph views = typed_graph(text("b = Transpose(a) {perm=[8,0,7,1,6,2,5,3,4]}"));
    CHECK(run_plan(views, {counted({512})})[0] == evaluate(views, {counted({512})})[0]);
    const auto refused = [&](const std::string& body, const char* message) {
        const Graph graph = typed_graph(text(body + "  ; nine\n"));
        CHECK_THROWS_WITH_AS(run_plan(graph, {counted({512})}), message, Unsupported);
    };
    refused("b = Softmax(a) {axis=4}", "Softmax 'nine': rank 9 is beyond the limit of 8");
    refused(
        "c = constant f32[2,1,2,1,2,1,2,1,2] " + std::string("{") +
            [] {
                std::string values = "1";
                for (int i = 1; i < 32; ++i) values += ",1";
                return values;
            }() +
            "}  b = Add(a, c)",
        "Add 'nine': a loop of 9 dims is beyond the limit of 8");
}

TEST_CASE("Transpose reverses the axes unless told otherwise") {
    CHECK(run_single({"Transpose", {counted({2, 3})}}) == floats({3, 2}, {0, 3, 1, 4, 2, 5}));
    const Tensor y = run_single({"Transpose", {counted({1, 2, 2, 3})}, {{"perm", list({0, 3, 1, 2})}}});
    CHECK(y == floats({1, 3, 2, 2}, {0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11}));
    CHECK_THROWS_WITH_AS(run_op({"Transpose", {counted({2, 3})}, {{"perm", list({0, 0})}}}),
                         "Transpose 'node': perm [0,0] does not permute 2 axes", BadInput);
}

TEST_CASE("DepthToSpace and SpaceToDepth") {
    const Tensor depth = counted({1, 4, 1, 2});
    const Tensor dcr = run_single({"DepthToSpace", {depth}, {{"blocksize", attr(2)}}});
    CHECK(dcr == floats({1, 1, 2, 4}, {0, 2, 1, 3, 4, 6, 5, 7}));
    const Tensor eight = counted({1, 8, 1, 1});
    CHECK(run_single({"DepthToSpace", {eight}, {{"blocksize", attr(2)}}}) ==
          floats({1, 2, 2, 2}, {0, 2, 4, 6, 1, 3, 5, 7}));
    CHECK(run_single({"DepthToSpace", {eight}, {{"blocksize", attr(2)}, {"mode", std::string("CRD")}}}) ==
          floats({1, 2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7}));
    CHECK(run_single({"SpaceToDepth", {dcr}, {{"blocksize", attr(2)}}}) == depth);
}

TEST_CASE("Slice clamps, counts from the end and goes backwards") {
    const Tensor x = counted({3, 4});
    CHECK(run_single({"Slice", {x, ints({1, 0}), ints({3, 3})}}) == floats({2, 3}, {4, 5, 6, 8, 9, 10}));
    CHECK(run_single({"Slice", {x, ints({-1}), ints({1000}), ints({-1})}}) == floats({3, 1}, {3, 7, 11}));
    CHECK(run_single({"Slice", {x, ints({3}), ints({-1000}), ints({1}), ints({-2})}}) ==
          floats({3, 2}, {3, 1, 7, 5, 11, 9}));
    CHECK(run_single({"Slice", {x, ints({2}), ints({1}), ints({0})}}).dims() == Dims{0, 4});
    CHECK(run_single({"Slice", {x, ints({1000}), ints({INT64_MIN}), ints({0}), ints({-1})}}) ==
          floats({3, 4}, {8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3}));
    CHECK(run_single({"Slice", {x}, {{"starts", list({1})}, {"ends", list({INT64_MAX})}, {"axes", list({1})}}, 1})
              .dims() == Dims{3, 3});
    CHECK_THROWS_WITH_AS(run_op({"Slice", {x, ints({0}), ints({1}), ints({0}), ints({0})}}),
                         "Slice 'node': a step is zero", BadInput);
}

TEST_CASE("Split into given and equal parts, the last one smaller") {
    const Tensor x = counted({2, 5});
    auto parts = run_op({"Split", {x, ints({2, 3})}, {{"axis", attr(1)}}, 0, 2});
    CHECK(parts[0] == floats({2, 2}, {0, 1, 5, 6}));
    CHECK(parts[1] == floats({2, 3}, {2, 3, 4, 7, 8, 9}));
    parts = run_op({"Split", {x}, {{"axis", attr(-1)}, {"num_outputs", attr(3)}}, 18, 3});
    CHECK(parts[2] == floats({2, 1}, {4, 9}));
    parts = run_op({"Split", {x}, {{"axis", attr(1)}, {"split", list({4, 1})}}, 2, 2});
    CHECK(parts[1] == floats({2, 1}, {4, 9}));
    CHECK_THROWS_AS(run_op({"Split", {x, ints({2, 2})}, {{"axis", attr(1)}}, 0, 2}), BadInput);
}

TEST_CASE("Concat joins along its axis, which has a default in opset 1 only") {
    const Tensor a = counted({2, 1});
    const Tensor b = floats({2, 2}, {7, 8, 9, 10});
    CHECK(run_single({"Concat", {a, b, a}, {{"axis", attr(-1)}}}) == floats({2, 4}, {0, 7, 8, 0, 1, 9, 10, 1}));
    CHECK(run_single({"Concat", {a, b}, {}, 1}).dims() == Dims{2, 3});
    CHECK_THROWS_WITH_AS(run_op({"Concat", {a, b}, {}, 4}), "Concat 'node' (opset 4): attribute 'axis' is missing",
                         BadInput);
    CHECK_THROWS_WITH_AS(run_op({"Concat", {a, b}, {{"axis", attr(0)}}}),
                         "Concat 'node': input 1 is f32[2,2], which does not fit f32[2,1] along axis 0", BadInput);
}

TEST_CASE("Pad in every mode, with negative pads and chosen axes") {
    const Tensor x = counted({1, 3});
    const auto pad = [&](const char* mode, const Dims& pads) {
        return run_single({"Pad", {x, ints(pads)}, {{"mode", std::string(mode)}}});
    };
    CHECK(pad("constant", {0, 1, 1, 2}) == floats({2, 6}, {0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0}));
    CHECK(run_single({"Pad", {x, ints({0, 1, 0, 0}), Tensor::scalar(9.0F)}}) == floats({1, 4}, {9, 0, 1, 2}));
    CHECK(run_single({"Pad", {x, ints({2, -1}), Tensor(), ints({-1})}}) == floats({1, 4}, {0, 0, 0, 1}));
    CHECK(run_single({"Pad", {x}, {{"pads", list({0, 1, 0, 1})}, {"value", 5.0F}}, 2}) ==
          floats({1, 5}, {5, 0, 1, 2, 5}));
    CHECK(run_single({"Pad", {x}, {{"paddings", list({0, 1, 0, 1})}}, 1}) == floats({1, 5}, {0, 0, 1, 2, 0}));
    CHECK(pad("edge", {1, 2, 0, 1}) == floats({2, 6}, {0, 0, 0, 1, 2, 2, 0, 0, 0, 1, 2, 2}));
    CHECK(pad("reflect", {0, 2, 0, 2}) == floats({1, 7}, {2, 1, 0, 1, 2, 1, 0}));
    CHECK(pad("reflect", {0, 3, 0, 0}) == floats({1, 6}, {1, 2, 1, 0, 1, 2}));
    CHECK(pad("wrap", {0, 2, 0, 4}) == floats({1, 9}, {1, 2, 0, 1, 2, 0, 1, 2, 0}));
    CHECK(pad("reflect", {0, -1, 0, 1}) == floats({1, 3}, {1, 2, 1}));
    CHECK_THROWS_AS(pad("constant", {0, -2, 0, -2}), BadInput);
    CHECK_THROWS_AS(pad("mirror", {0, 0, 0, 0}), BadInput);
    const Tensor square = counted({2, 2});
    CHECK(run_single({"Pad", {square, ints({1, 0, 0, 1})}, {{"mode", std::string("reflect")}}}) ==
          floats({3, 3}, {2, 3, 2, 0, 1, 0, 2, 3, 2}));
}

TEST_CASE("Expand and Tile repeat") {
    CHECK(run_single({"Expand", {counted({2, 1}), ints({2, 1, 3})}}) ==
          floats({2, 2, 3}, {0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1}));
    CHECK(run_single({"Expand", {counted({3}), ints({1})}}) == counted({3}));
    CHECK_THROWS_AS(run_op({"Expand", {counted({3}), ints({2})}}), BadInput);
    CHECK(run_single({"Tile", {counted({1, 2}), ints({2, 2})}}) == floats({2, 4}, {0, 1, 0, 1, 0, 1, 0, 1}));
    CHECK(run_single({"Tile", {counted({2}), ints({0})}}).dims() == Dims{0});
    CHECK(run_single({"Tile", {counted({2, 1}), Tensor::scalar(3.0F), Tensor::scalar(1.0F)}, {}, 1}) ==
          floats({2, 3}, {0, 0, 0, 1, 1, 1}));
}
