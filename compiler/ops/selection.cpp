// Operators whose result size depends on the data: Compress, NonZero, Unique, NonMaxSuppression. Each makes tensors of
// the largest size there can be, zero beyond the true one, and that size (see OpDef::open_axis).
//     y, size = Compress(x, condition) {axis=1}     slices at which a condition holds
//     y, size = NonZero(x)                          indices of elements
//     y, indices, inverse, counts, size = Unique(x) distinct elements or slices
//     rows, size = NonMaxSuppression(boxes, scores, most, overlap, least)   boxes that no better one overlaps
// Each is a kernel, for which lower brings the axis forward or flattens what surrounds it.
#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/lowering.hpp"
#include "compiler/ops/open_axes.hpp"

namespace igata {

namespace {

void set_size(InferContext& c, std::size_t output) {
    if (c.has_output(output)) c.set_output(output, {DataType::i64, {}});
}

void set_size(EvalContext& c, std::size_t output, std::size_t size) {
    if (c.has_output(output)) c.set_output(output, Tensor::scalar(as_dim(size)));
}

View size_operand(LowerContext& c, std::size_t output) {
    return c.node().output(output) != no_value ? c.output(output) : c.temporary(DataType::i64, {});
}

/// Along which Compress and Unique select; nothing if they flatten their input first.
std::optional<std::size_t> axis_of(const Node& node, const Dims& dims) {
    if (!node.attrs.has("axis")) return std::nullopt;
    return as_index(normalize_axis(node.attrs.get_int("axis", 0), dims.size()));
}

int axis_or_first(const InferContext& c) { return static_cast<int>(axis_of(c.node(), c.dims(0)).value_or(0)); }

std::int64_t product(const Dims& dims, std::size_t begin, std::size_t end) {
    return std::accumulate(dims.begin() + as_dim(begin), dims.begin() + as_dim(end), std::int64_t{1},
                           std::multiplies<>());
}

// Compress ------------------------------------------------------------------------------------------------------------

/// Dims as {what is before the axis, along it, behind it}; all of a flattened tensor is along it.
Dims around_axis(const Dims& dims, std::optional<std::size_t> axis) {
    if (!axis) return {1, element_count(dims), 1};
    return {product(dims, 0, *axis), dims[*axis], product(dims, *axis + 1, dims.size())};
}

/// The first `count` places that the condition selects.
Dims selected_places(const Tensor& condition, std::int64_t count) {
    const auto holds = condition.values<bool>();
    Dims places;
    for (std::int64_t i = 0; i < std::min(count, condition.count()); ++i)
        if (holds[as_index(i)]) places.push_back(i);
    return places;
}

/// With a condition known at compile time the size is, too, and nothing is open.
void infer_compress(InferContext& c) {
    if (c.dtype(1) != DataType::boolean || c.dims(1).size() != 1)
        c.fail(fmt::format("the condition must be bool with one axis, not {}", to_string(c.input(1))));
    const auto axis = axis_of(c.node(), c.dims(0));
    Dims dims = axis ? c.dims(0) : Dims{element_count(c.dims(0))};
    std::int64_t& selected = dims[axis.value_or(0)];
    const Tensor* condition = c.constant(1);
    selected =
        condition != nullptr ? as_dim(selected_places(*condition, selected).size()) : std::min(selected, c.dims(1)[0]);
    c.set_output(0, {c.dtype(0), dims});
    set_size(c, 1);
}

void eval_compress(EvalContext& c) {
    const auto axis = axis_of(c.node(), c.input(0).dims());
    const Tensor x = axis ? c.input(0) : c.input(0).reshaped({c.input(0).count()});
    const std::size_t along = axis.value_or(0);
    Tensor& y = c.make_output(0);
    const Dims places = selected_places(c.input(1), x.dims()[along]);
    for (std::size_t i = 0; i < places.size(); ++i)
        copy_elements(x, sliced(view_of(x), along, places[i], 1), y, sliced(view_of(y), along, as_dim(i), 1));
    set_size(c, 1, places.size());
}

void lower_compress(LowerContext& c) {
    const View source = c.input(0);
    const auto axis = axis_of(c.node(), source.dims);
    const View y = c.output_in_order(0, row_major_order(axis ? source.dims.size() : 1));
    const View around = c.reshaped(source, around_axis(source.dims, axis));
    if (const Tensor* condition = c.graph().constant(c.node().input(1))) {
        const Dims places = selected_places(*condition, around.dims[1]);
        if (c.node().output(1) != no_value) c.set_output(1, c.constant(Tensor::scalar(as_dim(places.size()))));
        return add_kernel(c, "gather", {1},
                          {around, c.constant(Tensor::of_dims(places)), c.reshaped(y, around_axis(y.dims, axis))});
    }
    add_kernel(c, "compress", {}, {around, c.input(1), c.reshaped(y, around_axis(y.dims, axis)), size_operand(c, 1)},
               {2, 3});
}

/// Of open data, what an equally open condition selects.
bool close_compress(ExpandContext& c) {
    const auto axis = axis_of(c.node(), c.dims(0));
    const bool is_line = axis || c.dims(0).size() == 1;
    const auto data = open_axis(c, 0);
    if (!open_axis(c, 1) || (data && (!is_line || !is_open_along(c, 0, axis.value_or(0))))) return false;
    c.finish_again({data ? bounded(c, c.value(0)) : c.value(0), filled(c, 1, 0)});
    return true;
}

OpDef compress_op() {
    OpDef op;
    op.name = "Compress";
    op.since = 9;
    op.newest = 28;
    op.min_inputs = op.max_inputs = 2;
    op.max_outputs = 2;
    op.attrs = {{"axis", AttrKind::integer}};
    op.infer = infer_compress;
    op.eval = eval_compress;
    op.lower = lower_compress;
    op.open_axis = [](const InferContext& c, std::size_t output) {
        return output == 0 && c.constant(1) == nullptr ? axis_or_first(c) : -1;
    };
    op.close = close_compress;
    op.note = "no strings";
    return op;
}

// NonZero -------------------------------------------------------------------------------------------------------------

void eval_non_zero(EvalContext& c) {
    const Tensor& x = c.input(0);
    const Dims strides = row_major_strides(x.dims());
    const auto indices = c.make_output(0).mutable_values<std::int64_t>();
    const std::size_t bound = as_index(x.count());
    std::size_t size = 0;
    visit_dtype(x.dtype(), [&]<class T>() {
        const auto values = x.values<T>();
        for (std::size_t i = 0; i < bound; ++i) {
            if (values[i] == T{}) continue;
            for (std::size_t axis = 0; axis < strides.size(); ++axis)
                indices[axis * bound + size] = as_dim(i) / strides[axis] % x.dims()[axis];
            ++size;
        }
    });
    set_size(c, 1, size);
}

OpDef non_zero_op() {
    OpDef op;
    op.name = "NonZero";
    op.since = 9;
    op.newest = 13;
    op.max_outputs = 2;
    op.infer = [](InferContext& c) {
        c.set_output(0, {DataType::i64, {as_dim(c.dims(0).size()), element_count(c.dims(0))}});
        set_size(c, 1);
    };
    op.eval = eval_non_zero;
    op.lower = [](LowerContext& c) {
        add_kernel(c, "non_zero", {}, {c.input(0), c.output_in_order(0, row_major_order(2)), size_operand(c, 1)},
                   {1, 2});
    };
    op.open_axis = [](const InferContext&, std::size_t output) { return output == 0 ? 1 : -1; };
    op.close = close_filled(0);
    op.note = "no strings";
    return op;
}

// Unique --------------------------------------------------------------------------------------------------------------

/// What Unique selects from: a matrix with a slice in each row.
struct UniqueSlices {
    std::vector<std::int64_t> perm;  ///< brings the axis to the front
    Dims matrix;
    bool nan_equals_nan;  ///< only among single elements: what numpy does is what the reference does

