#include "compiler/passes/rewrite.hpp"

#include <algorithm>
#include <array>

#include "compiler/ir/scanner.hpp"

namespace igata {

namespace {

constexpr std::array<std::string_view, 8> commutative{"Add", "Mul", "Min", "Max", "And", "Or", "Xor", "Equal"};

class PatternParser {
public:
    explicit PatternParser(std::string_view text) : in_(text) {}

    Pattern parse() {
        while (!in_.at_end()) parse_statement();
        if (pattern_.statements.empty()) in_.fail("expected a statement");
        return std::move(pattern_);
    }

private:
    int slot(const std::string& name) {
        if (name == "_") return Pattern::any;
        auto& slots = pattern_.slots;
        const auto found =
            std::find_if(slots.begin(), slots.end(), [&](const auto& slot) { return slot.name == name; });
        if (found != slots.end()) return static_cast<int>(found - slots.begin());
        slots.push_back({name, -1, false});
        return static_cast<int>(slots.size()) - 1;
    }

    Pattern::Slot& at(int slot) { return pattern_.slots[static_cast<std::size_t>(slot)]; }

    void parse_statement() {
        Pattern::Statement statement;
        do statement.outputs.push_back(slot(in_.word("a value's name")));
        while (in_.accept(","));
        in_.expect("=");
        if (in_.accept("constant")) {
            if (statement.outputs.size() != 1 || statement.outputs[0] == Pattern::any)
                in_.fail("a constant needs one name");
            at(statement.outputs[0]).constant = true;
            return;
        }
        do statement.ops.push_back(in_.word("an operator"));
        while (in_.accept("|"));
        if (statement.ops.front() == "_") statement.ops.clear();
        parse_inputs(statement);
        statement.commutes = statement.inputs.size() == 2 && !statement.ops.empty() && is_commutative(statement.ops);
        for (const int output : statement.outputs)
            if (output != Pattern::any) at(output).statement = static_cast<int>(pattern_.statements.size());
        pattern_.statements.push_back(std::move(statement));
    }

    static bool is_commutative(const std::vector<std::string>& ops) {
        return std::all_of(ops.begin(), ops.end(), [](const std::string& op) {
            return std::find(commutative.begin(), commutative.end(), op) != commutative.end();
        });
    }

    void parse_inputs(Pattern::Statement& statement) {
        in_.expect("(");
        for (bool first = true; !in_.accept(")"); first = false) {
            if (!first) in_.expect(",");
            if (in_.accept("...")) {
                statement.takes_more = true;
                in_.expect(")");
                return;
            }
            statement.inputs.push_back(slot(in_.word("a value's name")));
        }
    }

    Scanner in_;
    Pattern pattern_;
};

/// One attempt, with the inputs of some commutative statements swapped.
class Matcher {
public:
    Matcher(const Pattern& pattern, const Graph& graph, const Uses& uses, unsigned swapped)
        : pattern_(pattern), graph_(graph), uses_(uses), swapped_(swapped), bound_(pattern.slots.size(), false) {
        match.values.assign(pattern.slots.size(), no_value);
        match.nodes.assign(pattern.statements.size(), nullptr);
    }

    bool match_statement(std::size_t index, const Node& node) {
        if (match.nodes[index] != nullptr) return match.nodes[index] == &node;
        const Pattern::Statement& statement = pattern_.statements[index];
        if (!statement.ops.empty() &&
            std::find(statement.ops.begin(), statement.ops.end(), node.op) == statement.ops.end())
            return false;
        const std::size_t inputs = node.inputs.size();
        if (node.has_epilogue() || (inputs > statement.inputs.size() && !statement.takes_more)) return false;
        if (statement.commutes && inputs != 2) return false;
        match.nodes[index] = &node;
        for (std::size_t i = 0; i < statement.outputs.size(); ++i)
            if (!bind(statement.outputs[i], node.output(i))) return false;
        const bool swap = statement.commutes && (swapped_ >> index & 1U) != 0;
        for (std::size_t i = 0; i < statement.inputs.size(); ++i)
            if (!bind(statement.inputs[i], node.input(swap ? 1 - i : i))) return false;
        return true;
    }

    PatternMatch match;

private:
    bool bind(int index, ValueId id) {
        if (index == Pattern::any) return true;
        const auto slot = static_cast<std::size_t>(index);
        if (bound_[slot]) return match.values[slot] == id;
        bound_[slot] = true;
        match.values[slot] = id;
        if (pattern_.slots[slot].constant) return graph_.is_constant(id);
        const int statement = pattern_.slots[slot].statement;
        if (statement < 0) return true;
        const Node* producer = id == no_value ? nullptr : uses_.producer(id);
        return producer != nullptr && match_statement(static_cast<std::size_t>(statement), *producer);
    }

    const Pattern& pattern_;
    const Graph& graph_;
    const Uses& uses_;
    unsigned swapped_;
    std::vector<bool> bound_;
};

}  // namespace

Pattern parse_pattern(std::string_view text) { return PatternParser(text).parse(); }

bool match_pattern(const Pattern& pattern, const Graph& graph, const Uses& uses, const Node& root,
                   const std::function<bool(const PatternMatch&)>& accept) {
    unsigned swappable = 0;
    for (std::size_t i = 0; i < pattern.statements.size(); ++i)
        if (pattern.statements[i].commutes) swappable |= 1U << i;
    // All subsets of `swappable`, the empty one first.
    unsigned swapped = 0;
    do {
        Matcher matcher(pattern, graph, uses, swapped);
        if (matcher.match_statement(pattern.statements.size() - 1, root) && accept(matcher.match)) return true;
        swapped = (swapped - swappable) & swappable;
    } while (swapped != 0);
    return false;
}

}  // namespace igata
