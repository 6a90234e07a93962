// Map: one scalar expression over all inputs, broadcast. Elementwise operators become Maps in fuse_maps:
//     s = Sigmoid(x)  y = Mul(x, s)
//     y = Map(x) => x0 * sigmoid(x0)
// Also all that follows from an elementwise operator's expression.
#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "compiler/ir/interpret.hpp"
#include "compiler/ops/elementwise.hpp"
#include "compiler/ops/lowering.hpp"

namespace igata {

namespace {

/// The operands that e reads, in order.
std::vector<std::size_t> operands_of(const ExprPtr& e) {
    std::set<std::size_t> operands;
    expr::rewrite(e, [&](const ExprPtr& part) {
        if (part->op == ExprOp::operand) operands.insert(static_cast<std::size_t>(part->index));
        return part;
    });
    return {operands.begin(), operands.end()};
}

/// e with operands[k] renamed to xk.
ExprPtr renumbered(const ExprPtr& e, const std::vector<std::size_t>& operands) {
    std::vector<ExprPtr> names(static_cast<std::size_t>(expr::operand_count(e)));
    for (std::size_t k = 0; k < operands.size(); ++k) names[operands[k]] = expr::operand(static_cast<int>(k));
    return expr::replace_operands(e, names);
}

/// The number that a constant of one element is; null if an expression cannot hold it exactly.
ExprPtr scalar(const Tensor& tensor) {
    if (is_floating(tensor.dtype())) return expr::constant(tensor.scalar_f64());
    const std::int64_t value = tensor.to_i64().front();
    return tensor.dtype() == DataType::u64 && value < 0 ? nullptr : expr::constant(value);
}

std::vector<DataType> operand_types(const std::vector<View>& views) {
    std::vector<DataType> types;
    for (const View& view : views) types.push_back(view.dtype);
    return types;
}

/// The largest subexpression that reads 2 to `most` operands.
ExprPtr largest_part(const ExprPtr& e, std::size_t most) {
    ExprPtr best;
    std::size_t best_size = 1;
    std::unordered_map<const Expr*, std::set<std::size_t>> operands;  // of more than `most`, only some
    expr::rewrite(e, [&](const ExprPtr& part) {
        std::set<std::size_t>& own = operands[part.get()];
        if (part->op == ExprOp::operand) own.insert(static_cast<std::size_t>(part->index));
        for (const ExprPtr& arg : part->args) {
            const std::set<std::size_t>& more = operands.at(arg.get());
            if (own.size() <= most) own.insert(more.begin(), more.end());
        }
        if (own.size() > best_size && own.size() <= most) {
            best = part;
            best_size = own.size();
        }
        return part;
    });
    return best;
}

}  // namespace

MapForm map_form(const Graph& graph, const Node& node) {
    const ExprPtr whole = expr::simplify(op_of(node).expression(graph, node));
    const std::vector<std::size_t> used = operands_of(whole);
    const auto dims = [&](std::size_t i) -> const Dims& { return graph.value(node.inputs.at(i)).type.dims; };
    std::size_t rank = 0;  // of the inputs that stay: a number must not hide that it raised the rank of the result
    for (const std::size_t i : used)
        if (graph.constant(node.inputs.at(i)) == nullptr) rank = std::max(rank, dims(i).size());
    MapForm form;
    std::vector<ExprPtr> numbers(static_cast<std::size_t>(expr::operand_count(whole)));
    for (const std::size_t i : used) {
        const Tensor* constant = graph.constant(node.inputs[i]);
        if (constant != nullptr && constant->count() == 1 && constant->dims().size() <= rank)
            numbers[i] = scalar(*constant);
    }
    form.body = expr::simplify(expr::replace_operands(whole, numbers));
    form.inputs = operands_of(form.body);
    form.body = renumbered(form.body, form.inputs);
    return form;
}

void infer_elementwise(InferContext& context) {
    const ExprPtr body = op_of(context.node()).expression(context.graph(), context.node());
    std::vector<DataType> types(context.input_count());
    for (std::size_t i = 0; i < types.size(); ++i)
        if (context.has_input(i)) types[i] = context.dtype(i);
    Dims dims;
    for (const std::size_t i : operands_of(body)) {
        if (!context.has_input(i)) context.fail(fmt::format("input {} is missing", i));
        dims = broadcast(dims, context.dims(i));
    }
    context.set_output(0, {expr::type_of(body, types), std::move(dims)});
}

Tensor eval_elementwise(const Graph& graph, const Node& node, const std::vector<const Tensor*>& inputs,
                        const ValueType& result) {
    return eval_map(op_of(node).expression(graph, node), inputs, result);
}

bool is_table(const ExprPtr& body, DataType from, DataType to) {
    constexpr int conversion = 2;
    const auto byte = [](DataType dtype) { return dtype == DataType::i8 || dtype == DataType::u8; };
    return byte(from) && byte(to) && expr::operand_count(body) == 1 && expr::cost(body) > conversion;
}

Tensor table_of(const ExprPtr& body, DataType from, DataType to) {
    Tensor bytes(from, {256});
    int next = 0;
    for (std::byte& value : bytes.mutable_bytes()) value = static_cast<std::byte>(next++);
    return eval_map(body, {&bytes}, {to, {256}});
}

void lower_elementwise(LowerContext& context) {
    MapForm form = map_form(context.graph(), context.node());
    std::vector<View> views;
    for (const std::size_t i : form.inputs) views.push_back(context.input(i));
    const ValueType& type = context.graph().value(context.node().outputs.at(0)).type;
    if (views.size() == 1 && views[0].dims == type.dims && element_count(type.dims) >= 256 &&
        is_table(form.body, views[0].dtype, type.dtype)) {
        const View table = context.constant(table_of(form.body, views[0].dtype, type.dtype));
        return add_kernel(context, "byte_table", {}, {table, views[0], context.output(0)});
    }
    constexpr std::size_t most = runtime::max_operands - 1;
    while (views.size() > most) {
        const ExprPtr part = largest_part(form.body, most);
        const std::vector<std::size_t> operands = operands_of(part);
        std::vector<View> part_views;
        Dims dims;
        for (const std::size_t i : operands) {
            part_views.push_back(views[i]);
            dims = broadcast(dims, views[i].dims);
        }
        const View result = context.temporary(expr::type_of(part, operand_types(views)), dims);
        context.add_map(renumbered(part, operands), part_views, result);
        views.push_back(result);
        const ExprPtr name = expr::operand(static_cast<int>(views.size()) - 1);
        form.body = expr::rewrite(form.body, [&](const ExprPtr& e) { return expr::equal(e, part) ? name : e; });
        const std::vector<std::size_t> left = operands_of(form.body);
        std::vector<View> left_views;
        for (const std::size_t i : left) left_views.push_back(views[i]);
        form.body = renumbered(form.body, left);
        views = std::move(left_views);
    }
    context.add_map(form.body, views, context.output(0));
}

void register_map(Registry& registry) {
    OpDef map;
    map.name = "Map";
    map.is_internal = true;
    map.takes_small_types = true;
    map.max_inputs = -1;
    map.min_inputs = 0;
    map.expression = [](const Graph&, const Node& node) { return node.epilogue; };
    registry.add(std::move(map));
}

}  // namespace igata