    UniqueSlices(const Node& node, const Dims& dims) : nan_equals_nan(true) {
        const auto axis = axis_of(node, dims);
        if (!axis) {
            perm = {0};
            matrix = {element_count(dims), 1};
            return;
        }
        perm.resize(dims.size());
        std::iota(perm.begin(), perm.end(), 0);
        std::rotate(perm.begin(), perm.begin() + as_dim(*axis), perm.begin() + as_dim(*axis) + 1);
        matrix = {dims[*axis], product(dims, 0, *axis) * product(dims, *axis + 1, dims.size())};
        nan_equals_nan = dims.size() == 1;
    }

    /// Undoes `perm`.
    std::vector<std::int64_t> inverse() const {
        std::vector<std::int64_t> result(perm.size());
        for (std::size_t i = 0; i < perm.size(); ++i) result[as_index(perm[i])] = as_dim(i);
        return result;
    }
};

bool is_ascending(const Node& node) { return node.attrs.get_int("sorted", 1) != 0; }

void infer_unique(InferContext& c) {
    const auto axis = axis_of(c.node(), c.dims(0));
    const std::int64_t bound = axis ? c.dims(0)[*axis] : element_count(c.dims(0));
    if (c.has_output(0)) c.set_output(0, {c.dtype(0), axis ? c.dims(0) : Dims{bound}});
    for (std::size_t i = 1; i < std::min<std::size_t>(c.output_count(), 4); ++i)
        if (c.has_output(i)) c.set_output(i, {DataType::i64, {bound}});
    set_size(c, 4);
}

/// Positions of equal rows, groups in ascending order; NaN is larger than any number.
template <class T>
std::vector<std::vector<std::size_t>> groups_of_equal_rows(std::span<const T> values, std::size_t rows,
                                                           bool nan_equals_nan) {
    const std::size_t length = rows == 0 ? 0 : values.size() / rows;
    const auto row = [&](std::size_t i) { return values.subspan(i * length, length); };
    const auto before = [&](std::size_t a, std::size_t b) {
        const auto less = [](const T& x, const T& y) { return x < y || (y != y && x == x); };
        return std::lexicographical_compare(row(a).begin(), row(a).end(), row(b).begin(), row(b).end(), less);
    };
    const auto has_nan = [&](std::size_t i) {
        return std::any_of(row(i).begin(), row(i).end(), [](const T& x) { return x != x; });
    };
    std::vector<std::size_t> order(rows);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), before);
    std::vector<std::vector<std::size_t>> groups;
    for (const std::size_t i : order) {
        const bool repeats = !groups.empty() && !before(groups.back().front(), i) && (nan_equals_nan || !has_nan(i));
        if (!repeats) groups.emplace_back();
        groups.back().push_back(i);
    }
    return groups;
}

