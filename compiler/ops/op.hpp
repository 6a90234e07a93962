// What an operator is: one OpDef, in one place, tells the whole compiler all it needs to know.
#pragma once

#include <functional>
#include <map>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/diagnostics.hpp"
#include "compiler/ir/graph.hpp"
#include "compiler/ir/plan.hpp"

namespace igata {

/// What `infer` sees: the node, and its inputs' types (all dims known). Input indices beyond the node's are absent.
class InferContext {
public:
    InferContext(const Graph& graph, const Node& node) : graph_(graph), node_(node), outputs_(node.outputs.size()) {}

    const Graph& graph() const { return graph_; }
    const Node& node() const { return node_; }
    const Attrs& attrs() const { return node_.attrs; }
    std::size_t input_count() const { return node_.own_input_count(); }
    std::size_t output_count() const { return node_.outputs.size(); }
    bool has_input(std::size_t i) const { return node_.input(i) != no_value; }
    bool has_output(std::size_t i) const { return node_.output(i) != no_value; }
    const ValueType& input(std::size_t i) const { return graph_.value(node_.input(i)).type; }
    const Dims& dims(std::size_t i) const { return input(i).dims; }
    DataType dtype(std::size_t i) const { return input(i).dtype; }
    /// The compile-time value of an input, or null.
    const Tensor* constant(std::size_t i) const { return graph_.constant(node_.input(i)); }
    /// Like `constant`, but throws Unsupported saying that `what` must be known at compile time.
    const Tensor& require_constant(std::size_t i, std::string_view what) const;

    void set_output(std::size_t i, ValueType type) { outputs_.at(i) = std::move(type); }
    /// For results that follow from the types alone (Shape, Size): the output is then a compile-time constant.
    void set_output_constant(std::size_t i, Tensor tensor) {
        outputs_.at(i) = tensor.type();
        constants_.emplace(i, std::move(tensor));
    }
    const std::vector<ValueType>& outputs() const { return outputs_; }
    const std::map<std::size_t, Tensor>& output_constants() const { return constants_; }

    /// Throws BadInput with the node's name and operator; `message` says what is wrong with it.
    [[noreturn]] void fail(const std::string& message) const;
    /// Throws Unsupported likewise.
    [[noreturn]] void unsupported(const std::string& message) const;

private:
    const Graph& graph_;
    const Node& node_;
    std::vector<ValueType> outputs_;
    std::map<std::size_t, Tensor> constants_;
};

/// What `expand` sees: beyond what `infer` does, ways to put nodes of other operators before this one. New nodes bear
/// its name, and are typed once all are there.
class ExpandContext : public InferContext {
public:
    ExpandContext(Graph& graph, NodeIt node) : InferContext(graph, *node), graph_(graph), at_(node) {}

    /// The node's own input; no_value if it is absent.
    ValueId value(std::size_t i) const { return node().input(i); }
    ValueId constant_value(Tensor tensor) { return graph_.add_constant("constant", std::move(tensor)); }
    using InferContext::constant;
    /// The first result of a new node, whose other results nobody wants.
    ValueId add(std::string_view op, std::vector<ValueId> inputs, Attrs attrs = {});
    /// A new Map: the expression of the inputs, broadcast.
    ValueId map(const std::string& body, std::vector<ValueId> inputs);
    /// The node once more with other inputs; it gives all its results.
    void finish_again(std::vector<ValueId> inputs);
    /// Whoever reads the node's output i reads `value` instead. Every output must get one.
    void finish(std::size_t i, ValueId value);

private:
    Graph& graph_;
    NodeIt at_;
};

/// What `eval` sees: the node with its input tensors and the output types that `infer` gave.
class EvalContext {
public:
    EvalContext(const Node& node, std::vector<const Tensor*> inputs, std::vector<ValueType> outputs)
        : node_(node), inputs_(std::move(inputs)), types_(std::move(outputs)), results_(types_.size()) {}

