// What holds for every Graph after every pass: order, arity, unique producers, types, epilogues.
#include <algorithm>
#include <set>
#include <stdexcept>

#include <fmt/format.h>

#include "compiler/ir/subgraphs.hpp"
#include "compiler/ops/op.hpp"
#include "compiler/passes/passes.hpp"

namespace igata {

namespace {

bool broadcasts_to(const Dims& from, const Dims& to) {
    if (from.size() > to.size()) return false;
    const std::size_t lead = to.size() - from.size();
    for (std::size_t i = 0; i < from.size(); ++i)
        if (from[i] != 1 && from[i] != to[i + lead]) return false;
    return true;
}

class GraphVerifier {
public:
    explicit GraphVerifier(const Graph& graph) : graph_(graph) {}

    void verify() {
        for (const Graph::Input& input : graph_.inputs) {
            check_id(input.value, "an input");
            if (!made_.insert(input.value).second) fail("two inputs are one value");
        }
        for (const Node& node : graph_.nodes) {
            node_ = &node;
            check_arity();
            for (const ValueId id : node.inputs) check_read(id);
            for (const ValueId id : node.outputs) check_made(id);
            if (node.epilogue) check_epilogue();
            else if (node.is_map()) fail("has no expression");
            for (const Graph* subgraph : subgraphs(node)) GraphVerifier(*subgraph).verify();
        }
        node_ = nullptr;
        for (const Graph::Output& output : graph_.outputs) {
            if (output.value == no_value) fail(fmt::format("output '{}' has no value", output.name));
            check_read(output.value);
        }
        check_types();
    }

private:
    [[noreturn]] void fail(const std::string& message) const {
        throw std::logic_error(node_ == nullptr ? message : fmt::format("{}: {}", describe(*node_), message));
    }

    void check_id(ValueId id, const char* what) const {
        if (id < 0 || static_cast<std::size_t>(id) >= graph_.value_count()) fail(fmt::format("{} is no value", what));
    }

    bool is_typed() const {
        return std::all_of(node_->outputs.begin(), node_->outputs.end(),
                           [&](ValueId id) { return id == no_value || graph_.value(id).type.known(); });
    }

    void check_arity() const {
        const OpDef* op = Registry::instance().find(node_->op);
        if (op == nullptr || !is_typed()) return;  // before infer_types it is the model's fault, which infer_node tells
        const auto check = [&](std::size_t count, int least, int most, const char* what) {
            if (static_cast<int>(count) < least || (most >= 0 && static_cast<int>(count) > most))
                fail(fmt::format("has {} {}", count, what));
        };
        check(node_->own_input_count(), op->min_inputs, op->max_inputs, "inputs");
        check(node_->outputs.size(), op->min_outputs, op->max_outputs, "outputs");
    }

    void check_read(ValueId id) const {
        if (id == no_value) return;
        check_id(id, "an input");
        if (!graph_.is_constant(id) && !made_.contains(id))
            fail(fmt::format("'{}' is read before it is made", graph_.value(id).name));
    }

    void check_made(ValueId id) {
        if (id == no_value) return;
        check_id(id, "an output");
        if (!made_.insert(id).second) fail(fmt::format("'{}' is made twice", graph_.value(id).name));
    }

    void check_epilogue() const {
        const Node& node = *node_;
        const bool is_map = node.is_map();
        if (!is_map && (node.operand_begin < 0 || static_cast<std::size_t>(node.operand_begin) > node.inputs.size()))
            fail("its epilogue's operands begin beyond its inputs");
        if (node.outputs.empty() || node.outputs[0] == no_value) fail("has an expression but no result");
        const std::size_t first = is_map ? 0 : static_cast<std::size_t>(node.operand_begin);
        const std::size_t operands = node.inputs.size() - first + (is_map ? 0 : 1);
        if (static_cast<std::size_t>(expr::operand_count(node.epilogue)) > operands)
            fail(fmt::format("its expression reads more than {} operands", operands));
        const ValueType& result = graph_.value(node.outputs[0]).type;
        for (std::size_t i = first; i < node.inputs.size(); ++i) {
            if (node.inputs[i] == no_value) fail("an operand of its expression is absent");
            const ValueType& type = graph_.value(node.inputs[i]).type;
            if (result.known() && type.known() && !broadcasts_to(type.dims, result.dims))
                fail(fmt::format("operand {} does not broadcast to {}", to_string(type), to_string(result)));
        }
    }

    /// Once one node has types, all have.
    void check_types() {
        const Node* untyped = nullptr;
        bool typed = false;
        for (const Node& node : graph_.nodes)
            for (const ValueId id : node.outputs) {
                if (id == no_value) continue;
                const Value& value = graph_.value(id);
                if (value.type.known()) typed = true;
                else untyped = &node;
                if (value.constant && value.constant->type() != value.type)
                    fail(fmt::format("constant '{}' is {}, not {}", value.name, to_string(value.constant->type()),
                                     to_string(value.type)));
            }
        node_ = untyped;
        if (typed && untyped != nullptr) fail("has a result without a type");
    }

    const Graph& graph_;
    const Node* node_ = nullptr;
    std::set<ValueId> made_;
};

}  // namespace

void verify(const Graph& graph) { GraphVerifier(graph).verify(); }

}  // namespace igata
