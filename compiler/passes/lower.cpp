// Every node becomes steps and views, by its operator's own `lower`.
//
//     y = Conv(x, w, b) {pads=[1,1,1,1]} => x0 * sigmoid(x0)
//     t = Transpose(y) {perm=[0,2,3,1]}
//   becomes one step; t is y's memory read in another order:
//     convolution y src=x weights=w bias=b dst=b1 pads=1,1:1,1 epilogue=[swish(1)]
//
// Operators without a `lower` of their own follow from their expression, or are a Reshape. An epilogue that the
// operator did not take becomes a loop after it.
#include <algorithm>
#include <map>
#include <stdexcept>

#include <fmt/format.h>

#include "compiler/ops/elementwise.hpp"
#include "compiler/passes/batch.hpp"
#include "compiler/passes/lower_context.hpp"
#include "compiler/passes/tidy_buffers.hpp"

namespace igata {

Plan lower(const Graph& graph, const Layouts& layouts, Remarks& remarks) {
    Plan plan = GraphLowering(graph, layouts, remarks).run();
    tidy_buffers(plan);
    return plan;
}

Plan GraphLowering::run() {
    plan_.name = graph_.name;
    plan_.batched = is_batched(graph_, remarks_);
    for (std::size_t i = 0; i < graph_.inputs.size(); ++i) {
        const Graph::Input& input = graph_.inputs[i];
        const Value& value = graph_.value(input.value);
        const View view = temporary(value.type.dtype, value.type.dims);
        Buffer& buffer = plan_.buffer(view.buffer);
        buffer.space = runtime::Space::input;
        buffer.index = static_cast<int>(i);
        views_.at(static_cast<std::size_t>(input.value)) = view;
        values_on_.at(static_cast<std::size_t>(view.buffer)).push_back(input.value);
        plan_.inputs.push_back({value.name, value.type, input.dims, view.buffer});
    }
    lower_nodes();
    for (std::size_t i = 0; i < graph_.outputs.size(); ++i) bring_out(i);
    return std::move(plan_);
}

void GraphLowering::lower_nodes() {
    for (const Node& node : graph_.nodes) {
        node_ = &node;
        name_in_errors(node, [&] {
            try {
                lower_node();
            } catch (const std::invalid_argument& error) {
                unsupported(error.what());
            }
        });
        ++position_;
    }
}

void GraphLowering::lower_node() {
    epilogue_done_ = false;
    const Node& node = *node_;
    if (const OpDef& op = op_of(node); op.lower) {
        op.lower(*this);
    } else if (op.expression) {
        lower_elementwise(*this);
    } else if (op.is_reshape) {
        set_output(0, reshaped(input(0), graph_.value(node.outputs.at(0)).type.dims));
    } else {
        unsupported("is not supported by code generation yet");
    }
    for (const ValueId id : node.outputs)
        if (id != no_value && last_reader_[static_cast<std::size_t>(id)] >= 0 &&
            !views_[static_cast<std::size_t>(id)].valid())
            throw std::logic_error(
                fmt::format("{}: lowered without its output '{}'", describe(node), graph_.value(id).name));
    if (node.has_epilogue() && !epilogue_done_) lower_remaining_epilogue();
}

void GraphLowering::lower_remaining_epilogue() {
    std::vector<View> inputs = epilogue_operands();
    inputs[0] = value_view(node_->outputs.at(0));
    add_map(node_->epilogue, inputs, output(0));
}

std::optional<Tensor> GraphLowering::take_table() {
    if (!node_->has_epilogue()) return std::nullopt;
    epilogue_done_ = true;
    return table_of(node_->epilogue, graph_.value(node_->outputs.at(0)).type.dtype,
                    graph_.value(node_->outputs.at(0)).type.dtype);
}

std::vector<View> GraphLowering::epilogue_operands() {
    std::vector<View> operands(1);
    for (std::size_t i = node_->own_input_count(); i < node_->inputs.size(); ++i) operands.push_back(input(i));
    return operands;
}

void GraphLowering::bring_out(std::size_t output_index) {
    const Graph::Output& output = graph_.outputs[output_index];
    const Value& value = graph_.value(output.value);
    View view = value_view(output.value);
    const Buffer& source = plan_.buffer(view.buffer);
    const bool covers = view.offset == 0 && view.is_row_major() &&
                        source.bytes == element_count(view.dims) * static_cast<std::int64_t>(size_of(view.dtype));
    if (source.space != runtime::Space::arena || !covers) {
        Node copy;
        copy.op = "Identity";
        copy.name = "copy_to_" + output.name;
        node_ = &copy;
        const View target = temporary(view.dtype, view.dims);
        remark(fmt::format("output '{}' is copied to the caller's buffer", output.name));
        add_map(expr::operand(0), {view}, target);
        node_ = nullptr;
        view = target;
    }
    Buffer& buffer = plan_.buffer(view.buffer);
    buffer.space = runtime::Space::output;
    buffer.index = static_cast<int>(output_index);
    plan_.outputs.push_back({output.name, value.type, output.dims, view.buffer, output.open});
}

}  // namespace igata
