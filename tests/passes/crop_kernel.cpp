#include <doctest/doctest.h>

#include <random>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "compiler/passes/passes.hpp"
#include "tests/passes/before_after.hpp"

using namespace igata;
using test::check_pass;

namespace {

void run(Graph& graph, Remarks& remarks) { simplify(graph, remarks); }

void check_untouched(const std::string& text) { check_pass(run, text, text); }

/// A convolution of random geometry, with one or two spatial axes; most have more padding than image.
std::string random_convolution(std::uint32_t seed) {
    std::mt19937 random(seed);
    const auto pick = [&](int low, int high) {
        return low + static_cast<int>(random() % static_cast<unsigned>(high - low + 1));
    };
    std::vector<int> image, kernel, strides, dilations, begin, end;
    for (int axes = pick(1, 2); axes > 0; --axes) {
        image.push_back(pick(1, 7));
        kernel.push_back(pick(1, 4));
        strides.push_back(pick(1, 4));
        dilations.push_back(pick(1, 6));
        const int extent = (kernel.back() - 1) * dilations.back() + 1;
        begin.push_back(pick(0, extent));
        end.push_back(pick(0, 3) + std::max(0, extent - image.back() - begin.back()));
    }
    begin.insert(begin.end(), end.begin(), end.end());
    int count = 4;
    for (const int size : kernel) count *= size;
    std::vector<int> weights;
    for (int i = 0; i < count; ++i) weights.push_back(pick(-9, 9));
    return fmt::format(
        "graph (x: f32[1,2,{}]) -> (y) {{ w = constant f32[2,2,{}] {{{}}} y = Conv(x, w) {{dilations=[{}], "
        "pads=[{}], strides=[{}]}} }}",
        fmt::join(image, ","), fmt::join(kernel, ","), fmt::join(weights, ","), fmt::join(dilations, ","),
        fmt::join(begin, ","), fmt::join(strides, ","));
}

}  // namespace

TEST_CASE("a dilated convolution whose outer taps see only padding keeps the middle one") {
    check_pass(run, R"(graph (x: f32[1,1,4,4]) -> (y) {
          w = constant f32[1,1,3,3] {1,2,3,4,5,6,7,8,9}
          y = Conv(x, w) {dilations=[6,3], kernel_shape=[3,3], pads=[6,3,6,3]}
        })",
               R"(graph (x: f32[1,1,4,4]) -> (y) {
          w = constant f32[1,1,1,3] {4,5,6}
          y = Conv(x, w) {dilations=[1,3], pads=[0,3,0,3]}
        })");
}

TEST_CASE("a kernel loses taps at one end alone, and padding that auto_pad gave it") {
    check_pass(run, R"(graph (x: f32[1,1,3]) -> (y) {
          w = constant f32[1,1,5] {1,2,3,4,5}
          y = Conv(x, w) {pads=[4,0]}
        })",
               R"(graph (x: f32[1,1,3]) -> (y) {
          w = constant f32[1,1,3] {3,4,5}
          y = Conv(x, w) {pads=[2,0]}
        })");
    check_pass(run, R"(graph (x: f32[1,2,1,1]) -> (y) {
          w = constant f32[2,1,3,3] {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18}
          y = Conv(x, w) {auto_pad="SAME_UPPER", group=2}
        })",
               R"(graph (x: f32[1,2,1,1]) -> (y) {
          w = constant f32[2,1,1,1] {5,14}
          y = Conv(x, w) {group=2, pads=[0,0,0,0]}
        })");
}

TEST_CASE("kernels whose every tap meets the image stay, and those that are computed") {
    check_untouched(R"(graph (x: f32[1,1,2,2]) -> (y) {
          w = constant f32[1,1,3,3] {1,2,3,4,5,6,7,8,9}
          y = Conv(x, w) {pads=[1,1,1,1]}
        })");
    check_untouched("graph (x: f32[1,1,1,1], w: f32[1,1,3,3]) -> (y) { y = Conv(x, w) {pads=[1,1,1,1]} }");
}

TEST_CASE("cropped kernels compute the same, whatever the geometry") {
    int cropped = 0;
    for (std::uint32_t seed = 0; seed < 400; ++seed) {
        const std::string text = random_convolution(seed);
        CAPTURE(text);
        Graph graph = test::typed_graph(text);
        const std::vector<Tensor> expected = test::evaluate(graph, seed);
        const Tensor before = *graph.constant(graph.nodes.front().input(1));
        Remarks remarks;
        simplify(graph, remarks);
        infer_types(graph, remarks);
        REQUIRE(test::difference(test::evaluate(graph, seed), expected) < 1e-6);
        for (const Node& node : graph.nodes)
            if (node.op == "Conv" && graph.constant(node.input(1))->dims() != before.dims()) ++cropped;
    }
    CHECK(cropped > 100);
}
