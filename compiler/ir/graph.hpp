// The logical model: values, nodes, attributes; layout-free, dims in ONNX order.
//
//     graph se (x: f32[N,32,112,112]) -> (y) {
//       w = constant f32[1] {0.5}
//       c = Mul(x, w)
//       s = Conv(c, k) {strides=[1,1]} => x0 * sigmoid(x0)
//       y = Map(s, c) => x0 + x1
//     }
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "compiler/ir/expr.hpp"
#include "compiler/ir/tensor.hpp"
#include "compiler/ir/type.hpp"

namespace igata {

class Graph;

using ValueId = std::int32_t;
inline constexpr ValueId no_value = -1;  ///< an absent optional input or output

using Attr = std::variant<std::int64_t, float, std::string, Tensor, std::vector<std::int64_t>, std::vector<float>,
                          std::vector<std::string>, std::shared_ptr<Graph>>;

/// Attributes by ONNX name, ordered for printing.
class Attrs : public std::map<std::string, Attr> {
public:
    using std::map<std::string, Attr>::map;

    bool has(const std::string& name) const { return contains(name); }
    /// The attribute, or `fallback` if absent. Throws std::invalid_argument if it has another type.
    std::int64_t get_int(const std::string& name, std::int64_t fallback) const;
    float get_float(const std::string& name, float fallback) const;
    std::string get_string(const std::string& name, const std::string& fallback) const;
    std::vector<std::int64_t> get_ints(const std::string& name, const std::vector<std::int64_t>& fallback = {}) const;
    std::vector<float> get_floats(const std::string& name, const std::vector<float>& fallback = {}) const;
};

/// An operation. Beyond ONNX's operators there is one of our own: `Map`, one scalar expression over all its inputs
/// (broadcast), which is what every elementwise operator becomes.
///
/// Any other node may carry an epilogue, applied to each element of its first output: in `epilogue`, x0 is the
/// operator's own result and x1, x2, ... are inputs[operand_begin], inputs[operand_begin + 1], ... (broadcast to the
/// result's shape). For Map, x0 is inputs[0]. Epilogues do not change the element type of the result.
struct Node {
    std::string op;
    std::string name;             ///< the model's name, for messages; may be empty
    int version = 0;              ///< opset of the operator's domain in the model
    std::vector<ValueId> inputs;  ///< no_value where an optional one is absent
    std::vector<ValueId> outputs;
    Attrs attrs;
    ExprPtr epilogue;       ///< Map: the expression; others: null if there is none
    int operand_begin = 0;  ///< first epilogue operand in `inputs`; only where `epilogue` is set and op is not Map

    bool is_map() const { return op == "Map"; }
    bool has_epilogue() const { return epilogue != nullptr && !is_map(); }
    /// The operator's own inputs, without those of the epilogue.
    std::size_t own_input_count() const {
        return has_epilogue() ? static_cast<std::size_t>(operand_begin) : inputs.size();
    }
    /// inputs[i], or no_value beyond the end.
    ValueId input(std::size_t i) const { return i < own_input_count() ? inputs[i] : no_value; }
    ValueId output(std::size_t i) const { return i < outputs.size() ? outputs[i] : no_value; }
};

/// `y = Map(inputs) => body`; `name` is that of the model's node it comes from. The output is still to be given.
inline Node make_map(std::string name, ExprPtr body, std::vector<ValueId> inputs) {
    Node map;
    map.op = "Map";
    map.name = std::move(name);
    map.inputs = std::move(inputs);
    map.epilogue = std::move(body);
    return map;
}

/// Of a value that has room for more than there may be: how much of an axis is meant is known only at run time.
struct TrueSize {
    int axis = 0;
    ValueId size = no_value;  ///< an i64 scalar
};

struct Value {
    std::string name;                                  ///< unique in the graph, the model's own where it has one
    ValueType type;                                    ///< known for all after infer_types
    std::optional<Tensor> constant;                    ///< an initialiser, or a result known at compile time
    std::optional<TrueSize> true_size = std::nullopt;  ///< as infer_types found
};

using NodeList = std::list<Node>;  // stable addresses, cheap insertion
using NodeIt = NodeList::iterator;

/// Nodes are kept in topological order. `inputs` are true inputs only: an initialiser that is also listed as a graph
/// input is a constant.
class Graph {
public:
    struct Input {
        ValueId value = no_value;
        DataType dtype = DataType::undefined;
        std::vector<SymbolicDim> dims;
    };

    struct Output {
        ValueId value = no_value;
        std::string name;               ///< what the caller knows it by; its value may be named otherwise, or be shared
        std::vector<SymbolicDim> dims;  ///< as declared; may be empty
        OpenAxis open = {};
    };

    std::string name;
    std::vector<Input> inputs;
    std::vector<Output> outputs;
    NodeList nodes;

    /// A new value; a taken or empty name gets a numbered suffix.
    ValueId add_value(std::string_view name, ValueType type = {});
    ValueId add_constant(std::string_view name, Tensor tensor);
    /// Inserts a node before `before` with one new output named `output_name`.
    ValueId insert(NodeIt before, Node node, std::string_view output_name, ValueType type = {});

    Value& value(ValueId id) { return values_.at(static_cast<std::size_t>(id)); }
    const Value& value(ValueId id) const { return values_.at(static_cast<std::size_t>(id)); }
    std::size_t value_count() const { return values_.size(); }
    ValueId find_value(std::string_view name) const;  ///< no_value if there is none

    bool is_constant(ValueId id) const { return id != no_value && value(id).constant.has_value(); }
    /// The constant, or null.
    const Tensor* constant(ValueId id) const { return is_constant(id) ? &*value(id).constant : nullptr; }
    bool is_input(ValueId id) const;
    bool is_output(ValueId id) const;

    /// Every use of `from` as a node input or graph output becomes `to`.
    void replace_uses(ValueId from, ValueId to);
    /// Removes nodes none of whose outputs is used, last to first.
    void remove_dead_nodes();
    /// Frees them: folding leaves as many behind as a model has weights, and more.
    void drop_unread_constants();

private:
    std::deque<Value> values_;  // references stay valid while values are added
    std::unordered_map<std::string, ValueId> by_name_;
};

/// Who makes and who reads each value; a snapshot, rebuilt after edits.
class Uses {
public:
    explicit Uses(Graph& graph);
    Node* producer(ValueId id) const { return producer_.at(static_cast<std::size_t>(id)); }
    /// Nodes that read the value, once per mention.
    std::span<Node* const> readers(ValueId id) const {
        const auto index = static_cast<std::size_t>(id);
        return std::span(readers_).subspan(first_reader_.at(index), first_reader_.at(index + 1) - first_reader_[index]);
    }
    /// Number of mentions, counting a graph output as one.
    int count(ValueId id) const { return counts_.at(static_cast<std::size_t>(id)); }

private:
    std::vector<Node*> producer_;
    std::vector<Node*> readers_;             // of value 0, then of value 1, ...
    std::vector<std::size_t> first_reader_;  // by value, and one more
    std::vector<int> counts_;
};

/// Stable topological sort of the nodes; returns the name of a value on a cycle, or empty.
std::string sort_nodes(Graph& graph);

/// A deep copy (subgraphs too).
Graph clone(const Graph& graph);

}  // namespace igata
