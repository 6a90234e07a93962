// Compress, NonZero, Unique and NonMaxSuppression: values from the specification, or recorded from ONNX's reference
// evaluator and ONNX Runtime. Results have the largest size there can be, are zero beyond the true one, and that size
// is the last output.
#include <doctest/doctest.h>

#include <optional>
#include <random>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "compiler/diagnostics.hpp"
#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "tests/ops/run_op.hpp"

using namespace igata;
using namespace igata::test;

namespace {

Tensor size(std::int64_t value) { return Tensor::scalar(value); }
Attrs along(std::int64_t axis) { return {{"axis", attr(axis)}}; }

constexpr DataType all_types[] = {DataType::f64, DataType::f32, DataType::f16,    DataType::bf16, DataType::i8,
                                  DataType::i16, DataType::i32, DataType::i64,    DataType::u8,   DataType::u16,
                                  DataType::u32, DataType::u64, DataType::boolean};

/// A graph in the text form, interpreted and as a plan, which must agree.
std::vector<Tensor> run_both(const std::string& text, const std::vector<Tensor>& inputs) {
    CAPTURE(text);
    const Graph graph = typed_graph(text);
    const std::vector<Tensor> results = evaluate(graph, inputs);
    const std::vector<Tensor> planned = run_plan(graph, inputs);
    REQUIRE(planned.size() == results.size());
    for (std::size_t i = 0; i < results.size(); ++i) {
        CHECK(results[i].type() == graph.value(graph.outputs[i].value).type);
        check_same(planned[i], results[i]);
    }
    return results;
}

/// Small whole numbers, zeros and repetitions among them.
Tensor random_tensor(std::mt19937& random, DataType dtype, const Dims& dims, unsigned values = 3) {
    Tensor tensor(DataType::f32, dims);
    for (float& x : tensor.mutable_values<float>()) x = static_cast<float>(random() % values);
    return tensor.cast(dtype);
}

Dims random_dims(std::mt19937& random, std::size_t rank, unsigned most = 5) {
    Dims dims(rank);
    for (std::int64_t& dim : dims) dim = static_cast<std::int64_t>(random() % 8 == 0 ? 0 : 1 + random() % most);
    return dims;
}

/// With a condition that is an input. With a constant one, the result must be as long as its size says.
std::vector<Tensor> compress(const Tensor& x, const std::vector<bool>& condition, const Attrs& attrs = {}) {
    const std::string type = to_string(bools(condition).type());
    const std::string node = fmt::format("y, n = Compress(x, c){}\n}}\n",
                                         attrs.empty() ? "" : fmt::format(" {{axis={}}}", attrs.get_int("axis", 0)));
    const std::string x_type = to_string(x.type());
    std::vector<Tensor> results =
        run_both(fmt::format("graph (x: {}, c: {}) -> (y, n) {{\n  {}", x_type, type, node), {x, bools(condition)});
    const std::vector<Tensor> known = run_both(fmt::format("graph (x: {}) -> (y, n) {{\n  c = constant {} {{{}}}\n  {}",
                                                           x_type, type, fmt::join(condition, ","), node),
                                               {x});
    const auto axis = attrs.empty() ? 0 : as_index(normalize_axis(attrs.get_int("axis", 0), x.dims().size()));
    CHECK(known[1] == results[1]);
    CHECK(known[0] == copy_of(results[0], sliced(view_of(results[0]), axis, 0, results[1].to_i64().front())));
    return results;
}
std::vector<Tensor> non_zero(const Tensor& x) { return run_op({"NonZero", {x}, {}, 0, 2}); }
std::vector<Tensor> unique(const Tensor& x, const Attrs& attrs = {}) { return run_op({"Unique", {x}, attrs, 0, 5}); }

}  // namespace

