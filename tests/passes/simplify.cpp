#include <doctest/doctest.h>

#include "compiler/ir/text.hpp"
#include "compiler/passes/passes.hpp"
#include "tests/passes/before_after.hpp"

using namespace igata;
using test::check_pass;

namespace {

void run(Graph& graph, Remarks& remarks) { simplify(graph, remarks); }

}  // namespace

TEST_CASE("simplify merges equal nodes, and those that become equal by it") {
    CHECK(check_pass(run, R"(graph (x: f32[2,3]) -> (y) {
          a = constant f32[1,3] {2,3,4}
          b = constant f32[1,3] {2,3,4}
          p = Map(x, a) => x0 * x1   ; one
          q = Map(x, b) => x0 * x1   ; two
          r = Map(p) => exp(x0)      ; three
          s = Map(q) => exp(x0)      ; four
          y = Map(r, s) => x0 + x1
        })",
                     R"(graph (x: f32[2,3]) -> (y) {
          a = constant f32[1,3] {2,3,4}
          p = Map(x, a) => x0 * x1
          r = Map(p) => exp(x0)
          y = Map(r, r) => x0 + x1
        })") == "two: the same as 'one'\nfour: the same as 'three'\n");
}

TEST_CASE("simplify keeps nodes that differ in an attribute, a body or an input") {
    const char* text = R"(graph (x: f32[3,3]) -> (y) {
          p = LRN(x) {size=1}
          q = LRN(x) {size=3}
          r = Map(p, q) => x0 - x1
          s = Map(q, p) => x0 - x1
          t = Map(p, q) => x0 + x1
          y = Map(r, s, t) => x0 * x1 * x2
        })";
    check_pass(run, text, text);
}

TEST_CASE("simplify applies rules and removes what is then dead") {
    CHECK(check_pass(run, R"(graph (x: f32[2,3]) -> (y, z) {
          unused = Map(x) => exp(x0)
          i = Identity(x)   ; nothing
          j = Identity(i)
          y = Map(j) => max(x0, 0)
          z = Identity(y)
        })",
                     R"(graph (x: f32[2,3]) -> (y, z = y) {
          y = Map(x) => max(x0, 0)
        })") == "j: drop-identity\nnothing: drop-identity\nz: drop-identity\n");
}

TEST_CASE("simplify frees the constants that it folds") {
    Graph graph = parse_graph(R"(graph (x: f32[1,2,4,4]) -> (y) {
          w = constant f32[2,2,1,1] {1,2,3,4}
          s = constant f32[2,1,1] {2,3}
          c = Conv(x, w)
          y = Mul(c, s)
        })");
    Remarks remarks;
    infer_types(graph, remarks);
    simplify(graph, remarks);
    CHECK(graph.nodes.size() == 1);
    int constants = 0;
    for (std::size_t id = 0; id < graph.value_count(); ++id)
        constants += graph.is_constant(static_cast<ValueId>(id)) ? 1 : 0;
    CHECK(constants == 1);
}

TEST_CASE("simplify stops when its budget is spent") {
    Graph graph =
        test::typed_graph("graph (x: f32[2,2]) -> (c) { a = Identity(x) b = Identity(a) c = LRN(b) {size=1} }");
    Remarks remarks;
    simplify(graph, remarks, 1);
    CHECK(graph.nodes.size() == 2);
}
