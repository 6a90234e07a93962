// If, Loop, Scan: in the interpreter, as a plan node by node, and through all passes. Values worked out by hand.
#include <doctest/doctest.h>

#include "compiler/diagnostics.hpp"
#include "compiler/ir/subgraphs.hpp"
#include "tests/ops/run_op.hpp"

using namespace igata;
using namespace igata::test;

namespace {

Tensor flag(bool value) { return Tensor::scalar(value); }
Tensor number(std::int64_t value) { return Tensor::scalar(value); }

std::vector<Tensor> run(const std::string& text, const std::vector<Tensor>& inputs) {
    const Graph graph = typed_graph(text);
    verify(graph);
    const std::vector<Tensor> expected = evaluate(graph, inputs);
    const auto check = [&](const std::vector<Tensor>& results) {
        for (std::size_t i = 0; i < expected.size(); ++i) check_same(results.at(i), expected[i]);
    };
    check(run_plan(graph, inputs));
    Remarks remarks;
    const Plan plan = run_pipeline(parse_graph(text), {}, remarks).plan;
    CHECK(print(parse_plan(print(plan))) == print(plan));
    PlanEngine engine(plan);
    check(engine.run(inputs));
    check(engine.run(inputs));
    return expected;
}

int control_steps(const std::string& text) {
    Remarks remarks;
    const Plan plan = run_pipeline(parse_graph(text), {}, remarks).plan;
    return static_cast<int>(std::count_if(plan.steps.begin(), plan.steps.end(),
                                          [](const Step& step) { return kind_of(step) == "control"; }));
}

}  // namespace

TEST_CASE("If takes the branch that the data says") {
    const std::string text = R"(graph (c: bool[], x: f32[3]) -> (y, z) {
        k = constant f32[3] {1,2,3}
        y, z = If(c) {then_branch=graph () -> (t, k) { t = Neg(x) },
                      else_branch=graph () -> (e, f) { e = Mul(x, x)  f = Add(e, k) }}
    })";
    const Tensor x = floats({3}, {1, -2, 3});
    const auto yes = run(text, {flag(true), x});
    CHECK(yes[0] == floats({3}, {-1, 2, -3}));
    CHECK(yes[1] == floats({3}, {1, 2, 3}));
    const auto no = run(text, {flag(false), x});
    CHECK(no[0] == floats({3}, {1, 4, 9}));
    CHECK(no[1] == floats({3}, {2, 6, 12}));
    CHECK(control_steps(text) == 3);
}

TEST_CASE("a branch that is always taken takes the If's place, whatever the other one is") {
    const std::string text = R"(graph (x: f32[1,3]) -> (y) {
        s = Shape(x)
        zero = constant i64[] {0}
        n = Gather(s, zero)
        one = constant i64[] {1}
        c = Equal(n, one)
        axes = constant i64[1] {0}
        y = If(c) {then_branch=graph () -> (t) { t = Squeeze(x, axes) }, else_branch=graph () -> (e) { e = Nonsense(x) }}
    })";
    CHECK(run(text, {floats({1, 3}, {1, 2, 3})})[0] == floats({3}, {1, 2, 3}));
    CHECK(control_steps(text) == 0);
}

TEST_CASE("Loop with a trip count and a condition that only the data knows") {
    // Doubles x until its first element is 100 or more, at most n times.
    const std::string text = R"(graph (n: i64[], c: bool[], x: f32[2]) -> (y, count) {
        zero = constant i64[] {0}
        y, count = Loop(n, c, x, zero) {body=graph (i, on, v, k) -> (go, w, i1) {
            w = Add(v, v)
            one = constant i64[] {1}
            i1 = Add(i, one)
            first = constant i64[] {0}
            limit = constant f32[] {100}
            f = Gather(w, first)
            go = Less(f, limit)
        }}
    })";
    const Tensor x = floats({2}, {3, 1});
    const auto stopped = run(text, {number(50), flag(true), x});
    CHECK(stopped[0] == floats({2}, {192, 64}));
    CHECK(stopped[1] == number(6));
    CHECK(run(text, {number(2), flag(true), x})[0] == floats({2}, {12, 4}));
    CHECK(run(text, {number(0), flag(true), x})[0] == x);
    CHECK(run(text, {number(-5), flag(true), x})[1] == number(0));
    CHECK(run(text, {number(7), flag(false), x})[0] == x);
}

TEST_CASE("states may swap, stand still, and be what is stacked") {
    const std::string text = R"(graph (a: f32[2], b: f32[2], k: f32[2]) -> (x, y, z, s, t) {
        n = constant i64[] {300}
        x, y, z, s, t = Loop(n, _, a, b, k) {body=graph (i, on, p, q, r) -> (on, q2, p, r, p, q2) {
            q2 = Sub(q, r)
        }}
    })";
    const auto results = run(text, {floats({2}, {1000, 2000}), floats({2}, {3000, 4000}), floats({2}, {1, 2})});
    CHECK(results[0] == floats({2}, {850, 1700}));
    CHECK(results[1] == floats({2}, {2850, 3700}));
    CHECK(results[2] == floats({2}, {1, 2}));
    CHECK(results[3].dims() == Dims{300, 2});
    CHECK(results[3].values<float>()[2] == 2999);
    CHECK(results[4].values<float>()[599] == 1700);
    CHECK(control_steps(text) == 2);
}