TEST_CASE("Compress takes the slices at which the condition holds") {
    const Tensor x = floats({3, 2}, {1, 2, 3, 4, 5, 6});
    auto y = compress(x, {false, true, true}, along(0));
    CHECK(y[0] == floats({3, 2}, {3, 4, 5, 6, 0, 0}));
    CHECK(y[1] == size(2));
    y = compress(x, {false, true}, along(1));
    CHECK(y[0] == floats({3, 2}, {2, 0, 4, 0, 6, 0}));
    CHECK(y[1] == size(1));
    CHECK(compress(x, {false, true}, along(-1))[0] == y[0]);
    y = compress(x, {false, true, false, false, true});
    CHECK(y[0] == floats({5}, {2, 5, 0, 0, 0}));
    CHECK(y[1] == size(2));
}

TEST_CASE("Compress bounds the result by the shorter of condition and axis") {
    const Tensor x = counted({2, 3});
    auto y = compress(x, {true}, along(1));
    CHECK(y[0] == floats({2, 1}, {0, 3}));
    y = compress(x, {false, true, true, false, true}, along(0));
    CHECK(y[0] == floats({2, 3}, {3, 4, 5, 0, 0, 0}));
    CHECK(y[1] == size(1));
    y = compress(Tensor::scalar(7.0F), {true, true});
    CHECK(y[0] == floats({1}, {7}));
    CHECK(y[1] == size(1));
    CHECK(compress(x, {})[0] == Tensor(DataType::f32, {0}));
    CHECK(compress(Tensor(DataType::f32, {2, 0}), {true, true}, along(0))[1] == size(2));
    CHECK(compress(x, {false, false})[1] == size(0));
}

TEST_CASE("Compress of every type, along any axis of any layout") {
    std::mt19937 random(3);
    for (const DataType dtype : all_types) {
        CAPTURE(name_of(dtype));
        const Tensor x = random_tensor(random, dtype, {2, 3, 4}, 100);
        for (const std::int64_t axis : {0, 1, 2}) {
            const std::int64_t length = x.dims()[static_cast<std::size_t>(axis)] - 1 + static_cast<int>(random() % 3);
            const Tensor condition = random_tensor(random, DataType::boolean, {length}, 2);
            run_both(
                fmt::format("graph (x: {}[2,3,4], c: bool[{}]) -> (y, n) {{\n  t = Transpose(x) {{perm=[2, 0, 1]}}\n"
                            "  y, n = Compress(t, c) {{axis={}}}\n}}\n",
                            name_of(dtype), length, axis),
                {x, condition});
        }
        run_both(fmt::format("graph (x: {}[2,3,4], c: bool[20]) -> (y, n) {{\n  t = Transpose(x) {{perm=[2, 0, 1]}}\n"
                             "  y, n = Compress(t, c)\n}}\n",
                             name_of(dtype)),
                 {x, random_tensor(random, DataType::boolean, {20}, 2)});
    }
}

TEST_CASE("NonZero gives indices in row-major order, a column each") {
    auto y = non_zero(bools({true, false}).reshaped({1, 2}));
    CHECK(y[0] == i64s({2, 2}, {0, 0, 0, 0}));
    CHECK(y[1] == size(1));
    y = non_zero(floats({2, 2}, {1, 0, 1, 1}));
    CHECK(y[0] == i64s({2, 4}, {0, 1, 1, 0, 0, 0, 1, 0}));
    CHECK(y[1] == size(3));
    y = non_zero(floats({4}, {-0.0F, not_a_number, 0, 1e-40F}));
    CHECK(y[0] == i64s({1, 4}, {1, 3, 0, 0}));
    CHECK(y[1] == size(2));
}

TEST_CASE("NonZero of a scalar has no coordinates, unlike numpy's; of nothing no columns") {
    auto y = non_zero(Tensor::scalar(3.0F));
    CHECK(y[0] == Tensor(DataType::i64, {0, 1}));
    CHECK(y[1] == size(1));
    CHECK(non_zero(Tensor::scalar(0.0F))[1] == size(0));
    y = non_zero(Tensor(DataType::i32, {2, 0, 3}));
    CHECK(y[0] == Tensor(DataType::i64, {3, 0}));
    CHECK(y[1] == size(0));
}

