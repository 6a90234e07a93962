#include <algorithm>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "compiler/ir/interpret.hpp"
#include "compiler/ops/carry_axis.hpp"
#include "compiler/ops/elementwise.hpp"
#include "compiler/ops/op.hpp"

namespace igata {

#define IGATA_OP_FAMILY(stem) void register_##stem(Registry&);
#include "compiler/ops/op_families.inc"
#undef IGATA_OP_FAMILY

namespace {

void add_family(std::vector<OpDef>& all, const char* stem, void (*register_family)(Registry&)) {
    Registry family;
    register_family(family);
    for (OpDef op : family.all()) {
        op.family = stem;
        if (op.expression && !op.infer) op.infer = infer_elementwise;
        if (op.expression && !op.lower) op.lower = lower_elementwise;
        if (op.expression && !op.carry_axis) op.carry_axis = carry_elementwise;
        all.push_back(std::move(op));
    }
}

Registry build() {
    std::vector<OpDef> all;
#define IGATA_OP_FAMILY(stem) add_family(all, #stem, register_##stem);
#include "compiler/ops/op_families.inc"
#undef IGATA_OP_FAMILY
    const auto key = [](const OpDef& op) { return std::tie(op.name, op.domain); };
    std::sort(all.begin(), all.end(), [&](const OpDef& a, const OpDef& b) { return key(a) < key(b); });
    const auto twice =
        std::adjacent_find(all.begin(), all.end(), [&](const OpDef& a, const OpDef& b) { return key(a) == key(b); });
    if (twice != all.end()) throw std::logic_error(fmt::format("operator {} is defined twice", twice->name));
    Registry registry;
    for (OpDef& op : all) registry.add(std::move(op));
    return registry;
}

std::string count_text(int least, int most, const char* what) {
    if (most < 0) return fmt::format("at least {} {}s", least, what);
    if (least == most) return fmt::format("{} {}{}", least, what, least == 1 ? "" : "s");
    return fmt::format("{} to {} {}s", least, most, what);
}

bool in_range(std::size_t count, int least, int most) {
    return static_cast<int>(count) >= least && (most < 0 || static_cast<int>(count) <= most);
}

/// Attr's alternatives, in its order.
constexpr AttrKind attr_kinds[] = {AttrKind::integer,  AttrKind::real,  AttrKind::string,  AttrKind::tensor,
                                   AttrKind::integers, AttrKind::reals, AttrKind::strings, AttrKind::graph};
constexpr const char* attr_kind_names[] = {"integer",  "float",  "string",  "tensor",
                                           "integers", "floats", "strings", "graph"};

/// Arity and attributes are as the operator's definition says.
void check_node(const OpDef& op, const InferContext& context) {
    if (!in_range(context.input_count(), op.min_inputs, op.max_inputs))
        context.fail(
            fmt::format("takes {}, got {}", count_text(op.min_inputs, op.max_inputs, "input"), context.input_count()));
    if (!in_range(context.output_count(), op.min_outputs, op.max_outputs))
        context.fail(fmt::format("has {}, got {}", count_text(op.min_outputs, op.max_outputs, "output"),
                                 context.output_count()));
    const std::size_t needed = op.may_lack_inputs  ? 0
                               : op.max_inputs < 0 ? context.input_count()
                                                   : static_cast<std::size_t>(op.min_inputs);
    for (std::size_t i = 0; i < needed; ++i)
        if (!context.has_input(i)) context.fail(fmt::format("input {} is missing", i));
    for (std::size_t i = 0; i < context.input_count() && !op.takes_small_types; ++i)
        if (context.has_input(i) && is_small(context.dtype(i)))
            context.unsupported(fmt::format("{} is not computed with", name_of(context.dtype(i))));
    for (const auto& [name, value] : context.attrs())
        if (std::none_of(op.attrs.begin(), op.attrs.end(), [&](const AttrDef& def) { return def.name == name; }))
            context.fail(fmt::format("has no attribute '{}'", name));
    for (const AttrDef& def : op.attrs) {
        const auto found = context.attrs().find(def.name);
        if (found == context.attrs().end()) {
            if (def.required) context.fail(fmt::format("attribute '{}' is missing", def.name));
        } else if (const AttrKind kind = attr_kinds[found->second.index()]; kind != def.kind) {
            const bool no_elements = kind == AttrKind::integers && context.attrs().get_ints(def.name).empty();
            if (no_elements && (def.kind == AttrKind::reals || def.kind == AttrKind::strings)) continue;
            context.fail(fmt::format("attribute '{}' should be of type {}, is {}", def.name,
                                     attr_kind_names[static_cast<std::size_t>(def.kind)],
                                     attr_kind_names[static_cast<std::size_t>(kind)]));
        }
    }
}

/// Later passes multiply dims without a second thought.
void check_size(const InferContext& context, const ValueType& type) {
    constexpr std::int64_t most_elements = std::int64_t{1} << 38;
    std::int64_t count = 1;
    for (const std::int64_t dim : type.dims) {
        if (dim < 0) context.fail(fmt::format("its result {} has a negative dim", to_string(type)));
        if (dim > most_elements / count) context.fail(fmt::format("its result {} is too large", to_string(type)));
        count *= std::max<std::int64_t>(dim, 1);
    }
}

/// Runs `infer`; whatever it finds wrong becomes a BadInput that names the node.
void run_infer(const OpDef& op, InferContext& context) {
    check_node(op, context);
    name_in_errors(context.node(), [&] { op.infer(context); });
    for (const ValueType& type : context.outputs()) check_size(context, type);
}

std::vector<ValueType> output_types(const Graph& graph, const Node& node, const OpDef& op) {
    std::vector<ValueType> types;
    for (const ValueId id : node.outputs) types.push_back(id == no_value ? ValueType{} : graph.value(id).type);
    const bool known = std::all_of(node.outputs.begin(), node.outputs.end(),
                                   [&](ValueId id) { return id != no_value && graph.value(id).type.known(); });
    if (known) return types;
    InferContext context(graph, node);
    run_infer(op, context);
    return context.outputs();
}

}  // namespace

const Registry& Registry::instance() {
    static const Registry registry = build();
    return registry;
}

const OpDef* Registry::find(std::string_view name, std::string_view domain) const {
    const auto key = std::pair(name, domain);
    const auto found = std::lower_bound(ops_.begin(), ops_.end(), key, [](const OpDef& op, const auto& wanted) {
        return std::pair<std::string_view, std::string_view>(op.name, op.domain) < wanted;
    });
    return found != ops_.end() && found->name == name && found->domain == domain ? &*found : nullptr;
}

const OpDef& op_of(const Node& node) {
    const OpDef* op = Registry::instance().find(node.op);
    if (op == nullptr) throw Unsupported(describe(node) + ": not supported; `igata ops` lists the operators that are");
    return *op;
}

void infer_node(Graph& graph, Node& node) {
    InferContext context(graph, node);
    run_infer(op_of(node), context);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
        if (node.outputs[i] == no_value) continue;
        Value& value = graph.value(node.outputs[i]);
        value.type = context.outputs()[i];
        if (!value.type.known())
            throw std::logic_error(fmt::format("{}: infer gave output {} no type", describe(node), i));
        if (const auto found = context.output_constants().find(i); found != context.output_constants().end())
            value.constant = found->second;
    }
}

