// Putting expressions into expressions, and what else the fusions share.
#pragma once

#include <string>
#include <vector>

#include "compiler/ir/graph.hpp"

namespace igata {

/// The operands of an expression under construction, each value once.
class OperandList {
public:
    explicit OperandList(std::vector<ValueId> ids = {}) : ids_(std::move(ids)) {}

    /// The operand of the value, appended if it is new.
    ExprPtr operand(ValueId id);
    const std::vector<ValueId>& ids() const { return ids_; }

private:
    std::vector<ValueId> ids_;
};

/// The expression in operands of `list`; x0, x1, ... of `body` are `inputs`.
ExprPtr over(OperandList& list, const ExprPtr& body, const std::vector<ValueId>& inputs);

/// Simplifies a Map's expression, drops inputs that it does not read, and mentions each value once.
void tidy_map(Node& map);

/// True if the expression has the element type `wanted` for these operands, whatever surrounds it.
bool has_type(const Graph& graph, const ExprPtr& body, const std::vector<ValueId>& operands, DataType wanted);

/// The node's name, or else that of its first result, for remarks.
std::string label(const Graph& graph, const Node& node);

/// Why the node cannot take what follows its result into its epilogue, or null: it must be able to, for f32, and nobody
/// but one reader may see the result.
const char* why_no_epilogue(const Graph& graph, const Uses& uses, const Node& producer);

}  // namespace igata