    const Node& node() const { return node_; }
    const Attrs& attrs() const { return node_.attrs; }
    std::size_t input_count() const { return inputs_.size(); }
    std::size_t output_count() const { return types_.size(); }
    bool has_input(std::size_t i) const { return i < inputs_.size() && inputs_[i] != nullptr; }
    bool has_output(std::size_t i) const { return node_.output(i) != no_value; }
    const Tensor& input(std::size_t i) const { return *inputs_.at(i); }
    const ValueType& output_type(std::size_t i) const { return types_.at(i); }
    /// A zero-filled tensor of the output's type, to be filled in place.
    Tensor& make_output(std::size_t i) { return results_.at(i) = Tensor(types_.at(i).dtype, types_.at(i).dims); }
    void set_output(std::size_t i, Tensor tensor) { results_.at(i) = std::move(tensor); }
    std::vector<Tensor>& results() { return results_; }

private:
    const Node& node_;
    std::vector<const Tensor*> inputs_;
    std::vector<ValueType> types_;
    std::vector<Tensor> results_;
};

/// What `lower` sees: it turns one node into steps and views. Implemented by the pass `lower`.
class LowerContext {
public:
    virtual ~LowerContext() = default;

    virtual const Graph& graph() const = 0;
    virtual const Node& node() const = 0;

    /// How an input (own or epilogue operand, by index in node().inputs) is laid out. A constant is a row-major view in
    /// the weights.
    virtual View input(std::size_t i) = 0;
    /// Where an output is to be stored: a fresh dense buffer, in the order that assign_layouts chose for the value, or
    /// its place in a larger value (then dense, too, unless the operator `stores_anywhere`).
    virtual View output(std::size_t i) = 0;
    /// Likewise, in an order of the operator's own choice.
    virtual View output_in_order(std::size_t i, const std::vector<int>& order) = 0;
    /// Declares that an output is a view of existing memory (Reshape, Transpose, Slice).
    virtual void set_output(std::size_t i, const View& view) = 0;
    /// A fresh dense row-major scratch buffer.
    virtual View temporary(DataType dtype, const Dims& dims) = 0;
    /// A compile-time constant in the weights, row-major.
    virtual View constant(const Tensor& tensor) = 0;
    /// The view itself if it is dense in `order`, else a copy in that order by a loop (a constant is reordered now). A
    /// copy of an activation is remarked upon.
    virtual View in_order(const View& view, const std::vector<int>& order) = 0;
    View row_major(const View& view) { return in_order(view, row_major_order(view.dims.size())); }
    /// The view under new dims without a copy if strides allow, else of a row-major copy.
    virtual View reshaped(const View& view, const Dims& dims) = 0;

    /// Appends a primitive that makes `output` in `dst_order`, with the node's epilogue. The MemorySpecs of `spec` are
    /// filled in from the operands (an absent bias is an invalid View), so the operator sets only the other fields; dst
    /// and the post-ops' operands are made here. A residual that dies here and is laid out like dst becomes `sum`, and
    /// dst takes over its buffer; a constant added along the channels becomes the bias if there is none. What no
    /// post-op covers becomes a loop after the step, so the caller always succeeds. A MatMul whose result has other
    /// dims than the primitive's dst (a vector) sets spec.dst's rank and dims.
    virtual void add_with_epilogue(StepSpecVariant spec, std::vector<View> operands_before_dst, std::size_t output,
                                   const std::vector<int>& dst_order) = 0;

    /// What the node's epilogue makes of each byte, as a table that the operator's step then applies; nothing if it has
    /// none.
    virtual std::optional<Tensor> take_table() = 0;

    /// Appends a step whose spec is complete; the last operand is the one written unless `written` says otherwise.
    virtual void add(StepSpecVariant spec, const std::vector<View>& operands,
                     std::vector<std::size_t> written = {}) = 0;
    /// Appends the loop `out = body(inputs)` with inputs broadcast to out.dims.
    virtual void add_map(const ExprPtr& body, const std::vector<View>& inputs, const View& out) = 0;
    /// Appends a reduction of `body(inputs)` (over the broadcast box of the inputs) along `axes` of the box into `out`,
    /// whose dims are the box's with the reduced axes kept as 1.
    virtual void add_reduce(Reduce kind, const ExprPtr& body, const std::vector<View>& inputs, const Dims& box,
                            const std::vector<std::int64_t>& axes, const View& out, DataType accumulator,
                            const ExprPtr& finish) = 0;

    /// Appends the steps of a body whose inputs are laid out as given; returns how its outputs are. The body writes to
    /// no memory that was there before.
    virtual std::vector<View> lower_body(const Graph& body, const std::vector<View>& inputs) = 0;
    /// How many steps there are.
    virtual std::size_t step_count() const = 0;
    /// Brings what `view` shows to `target`, which nobody else has read or written since step `begin`: by a copy, or
    /// where steps from `begin` on made it in a buffer of its own, by letting them store it there.
    virtual void deliver(const View& view, const View& target, std::size_t begin) = 0;