void eval_unique(EvalContext& c) {
    const UniqueSlices slices(c.node(), c.input(0).dims());
    const Tensor flat = c.attrs().has("axis") ? c.input(0) : c.input(0).reshaped({c.input(0).count()});
    const Tensor x = flat.transposed(slices.perm);
    std::vector<std::vector<std::size_t>> groups;
    visit_dtype(x.dtype(), [&]<class T>() {
        groups = groups_of_equal_rows(x.values<T>(), as_index(slices.matrix[0]), slices.nan_equals_nan);
    });
    if (!is_ascending(c.node())) std::sort(groups.begin(), groups.end());
    Tensor y(x.dtype(), x.dims());
    Tensor indices(DataType::i64, {slices.matrix[0]});
    Tensor inverse = indices;
    Tensor counts = indices;
    for (std::size_t i = 0; i < groups.size(); ++i) {
        const std::size_t first = groups[i].front();
        copy_elements(x, sliced(view_of(x), 0, as_dim(first), 1), y, sliced(view_of(y), 0, as_dim(i), 1));
        indices.mutable_values<std::int64_t>()[i] = as_dim(first);
        counts.mutable_values<std::int64_t>()[i] = as_dim(groups[i].size());
        for (const std::size_t k : groups[i]) inverse.mutable_values<std::int64_t>()[k] = as_dim(i);
    }
    const Tensor results[] = {y.transposed(slices.inverse()), indices, inverse, counts};
    for (std::size_t i = 0; i < std::min<std::size_t>(c.output_count(), 4); ++i)
        if (c.has_output(i)) c.set_output(i, results[i]);
    set_size(c, 4, groups.size());
}

