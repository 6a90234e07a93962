// What the `lower` of If, Loop and Scan asks for: the steps of a body in the midst of the plan around it, and its
// results in the memory where they belong.
//
//     b2 = f(b1)  b1 <- b2      b2 is a body's result, and b1 a state, or the iteration's slice of what is stacked
//     b1 = f(b1)                where nobody needs what was in b1 once b2 is being made; else a copy
#include <algorithm>
#include <utility>

#include "compiler/passes/lifetimes.hpp"
#include "compiler/passes/lower_context.hpp"

namespace igata {

std::vector<View> GraphLowering::lower_body(const Graph& body, const std::vector<View>& inputs) {
    const Layouts layouts = assign_layouts(body);
    GraphLowering inner(body, layouts, remarks_);
    inner.name_prefix_ = name_prefix_;
    std::swap(inner.plan_, plan_);
    std::swap(inner.step_names_, step_names_);
    inner.first_own_ = static_cast<BufferId>(inner.plan_.buffers.size());
    inner.values_on_.resize(inner.plan_.buffers.size());
    for (std::size_t i = 0; i < inputs.size(); ++i)
        if (const ValueId id = body.inputs.at(i).value; !body.is_constant(id))
            inner.views_.at(static_cast<std::size_t>(id)) = inputs[i];
    inner.lower_nodes();
    std::vector<View> outputs;
    for (const Graph::Output& output : body.outputs) outputs.push_back(inner.value_view(output.value));
    std::swap(inner.plan_, plan_);
    std::swap(inner.step_names_, step_names_);
    values_on_.resize(plan_.buffers.size());
    return outputs;
}

bool GraphLowering::may_move(const View& view, const View& target, std::size_t begin) const {
    const Buffer& buffer = plan_.buffer(view.buffer);
    const std::int64_t bytes = element_count(view.dims) * static_cast<std::int64_t>(size_of(view.dtype));
    if (buffer.space != runtime::Space::arena || view.offset != 0 || view.advance != 0 || buffer.bytes != bytes ||
        bytes == 0 || !view.is_row_major() || !target.is_row_major())
        return false;
    bool made = false;
    std::size_t repeats = 0;
    for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
        const Step& step = plan_.steps[i];
        if (const auto* control = std::get_if<runtime::ControlSpec>(&step.spec); control != nullptr && i >= begin) {
            if (control->control == runtime::Control::repeat) ++repeats;
            if (control->control == runtime::Control::end && repeats > 0) --repeats;
        }
        const auto mentions = [&](BufferId id) {
            return std::any_of(step.operands.begin(), step.operands.end(),
                               [&](const StepOperand& operand) { return operand.buffer == id; });
        };
        const bool first = !made && mentions(view.buffer);
        if (mentions(view.buffer)) {
            if (i < begin || (repeats > 0 && target.advance != 0)) return false;
            made = true;
        }
        const bool over_itself = first && may_run_in_place(step, target.buffer, view.buffer);
        if (made && mentions(target.buffer) && !over_itself) return false;
    }
    return made;
}

void GraphLowering::deliver(const View& given, const View& target, std::size_t begin) {
    View view = given;
    if (const auto moved = moved_.find(view.buffer); moved != moved_.end()) {
        view.buffer = moved->second.buffer;
        view.offset += moved->second.offset;
        view.advance += moved->second.advance;
    }
    if (!may_move(view, target, begin)) return add_map(expr::operand(0), {view}, target);
    const auto width = static_cast<std::int64_t>(size_of(view.dtype));
    for (std::size_t i = begin; i < plan_.steps.size(); ++i)
        for (StepOperand& operand : plan_.steps[i].operands)
            if (operand.buffer == view.buffer) {
                operand.buffer = target.buffer;
                operand.offset += target.offset * width;
                operand.advance += target.advance * width;
            }
    moved_[view.buffer] = target;
}

}  // namespace igata
