// A Map that alone reads the f32 result of a Conv, MatMul, ... of its own shape becomes that node's epilogue.
//
//     a = Conv(x, v)  b = Conv(x, w)  y = Map(a, b) => max(x0 + x1, 0)
//     a = Conv(x, v)  y = Conv(x, w | a) => max(x0 + x1, 0)
//
// Of several such nodes the last takes the Map: the other results are then ready. It moves down to where the Map was,
// so that all operands are made before it; as only the Map read its result, nothing can be in the way.
#include <algorithm>
#include <iterator>
#include <unordered_map>

#include <fmt/format.h>

#include "compiler/ir/subgraphs.hpp"
#include "compiler/ops/op.hpp"
#include "compiler/passes/compose.hpp"
#include "compiler/passes/passes.hpp"

namespace igata {

namespace {

class EpilogueFuser {
public:
    EpilogueFuser(Graph& graph, Remarks& remarks, Budget budget)
        : graph_(graph), remarks_(remarks), budget_(std::move(budget)), uses_(graph) {}

    void run() {
        for (auto node = graph_.nodes.begin(); node != graph_.nodes.end();) {
            const NodeIt current = node++;
            place_of_[&*current] = {current, ++count_};
            if (current->is_map()) fuse(current);
        }
    }

private:
    struct Place {
        NodeIt node;
        int order = 0;
    };

    void fuse(NodeIt map) {
        Node* best = nullptr;
        for (const ValueId id : map->inputs) {
            Node* producer = uses_.producer(id);
            if (producer == nullptr || (!op_of(*producer).takes_epilogue && !op_of(*producer).takes_table)) continue;
            const std::string reason = why_not(*producer, *map);
            if (!reason.empty())
                remarks_.refused("fuse_epilogues", label(graph_, *map),
                                 fmt::format("not in the epilogue of '{}': {}", label(graph_, *producer), reason));
            else if (best == nullptr || place_of_.at(producer).order > place_of_.at(best).order) best = producer;
        }
        if (best == nullptr || !budget_.take()) return;
        remarks_.done("fuse_epilogues", label(graph_, *best), fmt::format("takes in '{}'", label(graph_, *map)));
        absorb(place_of_.at(best).node, map);
    }

    std::string why_not(const Node& producer, const Node& map) const {
        if (const char* reason = why_no_epilogue(graph_, uses_, producer)) return reason;
        const ValueType& from = graph_.value(producer.outputs[0]).type;
        const ValueType& to = graph_.value(map.outputs[0]).type;
        if (from != to) return fmt::format("its result is {}, this one {}", to_string(from), to_string(to));
        if (op_of(producer).takes_table) return map.inputs.size() == 1 ? "" : "it has other operands";
        for (const ValueId id : map.inputs)
            if (const ValueType& type = graph_.value(id).type; type.dtype != DataType::f32)
                return fmt::format("operand '{}' is {}", graph_.value(id).name, name_of(type.dtype));
        // Own inputs, the result, and the Map's operands but for the result.
        if (producer.inputs.size() + map.inputs.size() > static_cast<std::size_t>(runtime::max_operands))
            return "too many operands";
        return {};
    }

    void absorb(NodeIt node, NodeIt map) {
        const ValueId result = node->outputs[0];
        const auto own = node->inputs.begin() + static_cast<std::ptrdiff_t>(node->own_input_count());
        std::vector<ValueId> ids{result};
        ids.insert(ids.end(), own, node->inputs.end());
        OperandList operands(ids);
        const ExprPtr before = node->epilogue ? node->epilogue : expr::operand(0);
        std::vector<ExprPtr> bodies;
        for (const ValueId id : map->inputs) bodies.push_back(id == result ? before : operands.operand(id));
        if (!node->epilogue) node->operand_begin = static_cast<int>(node->inputs.size());
        node->epilogue = expr::simplify(expr::replace_operands(map->epilogue, bodies));
        node->inputs.resize(static_cast<std::size_t>(node->operand_begin));
        node->inputs.insert(node->inputs.end(), operands.ids().begin() + 1, operands.ids().end());
        node->outputs = map->outputs;
        graph_.nodes.splice(map, graph_.nodes, node);
        place_of_[&*node].order = place_of_[&*map].order;
        place_of_.erase(&*map);
        graph_.nodes.erase(map);
        uses_ = Uses(graph_);
    }

    Graph& graph_;
    Remarks& remarks_;
    Budget budget_;
    Uses uses_;
    std::unordered_map<const Node*, Place> place_of_;  // of the nodes passed so far
    int count_ = 0;
};

}  // namespace

void fuse_epilogues(Graph& graph, Remarks& remarks, Budget budget) {
    for_each_subgraph(graph, [&](Graph& body) { fuse_epilogues(body, remarks, budget); });
    EpilogueFuser(graph, remarks, std::move(budget)).run();
}

}  // namespace igata