TEST_CASE("NonZero of every type and layout") {
    std::mt19937 random(4);
    for (const DataType dtype : all_types) {
        CAPTURE(name_of(dtype));
        for (std::size_t rank = 0; rank < 5; ++rank)
            run_op({"NonZero", {random_tensor(random, dtype, random_dims(random, rank), 2)}, {}, 9, 2});
        run_both(fmt::format("graph (x: {}[2,3,4]) -> (y, n) {{\n  t = Transpose(x) {{perm=[2, 0, 1]}}\n"
                             "  y, n = NonZero(t)\n}}\n",
                             name_of(dtype)),
                 {random_tensor(random, dtype, {2, 3, 4}, 2)});
    }
}

TEST_CASE("Unique of elements, in ascending order or that of their first occurrence") {
    const Tensor x = floats({6}, {2, 1, 1, 3, 4, 3});
    auto y = unique(x);
    CHECK(y[0] == floats({6}, {1, 2, 3, 4, 0, 0}));
    CHECK(y[1] == i64s({6}, {1, 0, 3, 4, 0, 0}));
    CHECK(y[2] == i64s({6}, {1, 0, 0, 2, 3, 2}));
    CHECK(y[3] == i64s({6}, {2, 1, 2, 1, 0, 0}));
    CHECK(y[4] == size(4));
    y = unique(x, {{"sorted", attr(0)}});
    CHECK(y[0] == floats({6}, {2, 1, 3, 4, 0, 0}));
    CHECK(y[1] == i64s({6}, {0, 1, 3, 4, 0, 0}));
    CHECK(y[2] == i64s({6}, {0, 1, 1, 2, 3, 2}));
    CHECK(y[3] == i64s({6}, {1, 2, 2, 1, 0, 0}));
    CHECK(y[4] == size(4));
}

TEST_CASE("Unique of slices along an axis") {
    auto y = unique(floats({3, 3}, {1, 0, 0, 1, 0, 0, 2, 3, 4}), along(0));
    CHECK(y[0] == floats({3, 3}, {1, 0, 0, 2, 3, 4, 0, 0, 0}));
    CHECK(y[1] == i64s({3}, {0, 2, 0}));
    CHECK(y[2] == i64s({3}, {0, 0, 1}));
    CHECK(y[3] == i64s({3}, {2, 1, 0}));
    CHECK(y[4] == size(2));

    y = unique(floats({3, 3}, {1, 0, 0, 1, 0, 0, 2, 3, 3}), along(-1));
    CHECK(y[0] == floats({3, 3}, {0, 1, 0, 0, 1, 0, 3, 2, 0}));
    CHECK(y[1] == i64s({3}, {1, 0, 0}));
    CHECK(y[2] == i64s({3}, {1, 0, 0}));
    CHECK(y[3] == i64s({3}, {2, 1, 0}));

    y = unique(floats({2, 4, 2}, {1, 1, 0, 1, 2, 1, 0, 1, 1, 1, 0, 1, 2, 1, 0, 1}), along(1));
    CHECK(y[0] == floats({2, 4, 2}, {0, 1, 1, 1, 2, 1, 0, 0, 0, 1, 1, 1, 2, 1, 0, 0}));
    CHECK(y[1] == i64s({4}, {1, 0, 2, 0}));
    CHECK(y[2] == i64s({4}, {1, 0, 2, 0}));
    CHECK(y[3] == i64s({4}, {2, 1, 1, 0}));
    CHECK(y[4] == size(3));
}

