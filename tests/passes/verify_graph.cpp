#include <doctest/doctest.h>

#include <stdexcept>

#include "compiler/ir/text.hpp"
#include "compiler/passes/passes.hpp"
#include "tests/passes/before_after.hpp"

using namespace igata;

namespace {

Graph convolution() {
    return test::typed_graph(R"(graph (x: f32[1,2,3,3], r: f32[1,2,1,1]) -> (y) {
      w = constant f32[2,2,1,1] {1,2,3,4}
      i = Identity(x)
      y = Conv(i, w | r) => max(x0 + x1, 0)
    })");
}

}  // namespace

TEST_CASE("verify accepts what the passes make") { CHECK_NOTHROW(verify(convolution())); }

TEST_CASE("verify finds what breaks a graph") {
    Graph graph = convolution();
    Node& last = graph.nodes.back();
    SUBCASE("order") {
        graph.nodes.reverse();
        CHECK_THROWS_WITH_AS(verify(graph), "Conv: 'i' is read before it is made", std::logic_error);
    }
    SUBCASE("two makers") {
        graph.nodes.front().outputs = last.outputs;
        last.inputs[0] = last.outputs[0];
        CHECK_THROWS_WITH_AS(verify(graph), "Conv: 'y' is made twice", std::logic_error);
    }
    SUBCASE("arity") {
        graph.nodes.front().inputs.push_back(graph.inputs[0].value);
        CHECK_THROWS_WITH_AS(verify(graph), "Identity: has 2 inputs", std::logic_error);
    }
    SUBCASE("operands of an epilogue") {
        last.epilogue = expr::parse("x0 + x2");
        CHECK_THROWS_WITH_AS(verify(graph), "Conv: its expression reads more than 2 operands", std::logic_error);
    }
    SUBCASE("shapes of operands") {
        graph.value(graph.inputs[1].value).type.dims = {1, 3, 1, 1};
        CHECK_THROWS_WITH(verify(graph), "Conv: operand f32[1,3,1,1] does not broadcast to f32[1,2,3,3]");
    }
    SUBCASE("a missing type") {
        graph.value(graph.find_value("i")).type = {};
        CHECK_THROWS_WITH_AS(verify(graph), "Identity: has a result without a type", std::logic_error);
    }
    SUBCASE("an output that nobody makes") {
        graph.outputs[0].value = graph.add_value("loose");
        CHECK_THROWS_WITH_AS(verify(graph), "'loose' is read before it is made", std::logic_error);
    }
    SUBCASE("a constant that is not of its type") {
        graph.value(graph.find_value("i")).constant = Tensor(DataType::f32, {7});
        CHECK_THROWS_WITH_AS(verify(graph), "constant 'i' is f32[7], not f32[1,2,3,3]", std::logic_error);
    }
}
