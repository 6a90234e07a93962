#include "compiler/ir/subgraphs.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace igata {

namespace {

const char* const captures = "captures";

/// Values that are read but neither made, constant nor inputs, in the order in which they are read.
std::vector<ValueId> free_values(const Graph& graph) {
    std::set<ValueId> known{no_value};
    for (const Graph::Input& input : graph.inputs) known.insert(input.value);
    for (const Node& node : graph.nodes) known.insert(node.outputs.begin(), node.outputs.end());
    std::vector<ValueId> free;
    const auto read = [&](ValueId id) {
        if (!graph.is_constant(id) && known.insert(id).second) free.push_back(id);
    };
    for (const Node& node : graph.nodes)
        for (const ValueId id : node.inputs) read(id);
    for (const Graph::Output& output : graph.outputs) read(output.value);
    return free;
}

std::set<ValueId> read_values(const Graph& graph) {
    std::set<ValueId> read;
    for (const Node& node : graph.nodes) read.insert(node.inputs.begin(), node.inputs.end());
    for (const Graph::Output& output : graph.outputs) read.insert(output.value);
    return read;
}

}  // namespace

std::vector<Graph*> subgraphs(const Node& node) {
    std::vector<Graph*> graphs;
    for (const auto& [name, attr] : node.attrs)
        if (const auto* graph = std::get_if<std::shared_ptr<Graph>>(&attr)) graphs.push_back(graph->get());
    return graphs;
}

bool has_subgraphs(const Node& node) {
    return std::any_of(node.attrs.begin(), node.attrs.end(),
                       [](const auto& attr) { return std::holds_alternative<std::shared_ptr<Graph>>(attr.second); });
}

std::size_t capture_count(const Node& node) { return static_cast<std::size_t>(node.attrs.get_int(captures, 0)); }

void close_subgraphs(Graph& graph, Node& node) {
    const std::vector<Graph*> graphs = subgraphs(node);
    std::vector<std::string> names;
    std::vector<std::map<std::string, ValueId>> free(graphs.size());
    for (std::size_t i = 0; i < graphs.size(); ++i)
        for (const ValueId id : free_values(*graphs[i])) {
            const std::string& name = graphs[i]->value(id).name;
            free[i].emplace(name, id);
            if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
        }
    if (names.empty()) return;
    for (const std::string& name : names) {
        const ValueId outside = graph.find_value(name);
        node.inputs.push_back(outside != no_value ? outside : graph.add_value(name));
        for (std::size_t i = 0; i < graphs.size(); ++i) {
            const auto found = free[i].find(name);
            Graph::Input input;
            input.value = found != free[i].end() ? found->second : graphs[i]->add_value(name);
            graphs[i]->inputs.push_back(std::move(input));
        }
    }
    node.attrs[captures] = static_cast<std::int64_t>(capture_count(node) + names.size());
}

void prune_captures(Node& node) {
    const std::vector<Graph*> graphs = subgraphs(node);
    std::vector<std::set<ValueId>> read;
    for (const Graph* graph : graphs) read.push_back(read_values(*graph));
    const std::size_t count = capture_count(node);
    std::size_t kept = count;
    const auto captured = [&](auto& list, std::size_t i) {
        return list.begin() + static_cast<std::ptrdiff_t>(list.size() - kept + i);
    };
    for (std::size_t i = 0; i < kept;) {
        bool used = false;
        for (std::size_t g = 0; g < graphs.size(); ++g) {
            const ValueId id = captured(graphs[g]->inputs, i)->value;
            used = used || (read[g].contains(id) && !graphs[g]->is_constant(id));
        }
        if (used) {
            ++i;
            continue;
        }
        for (Graph* graph : graphs) graph->inputs.erase(captured(graph->inputs, i));
        node.inputs.erase(captured(node.inputs, i));
        --kept;
    }
    if (kept != count) node.attrs[captures] = static_cast<std::int64_t>(kept);
}

std::vector<ValueId> inline_graph(Graph& graph, NodeIt before, const Graph& body, const std::vector<ValueId>& inputs) {
    std::map<ValueId, ValueId> placed{{no_value, no_value}};
    for (std::size_t i = 0; i < body.inputs.size(); ++i) placed.emplace(body.inputs[i].value, inputs.at(i));
    const auto place = [&](ValueId id) {
        const auto found = placed.find(id);
        if (found != placed.end()) return found->second;
        const Value& value = body.value(id);
        const ValueId made =
            value.constant ? graph.add_constant(value.name, *value.constant) : graph.add_value(value.name);
        placed.emplace(id, made);
        return made;
    };
    for (const Node& node : body.nodes) {
        Node copy = node;
        for (auto& [name, attr] : copy.attrs)
            if (auto* subgraph = std::get_if<std::shared_ptr<Graph>>(&attr))
                *subgraph = std::make_shared<Graph>(clone(**subgraph));
        for (ValueId& id : copy.inputs) id = place(id);
        for (ValueId& id : copy.outputs) id = place(id);
        graph.nodes.insert(before, std::move(copy));
    }
    std::vector<ValueId> outputs;
    for (const Graph::Output& output : body.outputs) outputs.push_back(place(output.value));
    return outputs;
}

}  // namespace igata
