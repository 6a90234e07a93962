// Selecting and storing by a mask, in the nodes that PyTorch writes for them: what `x[mask]`, `x[mask] = v` and
// `masked_scatter` mean, for masks of which nothing, something or everything holds.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "compiler/diagnostics.hpp"
#include "compiler/ir/view.hpp"
#include "tests/ops/run_op.hpp"

using namespace igata;
using namespace igata::test;

namespace {

struct Masked {
    std::vector<float> x, v;
    std::vector<bool> mask;
};

/// x and v: f32[3,4]; mask: bool[3,4].
Masked random_case(unsigned seed) {
    std::mt19937 random(seed);
    Masked c;
    for (int i = 0; i < 12; ++i) {
        c.x.push_back(static_cast<float>(random() % 100));
        c.v.push_back(static_cast<float>(random() % 100) + 100);
        c.mask.push_back(seed == 0 ? false : seed == 1 ? true : random() % 2 == 0);
    }
    return c;
}

const std::string places =
    "graph (x: f32[3,4], v: f32[3,4], mask: bool[3,4]) -> (y) { n = NonZero(mask)  at = Transpose(n)  ";

/// The first output, cut to its true size if it has one.
Tensor cut(const Graph& graph, const std::vector<Tensor>& results) {
    const OpenAxis& open = graph.outputs[0].open;
    if (open.axis < 0) return results[0];
    const std::int64_t size = results[static_cast<std::size_t>(open.size_output)].to_i64()[0];
    return copy_of(results[0], sliced(view_of(results[0]), static_cast<std::size_t>(open.axis), 0, size));
}

/// Interpreted, and as a plan, which must agree.
Tensor run_masked(const std::string& text, const Masked& c) {
    const Graph graph = typed_graph(text);
    const std::vector<Tensor> inputs{floats({3, 4}, c.x), floats({3, 4}, c.v), Tensor::of<bool>({3, 4}, c.mask)};
    const Tensor result = cut(graph, evaluate(graph, inputs));
    check_same(cut(graph, run_plan(graph, inputs)), result);
    return result;
}

template <class Expected>
void check_masked(const std::string& body, const Expected& expected) {
    CAPTURE(body);
    for (unsigned seed = 0; seed < 20; ++seed) {
        CAPTURE(seed);
        const Masked c = random_case(seed);
        check_same(run_masked(places + body + "}", c), expected(c));
    }
}

/// x with what `store(x, v, n)` makes of those where the mask holds; n counts them.
template <class Store>
Tensor stored(const Masked& c, const Store& store) {
    std::vector<float> y = c.x;
    std::size_t n = 0;
    for (std::size_t i = 0; i < y.size(); ++i)
        if (c.mask[i]) y[i] = store(y[i], c.v, n++);
    return floats({3, 4}, y);
}

std::int64_t count(const Masked& c) { return std::count(c.mask.begin(), c.mask.end(), true); }

}  // namespace

TEST_CASE("x[mask] and its shape") {
    check_masked("y = GatherND(x, at)", [](const Masked& c) {
        std::vector<float> y;
        for (std::size_t i = 0; i < c.x.size(); ++i)
            if (c.mask[i]) y.push_back(c.x[i]);
        return floats({count(c)}, y);
    });
    check_masked("y = Shape(at)", [](const Masked& c) { return ints({count(c), 2}); });
    check_masked("y = Shape(at) {start=1}", [](const Masked&) { return ints({2}); });
    check_masked("y = Size(at)", [](const Masked& c) { return Tensor::scalar(2 * count(c)); });
}

TEST_CASE("x.masked_scatter(mask, v)") {
    check_masked(R"(
        flat = constant i64[1] {-1}  zero = constant i64[1] {0}  one = constant i64[1] {1}
        values = Reshape(v, flat)
        shape = Shape(at)
        size = Slice(shape, zero, one, zero)
        updates = Slice(values, zero, size, zero)
        y = ScatterND(x, at, updates))",
                 [](const Masked& c) { return stored(c, [](float, const auto& v, std::size_t n) { return v[n]; }); });
}

TEST_CASE("x[mask] = -x[mask], and x[mask] += 5") {
    check_masked("some = GatherND(x, at)  less = Neg(some)  y = ScatterND(x, at, less)",
                 [](const Masked& c) { return stored(c, [](float x, const auto&, std::size_t) { return -x; }); });
    check_masked(R"(
        zero = constant i64[] {0}  axis = constant i64[1] {0}  five = constant f32[] {5}
        shape = Shape(at)
        size = Gather(shape, zero)
        wanted = Unsqueeze(size, axis)
        updates = Expand(five, wanted)
        y = ScatterND(x, at, updates) {reduction="add"})",
                 [](const Masked& c) { return stored(c, [](float x, const auto&, std::size_t) { return x + 5; }); });
}