TEST_CASE("Unique: NaN is the largest, and one among elements, but makes a slice unlike any other") {
    const Tensor x = floats({6}, {not_a_number, 1, not_a_number, 0, -0.0F, 1});
    for (const Attrs& attrs : {Attrs{}, along(0)}) {
        const auto y = unique(x, attrs);
        CHECK(y[1] == i64s({6}, {3, 1, 0, 0, 0, 0}));
        CHECK(y[2] == i64s({6}, {2, 1, 2, 0, 0, 1}));
        CHECK(y[3] == i64s({6}, {2, 2, 2, 0, 0, 0}));
    }
    const Tensor rows = floats({5, 2}, {1, not_a_number, 0, 2, 1, not_a_number, 0, 2, 1, 1});
    auto y = unique(rows, along(0));
    CHECK(y[1] == i64s({5}, {1, 4, 0, 2, 0}));
    CHECK(y[2] == i64s({5}, {2, 0, 3, 0, 1}));
    CHECK(y[3] == i64s({5}, {2, 1, 1, 1, 0}));
    y = unique(rows, {{"axis", attr(0)}, {"sorted", attr(0)}});
    CHECK(y[1] == i64s({5}, {0, 1, 2, 4, 0}));
    CHECK(y[2] == i64s({5}, {0, 1, 2, 1, 3}));
    CHECK(y[3] == i64s({5}, {1, 2, 1, 1, 0}));
}

TEST_CASE("Unique of little: a scalar, nothing, slices without elements") {
    auto y = unique(Tensor::scalar(5.0F));
    CHECK(y[0] == floats({1}, {5}));
    CHECK(y[4] == size(1));
    y = unique(Tensor(DataType::f32, {0, 3}));
    CHECK(y[0] == Tensor(DataType::f32, {0}));
    CHECK(y[4] == size(0));
    y = unique(Tensor(DataType::f32, {3, 0}), along(0));
    CHECK(y[2] == i64s({3}, {0, 0, 0}));
    CHECK(y[3] == i64s({3}, {3, 0, 0}));
    CHECK(y[4] == size(1));
}

TEST_CASE("Unique of every type, axis and layout, exactly") {
    const std::int64_t big = std::int64_t{1} << 60;
    CHECK(unique(i64s({3}, {big + 1, big, big + 1}))[0] == i64s({3}, {big, big + 1, 0}));
    CHECK(unique(Tensor::of<std::int8_t>({3}, {1, -1, 1}))[0] == Tensor::of<std::int8_t>({3}, {-1, 1, 0}));
    std::mt19937 random(5);
    for (const DataType dtype : all_types) {
        CAPTURE(name_of(dtype));
        for (int round = 0; round < 8; ++round) {
            const Tensor x = random_tensor(random, dtype, random_dims(random, 1 + random() % 3), 3);
            Attrs attrs{{"sorted", attr(round % 2)}};
            if (round >= 4) attrs["axis"] = attr(-1 - static_cast<std::int64_t>(random() % x.dims().size()));
            unique(x, attrs);
        }
        run_both(fmt::format("graph (x: {}[2,9,2]) -> (y, i, v, c, n) {{\n  t = Transpose(x) {{perm=[2, 0, 1]}}\n"
                             "  y, i, v, c, n = Unique(t) {{axis=2}}\n}}\n",
                             name_of(dtype)),
                 {random_tensor(random, dtype, {2, 9, 2}, 2)});
    }
}

TEST_CASE("Unique makes what is asked for") {
    const std::vector<Tensor> x{i64s({4}, {5, 3, 5, 5})};
    auto y = run_both("graph (x: i64[4]) -> (y, n) {\n  y, _, _, _, n = Unique(x)\n}\n", x);
    CHECK(y[0] == i64s({4}, {3, 5, 0, 0}));
    CHECK(y[1] == size(2));
    y = run_both("graph (x: i64[4]) -> (c, n) {\n  _, _, _, c, n = Unique(x) {sorted=0}\n}\n", x);
    CHECK(y[0] == i64s({4}, {3, 1, 0, 0}));
    y = run_both("graph (x: i64[4]) -> (v) {\n  _, _, v, _, n = Unique(x)\n}\n", x);
    CHECK(y[0] == i64s({4}, {1, 0, 1, 1}));
}

namespace {

struct Suppression {
    Tensor boxes, scores;
    std::optional<std::int64_t> most = {};
    std::optional<float> overlap = {}, least = {};
    bool centered = false;