namespace {

/// Replaces the node by what `replacement(context)` puts before it, if that returns true.
template <class Replacement>
std::optional<NodeIt> replace_node(Graph& graph, NodeIt node, const Replacement& replacement) {
    const bool is_first = node == graph.nodes.begin();
    const NodeIt before = is_first ? node : std::prev(node);
    ExpandContext context(graph, node);
    check_node(op_of(*node), context);
    if (!name_in_errors(*node, [&] { return replacement(context); })) return std::nullopt;
    graph.nodes.erase(node);
    return is_first ? graph.nodes.begin() : std::next(before);
}

}  // namespace

NodeIt expand_node(Graph& graph, NodeIt node) {
    const auto expand = [&](ExpandContext& context) { return op_of(*node).expand(context), true; };
    return *replace_node(graph, node, expand);
}

std::optional<NodeIt> close_node(Graph& graph, NodeIt node) {
    const OpDef& op = op_of(*node);
    return op.close ? replace_node(graph, node, op.close) : std::nullopt;
}

std::vector<Tensor> eval_node(const Graph& graph, const Node& node, const std::vector<const Tensor*>& inputs) {
    const OpDef& op = op_of(node);
    const std::vector<ValueType> types = output_types(graph, node, op);
    const auto own = inputs.begin() + static_cast<std::ptrdiff_t>(node.own_input_count());
    return name_in_errors(node, [&] {
        std::vector<Tensor> results;
        if (op.eval) {
            EvalContext context(node, {inputs.begin(), own}, types);
            op.eval(context);
            results = std::move(context.results());
        } else {
            results.push_back(eval_elementwise(graph, node, inputs, types.at(0)));
        }
        if (node.has_epilogue()) {
            std::vector<const Tensor*> operands{&results.at(0)};
            operands.insert(operands.end(), own, inputs.end());
            results[0] = eval_map(node.epilogue, operands, types.at(0));
        }
        return results;
    });
}

