// Elementwise nodes become Maps, and chains of Maps of one shape become one Map.
//
//     s = Sigmoid(x)  m = Mul(x, s)  y = Add(m, half)         half: one element, 0.5
//     y = Map(x) => x0 * sigmoid(x0) + 0.5
//
// A Map is merged into its reader only if both results have the same shape (the sigmoid of a squeeze-excite gate stays
// with the gate), and if nobody else needs its value or computing it again costs next to nothing. Not merged is what
// can become the epilogue of the node before: conv, relu, add keeps the relu with the conv; nor a function of one byte
// with a byte for a result, which is looked up in a table.
#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "compiler/ir/subgraphs.hpp"
#include "compiler/ops/elementwise.hpp"
#include "compiler/passes/compose.hpp"
#include "compiler/passes/passes.hpp"

namespace igata {

namespace {

constexpr std::size_t most_inputs = runtime::max_operands - 1;
constexpr int most_cost = 64;
constexpr int trivial_cost = 1;

/// Operations when the expression is written out, without sharing.
int written_cost(const ExprPtr& e) {
    int cost = e->args.empty() ? 0 : 1;
    for (const ExprPtr& arg : e->args) cost = std::min(cost + written_cost(arg), 1000);
    return cost;
}

class MapFuser {
public:
    MapFuser(Graph& graph, Remarks& remarks, Budget budget)
        : graph_(graph), remarks_(remarks), budget_(std::move(budget)), uses_(graph) {}

    void run() {
        for (Node& node : graph_.nodes) turn_into_map(node);
        uses_ = Uses(graph_);
        for (Node& node : graph_.nodes)
            while (node.is_map() && merge_one(node)) {
                if (reads_bytes(node))
                    graph_.remove_dead_nodes();  // a dead reader would keep a table from its last one
                uses_ = Uses(graph_);
            }
        graph_.remove_dead_nodes();
    }

private:
    const ValueType& type(ValueId id) const { return graph_.value(id).type; }

    void turn_into_map(Node& node) {
        const OpDef& op = op_of(node);
        if (!op.expression || node.has_epilogue() || node.outputs.size() != 1) return;
        const MapForm form = map_form(graph_, node);
        Node map = make_map(node.name, form.body, {});
        map.outputs = node.outputs;
        Dims dims;
        for (const std::size_t i : form.inputs) {
            map.inputs.push_back(node.inputs[i]);
            dims = broadcast(dims, type(node.inputs[i]).dims);
        }
        tidy_map(map);
        const ValueType& result = type(node.outputs[0]);
        if (!map.inputs.empty() && dims == result.dims && has_type(graph_, map.epilogue, map.inputs, result.dtype))
            node = std::move(map);
    }

    bool merge_one(Node& reader) {
        for (const ValueId id : reader.inputs) {
            const Node* producer = uses_.producer(id);
            if (producer == nullptr || !producer->is_map() || graph_.is_constant(id) || !may_merge(*producer, reader))
                continue;
            if (budget_.spent()) return false;
            if (!merge(*producer, reader)) continue;
            budget_.take();
            remarks_.done("fuse_maps", label(graph_, reader), fmt::format("takes in '{}'", label(graph_, *producer)));
            return true;
        }
        return false;
    }

    bool may_merge(const Node& producer, const Node& reader) const {
        const ValueId id = producer.outputs[0];
        if (type(id).dims != type(reader.outputs[0]).dims || graph_.is_output(id)) return false;
        if (is_epilogue(producer)) return false;
        if (is_table(producer) && !becomes_table(producer, reader)) return false;
        if (uses_.count(id) == 1 || is_dequantization(producer)) return true;
        return producer.inputs.size() == 1 && expr::cost(producer.epilogue) <= trivial_cost &&
               all_readers_can_merge(id);
    }

    bool reads_bytes(const Node& map) const {
        return std::any_of(map.inputs.begin(), map.inputs.end(),
                           [&](ValueId id) { return size_of(type(id).dtype) == 1; });
    }

    bool is_epilogue(const Node& map) const {
        return std::any_of(map.inputs.begin(), map.inputs.end(), [&](ValueId id) {
            const Node* maker = uses_.producer(id);
            return maker != nullptr && type(id) == type(map.outputs[0]) &&
                   why_no_epilogue(graph_, uses_, *maker) == nullptr;
        });
    }

    /// A look-up costs less than what its reader would compute instead.
    bool is_table(const Node& map) const {
        return map.inputs.size() == 1 && type(map.inputs[0]).dims == type(map.outputs[0]).dims &&
               igata::is_table(map.epilogue, type(map.inputs[0]).dtype, type(map.outputs[0]).dtype);
    }

    /// Nothing but the table's operand is read with it, so that both are one table.
    bool becomes_table(const Node& producer, const Node& reader) const {
        return size_of(type(reader.outputs[0]).dtype) == 1 &&
               std::all_of(reader.inputs.begin(), reader.inputs.end(),
                           [&](ValueId id) { return id == producer.outputs[0] || id == producer.inputs[0]; });
    }

    /// To load a byte and compute is less than to load a float that another loop has stored.
    bool is_dequantization(const Node& map) const {
        constexpr int most = 8;  // with its conversions
        return map.inputs.size() == 1 && size_of(type(map.inputs[0]).dtype) == 1 && expr::cost(map.epilogue) <= most;
    }

    bool all_readers_can_merge(ValueId id) const {
        const auto& readers = uses_.readers(id);
        return std::all_of(readers.begin(), readers.end(), [&](const Node* reader) {
            return reader->is_map() && type(reader->outputs[0]).dims == type(id).dims;
        });
    }

    bool merge(const Node& producer, Node& reader) {
        const ValueId id = producer.outputs[0];
        if (!has_type(graph_, producer.epilogue, producer.inputs, type(id).dtype)) return false;
        OperandList operands;
        std::vector<ExprPtr> bodies;
        for (const ValueId input : reader.inputs)
            bodies.push_back(input == id ? over(operands, producer.epilogue, producer.inputs)
                                         : operands.operand(input));
        Node merged = reader;
        merged.epilogue = expr::replace_operands(reader.epilogue, bodies);
        merged.inputs = operands.ids();
        tidy_map(merged);
        const bool fits = merged.inputs.size() <= most_inputs && written_cost(merged.epilogue) <= most_cost &&
                          has_type(graph_, merged.epilogue, merged.inputs, type(reader.outputs[0]).dtype);
        if (fits) reader = std::move(merged);
        return fits;
    }

    Graph& graph_;
    Remarks& remarks_;
    Budget budget_;
    Uses uses_;
};

}  // namespace

void fuse_maps(Graph& graph, Remarks& remarks, Budget budget) {
    for_each_subgraph(graph, [&](Graph& body) { fuse_maps(body, remarks, budget); });
    MapFuser(graph, remarks, std::move(budget)).run();
}

}  // namespace igata
