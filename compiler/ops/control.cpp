// If, Loop, Scan. Where the condition, or the number of iterations, is known at compile time and small, the pass
// infer_types has put the body itself in the node's place (see expand_control), so these stay for the data to decide.
//
// Both branches of an If must give the same types, and a state must keep its type; what a Loop stacks needs a number of
// iterations that is known.
#include "compiler/ops/control.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/interpret_graph.hpp"
#include "compiler/ops/lowering.hpp"

namespace igata {

namespace {

const ValueType& output_type(const Graph& body, std::size_t i) { return body.value(body.outputs.at(i).value).type; }

void check_scalar(const InferContext& c, std::size_t i, const char* name, DataType dtype) {
    if (!c.has_input(i)) return;
    if (c.dtype(i) != dtype || element_count(c.dims(i)) != 1)
        c.fail(fmt::format("{} must be one {}, is {}", name, name_of(dtype), to_string(c.input(i))));
}

/// A view of one of the slices that were, or are to be, stacked.
View slice_at(const View& view, const ScanAxis& along, std::int64_t iteration) {
    const auto axis = as_index(along.axis);
    const std::int64_t last = view.dims.at(axis) - 1;
    return without_axis(sliced(view, axis, along.backward ? last - iteration : iteration, 1), axis);
}

// If -----------------------------------------------------------------------------------------------------------------

void infer_if(InferContext& c) {
    if (!c.has_input(0)) c.fail("has no condition");
    check_scalar(c, 0, "the condition", DataType::boolean);
    const Graph& then_branch = graph_attribute(c.node(), "then_branch");
    const Graph& else_branch = graph_attribute(c.node(), "else_branch");
    for (const Graph* branch : {&then_branch, &else_branch})
        if (branch->outputs.size() < c.output_count())
            c.fail(fmt::format("a branch has {} outputs, not {}", branch->outputs.size(), c.output_count()));
    for (std::size_t i = 0; i < c.output_count(); ++i) {
        const ValueType& a = output_type(then_branch, i);
        const ValueType& b = output_type(else_branch, i);
        if (a.dtype != b.dtype)
            c.fail(fmt::format("its branches give output {} as {} and {}", i, to_string(a), to_string(b)));
        if (a != b)
            c.unsupported(fmt::format("its branches give output {} as {} and {}; only the data knows which", i,
                                      to_string(a), to_string(b)));
        c.set_output(i, a);
    }
}

std::vector<Tensor> captured(const EvalContext& c) {
    std::vector<Tensor> values;
    for (std::size_t i = c.input_count() - capture_count(c.node()); i < c.input_count(); ++i)
        values.push_back(c.input(i));
    return values;
}

void eval_if(EvalContext& c) {
    const bool condition = c.input(0).scalar_f64() != 0;
    const Graph& branch = graph_attribute(c.node(), condition ? "then_branch" : "else_branch");
    std::vector<Tensor> results = interpret(branch, captured(c));
    for (std::size_t i = 0; i < c.output_count(); ++i) c.set_output(i, std::move(results.at(i)));
}

// Loop, Scan ---------------------------------------------------------------------------------------------------------

/// How often a Loop runs if that is certain.
std::optional<std::int64_t> known_trips(const InferContext& c, const LoopParts& parts) {
    if (c.constant(0) == nullptr) return std::nullopt;
    const std::int64_t trips = std::max<std::int64_t>(c.constant(0)->to_i64().at(0), 0);
    if (!c.has_input(1) || trips == 0) return trips;
    if (c.constant(1) == nullptr) return std::nullopt;
    if (c.constant(1)->scalar_f64() == 0) return 0;
    const Tensor* next = parts.body->constant(parts.body->outputs[0].value);
    return next != nullptr && next->scalar_f64() != 0 ? std::optional(trips) : std::nullopt;
}

/// Number of iterations of a Scan. Throws std::invalid_argument if the scanned values disagree.
std::int64_t scan_length(const Node& node, const LoopParts& parts, const std::vector<const Dims*>& scanned) {
    std::optional<std::int64_t> length;
    for (std::size_t i = 0; i < parts.scanned; ++i) {
        const Dims& dims = *scanned[i];
        const std::int64_t extent = dims.at(as_index(scan_axis(node, "input", i, dims.size()).axis));
        if (length.value_or(extent) != extent)
            throw std::invalid_argument(fmt::format("scans over {} and {} elements at once", *length, extent));
        length = extent;
    }
    return length.value_or(0);
}

void infer_states(InferContext& c, const LoopParts& parts) {
    for (std::size_t i = 0; i < parts.states; ++i) {
        const ValueType& before = c.input(parts.first + i);
        const ValueType& after = output_type(*parts.body, parts.lead_out + i);
        if (before.dtype != after.dtype)
            c.fail(
                fmt::format("state {} is {} before and {} after an iteration", i, to_string(before), to_string(after)));
        if (before != after)
            c.unsupported(
                fmt::format("state {} grows from {} to {} in an iteration", i, to_string(before), to_string(after)));
        if (i < c.output_count()) c.set_output(i, before);
    }
}

void infer_loop(InferContext& c) {
    const LoopParts parts = loop_parts(c.node());
    std::optional<std::int64_t> trips;
    if (parts.is_loop) {
        check_scalar(c, 0, "the trip count", DataType::i64);
        check_scalar(c, 1, "the condition", DataType::boolean);
        if (!c.has_input(0) && !c.has_input(1)) c.fail("has neither a trip count nor a condition, so it never ends");
        const ValueType& condition = output_type(*parts.body, 0);
        if (condition.dtype != DataType::boolean || element_count(condition.dims) != 1)
            c.fail(fmt::format("its body's condition is {}, not one bool", to_string(condition)));
        trips = known_trips(c, parts);
    } else {
        if (parts.first > 0) c.unsupported("sequence_lens, or a batch, is not supported here");
        std::vector<const Dims*> dims;
        for (std::size_t i = 0; i < parts.scanned; ++i) dims.push_back(&c.dims(parts.states + i));
        trips = scan_length(c.node(), parts, dims);
    }
    infer_states(c, parts);
    for (std::size_t i = parts.states; i < c.output_count(); ++i) {
        if (!c.has_output(i)) continue;
        ValueType type = output_type(*parts.body, parts.lead_out + i);
        if (!trips) c.unsupported("stacks results, but only the data knows how many iterations there are");
        const ScanAxis along = scan_axis(c.node(), "output", i - parts.states, type.dims.size() + 1);
        type.dims.insert(type.dims.begin() + along.axis, *trips);
        c.set_output(i, type);
    }
}

/// The results of the iterations as one tensor.
Tensor stacked(const std::vector<Tensor>& slices, const ScanAxis& along, const ValueType& type) {
    Dims dims = type.dims;
    dims.at(as_index(along.axis)) = as_dim(slices.size());
    Tensor result(type.dtype, dims);
    for (std::size_t i = 0; i < slices.size(); ++i)
        copy_elements(slices[i], view_of(slices[i]), result, slice_at(view_of(result), along, as_dim(i)));
    return result;
}

void eval_loop(EvalContext& c) {
    const LoopParts parts = loop_parts(c.node());
    std::int64_t trips = std::numeric_limits<std::int64_t>::max();
    bool condition = true;
    std::vector<const Dims*> dims;
    for (std::size_t i = 0; i < parts.scanned; ++i) dims.push_back(&c.input(parts.first + parts.states + i).dims());
    if (!parts.is_loop) trips = scan_length(c.node(), parts, dims);
    else if (c.has_input(0)) trips = c.input(0).to_i64().at(0);
    if (parts.is_loop && c.has_input(1)) condition = c.input(1).scalar_f64() != 0;
    std::vector<Tensor> states;
    for (std::size_t i = 0; i < parts.states; ++i) states.push_back(c.input(parts.first + i));
    std::vector<std::vector<Tensor>> results(parts.stacked);
    for (std::int64_t k = 0; k < trips && condition; ++k) {
        std::vector<Tensor> inputs;
        if (parts.is_loop) inputs = {Tensor::scalar(k), Tensor::scalar(true)};
        inputs.insert(inputs.end(), states.begin(), states.end());
        for (std::size_t i = 0; i < parts.scanned; ++i) {
            const Tensor& whole = c.input(parts.states + i);
            inputs.push_back(
                copy_of(whole, slice_at(view_of(whole), scan_axis(c.node(), "input", i, whole.dims().size()), k)));
        }
        for (Tensor& value : captured(c)) inputs.push_back(std::move(value));
        const std::vector<Tensor> after = interpret(*parts.body, inputs);
        if (parts.is_loop && c.has_input(1)) condition = after.at(0).scalar_f64() != 0;
        const auto first = after.begin() + static_cast<std::ptrdiff_t>(parts.lead_out);
        std::copy_n(first, parts.states, states.begin());
        for (std::size_t i = 0; i < parts.stacked; ++i)
            results[i].push_back(first[static_cast<std::ptrdiff_t>(parts.states + i)]);
    }
    for (std::size_t i = 0; i < c.output_count(); ++i) {
        if (i < parts.states) c.set_output(i, states[i]);
        else if (c.has_output(i))
            c.set_output(i, stacked(results[i - parts.states],
                                    scan_axis(c.node(), "output", i - parts.states, c.output_type(i).dims.size()),
                                    c.output_type(i)));
    }
}

// Lowering -----------------------------------------------------------------------------------------------------------

void add_control(LowerContext& c, runtime::Control control, const std::vector<View>& operands = {}) {
    runtime::ControlSpec spec;
    spec.control = control;
    runtime::MemorySpec* const described[] = {&spec.condition, &spec.trips, &spec.iteration};
    for (std::size_t i = 0; i < operands.size(); ++i)
        if (operands[i].valid()) *described[i] = memory_spec(operands[i]);
    const std::size_t iteration = 2;  // only a repeat has it
    c.add(spec, operands, {iteration});
}

View copy(LowerContext& c, const View& view, const View& to) {
    c.add_map(expr::operand(0), {view}, to);
    return to;
}

std::vector<View> captured(LowerContext& c) {
    std::vector<View> views;
    const std::size_t count = c.node().inputs.size();
    for (std::size_t i = count - capture_count(c.node()); i < count; ++i) views.push_back(c.input(i));
    return views;
}

View row_major_output(LowerContext& c, std::size_t i) {
    return c.output_in_order(i, row_major_order(c.graph().value(c.node().outputs[i]).type.dims.size()));
}

void lower_if(LowerContext& c) {
    const View condition = c.input(0);
    const std::vector<View> captures = captured(c);
    std::vector<View> targets(c.node().outputs.size());
    for (std::size_t i = 0; i < targets.size(); ++i)
        if (c.node().outputs[i] != no_value) targets[i] = row_major_output(c, i);
    for (const char* name : {"then_branch", "else_branch"}) {
        const bool first = std::string_view(name) == "then_branch";
        add_control(c, first ? runtime::Control::branch : runtime::Control::otherwise,
                    first ? std::vector<View>{condition} : std::vector<View>{});
        const std::size_t begin = c.step_count();
        const std::vector<View> results = c.lower_body(graph_attribute(c.node(), name), captures);
        for (std::size_t i = 0; i < targets.size(); ++i)
            if (targets[i].valid()) c.deliver(results[i], targets[i], begin);
    }
    add_control(c, runtime::Control::end);
}

/// A Loop or Scan on its way into steps.
class LoopLowering {
public:
    explicit LoopLowering(LowerContext& c) : c_(c), parts_(loop_parts(c.node())), body_(*parts_.body) {}