    /// The last three inputs are absent, of rank 0 or 1, constant or not.
    std::vector<Tensor> run(bool constant) const {
        std::string inputs = fmt::format("boxes: {}, scores: {}", to_string(boxes.type()), to_string(scores.type()));
        std::string constants;
        std::vector<Tensor> given{boxes, scores};
        const auto argument = [&](const char* name, const auto& value, const char* type) -> std::string {
            if (!value) return "_";
            if (constant) {
                constants += fmt::format("  {} = constant {}[1] {{{}}}\n", name, type, *value);
            } else {
                inputs += fmt::format(", {}: {}[]", name, type);
                given.push_back(Tensor::scalar(*value));
            }
            return name;
        };
        const std::string most_name = argument("most", most, "i64");
        const std::string overlap_name = argument("overlap", overlap, "f32");
        const std::string least_name = argument("least", least, "f32");
        const std::string text = fmt::format(
            "graph ({}) -> (rows, n) {{\n{}  rows, n = NonMaxSuppression(boxes, scores, {}, {}, {}) "
            "{{center_point_box={}}}\n}}\n",
            inputs, constants, most_name, overlap_name, least_name, centered ? 1 : 0);
        return run_both(text, given);
    }

    /// The rows found, after checks of what lies beyond them.
    Dims selected() const {
        Dims found;
        for (const bool constant : {false, true}) {
            CAPTURE(constant);
            const auto results = run(constant);
            const std::int64_t boxes_at_most = std::min(most.value_or(0), scores.dims()[2]);
            const std::int64_t limit = constant || !most ? std::max<std::int64_t>(boxes_at_most, 0) : scores.dims()[2];
            CHECK(results[0].dims() == Dims{scores.dims()[0] * scores.dims()[1] * limit, 3});
            Dims rows = results[0].to_i64();
            const std::size_t end = 3 * static_cast<std::size_t>(results[1].to_i64()[0]);
            REQUIRE(end <= rows.size());
            for (std::size_t i = end; i < rows.size(); ++i) CHECK(rows[i] == 0);
            rows.resize(end);
            if (constant) CHECK(rows == found);
            found = rows;
        }
        return found;
    }
};

const std::vector<float> six_boxes{0, 0,  1, 1,  0, 0.1F,  1, 1.1F,  0, -0.1F, 1, 0.9F,
                                   0, 10, 1, 11, 0, 10.1F, 1, 11.1F, 0, 100,   1, 101};
const std::vector<float> six_scores{0.9F, 0.75F, 0.6F, 0.95F, 0.5F, 0.3F};

/// The case that the specification's tests vary.
Suppression six() { return {floats({1, 6, 4}, six_boxes), floats({1, 1, 6}, six_scores), 3, 0.5F, 0.0F}; }

std::vector<float> twice(std::vector<float> values) {
    const std::vector<float> once = values;
    values.insert(values.end(), once.begin(), once.end());
    return values;
}

}  // namespace

TEST_CASE("NonMaxSuppression leaves out what a better box overlaps, up to the limit and above a score") {
    Suppression s = six();
    CHECK(s.selected() == Dims{0, 0, 3, 0, 0, 0, 0, 0, 5});
    s.most = 2;
    CHECK(s.selected() == Dims{0, 0, 3, 0, 0, 0});
    s = six();
    s.least = 0.4F;
    CHECK(s.selected() == Dims{0, 0, 3, 0, 0, 0});
    s.least = 0.9F;  // must be exceeded
    CHECK(s.selected() == Dims{0, 0, 3});
    s = six();
    s.boxes = floats(
        {1, 6, 4}, {1, 1, 0, 0, 0, 0.1F, 1, 1.1F, 0, 0.9F, 1, -0.1F, 0, 10, 1, 11, 1, 10.1F, 0, 11.1F, 1, 101, 0, 100});
    CHECK(s.selected() == Dims{0, 0, 3, 0, 0, 0, 0, 0, 5});
}