void lower_unique(LowerContext& c) {
    const View source = c.input(0);
    const UniqueSlices slices(c.node(), source.dims);
    const bool flattens = !c.node().attrs.has("axis");
    const View x = flattens ? source : transposed(source, slices.perm);
    std::vector<View> operands{c.reshaped(x, slices.matrix), View{}, View{}, View{}, View{}, size_operand(c, 4)};
    std::vector<std::size_t> written{5};
    for (std::size_t i = 0; i < 4; ++i) {
        if (c.node().output(i) == no_value) continue;
        if (i > 0) operands[i + 1] = c.output(i);
        else {  // slices stand one after the other in memory
            const View y = c.output_in_order(0, {slices.perm.begin(), slices.perm.end()});
            operands[1] = c.reshaped(transposed(y, slices.perm), slices.matrix);
        }
        written.push_back(i + 1);
    }
    add_kernel(c, "unique", {is_ascending(c.node()) ? 1 : 0, slices.nan_equals_nan ? 1 : 0}, operands, written);
}

OpDef unique_op() {
    OpDef op;
    op.name = "Unique";
    op.since = 11;
    op.newest = 28;
    op.max_outputs = 5;
    op.attrs = {{"axis", AttrKind::integer}, {"sorted", AttrKind::integer}};
    op.infer = infer_unique;
    op.eval = eval_unique;
    op.lower = lower_unique;
    op.open_axis = [](const InferContext& c, std::size_t output) {
        if (output == 0) return axis_or_first(c);
        return output == 1 || output == 3 ? 0 : -1;
    };
    op.note = "no strings";
    return op;
}

// NonMaxSuppression ---------------------------------------------------------------------------------------------------

namespace suppression {
enum Input : std::uint8_t { boxes, scores, most, overlap, least };
}

bool is_centered(const Node& node) { return node.attrs.get_int("center_point_box", 0) != 0; }

void infer_suppression(InferContext& c) {
    using namespace suppression;
    const Dims& box_dims = c.dims(boxes);
    const Dims& score_dims = c.dims(scores);
    const bool fit = box_dims.size() == 3 && box_dims[2] == 4 && score_dims.size() == 3 &&
                     score_dims[0] == box_dims[0] && score_dims[2] == box_dims[1];
    if (!fit || c.dtype(boxes) != DataType::f32 || c.dtype(scores) != DataType::f32)
        c.fail(fmt::format("needs boxes f32[batches,n,4] and scores f32[batches,classes,n], not {} and {}",
                           to_string(c.input(boxes)), to_string(c.input(scores))));
    for (const Input i : {most, overlap, least}) {
        const DataType wanted = i == most ? DataType::i64 : DataType::f32;
        if (c.has_input(i) && (c.dtype(i) != wanted || element_count(c.dims(i)) != 1))
            c.fail(fmt::format("input {} must be one {}, not {}", static_cast<int>(i), name_of(wanted),
                               to_string(c.input(i))));
    }
    const std::int64_t format = c.attrs().get_int("center_point_box", 0);
    if (format != 0 && format != 1) c.fail(fmt::format("center_point_box must be 0 or 1, got {}", format));
    std::int64_t limit = c.has_input(most) ? box_dims[1] : 0;
    if (const Tensor* constant = c.constant(most)) limit = std::clamp<std::int64_t>(constant->to_i64()[0], 0, limit);
    c.set_output(0, {DataType::i64, {score_dims[0] * score_dims[1] * limit, 3}});
    set_size(c, 1);
}

struct Interval {
    float low, high;

    float length() const { return high - low; }
};

/// A box as its extents along x and y.
struct Extents {
    Interval x, y;

    Extents(const float* box, bool is_centered) {
        if (is_centered) {
            x = {box[0] - box[2] / 2, box[0] + box[2] / 2};
            y = {box[1] - box[3] / 2, box[1] + box[3] / 2};
        } else {
            x = {std::min(box[1], box[3]), std::max(box[1], box[3])};
            y = {std::min(box[0], box[2]), std::max(box[0], box[2])};
        }
    }

    float area() const { return x.length() * y.length(); }
};

/// 0 if one of them has no area.
float intersection_over_union(const Extents& a, const Extents& b) {
    const auto common = [](const Interval& p, const Interval& q) {
        return Interval{std::max(p.low, q.low), std::min(p.high, q.high)};
    };
    const float width = common(a.x, b.x).length();
    const float height = common(a.y, b.y).length();
    if (width <= 0 || height <= 0 || a.area() <= 0 || b.area() <= 0) return 0;
    const float intersection = width * height;
    const float united = a.area() + b.area() - intersection;
    return intersection <= 0 || united <= 0 ? 0 : intersection / united;
}

