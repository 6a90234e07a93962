// values, indices = TopK(x, k) {axis=-1, largest=1, sorted=1}: the k largest or smallest along an axis, best first,
// equals by their index; always sorted, which `sorted=0` leaves open. NaN counts as larger than any number.
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/lowering.hpp"
#include "compiler/ops/open_axes.hpp"

namespace igata {

namespace {

std::size_t top_k_axis(const Node& node, std::size_t rank) {
    return as_index(normalize_axis(node.attrs.get_int("axis", -1), rank));
}

void infer_top_k(InferContext& c) {
    Dims dims = c.dims(0);
    const std::size_t axis = top_k_axis(c.node(), dims.size());
    const Dims k = integers(c, 1, "k").value();
    if (k.size() != 1 || k[0] < 0 || k[0] > dims[axis])
        c.fail(fmt::format("k must be one number from 0 to {}, got {}", dims[axis], to_string(k)));
    dims[axis] = k[0];
    c.set_output(0, {c.dtype(0), dims});
    c.set_output(1, {DataType::i64, dims});
}

void eval_top_k(EvalContext& c) {
    const Tensor& source = c.input(0);
    const std::size_t axis = top_k_axis(c.node(), source.dims().size());
    const bool largest = c.attrs().get_int("largest", 1) != 0;
    View lines = view_of(source);
    const std::size_t count = as_index(std::exchange(lines.dims[axis], 1));
    View result_lines = row_major_view(DataType::i64, c.output_type(0).dims);
    const std::size_t k = as_index(std::exchange(result_lines.dims[axis], 1));
    const std::size_t stride = as_index(lines.strides[axis]);
    Tensor& values = c.make_output(0);
    Tensor& indices = c.make_output(1);
    std::vector<std::size_t> order(count);
    visit_dtype(source.dtype(), [&]<class T>() {
        const auto read = source.values<T>();
        const auto less = [](const T& a, const T& b) { return a < b || (b != b && a == a); };
        for_each_element(lines, result_lines, [&](std::size_t line, std::size_t to) {
            std::iota(order.begin(), order.end(), std::size_t{0});
            std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
                const T& x = read[line + a * stride];
                const T& y = read[line + b * stride];
                return largest ? less(y, x) : less(x, y);
            });
            for (std::size_t i = 0; i < k; ++i) {
                values.mutable_values<T>()[to + i * stride] = read[line + order[i] * stride];
                indices.mutable_values<std::int64_t>()[to + i * stride] = as_dim(order[i]);
            }
        });
    });
}

void lower_top_k(LowerContext& c) {
    const View source = c.input(0);
    const std::size_t axis = top_k_axis(c.node(), source.dims.size());
    std::vector<View> operands{source, View{}, View{}};
    std::vector<std::size_t> written;
    std::int64_t k = 0;
    for (std::size_t i = 0; i < c.node().outputs.size(); ++i) {
        if (c.node().output(i) == no_value) continue;
        operands[i + 1] = c.output(i);
        written.push_back(i + 1);
        k = operands[i + 1].dims[axis];
    }
    const std::int64_t largest = c.node().attrs.get_int("largest", 1) != 0 ? 1 : 0;
    if (!written.empty()) add_kernel(c, "top_k", {as_dim(axis), largest, k}, operands, written);
}

/// Opset 1 had k as an attribute; the largest came first until there was a choice.
void raise_top_k(Graph& graph, NodeIt node) {
    if (!node->attrs.has("k")) return;
    node->inputs.push_back(graph.add_constant("k", Tensor::of_dims({node->attrs.get_int("k", 0)})));
    node->attrs.erase("k");
}

}  // namespace

void register_top_k(Registry& registry) {
    OpDef op;
    op.name = "TopK";
    op.newest = 24;
    op.min_inputs = op.max_inputs = 2;
    op.min_outputs = op.max_outputs = 2;
    op.attrs = {{"axis", AttrKind::integer}, {"largest", AttrKind::integer}, {"sorted", AttrKind::integer}};
    op.raise = raise_top_k;
    op.infer = infer_top_k;
    op.carry_axis = [](const InferContext& c, std::size_t input, int axis) {
        const auto own = static_cast<int>(top_k_axis(c.node(), c.dims(0).size()));
        return input == 1 ? own : axis == own ? -1 : axis;
    };
    op.close = [](ExpandContext& c) {
        return close_filled(c.attrs().get_int("largest", 1) != 0 ? lowest : highest)(c);
    };
    op.eval = eval_top_k;
    op.lower = lower_top_k;
    registry.add(std::move(op));
}

}  // namespace igata