    void run() {
        if (never_runs()) return pass_on();
        prepare();
        add_control(c_, runtime::Control::repeat, {condition_, trips_, iteration_});
        const std::size_t begin = c_.step_count();
        std::vector<View> results = c_.lower_body(body_, inputs_);
        for (std::size_t i = 0; i < results.size(); ++i) {
            const auto state = std::find_if(states_.begin(), states_.end(),
                                            [&](const View& each) { return each.buffer == results[i].buffer; });
            const bool stays =
                i >= parts_.lead_out && i - parts_.lead_out < parts_.states && is_kept(i - parts_.lead_out);
            if (state != states_.end() && !stays)  // it would be lost when the state is overwritten
                results[i] = copy(c_, results[i], c_.temporary(results[i].dtype, results[i].dims));
        }
        for (std::size_t i = 0; i < parts_.stacked; ++i)
            if (stacks_[i].valid()) c_.deliver(results[parts_.lead_out + parts_.states + i], stacks_[i], begin);
        for (std::size_t i = 0; i < parts_.states; ++i)
            if (!is_kept(i)) c_.deliver(results[parts_.lead_out + i], states_[i], begin);
        if (own_condition_) c_.deliver(c_.reshaped(results[0], {}), condition_, begin);
        add_control(c_, runtime::Control::end);
    }

private:
    bool never_runs() {
        if (!parts_.is_loop) return length() == 0;
        const Tensor* trips = c_.graph().constant(c_.node().inputs[0]);
        const Tensor* condition = c_.graph().constant(c_.node().inputs[1]);
        return (trips != nullptr && trips->to_i64().at(0) <= 0) ||
               (condition != nullptr && condition->scalar_f64() == 0);
    }