void eval_suppression(EvalContext& c) {
    using namespace suppression;
    const Dims dims = c.input(scores).dims();
    const std::size_t n = as_index(dims[2]);
    const auto all_boxes = c.input(boxes).values<float>();
    const auto all_scores = c.input(scores).values<float>();
    const std::int64_t limit = c.has_input(most) ? c.input(most).to_i64()[0] : 0;
    const float threshold = c.has_input(overlap) ? c.input(overlap).values<float>()[0] : 0;
    Tensor& result = c.make_output(0);
    std::size_t size = 0;
    for (std::int64_t i = 0; i < dims[0] * dims[1]; ++i) {
        const std::int64_t batch = i / dims[1];
        const auto score = all_scores.subspan(as_index(i) * n, n);
        const auto extents = [&](std::size_t box) {
            return Extents(all_boxes.data() + (as_index(batch) * n + box) * 4, is_centered(c.node()));
        };
        std::vector<std::size_t> candidates;
        for (std::size_t box = 0; box < n; ++box)
            if (!c.has_input(least) || score[box] > c.input(least).values<float>()[0]) candidates.push_back(box);
        std::stable_sort(candidates.begin(), candidates.end(), [&](std::size_t a, std::size_t b) {
            return score[a] > score[b] || (score[b] != score[b] && score[a] == score[a]);
        });
        std::vector<std::size_t> kept;
        for (const std::size_t box : candidates) {
            if (as_dim(kept.size()) >= limit) break;
            const bool suppressed = std::any_of(kept.begin(), kept.end(), [&](std::size_t better) {
                const float ratio = intersection_over_union(extents(better), extents(box));
                return ratio > 0 && ratio > threshold;
            });
            if (suppressed) continue;
            kept.push_back(box);
            const auto row = result.mutable_values<std::int64_t>().subspan(3 * size++, 3);
            row[0] = batch;
            row[1] = i % dims[1];
            row[2] = as_dim(box);
        }
    }
    set_size(c, 1, size);
}

/// Boxes that are not there have a score that no threshold lets through.
bool close_suppression(ExpandContext& c) {
    using namespace suppression;
    const bool boxes_fit = !open_axis(c, boxes) || is_open_along(c, boxes, 1);
    if (!is_open_along(c, scores, 2) || !boxes_fit) return false;
    std::vector<ValueId> inputs = c.node().inputs;
    inputs.resize(least + 1, no_value);
    if (open_axis(c, boxes)) inputs[boxes] = bounded(c, c.value(boxes));
    inputs[scores] = filled(c, scores, lowest);
    const ValueId none = c.constant_value(Tensor::scalar(std::numeric_limits<float>::lowest()));
    inputs[least] = c.has_input(least) ? c.map("max(x0, x1)", {c.value(least), none}) : none;
    c.finish_again(std::move(inputs));
    return true;
}

OpDef non_max_suppression_op() {
    OpDef op;
    op.name = "NonMaxSuppression";
    op.since = 10;
    op.newest = 11;
    op.min_inputs = 2;
    op.max_inputs = 5;
    op.max_outputs = 2;
    op.attrs = {{"center_point_box", AttrKind::integer}};
    op.infer = infer_suppression;
    op.eval = eval_suppression;
    op.lower = [](LowerContext& c) {
        std::vector<View> operands;
        for (std::size_t i = 0; i < 5; ++i) operands.push_back(c.input(i));
        operands.push_back(c.output_in_order(0, row_major_order(2)));
        operands.push_back(size_operand(c, 1));
        add_kernel(c, "non_max_suppression", {is_centered(c.node()) ? 1 : 0}, operands, {5, 6});
    };
    op.open_axis = [](const InferContext&, std::size_t output) { return output == 0 ? 0 : -1; };
    op.close = close_suppression;
    return op;
}

}  // namespace

void register_selection(Registry& registry) {
    for (OpDef op : {compress_op(), non_zero_op(), unique_op(), non_max_suppression_op()}) registry.add(std::move(op));
}

}  // namespace igata
