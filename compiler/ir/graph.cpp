#include "compiler/ir/graph.hpp"

#include <algorithm>
#include <stdexcept>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

namespace igata {

namespace {

template <class T>
T get_attr(const Attrs& attrs, const std::string& name, const T& fallback) {
    const auto found = attrs.find(name);
    if (found == attrs.end()) return fallback;
    if (const T* value = std::get_if<T>(&found->second)) return *value;
    throw std::invalid_argument(fmt::format("attribute '{}' has the wrong type", name));
}

}  // namespace

std::int64_t Attrs::get_int(const std::string& name, std::int64_t fallback) const {
    return get_attr(*this, name, fallback);
}
float Attrs::get_float(const std::string& name, float fallback) const { return get_attr(*this, name, fallback); }
std::string Attrs::get_string(const std::string& name, const std::string& fallback) const {
    return get_attr(*this, name, fallback);
}
std::vector<std::int64_t> Attrs::get_ints(const std::string& name, const std::vector<std::int64_t>& fallback) const {
    return get_attr(*this, name, fallback);
}
std::vector<float> Attrs::get_floats(const std::string& name, const std::vector<float>& fallback) const {
    return get_attr(*this, name, fallback);
}

ValueId Graph::add_value(std::string_view wanted, ValueType type) {
    std::string unique = wanted.empty() ? "v" : std::string(wanted);
    for (int suffix = 1; by_name_.contains(unique); ++suffix)
        unique = fmt::format("{}__{}", wanted.empty() ? "v" : wanted, suffix);
    const auto id = static_cast<ValueId>(values_.size());
    by_name_.emplace(unique, id);
    values_.push_back({std::move(unique), std::move(type), std::nullopt});
    return id;
}

ValueId Graph::add_constant(std::string_view wanted, Tensor tensor) {
    const ValueId id = add_value(wanted, tensor.type());
    value(id).constant = std::move(tensor);
    return id;
}

ValueId Graph::insert(NodeIt before, Node node, std::string_view output_name, ValueType type) {
    const ValueId id = add_value(output_name, std::move(type));
    node.outputs = {id};
    nodes.insert(before, std::move(node));
    return id;
}

ValueId Graph::find_value(std::string_view wanted) const {
    const auto found = by_name_.find(std::string(wanted));
    return found == by_name_.end() ? no_value : found->second;
}

bool Graph::is_input(ValueId id) const {
    return std::any_of(inputs.begin(), inputs.end(), [&](const Input& input) { return input.value == id; });
}

bool Graph::is_output(ValueId id) const {
    return std::any_of(outputs.begin(), outputs.end(), [&](const Output& output) { return output.value == id; });
}

void Graph::replace_uses(ValueId from, ValueId to) {
    for (Node& node : nodes) std::replace(node.inputs.begin(), node.inputs.end(), from, to);
    for (Output& output : outputs)
        if (output.value == from) output.value = to;
}

void Graph::remove_dead_nodes() {
    std::unordered_set<ValueId> used;
    for (const Output& output : outputs) used.insert(output.value);
    for (auto node = nodes.end(); node != nodes.begin();) {
        --node;
        const bool live = std::any_of(node->outputs.begin(), node->outputs.end(),
                                      [&](ValueId id) { return id != no_value && used.contains(id); });
        if (live) used.insert(node->inputs.begin(), node->inputs.end());
        else node = nodes.erase(node);
    }
    drop_unread_constants();
}

void Graph::drop_unread_constants() {
    std::vector<bool> read(value_count(), false);
    const auto mark = [&](ValueId id) {
        if (id != no_value) read[static_cast<std::size_t>(id)] = true;
    };
    for (const Node& node : nodes) std::for_each(node.inputs.begin(), node.inputs.end(), mark);
    for (const Output& output : outputs) mark(output.value);
    for (std::size_t id = 0; id < read.size(); ++id)
        if (!read[id]) value(static_cast<ValueId>(id)).constant.reset();
}

Uses::Uses(Graph& graph)
    : producer_(graph.value_count()), first_reader_(graph.value_count() + 1), counts_(graph.value_count()) {
    for (Node& node : graph.nodes) {
        for (const ValueId id : node.outputs)
            if (id != no_value) producer_[static_cast<std::size_t>(id)] = &node;
        for (const ValueId id : node.inputs)
            if (id != no_value) ++counts_[static_cast<std::size_t>(id)];
    }
    for (std::size_t id = 0; id < counts_.size(); ++id)
        first_reader_[id + 1] = first_reader_[id] + static_cast<std::size_t>(counts_[id]);
    readers_.resize(first_reader_.back());
    std::vector<std::size_t> next(first_reader_);
    for (Node& node : graph.nodes)
        for (const ValueId id : node.inputs)
            if (id != no_value) readers_[next[static_cast<std::size_t>(id)]++] = &node;
    for (const Graph::Output& output : graph.outputs) ++counts_[static_cast<std::size_t>(output.value)];
}

std::string sort_nodes(Graph& graph) {
    std::vector<bool> ready(graph.value_count(), true);
    for (const Node& node : graph.nodes)
        for (const ValueId id : node.outputs)
            if (id != no_value) ready[static_cast<std::size_t>(id)] = false;
    // Kahn's algorithm over the list order, so that a sorted list stays as it is.
    std::unordered_map<ValueId, std::vector<NodeIt>> waiting;
    std::unordered_map<const Node*, int> missing;
    NodeList sorted;
    std::vector<NodeIt> stack;
    const auto settle = [&](NodeIt node) {
        stack.push_back(node);
        while (!stack.empty()) {
            const NodeIt next = stack.back();
            stack.pop_back();
            sorted.splice(sorted.end(), graph.nodes, next);
            for (const ValueId id : next->outputs) {
                if (id == no_value) continue;
                ready[static_cast<std::size_t>(id)] = true;
                for (const NodeIt reader : waiting[id])
                    if (--missing[&*reader] == 0) stack.push_back(reader);
                waiting.erase(id);
            }
        }
    };
    for (auto node = graph.nodes.begin(); node != graph.nodes.end();) {
        const auto current = node++;
        int count = 0;
        for (const ValueId id : current->inputs) {
            if (id == no_value || ready[static_cast<std::size_t>(id)]) continue;
            waiting[id].push_back(current);
            ++count;
        }
        if (count > 0) missing[&*current] = count;
        else settle(current);
    }
    std::string on_cycle;
    for (const Node& node : graph.nodes)
        for (const ValueId id : node.outputs)
            if (on_cycle.empty() && id != no_value) on_cycle = graph.value(id).name;
    graph.nodes.splice(graph.nodes.begin(), sorted);
    return on_cycle;
}

Graph clone(const Graph& graph) {
    Graph copy = graph;
    for (Node& node : copy.nodes)
        for (auto& [name, attr] : node.attrs)
            if (auto* subgraph = std::get_if<std::shared_ptr<Graph>>(&attr))
                *subgraph = std::make_shared<Graph>(clone(**subgraph));
    return copy;
}

}  // namespace igata