TEST_CASE("sizes that the data decide become dims again") {
    const std::string size =
        "two = constant i64[1] {2}  shape = Shape(at) {end=1}  wanted = Concat(shape, two) {axis=0}  ";
    check_masked(size + "f = Cast(at) {to=1}  y = Reshape(f, wanted)", [](const Masked& c) {
        std::vector<float> y;
        for (std::size_t i = 0; i < 12; ++i)
            if (c.mask[i]) y.insert(y.end(), {static_cast<float>(i / 4), static_cast<float>(i % 4)});
        return floats({count(c), 2}, y);
    });
    check_masked(size + "y = ConstantOfShape(wanted)", [](const Masked& c) {
        return Tensor(DataType::f32, {count(c), 2});
    });
    check_masked(R"(
        zero = constant i64[] {0}  one = constant i64[] {1}  first = constant i64[1] {0}
        shape = Shape(at) {end=1}
        size = Squeeze(shape, first)
        range = Range(zero, size, one)
        some = GatherND(x, at)
        f = Cast(range) {to=1}
        y = Add(some, f))",
                 [](const Masked& c) {
                     std::vector<float> y;
                     for (std::size_t i = 0; i < 12; ++i)
                         if (c.mask[i]) y.push_back(c.x[i] + static_cast<float>(y.size()));
                     return floats({count(c)}, y);
                 });
}

TEST_CASE("what takes more of a size than its value is refused by name") {
    const auto refused = [](const std::string& body, const std::string& message) {
        CHECK_THROWS_WITH_AS(typed_graph(places + body + "}"), message.c_str(), Unsupported);
    };
    const std::string size = "zero = constant i64[1] {0}  two = constant i64[1] {2}  size = Shape(at) {end=1}  ";
    refused(size + "less = Sub(size, two)  y = ConstantOfShape(less)",
            "ConstantOfShape: shape must be known at compile time");
    refused(size + "both = Concat(size, size) {axis=0}  y = ConstantOfShape(both)",
            "ConstantOfShape: the size of its input 'both' depends on the data");
    refused(size + "same = Identity(size)  y = Reshape(x, same)",
            "Reshape: the size of its input 'same' depends on the data");
    refused(
        "one = constant i64[1] {1}  zero = constant i64[1] {0}  row = Slice(at, zero, one, one)  some = GatherND(x, at)"
        "  y = ScatterND(some, row, some)",
        "ScatterND: the size of its input 'some' depends on the data");
    refused("m = NonZero(v)  other = Transpose(m)  some = GatherND(x, other)  y = ScatterND(x, at, some)",
            "ScatterND: the size of its input 'some' depends on the data");
}

namespace {

/// The graph with the mask as a constant, so that all sizes are known and every operator is the ordinary one.
Tensor run_known(const std::string& body, const Masked& c) {
    std::string mask;
    for (const bool holds : c.mask) mask += mask.empty() ? (holds ? "1" : "0") : (holds ? ",1" : ",0");
    const Graph graph = typed_graph("graph (x: f32[3,4], v: f32[3,4]) -> (y) { mask = constant bool[3,4] {" + mask +
                                    "}  n = NonZero(mask)  at = Transpose(n)  " + body + "}");
    return cut(graph, evaluate(graph, {floats({3, 4}, c.x), floats({3, 4}, c.v)}));
}

/// What the data decide must give what it would give if it were known. `first` 1: where there is something.
void check_as_if_known(const std::string& body, unsigned first = 0) {
    CAPTURE(body);
    for (unsigned seed = first; seed < 12; ++seed) {
        CAPTURE(seed);
        const Masked c = random_case(seed);
        const Tensor result = run_masked(places + body + "}", c);
        const Tensor expected = run_known(body, c);
        REQUIRE(to_string(result.type()) == to_string(expected.type()));
        const auto a = result.to_f64(), b = expected.to_f64();
        for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == doctest::Approx(b[i]).epsilon(1e-5));
    }
}

const std::string some = "some = GatherND(x, at)  zero = constant i64[1] {0}  one = constant i64[1] {1}  ";
const std::string size_of_some = some + "size = Shape(some)  ";

}  // namespace