    void pass_on() {
        for (std::size_t i = 0; i < c_.node().outputs.size(); ++i) {
            if (c_.node().outputs[i] == no_value) continue;
            if (i < parts_.states) c_.set_output(i, c_.input(parts_.first + i));
            else row_major_output(c_, i);
        }
    }

    /// A state that every iteration passes on as it is.
    bool is_kept(std::size_t state) const {
        return body_.outputs[parts_.lead_out + state].value == body_.inputs[parts_.lead + state].value;
    }

    /// What moves with the iterations of a loop around this one stands still in this one.
    View still(const View& view) {
        return view.advance == 0 ? view : copy(c_, view, c_.temporary(view.dtype, view.dims));
    }

    void prepare() {
        if (parts_.is_loop) prepare_condition();
        else trips_ = c_.constant(Tensor::scalar(length()));
        iteration_ = c_.temporary(DataType::i64, {});
        if (parts_.is_loop) inputs_ = {iteration_, View{}};
        for (std::size_t i = 0; i < parts_.states; ++i) inputs_.push_back(prepare_state(i));
        for (std::size_t i = 0; i < parts_.scanned; ++i) {
            const View whole = still(c_.input(parts_.first + parts_.states + i));
            const ScanAxis along = scan_axis(c_.node(), "input", i, whole.dims.size());
            inputs_.push_back(moving(whole, along));
        }
        for (const View& view : captured(c_)) inputs_.push_back(view.valid() ? still(view) : view);
        for (std::size_t i = 0; i < parts_.stacked; ++i) {
            stacks_.emplace_back();
            if (c_.node().output(parts_.states + i) == no_value) continue;
            const View whole = row_major_output(c_, parts_.states + i);
            stacks_.back() = moving(whole, scan_axis(c_.node(), "output", i, whole.dims.size()));
        }
    }