TEST_CASE("a short Loop is unrolled, and one whose body needs the number of its iteration") {
    const std::string text = R"(graph (y: f32[1]) -> (r, s) {
        n = constant i64[] {5}
        c = constant bool[] {1}
        r, s = Loop(n, c, y) {body=graph (i, on, v) -> (on, w, w) {
            x = constant f32[5] {1,2,3,4,5}
            one = constant i64[] {1}
            axes = constant i64[1] {0}
            end = Add(i, one)
            first = Unsqueeze(i, axes)
            last = Unsqueeze(end, axes)
            part = Slice(x, first, last)
            w = Add(v, part)
        }}
    })";
    const auto results = run(text, {floats({1}, {-2})});
    CHECK(results[0] == floats({1}, {13}));
    CHECK(results[1] == floats({5, 1}, {-1, 1, 4, 8, 13}));
    CHECK(control_steps(text) == 0);
}

TEST_CASE("a state that grows, and a condition that follows from constants") {
    const std::string text = R"(graph (x: f32[1]) -> (y) {
        c = constant bool[] {1}
        zero = constant i64[] {0}
        y, k = Loop(_, c, x, zero) {body=graph (i, on, v, k) -> (go, w, k1) {
            w = Concat(v, x) {axis=0}
            one = constant i64[] {1}
            k1 = Add(k, one)
            three = constant i64[] {3}
            go = Less(k1, three)
        }}
    })";
    CHECK(run(text, {floats({1}, {7})})[0] == floats({4}, {7, 7, 7, 7}));
}

TEST_CASE("Scan along any axis in any direction") {
    // A running sum of the columns from right to left, stacked from the bottom up.
    const auto text = [](int columns) {
        const std::string n = std::to_string(columns);
        return "graph (s: f32[2], x: f32[2," + n + R"(]) -> (y, z, q) {
            y, z, q = Scan(s, x) {num_scan_inputs=1, scan_input_axes=[1], scan_input_directions=[1],
                scan_output_axes=[0,-1], scan_output_directions=[1,0], body=graph (v, e) -> (w, w, d) {
                    w = Add(v, e)
                    d = Mul(e, e)
                }}
        })";
    };
    const auto results = run(text(3), {floats({2}, {10, 20}), floats({2, 3}, {1, 2, 3, 4, 5, 6})});
    CHECK(results[0] == floats({2}, {16, 35}));
    CHECK(results[1] == floats({3, 2}, {16, 35, 15, 31, 13, 26}));
    CHECK(results[2] == floats({2, 3}, {9, 4, 1, 36, 25, 16}));
    CHECK(control_steps(text(3)) == 0);
    const auto many = run(text(400), {floats({2}, {0, 0}), counted({2, 400})});
    CHECK(many[0] == floats({2}, {79800, 239800}));
    CHECK(many[1].values<float>()[798] == 399);
    CHECK(control_steps(text(400)) == 2);
    CHECK(run(text(0), {floats({2}, {1, 2}), Tensor(DataType::f32, {2, 0})})[0] == floats({2}, {1, 2}));
}

TEST_CASE("Scan of opset 8 has a batch in front") {
    const std::string text = R"(graph opset=8 (s: f32[2,1], x: f32[2,3,1]) -> (y, z) {
        y, z = Scan(_, s, x) {num_scan_inputs=1, directions=[1], body=graph (v, e) -> (w, w) { w = Add(v, e) }}
    })";
    const auto results = run(text, {floats({2, 1}, {10, 20}), floats({2, 3, 1}, {1, 2, 3, 4, 5, 6})});
    CHECK(results[0] == floats({2, 1}, {16, 35}));
    CHECK(results[1] == floats({2, 3, 1}, {13, 15, 16, 26, 31, 35}));
}

TEST_CASE("control within control") {
    // Adds each row of x, in which negative rows count twice, n times over.
    const std::string text = R"(graph (n: i64[], x: f32[300,2]) -> (y, z) {
        zero = constant f32[2] {0,0}
        y = Loop(n, _, zero) {body=graph (i, on, total) -> (on, sum) {
            sum = Scan(total, x) {num_scan_inputs=1, body=graph (v, row) -> (w) {
                axis = constant i64[1] {0}
                mean = ReduceMean(row, axis) {keepdims=0}
                nought = constant f32[] {0}
                low = Less(mean, nought)
                w = If(low) {then_branch=graph () -> (t) { d = Add(row, row)  t = Add(v, d) },
                             else_branch=graph () -> (e) { e = Add(v, row) }}
            }}
        }}
        z = Relu(y)
    })";
    std::vector<float> values(600);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = i % 4 < 2 ? 1.0F : -1.0F;
    const auto results = run(text, {number(3), floats({300, 2}, values)});
    CHECK(results[0] == floats({2}, {-450, -450}));
    CHECK(results[1] == floats({2}, {0, 0}));
    CHECK(control_steps(text) == 7);
}

