// Applies the operators' rewrite rules, merges equal nodes and removes dead ones, until nothing changes.
//
//     p = Pad(x, pads)  y = Conv(p, w) {pads=[0,0,0,0]}       a rule of Conv
//     y = Conv(x, w) {pads=[1,1,1,1]}
//
// Rules live with their operators (OpDef::rules); this is only how they are driven. A remark names every rule that was
// applied, and every one that matched to the end but refused, with its reason.
#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "compiler/ir/subgraphs.hpp"
#include "compiler/passes/compose.hpp"
#include "compiler/passes/fold.hpp"
#include "compiler/passes/merge_equal.hpp"
#include "compiler/passes/passes.hpp"
#include "compiler/passes/rewrite.hpp"

namespace igata {

namespace {

struct CompiledRule {
    const Rule* rule;
    Pattern pattern;
};

/// All operators' rules by the operator of their root; "" holds those whose root is any.
const std::map<std::string, std::vector<CompiledRule>>& rules_by_root() {
    static const auto rules = [] {
        std::map<std::string, std::vector<CompiledRule>> all;
        for (const OpDef& op : Registry::instance().all())
            for (const Rule& rule : op.rules) {
                const CompiledRule compiled{&rule, parse_pattern(rule.pattern)};
                const std::vector<std::string>& roots = compiled.pattern.root().ops;
                if (roots.empty()) all[""].push_back(compiled);
                for (const std::string& root : roots) all[root].push_back(compiled);
            }
        return all;
    }();
    return rules;
}

class Simplifier {
public:
    Simplifier(Graph& graph, Remarks& remarks, Budget budget)
        : graph_(graph),
          remarks_(remarks),
          budget_(std::move(budget)),
          uses_(graph),
          most_(1000 + 50 * static_cast<int>(graph.nodes.size())) {}

    void run() {
        settle("");
        for (bool changed = true; changed && !budget_.spent();) {
            changed = false;
            refused_.clear();
            for (next_ = graph_.nodes.begin(); next_ != graph_.nodes.end() && !budget_.spent();) {
                const NodeIt node = next_++;
                if (!rewrite(node)) continue;
                changed = true;
            }
            if (!budget_.spent() && merge_equal_nodes(graph_, remarks_, budget_)) {
                changed = true;
                settle("");
            }
        }
        for (const auto& [node, message] : done_) remarks_.done("simplify", node, message);
        for (const auto& [node, message] : refused_) remarks_.refused("simplify", node, message);
    }

private:
    bool rewrite(NodeIt node) {
        for (const std::string& key : {node->op, std::string()}) {
            const auto found = rules_by_root().find(key);
            if (found == rules_by_root().end()) continue;
            for (const CompiledRule& rule : found->second)
                if (apply(rule, node)) return true;
        }
        return false;
    }

    bool apply(const CompiledRule& rule, NodeIt root) {
        const std::string name = label(graph_, *root);
        const bool applied = match_pattern(rule.pattern, graph_, uses_, *root, [&](const PatternMatch& found) {
            RuleMatch match{graph_, {}, {}, uses_};
            for (std::size_t i = 0; i < found.values.size(); ++i)
                match.values.emplace(rule.pattern.slots[i].name, found.values[i]);
            for (std::size_t i = 0; i < found.nodes.size(); ++i) {
                const int output = rule.pattern.statements[i].outputs[0];
                if (output != Pattern::any && found.nodes[i] != nullptr)
                    match.nodes.emplace(rule.pattern.slots[static_cast<std::size_t>(output)].name,
                                        place_of(*found.nodes[i]));
            }
            const auto reason = name_in_errors(*root, [&] { return rule.rule->apply(match); });
            if (reason && !reason->empty()) refused_.emplace(name, fmt::format("{}: {}", rule.rule->name, *reason));
            return !reason;
        });
        if (!applied) return false;
        budget_.take();
        done_.emplace(name, rule.rule->name);
        if (--most_ < 0)
            throw std::logic_error(fmt::format("simplify does not end; its last rule was {}", rule.rule->name));
        settle(root->name);
        return true;
    }

    /// Types and folds what is new, names it after the node it replaces, and drops what is dead.
    void settle(const std::string& name) {
        for (Node& node : graph_.nodes) {
            const bool typed = std::all_of(node.outputs.begin(), node.outputs.end(),
                                           [&](ValueId id) { return id == no_value || graph_.value(id).type.known(); });
            if (!typed) {
                if (node.name.empty()) node.name = name;
                infer_and_fold(graph_, node);
            }
            fold_node(graph_, node);
        }
        remove_dead();
        graph_.drop_unread_constants();
        uses_ = Uses(graph_);
        places_.resize(graph_.value_count());
        for (auto node = graph_.nodes.begin(); node != graph_.nodes.end(); ++node)
            for (const ValueId id : node->outputs)
                if (id != no_value) places_[static_cast<std::size_t>(id)] = node;
    }

    NodeIt place_of(const Node& node) const {
        const auto made =
            std::find_if(node.outputs.begin(), node.outputs.end(), [](ValueId id) { return id != no_value; });
        return places_.at(static_cast<std::size_t>(*made));
    }

    void remove_dead() {
        std::vector<bool> used(graph_.value_count(), false);
        for (const Graph::Output& output : graph_.outputs) used[static_cast<std::size_t>(output.value)] = true;
        for (auto node = graph_.nodes.end(); node != graph_.nodes.begin();) {
            --node;
            const bool live = std::any_of(node->outputs.begin(), node->outputs.end(), [&](ValueId id) {
                return id != no_value && used[static_cast<std::size_t>(id)] && !graph_.is_constant(id);
            });
            if (live) {
                for (const ValueId id : node->inputs)
                    if (id != no_value) used[static_cast<std::size_t>(id)] = true;
            } else {
                const bool is_next = node == next_;
                node = graph_.nodes.erase(node);
                if (is_next) next_ = node;
            }
        }
    }

    Graph& graph_;
    Remarks& remarks_;
    Budget budget_;
    Uses uses_;
    std::vector<NodeIt> places_;        // of what makes each value
    NodeIt next_ = graph_.nodes.end();  // the node that the round looks at next
    std::set<std::pair<std::string, std::string>> done_;
    std::set<std::pair<std::string, std::string>> refused_;  // in the latest round; the last one changes nothing
    int most_;                                               // rewrites before a set of rules counts as endless
};

}  // namespace

void simplify(Graph& graph, Remarks& remarks, Budget budget) {
    for_each_subgraph(graph, [&](Graph& body) { simplify(body, remarks, budget); });
    for (Node& node : graph.nodes) prune_captures(node);
    Simplifier(graph, remarks, std::move(budget)).run();
}

}  // namespace igata
