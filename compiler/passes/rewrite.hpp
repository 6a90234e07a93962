// Patterns of rewrite rules, parsed once, and how they match. The syntax is described at Rule in ops/op.hpp.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/ops/op.hpp"

namespace igata {

/// A pattern whose names are numbered: `slots` are its values, `statements` make them, the root last.
struct Pattern {
    static constexpr int any = -1;  ///< `_`

    struct Statement {
        std::vector<std::string> ops;  ///< empty: any operator
        std::vector<int> inputs;       ///< slots
        std::vector<int> outputs;
        bool takes_more = false;  ///< `...`
        bool commutes = false;
    };

    struct Slot {
        std::string name;
        int statement = -1;  ///< that makes it, or -1
        bool constant = false;
    };

    std::vector<Slot> slots;
    std::vector<Statement> statements;

    const Statement& root() const { return statements.back(); }
};

/// Throws std::invalid_argument with the place of the mistake.
Pattern parse_pattern(std::string_view text);

/// The pattern's values and nodes in a graph.
struct PatternMatch {
    std::vector<ValueId> values;     ///< by slot
    std::vector<const Node*> nodes;  ///< by statement
};

/// Tries to match the pattern with `root` as its root. Where operators commute there may be several ways: `accept` is
/// called with each until it returns true. True if it did.
bool match_pattern(const Pattern& pattern, const Graph& graph, const Uses& uses, const Node& root,
                   const std::function<bool(const PatternMatch&)>& accept);

}  // namespace igata
