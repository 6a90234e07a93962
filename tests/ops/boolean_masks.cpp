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

/// The first output, cut to its true size if it has one; interpreted, and as a plan, which must agree.
Tensor run_masked(const std::string& text, const Masked& c) {
    const Graph graph = typed_graph(text);
    const std::vector<Tensor> inputs{floats({3, 4}, c.x), floats({3, 4}, c.v), Tensor::of<bool>({3, 4}, c.mask)};
    const auto cut = [&](const std::vector<Tensor>& results) {
        const OpenAxis& open = graph.outputs[0].open;
        if (open.axis < 0) return results[0];
        const std::int64_t size = results[static_cast<std::size_t>(open.size_output)].to_i64()[0];
        return copy_of(results[0], sliced(view_of(results[0]), static_cast<std::size_t>(open.axis), 0, size));
    };
    const Tensor result = cut(evaluate(graph, inputs));
    check_same(cut(run_plan(graph, inputs)), result);
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
    refused(size + "double = Mul(size, two)  y = ConstantOfShape(double)",
            "ConstantOfShape: shape must be known at compile time");
    refused(size + "y = Slice(at, size, size, zero)", "Slice: the size of its input 'at' depends on the data");
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