    virtual void remark(const std::string& message) = 0;
    /// Throws Unsupported with the node's name and operator.
    [[noreturn]] void unsupported(const std::string& message) const;
};

/// What a rewrite rule sees: the graph and what the pattern's names matched.
struct RuleMatch {
    Graph& graph;
    std::map<std::string, ValueId> values;  ///< by the pattern's value names; no_value for an absent optional input
    std::map<std::string, NodeIt> nodes;    ///< by the name of their first output in the pattern
    const Uses& uses;                       ///< of the graph as it was when the pattern matched

    ValueId operator[](const std::string& name) const { return values.at(name); }
    Node& node(const std::string& name) const { return *nodes.at(name); }
    NodeIt at(const std::string& name) const { return nodes.at(name); }
    const ValueType& type(const std::string& name) const { return graph.value(values.at(name)).type; }
    const Tensor* constant(const std::string& name) const { return graph.constant(values.at(name)); }
    bool used_once(const std::string& name) const;  ///< the value has exactly one mention, and is no graph output
};

/// A rewrite: a pattern in the text form and an action. The pattern is one or more statements, the last of which is the
/// root; it matches from the root upwards through the producers:
///     p = Pad(x, pads, ...)  y = Conv(p, w, ...)
///     c = constant  s = Add|Sub(x, c)  y = _(s, ...)
/// - A name that no statement makes binds to any value, the same one at each mention, or to no_value where an optional
///   input is absent. One that `c = constant` makes binds to constants only. `_` as an input is anything, or nothing.
/// - `...` takes any further inputs; without it a node may not have more inputs than the pattern, but may have fewer.
/// - `A|B` is either operator, `_` any. Add, Mul, Min, Max, And, Or, Xor and Equal of two inputs match either way
/// round.
/// - A statement may name several outputs (`_` for one of no interest); a node may have more than are named.
/// - Nodes that carry an epilogue do not match.
/// `apply` edits the graph and returns nothing, or leaves it alone and returns why it refuses (empty: not worth a
/// remark). It inserts new nodes right before the root (`graph.insert(m.at("y"), node, "name")`: they need no types,
/// and are folded if all their inputs are constant), redirects readers (`graph.replace_uses`) or edits matched nodes in
/// place. It never erases nodes: what is then unused vanishes. The root's own results keep their types; an intermediate
/// value that an edit in place gives another type must have its type cleared.
struct Rule {
    std::string name;  ///< in kebab-case, as remarks show it
    std::string pattern;
    std::function<std::optional<std::string>(RuleMatch&)> apply;
};

enum class AttrKind : std::uint8_t { integer, real, string, tensor, integers, reals, strings, graph };

struct AttrDef {
    std::string name;
    AttrKind kind;
    bool required = false;
};

/// How tests compare results: equal bits for integers always; these bounds for floats (|a-b| <= atol + rtol*|b|).
struct Tolerance {
    double rtol = 1e-3;
    double atol = 1e-7;
};

/// A small random case of the operator for fuzzing: a graph in the text form with constants and inputs of random
/// shapes.
using SampleFn = std::function<std::string(std::uint32_t seed)>;

struct OpDef {
    std::string name;    ///< ONNX's
    std::string domain;  ///< "" is the default domain
    std::string family;  ///< filled by the registry: the file's stem
    int since = 1;       ///< first opset that has the operator
    int newest = 1;      ///< the newest opset that changed it and that is understood here
    int min_inputs = 1;
    int max_inputs = 1;  ///< -1: variadic
    int min_outputs = 1;
    int max_outputs = 1;  ///< -1: variadic
    std::vector<AttrDef> attrs;
    /// Rewrites a node of an older opset to the newest form (attributes become inputs, ...). Null if nothing changed.
    std::function<void(Graph&, NodeIt)> raise;
    /// Replaces a node by nodes of other operators, once the types of its inputs are known: all that a composition has.
    std::function<void(ExpandContext&)> expand;
    std::function<void(InferContext&)> infer;
    std::function<void(EvalContext&)> eval;
    std::function<void(LowerContext&)> lower;
    /// Results whose size depends on the data: the axis of output i that does, or -1. Types give the most there can be,
    /// and what lies beyond the true size is zero. That size, an i64 scalar, is one more output after ONNX's (at
    /// max_outputs - 1), which infer_types adds to the node.
    std::function<int(const InferContext&, std::size_t output)> open_axis;
    /// Of an input that is open along `axis`, or whose element `axis` is a true size: the axis of all outputs that is
    /// made of it element by element, or takes_size, or closes, or -1 (as without it): `close` or refused.
    std::function<int(const InferContext&, std::size_t input, int axis)> carry_axis;
    /// Where an input is open along an axis that the operator does not carry: replaces the node by nodes that look at
    /// what is there only (see open_axes.hpp), or returns false. The types of its results may not be known.
    std::function<bool(ExpandContext&)> close;
    /// The input that says how much there is of attribute `axis` of all results, unless it is a constant; -1 if none.
    int size_input = -1;
    /// Elementwise operators: the expression of one element, operands = the inputs; `infer`, `eval` and `lower` then
    /// follow from it where they are not given (see elementwise.hpp), and fuse_maps turns the node into a Map.
    std::function<ExprPtr(const Graph&, const Node&)> expression;
    /// Variadic, yet any input may be absent: `infer` checks them itself.
    bool may_lack_inputs = false;
    /// Value is a function of the input bytes alone, in the same order: Reshape and its kin.
    bool is_reshape = false;
    /// `lower` applies the node's epilogue (add_with_epilogue): fuse_epilogues may give it one.
    bool takes_epilogue = false;
    /// Likewise of a result of 8 bits, by a Map of nothing else (take_table).
    bool takes_table = false;
    /// The result is the inputs one after the other along this axis: what makes an input may store it there.
    std::function<std::size_t(const Node&, std::size_t rank)> joined_axis;
    /// `lower` stores to a view of output(0) with any strides, as an expression does.
    bool stores_anywhere = false;
    /// Running it twice may give two results (random numbers): never folded, never merged with its like.
    bool is_random = false;
    /// Its inputs may be of the small types (float8, int4, ...): it moves or converts elements and computes with none.
    bool takes_small_types = false;
    /// Runs faster in f32 than in f16 and bf16, and computes in f32 anyway: passes/widen_halves.
    bool widens_halves = false;
    /// A constant result is left until fuse_quantized has seen the operator with its constant inputs.
    bool folds_late = false;
    /// Never in a model: made by `raise` or a pass, with version 0.
    bool is_internal = false;
    std::vector<Rule> rules;
    SampleFn sample = nullptr;
    Tolerance tolerance;
    std::string note;  ///< limits, shown in the operator table
};

/// All operators. Built once from the operator files; read-only afterwards.
class Registry {
public:
    static const Registry& instance();