TEST_CASE("NonMaxSuppression of boxes given by center and size") {
    Suppression s = six();
    s.boxes = floats({1, 6, 4}, {0.5F, 0.5F,  1, 1, 0.5F, 0.6F,  1, 1, 0.5F, 0.4F,   1, 1,
                                 0.5F, 10.5F, 1, 1, 0.5F, 10.6F, 1, 1, 0.5F, 100.5F, 1, 1});
    s.centered = true;
    CHECK(s.selected() == Dims{0, 0, 3, 0, 0, 0, 0, 0, 5});
}

TEST_CASE("NonMaxSuppression: equal boxes, one box, the threshold itself, boxes without area") {
    std::vector<float> same;
    for (int i = 0; i < 10; ++i) same.insert(same.end(), {0, 0, 1, 1});
    Suppression s{floats({1, 10, 4}, same), floats({1, 1, 10}, std::vector<float>(10, 0.9F)), 3, 0.5F, 0.0F};
    CHECK(s.selected() == Dims{0, 0, 0});
    s = {floats({1, 1, 4}, {0, 0, 1, 1}), floats({1, 1, 1}, {0.9F}), 3, 0.5F, 0.0F};
    CHECK(s.selected() == Dims{0, 0, 0});
    // An intersection over union of exactly one half does not exceed one half.
    s = {floats({1, 2, 4}, {0, 0, 1, 2, 0, 0, 1, 1}), floats({1, 1, 2}, {0.8F, 0.9F}), 3, 0.5F, 0.0F};
    CHECK(s.selected() == Dims{0, 0, 1, 0, 0, 0});
    s.overlap = 0.49F;
    CHECK(s.selected() == Dims{0, 0, 1});
    // Without area, even equals stay; ties go by index.
    s = {floats({1, 3, 4}, {0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1}), floats({1, 1, 3}, {0.5F, 0.5F, 0.5F}), 3, 0.0F};
    CHECK(s.selected() == Dims{0, 0, 0, 0, 0, 1, 0, 0, 2});
}

TEST_CASE("NonMaxSuppression of two batches and of two classes") {
    Suppression s = six();
    s.most = 2;
    s.boxes = floats({2, 6, 4}, twice(six_boxes));
    s.scores = floats({2, 1, 6}, twice(six_scores));
    CHECK(s.selected() == Dims{0, 0, 3, 0, 0, 0, 1, 0, 3, 1, 0, 0});
    s.boxes = floats({1, 6, 4}, six_boxes);
    s.scores = floats({1, 2, 6}, twice(six_scores));
    CHECK(s.selected() == Dims{0, 0, 3, 0, 0, 0, 0, 1, 3, 0, 1, 0});
}

TEST_CASE("NonMaxSuppression without its optional inputs") {
    Suppression s = six();
    s.most = std::nullopt;  // no boxes
    CHECK(s.selected().empty());
    s.most = 0;
    CHECK(s.selected().empty());
    s.most = -1;
    CHECK(s.selected().empty());
    s.most = 10;
    s.overlap = std::nullopt;  // 0: nothing may touch
    CHECK(s.selected() == Dims{0, 0, 3, 0, 0, 0, 0, 0, 5});
    s.least = std::nullopt;  // whatever the score, NaN last
    s.scores = floats({1, 1, 6}, {-3, -2, -5, not_a_number, not_a_number, -4});
    CHECK(s.selected() == Dims{0, 0, 1, 0, 0, 5, 0, 0, 3});
    s.least = -3.5F;
    CHECK(s.selected() == Dims{0, 0, 1});
    const auto rows = run_op({"NonMaxSuppression", {s.boxes, s.scores}, {}, 10, 2});
    CHECK(rows[0] == Tensor(DataType::i64, {0, 3}));
    CHECK(rows[1] == size(0));
    s = {Tensor(DataType::f32, {2, 0, 4}), Tensor(DataType::f32, {2, 3, 0}), 5};
    CHECK(s.selected().empty());
    s = {Tensor(DataType::f32, {0, 2, 4}), Tensor(DataType::f32, {0, 3, 2}), 5};
    CHECK(s.selected().empty());
}

