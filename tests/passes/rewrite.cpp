#include <doctest/doctest.h>

#include "compiler/ir/text.hpp"
#include "compiler/passes/rewrite.hpp"

using namespace igata;

namespace {

/// How the pattern matches the node that makes `root`: `x=a w=b`, or "no".
std::string match(const std::string& pattern_text, const std::string& body, const std::string& root = "y") {
    Graph graph = parse_graph("graph (a: f32[2], b: f32[2]) -> (y) { k = constant f32[1] {1} " + body + " }");
    const Uses uses(graph);
    const Pattern pattern = parse_pattern(pattern_text);
    std::string result = "no";
    const Node& node = *uses.producer(graph.find_value(root));
    match_pattern(pattern, graph, uses, node, [&](const PatternMatch& found) {
        result.clear();
        for (std::size_t i = 0; i < pattern.slots.size(); ++i) {
            const ValueId id = found.values[i];
            result += (i > 0 ? " " : "") + pattern.slots[i].name + "=" + (id == no_value ? "_" : graph.value(id).name);
        }
        return true;
    });
    return result;
}

}  // namespace

TEST_CASE("a pattern matches from its root upwards") {
    CHECK(match("p = Pad(x, ...) y = Conv(p, w, ...)", "q = Pad(a, k, b) y = Conv(q, b, k)") == "p=q x=a y=y w=b");
    CHECK(match("p = Pad(x, ...) y = Conv(p, w, ...)", "q = Relu(a) y = Conv(q, b)") == "no");
    CHECK(match("p = Pad(x, ...) y = Conv(p, w, ...)", "y = Conv(a, b)") == "no");
}

TEST_CASE("inputs that a node lacks bind to no value, more than the pattern has need '...'") {
    CHECK(match("y = Conv(x, w, b)", "y = Conv(a, b)") == "y=y x=a w=b b=_");
    CHECK(match("y = Clip(x, low, high)", "y = Clip(a, _, k)") == "y=y x=a low=_ high=k");
    CHECK(match("y = Conv(x, w)", "y = Conv(a, b, k)") == "no");
    CHECK(match("y = Conv(x, _)", "y = Conv(a, b)") == "y=y x=a");
}

TEST_CASE("a name is one value, a constant is a constant") {
    CHECK(match("s = Sigmoid(x) y = Mul(x, s)", "t = Sigmoid(a) y = Mul(a, t)") == "s=t x=a y=y");
    CHECK(match("s = Sigmoid(x) y = Mul(x, s)", "t = Sigmoid(b) y = Mul(a, t)") == "no");
    CHECK(match("c = constant y = Sub(x, c)", "y = Sub(a, k)") == "c=k y=y x=a");
    CHECK(match("c = constant y = Sub(x, c)", "y = Sub(k, a)") == "no");
    CHECK(match("c = constant y = Sub(x, c)", "y = Sub(a, b)") == "no");
}

TEST_CASE("commutative operators match either way round") {
    CHECK(match("c = constant y = Add(x, c)", "y = Add(k, a)") == "c=k y=y x=a");
    CHECK(match("s = Sigmoid(x) y = Mul(x, s)", "t = Sigmoid(a) y = Mul(t, a)") == "s=t x=a y=y");
    CHECK(match("c = constant m = Mul(x, c) d = constant y = Add(m, d)", "n = Mul(k, a) y = Add(k, n)") ==
          "c=k m=n x=a d=k y=y");
}

TEST_CASE("operators may be alternatives or any") {
    CHECK(match("y = Add|Sub(x, w)", "y = Sub(a, b)") == "y=y x=a w=b");
    CHECK(match("y = Add|Sub(x, w)", "y = Mul(a, b)") == "no");
    CHECK(match("t = Transpose(x) y = _(t, ...)", "u = Transpose(a) y = Concat(u, b, b)") == "t=u x=a y=y");
}

TEST_CASE("statements may name several outputs") {
    CHECK(match("s, t = Split(x, ...) y = Relu(t)", "p, q = Split(a) y = Relu(q)") == "s=p t=q x=a y=y");
    CHECK(match("s, t = Split(x, ...) y = Relu(t)", "p, q = Split(a) y = Relu(p)") == "no");
    CHECK(match("_, t = Split(x, ...) y = Relu(t)", "p, q = Split(a) y = Relu(q)") == "t=q x=a y=y");
}

TEST_CASE("a node with an epilogue does not match") {
    CHECK(match("y = Conv(x, w, ...)", "y = Conv(a, b) => max(x0, 0)") == "no");
    CHECK(match("y = Map(x)", "y = Map(a) => max(x0, 0)") == "y=y x=a");
}

TEST_CASE("mistakes in patterns name their place") {
    CHECK_THROWS_WITH(parse_pattern("y = Conv(x w)"), "line 1, column 12: expected ','");
    CHECK_THROWS_WITH(parse_pattern(""), "line 1, column 1: expected a statement");
}