    /// Null if the operator is unknown.
    const OpDef* find(std::string_view name, std::string_view domain = "") const;
    const std::vector<OpDef>& all() const { return ops_; }
    void add(OpDef op) { ops_.push_back(std::move(op)); }

private:
    std::vector<OpDef> ops_;
};

/// The definition of the node's operator; throws Unsupported if there is none.
const OpDef& op_of(const Node& node);

/// Replaces a node by what its operator's `expand` makes of it; returns the first node that is to be visited next.
NodeIt expand_node(Graph& graph, NodeIt node);
/// Likewise with `close`; nothing if the operator has none, or it returns false.
std::optional<NodeIt> close_node(Graph& graph, NodeIt node);
/// Runs `infer` on one node and stores the results in the graph's values.
void infer_node(Graph& graph, Node& node);
/// Runs one node on constants or recorded tensors, its epilogue included. `inputs` as node.inputs (null where absent).
std::vector<Tensor> eval_node(const Graph& graph, const Node& node, const std::vector<const Tensor*>& inputs);
/// `Conv 'block1/conv' (opset 17)`: how messages name a node.
std::string describe(const Node& node);
/// Returns work(). A std::invalid_argument out of it (who reads the node's attributes and constants finds that they
/// make no sense), or a lack of memory, becomes a BadInput that names the node, which must outlive the work.
template <class Work>
auto name_in_errors(const Node& node, Work&& work) -> decltype(work()) {
    const char* too_large = "what it computes needs more memory than there is";
    try {
        return work();
    } catch (const std::invalid_argument& error) {
        throw BadInput(describe(node) + ": " + error.what());
    } catch (const std::length_error&) {
        throw BadInput(describe(node) + ": " + too_large);
    } catch (const std::bad_alloc&) {
        throw BadInput(describe(node) + ": " + too_large);
    }
}

/// A non-negative axis; throws std::invalid_argument if out of [-rank, rank).
std::int64_t normalize_axis(std::int64_t axis, std::size_t rank);

}  // namespace igata