TEST_CASE("x[mask].mean() counts what there is") {
    const Masked c{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, std::vector<float>(12), std::vector<bool>(12)};
    const auto mean_of = [&](std::vector<std::size_t> chosen) {
        Masked some_of = c;
        for (const std::size_t i : chosen) some_of.mask[i] = true;
        return run_masked(places + some + "y = ReduceMean(some) {keepdims=0} }", some_of).to_f64().at(0);
    };
    CHECK(mean_of({1, 3, 6}) == doctest::Approx(13.0 / 3));
    CHECK(mean_of({11}) == 12);
    CHECK(std::isnan(mean_of({})));
}

TEST_CASE("reductions of an axis of which only the data decide how much there is") {
    for (const char* op : {"ReduceSum", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare"})
        for (const char* keep : {"0", "1"}) check_as_if_known(some + "y = " + op + "(some) {keepdims=" + keep + "}");
    for (const char* op :
         {"ReduceMean", "ReduceMax", "ReduceMin", "ReduceLogSum", "ReduceLogSumExp", "ArgMax", "ArgMin"})
        check_as_if_known(some + "y = " + op + "(some)", 1);
    check_as_if_known(some + "whole = Cast(at) {to=6}  y = ReduceMean(whole, zero)", 1);
    check_as_if_known(some + "whole = Cast(at) {to=6}  y = ReduceMax(whole)", 1);
    check_as_if_known(some + "rows = Cast(at) {to=1}  columns = Transpose(rows)  y = MatMul(columns, rows)");
}

TEST_CASE("Softmax, CumSum and their kin along such an axis") {
    for (const char* op : {"Softmax", "LogSoftmax", "Hardmax", "LpNormalization"})
        check_as_if_known(some + "y = " + op + "(some) {axis=0}");
    for (const char* attrs : {"", "{reverse=1}", "{exclusive=1}", "{exclusive=1, reverse=1}"})
        check_as_if_known(some + "a = constant i64[] {0}  y = CumSum(some, a) " + attrs);
}

TEST_CASE("Slice and Gather count from the true end") {
    for (const char* range : {"{0} {2}", "{-2} {9}", "{1} {-1}", "{-4} {-1}", "{20} {30}", "{3} {3}"})
        for (const char* step : {"1", "2", "-1", "-3"}) {
            const std::string text = range;
            const auto end = text.find(' ');
            check_as_if_known(some + "s = constant i64[1] " + text.substr(0, end) + "  e = constant i64[1] " +
                              text.substr(end) + "  p = constant i64[1] {" + step +
                              "}  y = Slice(some, s, e, zero, p)");
        }
    check_as_if_known(size_of_some +
                      "two = constant i64[1] {2}  half = Div(size, two)  y = Slice(some, zero, half, zero)");
    check_as_if_known(size_of_some +
                      "two = constant i64[1] {2}  half = Div(size, two)  y = Slice(some, half, size, zero)");
    check_as_if_known(some + "last = constant i64[] {-1}  y = Gather(some, last)", 1);
    check_as_if_known(some + "last = constant i64[1,1] {-1}  y = GatherND(some, last)", 1);
}

TEST_CASE("Concat, Pad and Reshape of such an axis") {
    check_as_if_known(some +
                      "w = GatherND(v, at)  row = Gather(v, zero)  three = constant i64[1] {-1}  "
                      "flat = Reshape(row, three)  y = Concat(some, flat, w, some) {axis=0}");
    check_as_if_known(some + "p = constant i64[2] {2,1}  five = constant f32[] {5}  y = Pad(some, p, five)");
    check_as_if_known(size_of_some +
                      "room = constant i64[1] {15}  rest = Sub(room, size)  "
                      "p = Concat(zero, rest) {axis=0}  y = Pad(some, p)");
    check_as_if_known("line = constant i64[1] {-1}  y = Reshape(at, line)");
    check_as_if_known(
        "line = constant i64[1] {-1}  l = Reshape(at, line)  s = constant i64[2] {-1,2}  m = Neg(l)  "
        "y = Reshape(m, s)");
}

TEST_CASE("rows of which only the data decide how many there are, each on its own") {
    const std::string rows = "f = Cast(at) {to=1}  four = constant i64[4] {-1,2,1,1}  image = Reshape(f, four)  ";
    check_as_if_known(rows + "w = constant f32[2] {1,2}  y = LayerNormalization(f, w)");
    check_as_if_known(rows + "w = constant f32[3,2,1,1] {1,2,3,4,5,6}  y = Conv(image, w)");
    check_as_if_known(rows + "y = MaxPool(image) {kernel_shape=[1,1]}");
    check_as_if_known(rows + "w = constant f32[2] {1,2}  y = BatchNormalization(image, w, w, w, w)");
    check_as_if_known(rows + "r = constant i64[2] {1,3}  y = Tile(f, r)");
    check_as_if_known(rows + "r = constant i64[2] {3,2}  y = Tile(f, r)");
    check_as_if_known(rows +
                      "two = constant i64[2] {1,2}  box = Tile(f, two)  all = constant i64[4] {1,1,3,4}  "
                      "left = constant i64[1] {0}  right = constant i64[1] {4}  one = constant i64[1] {1}  "
                      "region = Slice(box, left, right, one)  picture = Reshape(x, all)  shape = Shape(at) {end=1}  "
                      "first = ConstantOfShape(shape)  batch = Cast(first) {to=7}  "
                      "y = RoiAlign(picture, region, batch) {output_height=2, output_width=2}");
    check_as_if_known(
        "m = NonZero(mask)  other = Transpose(m)  p = GatherND(x, at)  q = GatherND(v, other)  y = Add(p, q)");
}

TEST_CASE("ScatterElements stores as many as there are") {
    const std::string rows = "f = Cast(n) {to=1}  ";
    const std::string indices = "i = Identity(n)  ";
    check_as_if_known(rows + indices + "y = ScatterElements(x, i, f) {axis=1, reduction=\"add\"}");
    check_as_if_known(rows + indices +
                      "wide = constant i64[2] {1,2}  z = Tile(x, wide)  less = constant i64[] {3}  "
                      "j = Sub(i, less)  y = ScatterElements(z, j, f) {axis=1}");
    check_as_if_known(rows +
                          "s = Shape(at)  none = ConstantOfShape(s)  two = constant i64[1,2] {-1,0}  "
                          "u = constant f32[1,2] {5,6}  y = ScatterElements(none, two, u) {axis=0}",
                      1);
}

TEST_CASE("a dim of an open value that is fixed is known") {
    check_as_if_known(
        "f = Cast(at) {to=1}  s = Shape(f)  second = constant i64[1] {1}  two = Gather(s, second)  "
        "zero = constant i64[1] {0}  first = Gather(s, zero)  other = NonZero(v)  count = Shape(other)  "
        "places = Gather(count, second)  dims = Concat(places, two) {axis=0}  y = ConstantOfShape(dims)");
}

TEST_CASE("what is selected of a selection") {
    const std::string high = some + "half = constant f32[] {50}  high = Greater(some, half)  ";
    check_as_if_known(high + "y = Compress(some, high) {axis=0}");
    check_as_if_known(high + "y = NonZero(high)");
    check_as_if_known(size_of_some + "four = constant i64[1] {4}  k = Min(size, four)  y, i = TopK(some, k)");
    check_as_if_known(size_of_some +
                      "four = constant i64[1] {4}  k = Min(size, four)  t, i = TopK(some, k) {largest=0}  "
                      "w = GatherND(v, at)  y = Gather(w, i)");
    check_as_if_known(some + R"(
        boxes = Gather(v, zero)  a = constant i64[2] {0,1}  b = constant i64[1] {0}
        line = constant i64[2] {1,4}  box = Reshape(boxes, line)  shape = Shape(some)  four = constant i64[1] {4}
        wanted = Concat(shape, four) {axis=0}  many = Expand(box, wanted)  all = Unsqueeze(many, b)
        scores = Unsqueeze(some, a)  most = constant i64[1] {3}  y = NonMaxSuppression(all, scores, most))");
}

TEST_CASE("arithmetic on a size") {
    const std::string numbers = size_of_some + "two = constant i64[1] {2}  ";
    check_as_if_known(numbers + "double = Mul(size, two)  y = ConstantOfShape(double)");
    check_as_if_known(numbers +
                      "more = Add(size, one)  none = constant i64[] {0}  by = constant i64[] {1}  "
                      "end = Squeeze(more, zero)  y = Range(none, end, by)");
    check_as_if_known(numbers +
                      "double = Mul(size, two)  a = ConstantOfShape(double)  again = Add(size, size)  "
                      "b = ConstantOfShape(again)  y = Add(a, b)");
    check_as_if_known(numbers +
                      "f = Cast(size) {to=1}  h = constant f32[] {0.5}  m = Mul(f, h)  up = Ceil(m)  "
                      "count = Cast(up) {to=7}  y = ConstantOfShape(count)");
}
