#include "compiler/passes/merge_equal.hpp"

#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include "compiler/ops/op.hpp"
#include "compiler/passes/compose.hpp"

namespace igata {

namespace {

constexpr std::int64_t small_elements = 16;

class Merger {
public:
    explicit Merger(Graph& graph) : graph_(graph) {}

    bool run(Remarks& remarks, Budget budget) {
        bool changed = false;
        for (Node& node : graph_.nodes) {
            const OpDef* op = Registry::instance().find(node.op);
            if (op == nullptr || op->is_random) continue;
            auto& alike = seen_[key(node)];
            const auto equal =
                std::find_if(alike.begin(), alike.end(), [&](const Node* other) { return same(node, *other); });
            if (equal == alike.end()) {
                alike.push_back(&node);
            } else if (budget.take() && redirect(node, **equal)) {
                changed = true;
                remarks.done("simplify", label(graph_, node), fmt::format("the same as '{}'", label(graph_, **equal)));
            }
        }
        return changed;
    }

private:
    /// The value, or the first small constant with these very elements.
    ValueId canonical(ValueId id) {
        const Tensor* tensor = graph_.constant(id);
        if (tensor == nullptr || tensor->count() > small_elements) return id;
        std::string elements = to_string(tensor->type());
        for (const std::byte byte : tensor->bytes()) elements += static_cast<char>(byte);
        return constants_.try_emplace(std::move(elements), id).first->second;
    }

    std::string key(const Node& node) {
        std::string text = fmt::format("{} {} {}", node.op, node.version, node.outputs.size());
        for (const ValueId id : node.inputs) text += fmt::format(" {}", canonical(id));
        return text;
    }

    bool same(const Node& a, const Node& b) const {
        for (std::size_t i = 0; i < a.outputs.size(); ++i)
            if ((a.outputs[i] == no_value) != (b.outputs[i] == no_value)) return false;
        const bool same_body =
            a.epilogue && b.epilogue ? expr::equal(a.epilogue, b.epilogue) : a.epilogue == b.epilogue;
        return same_body && a.operand_begin == b.operand_begin && a.attrs == b.attrs;
    }

    bool redirect(const Node& from, const Node& to) {
        const Uses uses(graph_);
        bool changed = false;
        for (std::size_t i = 0; i < from.outputs.size(); ++i) {
            if (from.outputs[i] == no_value || uses.count(from.outputs[i]) == 0) continue;
            graph_.replace_uses(from.outputs[i], to.outputs[i]);
            changed = true;
        }
        return changed;
    }

    Graph& graph_;
    std::unordered_map<std::string, std::vector<Node*>> seen_;
    std::unordered_map<std::string, ValueId> constants_;
};

}  // namespace

bool merge_equal_nodes(Graph& graph, Remarks& remarks, Budget budget) {
    return Merger(graph).run(remarks, std::move(budget));
}

}  // namespace igata