TEST_CASE("branches of different sizes both run, and the data say how much of the larger there is") {
    const std::string text = R"(graph (c: bool[], x: f32[3]) -> (y) {
        y = If(c) {then_branch=graph () -> (t) { t = Concat(x, x) {axis=0} }, else_branch=graph () -> (e) { e = Neg(x) }}
    })";
    const Tensor x = floats({3}, {1, -2, 3});
    const auto larger = run(text, {flag(true), x});
    CHECK(larger[0] == floats({6}, {1, -2, 3, 1, -2, 3}));
    CHECK(larger[1] == number(6));
    const auto smaller = run(text, {flag(false), x});
    CHECK(smaller[0] == floats({6}, {-1, 2, -3, 0, 0, 0}));
    CHECK(smaller[1] == number(3));
}

TEST_CASE("a branch reads what only the data decide how much there is of") {
    const std::string text = R"(graph (x: f32[4], mask: bool[4]) -> (y) {
        some = Compress(x, mask)
        n = Size(some)
        none = constant i64[] {0}
        c = Greater(n, none)
        y = If(c) {then_branch=graph () -> (t) { t = ReduceMax(some) },
                   else_branch=graph () -> (e) { e = constant f32[1] {-5} }}
    })";
    const Tensor x = floats({4}, {1, -2, 3, 9});
    CHECK(run(text, {x, Tensor::of<bool>({4}, {true, true, true, false})})[0] == floats({1}, {3}));
    CHECK(run(text, {x, Tensor::of<bool>({4}, {false, false, false, false})})[0] == floats({1}, {-5}));
}

TEST_CASE("a branch in the If's place may end in a composition, or in what has no fixed size") {
    const std::string begin =
        "graph (x: f32[4]) -> (y) { c = constant bool[] {1}  y = If(c) {then_branch=graph () -> (t) ";
    const std::string end = ", else_branch=graph () -> (e) { e = constant i64[] {5} }} }";
    const Tensor x = floats({4}, {1, 0, 3, 9});
    CHECK(run(begin + "{ t = Size(x) }" + end, {x})[0] == number(4));
    const auto places = run(begin + "{ t = NonZero(x) }" + end, {x});
    REQUIRE(places.size() == 2);
    CHECK(places[0] == Tensor::of<std::int64_t>({1, 4}, {0, 2, 3, 0}));
    CHECK(places[1] == number(3));
}

TEST_CASE("bodies print and parse, with what they capture") {
    const Graph graph = parse_graph(R"(graph (c: bool[], x: f32[3]) -> (y) {
        y = If(c) {then_branch=graph () -> (t) { t = Neg(x) }, else_branch=graph () -> (e) { e = Abs(x) }}
    })");
    const Node& node = graph.nodes.front();
    CHECK(node.inputs.size() == 2);
    CHECK(capture_count(node) == 1);
    CHECK(subgraphs(node).at(0)->inputs.size() == 1);
    CHECK(print(parse_graph(print(graph))) == print(graph));
}

TEST_CASE("what control cannot do is said") {
    const auto message = [](const std::string& text) {
        try {
            typed_graph(text);
        } catch (const Error& error) {
            return std::string(error.what());
        }
        return std::string("nothing");
    };
    CHECK(message(R"(graph (c: bool[], x: f32[3]) -> (y) {
        axes = constant i64[1] {0}
        y = If(c) {then_branch=graph () -> (t) { t = Neg(x) }, else_branch=graph () -> (e) { e = Unsqueeze(x, axes) }}
    })") == "If: its branches give output 0 as f32[3] and f32[1,3]; only the data knows which");
    CHECK(message(R"(graph (n: i64[], x: f32[3]) -> (y, s) {
        y, s = Loop(n, _, x) {body=graph (i, on, v) -> (on, w, w) { w = Neg(v) }}
    })") == "Loop: stacks results, but only the data knows how many iterations there are");
    CHECK(message(R"(graph (n: i64[], x: f32[3]) -> (y) {
        y = Loop(n, _, x) {body=graph (i, on, v) -> (on, w) { w = Concat(v, v) {axis=0} }}
    })") == "Loop: state 0 grows from f32[3] to f32[6] in an iteration");
    CHECK(message(R"(graph (x: f32[3]) -> (y) {
        y = Loop(_, _, x) {body=graph (i, on, v) -> (on, w) { w = Neg(v) }}
    })") == "Loop: has neither a trip count nor a condition, so it never ends");
    CHECK(message(R"(graph (x: f32[3]) -> (y) {
        y = Scan(x) {num_scan_inputs=1, body=graph (e, f) -> (w) { w = Neg(e) }}
    })") == "Scan: its body takes 2 inputs, not 1");
}