std::string describe(const Node& node) {
    const std::string name = node.name.empty() ? "" : fmt::format(" '{}'", node.name);
    const std::string opset = node.version > 0 ? fmt::format(" (opset {})", node.version) : "";
    return fmt::format("{}{}{}", node.op, name, opset);
}

std::int64_t normalize_axis(std::int64_t axis, std::size_t rank) {
    const auto n = static_cast<std::int64_t>(rank);
    if (axis < -n || axis >= n)
        throw std::invalid_argument(fmt::format("axis {} is out of range for rank {}", axis, rank));
    return axis < 0 ? axis + n : axis;
}

namespace {

std::string_view name_of_result(const Graph& graph, const Node& node) {
    return node.output(0) == no_value ? "" : std::string_view(graph.value(node.output(0)).name);
}

}  // namespace

ValueId ExpandContext::add(std::string_view op, std::vector<ValueId> inputs, Attrs attrs) {
    Node made;
    made.op = op;
    made.name = node().name;
    made.inputs = std::move(inputs);
    made.attrs = std::move(attrs);
    made.version = op_of(made).newest;
    return graph_.insert(at_, std::move(made), name_of_result(graph_, node()));
}

ValueId ExpandContext::map(const std::string& body, std::vector<ValueId> inputs) {
    return graph_.insert(at_, make_map(node().name, expr::parse(body), std::move(inputs)),
                         name_of_result(graph_, node()));
}

void ExpandContext::finish_again(std::vector<ValueId> inputs) {
    Node made = node();
    made.inputs = std::move(inputs);
    for (ValueId& id : made.outputs)
        if (id != no_value) id = graph_.add_value(graph_.value(id).name);
    const NodeIt again = graph_.nodes.insert(at_, std::move(made));
    for (std::size_t i = 0; i < again->outputs.size(); ++i) finish(i, again->outputs[i]);
}

void ExpandContext::finish(std::size_t i, ValueId value) {
    if (node().output(i) != no_value) graph_.replace_uses(node().outputs[i], value);
}

const Tensor& InferContext::require_constant(std::size_t i, std::string_view what) const {
    const Tensor* tensor = constant(i);
    if (tensor == nullptr) unsupported(fmt::format("{} must be known at compile time", what));
    return *tensor;
}

void InferContext::fail(const std::string& message) const {
    throw BadInput(fmt::format("{}: {}", describe(node_), message));
}

void InferContext::unsupported(const std::string& message) const {
    throw Unsupported(fmt::format("{}: {}", describe(node_), message));
}

void LowerContext::unsupported(const std::string& message) const {
    throw Unsupported(fmt::format("{}: {}", describe(node()), message));
}

bool RuleMatch::used_once(const std::string& value_name) const {
    const ValueId id = values.at(value_name);
    return uses.count(id) == 1 && !graph.is_output(id);
}

}  // namespace igata