TEST_CASE("NonMaxSuppression of random boxes, in any layout") {
    std::mt19937 random(6);
    for (int round = 0; round < 40; ++round) {
        const std::int64_t batches = 1 + random() % 3;
        const std::int64_t classes = 1 + random() % 4;
        const std::int64_t n = 1 + random() % 60;
        Suppression s{random_tensor(random, DataType::f32, {batches, n, 4}, 12),
                      random_tensor(random, DataType::f32, {batches, classes, n}, 10)};
        s.most = 1 + random() % 20;
        if (random() % 4 != 0) s.overlap = static_cast<float>(random() % 5) / 5;
        if (random() % 2 != 0) s.least = static_cast<float>(random() % 8);
        s.centered = round % 2 != 0;
        s.selected();
        run_both(fmt::format("graph (b: f32[4,{1},{0}], s: f32[{1},{0},{2}], m: i64[1]) -> (rows, n) {{\n"
                             "  boxes = Transpose(b) {{perm=[2, 1, 0]}}\n  scores = Transpose(s) {{perm=[1, 2, 0]}}\n"
                             "  rows, n = NonMaxSuppression(boxes, scores, m)\n}}\n",
                             batches, n, classes),
                 {random_tensor(random, DataType::f32, {4, n, batches}, 12),
                  random_tensor(random, DataType::f32, {n, batches, classes}, 10), Tensor::of_dims({*s.most})});
    }
}

TEST_CASE("What these operators say of sizes that depend on the data") {
    const auto axes = [](const std::string& statement) {
        const Graph graph = typed_graph("graph (x: f32[2,3,4], c: bool[2], b: f32[1,5,4], s: f32[1,2,5]) -> (n) {\n  " +
                                        statement + "\n}\n");
        const Node& node = graph.nodes.front();
        std::vector<int> result;
        for (std::size_t i = 0; i < node.outputs.size(); ++i)
            result.push_back(op_of(node).open_axis(InferContext(graph, node), i));
        return result;
    };
    CHECK(axes("y, n = Compress(x, c) {axis=-1}") == std::vector{2, -1});
    CHECK(axes("y, n = Compress(x, c)") == std::vector{0, -1});
    CHECK(axes("y, n = NonZero(x)") == std::vector{1, -1});
    CHECK(axes("y, i, v, k, n = Unique(x) {axis=1}") == std::vector{1, 0, -1, 0, -1});
    CHECK(axes("y, i, v, k, n = Unique(x)") == std::vector{0, 0, -1, 0, -1});
    CHECK(axes("y, n = NonMaxSuppression(b, s)") == std::vector{0, -1});
}

TEST_CASE("Selections refuse what does not fit") {
    const Tensor x = counted({2, 3});
    CHECK_THROWS_WITH_AS(run_op({"Compress", {x, x}, {}, 0, 2}),
                         "Compress 'node': the condition must be bool with one axis, not f32[2,3]", BadInput);
    CHECK_THROWS_AS(compress(x, {true}, along(2)), BadInput);
    CHECK_THROWS_AS(unique(x, along(-3)), BadInput);
    CHECK_THROWS_AS(unique(Tensor::scalar(1.0F), along(0)), BadInput);
    const auto suppress = [](const Tensor& boxes, const Tensor& scores, const Tensor& most, std::int64_t format = 0) {
        run_op({"NonMaxSuppression", {boxes, scores, most}, {{"center_point_box", attr(format)}}, 0, 2});
    };
    const Tensor boxes = counted({1, 5, 4});
    const Tensor scores = counted({1, 2, 5});
    CHECK_THROWS_WITH_AS(suppress(boxes, counted({1, 2, 6}), size(1)),
                         "NonMaxSuppression 'node': needs boxes f32[batches,n,4] and scores f32[batches,classes,n], "
                         "not f32[1,5,4] and f32[1,2,6]",
                         BadInput);
    CHECK_THROWS_WITH_AS(suppress(boxes, scores, i64s({2}, {1, 2})),
                         "NonMaxSuppression 'node': input 2 must be one i64, not i64[2]", BadInput);
    CHECK_THROWS_AS(suppress(boxes, scores, size(1), 2), BadInput);
}
