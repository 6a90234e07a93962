#include "compiler/passes/compose.hpp"

#include <algorithm>
#include <stdexcept>

#include "compiler/ops/op.hpp"

namespace igata {

ExprPtr OperandList::operand(ValueId id) {
    auto found = std::find(ids_.begin(), ids_.end(), id);
    if (found == ids_.end()) found = ids_.insert(ids_.end(), id);
    return expr::operand(static_cast<int>(found - ids_.begin()));
}

ExprPtr over(OperandList& list, const ExprPtr& body, const std::vector<ValueId>& inputs) {
    std::vector<ExprPtr> operands;
    for (std::size_t i = 0; i < inputs.size(); ++i)
        operands.push_back(expr::uses(body, static_cast<int>(i)) ? list.operand(inputs[i]) : nullptr);
    return expr::replace_operands(body, operands);
}

void tidy_map(Node& map) {
    OperandList operands;
    map.epilogue = expr::simplify(map.epilogue);
    map.epilogue = over(operands, map.epilogue, map.inputs);
    map.inputs = operands.ids();
}

bool has_type(const Graph& graph, const ExprPtr& body, const std::vector<ValueId>& operands, DataType wanted) {
    std::vector<DataType> types;
    for (const ValueId id : operands) types.push_back(graph.value(id).type.dtype);
    try {
        const DataType other = wanted == DataType::f32 ? DataType::f64 : DataType::f32;
        return expr::typed(body, types, other)->dtype == wanted;
    } catch (const std::invalid_argument&) {
        return false;
    }
}

std::string label(const Graph& graph, const Node& node) {
    return !node.name.empty() || node.output(0) == no_value ? node.name : graph.value(node.outputs[0]).name;
}

const char* why_no_epilogue(const Graph& graph, const Uses& uses, const Node& producer) {
    const OpDef* op = Registry::instance().find(producer.op);
    if (op == nullptr || (!op->takes_epilogue && !op->takes_table)) return "it takes no epilogue";
    const ValueId result = producer.output(0);
    if (result == no_value || producer.outputs.size() != 1) return "it has several results";
    const DataType dtype = graph.value(result).type.dtype;
    if (op->takes_table) {
        if (dtype != DataType::i8 && dtype != DataType::u8) return "it is not of 8 bits";
        if (producer.has_epilogue()) return "it has one already";
    } else if (dtype != DataType::f32) {
        return "it is not f32";
    }
    if (graph.is_output(result)) return "its result is an output of the model";
    if (uses.count(result) != 1) return "its result has other readers";
    return nullptr;
}

}  // namespace igata