    static View moving(const View& whole, const ScanAxis& along) {
        if (whole.dims[as_index(along.axis)] == 0)
            return without_axis(sliced(whole, as_index(along.axis), 0, 1), as_index(along.axis));
        View slice = slice_at(whole, along, 0);
        slice.advance = (along.backward ? -1 : 1) * whole.strides[as_index(along.axis)];
        return slice;
    }

    std::int64_t length() {
        const View whole = c_.input(parts_.states);
        return whole.dims[as_index(scan_axis(c_.node(), "input", 0, whole.dims.size()).axis)];
    }

    void prepare_condition() {
        if (c_.node().inputs[0] != no_value) trips_ = c_.reshaped(still(c_.input(0)), {});
        if (c_.node().inputs[1] == no_value) return;
        const View before = c_.reshaped(still(c_.input(1)), {});
        const Tensor* next = body_.constant(body_.outputs[0].value);
        own_condition_ = next == nullptr || next->scalar_f64() == 0;
        condition_ = own_condition_ ? copy(c_, before, c_.temporary(DataType::boolean, {})) : before;
    }

    View prepare_state(std::size_t i) {
        const View before = c_.input(parts_.first + i);
        const bool wanted = c_.node().output(i) != no_value;
        if (is_kept(i)) {
            states_.push_back(still(before));
            if (wanted) c_.set_output(i, states_.back());
        } else {
            states_.push_back(
                copy(c_, before, wanted ? row_major_output(c_, i) : c_.temporary(before.dtype, before.dims)));
        }
        return states_.back();
    }

    LowerContext& c_;
    LoopParts parts_;
    const Graph& body_;
    View condition_, trips_, iteration_;
    bool own_condition_ = false;  ///< the body decides whether to go on
    std::vector<View> inputs_;    ///< of the body
    std::vector<View> states_;
    std::vector<View> stacks_;  ///< the slice of each iteration
};

void lower_loop(LowerContext& c) { LoopLowering(c).run(); }

OpDef control_op(std::string name, int since, int min_inputs, int min_outputs, std::vector<AttrDef> attrs) {
    OpDef op;
    op.name = std::move(name);
    op.since = since;
    op.newest = 25;
    op.min_inputs = min_inputs;
    op.max_inputs = -1;
    op.min_outputs = min_outputs;
    op.max_outputs = -1;
    op.may_lack_inputs = true;
    attrs.push_back({"captures", AttrKind::integer});  // ours: how many inputs the bodies read (subgraphs.hpp)
    op.attrs = std::move(attrs);
    return op;
}

}  // namespace

void register_control(Registry& registry) {
    OpDef conditional =
        control_op("If", 1, 1, 1, {{"then_branch", AttrKind::graph, true}, {"else_branch", AttrKind::graph, true}});
    conditional.infer = infer_if;
    conditional.eval = eval_if;
    conditional.lower = lower_if;
    registry.add(std::move(conditional));

    OpDef loop = control_op("Loop", 1, 2, 1, {{"body", AttrKind::graph, true}});
    loop.infer = infer_loop;
    loop.eval = eval_loop;
    loop.lower = lower_loop;
    registry.add(std::move(loop));

    OpDef scan = control_op("Scan", 8, 1, 1,
                            {{"body", AttrKind::graph, true},
                             {"num_scan_inputs", AttrKind::integer, true},
                             {"directions", AttrKind::integers},
                             {"scan_input_axes", AttrKind::integers},
                             {"scan_input_directions", AttrKind::integers},
                             {"scan_output_axes", AttrKind::integers},
                             {"scan_output_directions", AttrKind::integers}});
    scan.infer = infer_loop;
    scan.eval = eval_loop;
    scan.lower = lower_loop;
    registry.add(std::move(scan));
}

}  // namespace igata
