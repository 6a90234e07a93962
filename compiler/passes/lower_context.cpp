#include "compiler/passes/lower_context.hpp"

#include <algorithm>
#include <cctype>
#include <limits>
#include <stdexcept>

#include <fmt/format.h>

#include "compiler/ir/view.hpp"
#include "compiler/ops/known_value.hpp"
#include "compiler/ops/lowering.hpp"
#include "compiler/passes/build_loop.hpp"

namespace igata {

namespace {

constexpr int never = std::numeric_limits<int>::max();

std::vector<int> last_readers(const Graph& graph) {
    std::vector<int> last(graph.value_count(), -1);
    int position = 0;
    for (const Node& node : graph.nodes) {
        for (const ValueId id : node.inputs)
            if (id != no_value) last[static_cast<std::size_t>(id)] = position;
        ++position;
    }
    for (const Graph::Output& output : graph.outputs) last[static_cast<std::size_t>(output.value)] = never;
    return last;
}

/// The folders that all node names start with: they tell nodes apart for nobody.
std::string shared_folder(const Graph& graph) {
    const std::string* first = nullptr;
    std::size_t length = 0;
    for (const Node& node : graph.nodes) {
        if (node.name.empty()) continue;
        if (first == nullptr) {
            first = &node.name;
            length = node.name.rfind('/') + 1;
            continue;
        }
        const auto limit = std::min(length, node.name.size());
        const auto differ =
            std::mismatch(first->begin(), first->begin() + static_cast<std::ptrdiff_t>(limit), node.name.begin());
        const auto same = static_cast<std::size_t>(differ.first - first->begin());
        length = same == 0 ? 0 : first->rfind('/', same - 1) + 1;
    }
    return first == nullptr ? "" : first->substr(0, length);
}

/// A name that needs no quotes in the text form.
std::string as_token(std::string_view name) {
    std::string token(name);
    for (char& c : token) {
        if (c == '/') c = '.';
        else if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_' && c != '.') c = '_';
    }
    if (std::isalpha(static_cast<unsigned char>(token.front())) == 0 && token.front() != '_')
        token.insert(token.begin(), '_');
    return token;
}

std::int64_t byte_size(const View& view) {
    return element_count(view.dims) * static_cast<std::int64_t>(size_of(view.dtype));
}

/// Strides of axes of one element are set as the order has them, so that equal layouts have equal strides.
View with_order(View view, const std::vector<int>& order) {
    view.strides = strides_for_order(view.dims, order);
    return view;
}

}  // namespace

GraphLowering::GraphLowering(const Graph& graph, const Layouts& layouts, Remarks& remarks)
    : graph_(graph),
      layouts_(layouts),
      remarks_(remarks),
      views_(graph.value_count()),
      last_reader_(last_readers(graph)),
      name_prefix_(shared_folder(graph)) {
    find_places();
}

View GraphLowering::value_view(ValueId id) {
    View& view = views_.at(static_cast<std::size_t>(id));
    if (!view.valid() && graph_.is_constant(id)) view = constant(*graph_.constant(id));
    if (!view.valid())
        throw std::logic_error(fmt::format("value '{}' is read before it is made", graph_.value(id).name));
    return view;
}

View GraphLowering::input(std::size_t i) {
    if (i >= node_->inputs.size() || node_->inputs[i] == no_value) return {};
    return value_view(node_->inputs[i]);
}

View GraphLowering::fresh(DataType dtype, const Dims& dims, const std::vector<int>& order) {
    View view{static_cast<BufferId>(plan_.buffers.size()), 0, dtype, dims, strides_for_order(dims, order)};
    Buffer buffer;
    buffer.dtype = dtype;
    buffer.bytes = byte_size(view);
    plan_.buffers.push_back(std::move(buffer));
    values_on_.resize(plan_.buffers.size());
    return view;
}

std::vector<int> GraphLowering::layout_of(ValueId id) const {
    const auto index = static_cast<std::size_t>(id);
    const std::size_t rank = graph_.value(id).type.dims.size();
    const bool chosen = index < layouts_.size() && layouts_[index].size() == rank;
    return chosen ? layouts_[index] : row_major_order(rank);
}

View GraphLowering::output(std::size_t i) {
    const ValueId id = node_->output(i);
    if (id == no_value) throw std::logic_error(describe(*node_) + ": lowers an absent output");
    if (const View& begun = views_.at(static_cast<std::size_t>(id)); begun.valid()) return begun;
    const View view = place_output(i, layout_of(id), op_of(*node_).expression || op_of(*node_).stores_anywhere);
    set_output(i, view);
    return view;
}

View GraphLowering::output_in_order(std::size_t i, const std::vector<int>& order) {
    const View view = place_output(i, order, false);
    set_output(i, view);
    return view;
}

void GraphLowering::set_output(std::size_t i, const View& view) {
    const ValueId id = node_->outputs.at(i);
    const ValueType& type = graph_.value(id).type;
    if (view.dims != type.dims || view.dtype != type.dtype)
        throw std::logic_error(fmt::format("{}: lowered to {}{}, not {}", describe(*node_), name_of(view.dtype),
                                           to_string(view.dims), to_string(type)));
    views_.at(static_cast<std::size_t>(id)) = view;
    values_on_.at(static_cast<std::size_t>(view.buffer)).push_back(id);
}

View GraphLowering::temporary(DataType dtype, const Dims& dims) {
    return fresh(dtype, dims, row_major_order(dims.size()));
}

View GraphLowering::constant(const Tensor& tensor) {
    View view = temporary(tensor.dtype(), tensor.dims());
    Buffer& buffer = plan_.buffer(view.buffer);
    buffer.space = runtime::Space::weights;
    buffer.constant = tensor;
    return view;
}

View GraphLowering::in_order(const View& view, const std::vector<int>& order) {
    if (view.has_order(order)) return with_order(view, order);
    const auto& tensor = plan_.buffer(view.buffer).constant;
    if (tensor && !bloats({view.dtype, view.dims}, tensor->byte_size())) {
        const std::vector<std::int64_t> perm(order.begin(), order.end());
        View reordered = constant(copy_of(*tensor, transposed(view, perm)));
        reordered.dims = view.dims;
        return with_order(reordered, order);
    }
    View copy = fresh(view.dtype, view.dims, order);
    remark(fmt::format("copies {} bytes to another layout", byte_size(view)));
    add_map(expr::operand(0), {view}, copy);
    return copy;
}

View reshape_view(const View& view, const Dims& dims) {
    View result = view;
    result.dims = dims;
    result.strides.assign(dims.size(), 0);
    if (element_count(dims) == 0) return with_order(result, row_major_order(dims.size()));
    Dims from_dims;
    Dims from_strides;
    for (std::size_t i = 0; i < view.dims.size(); ++i) {
        if (view.dims[i] == 1) continue;
        from_dims.push_back(view.dims[i]);
        from_strides.push_back(view.strides[i]);
    }
    // Groups of old axes and groups of new axes with equal products; a group must be one unbroken stretch of memory.
    std::size_t from = 0;
    std::size_t to = 0;
    while (to < dims.size()) {
        if (dims[to] == 1) {
            ++to;
            continue;
        }
        std::size_t from_end = from + 1;
        std::size_t to_end = to + 1;
        std::int64_t have = from_dims.at(from);
        std::int64_t want = dims[to];
        while (have != want) {
            if (have < want) {
                if (from_strides[from_end - 1] != from_strides.at(from_end) * from_dims.at(from_end)) return {};
                have *= from_dims[from_end++];
            } else {
                want *= dims.at(to_end++);
            }
        }
        std::int64_t stride = from_strides[from_end - 1];
        for (std::size_t i = to_end; i-- > to;) {
            result.strides[i] = stride;
            stride *= dims[i];
        }
        from = from_end;
        to = to_end;
    }
    for (std::size_t i = dims.size(); i-- > 0;)
        if (dims[i] == 1) result.strides[i] = i + 1 < dims.size() ? result.strides[i + 1] * dims[i + 1] : 1;
    const auto row_major = row_major_order(dims.size());
    return result.has_order(row_major) ? with_order(result, row_major) : result;
}

View GraphLowering::reshaped(const View& view, const Dims& dims) {
    const View result = reshape_view(view, dims);
    return result.valid() ? result : reshape_view(row_major(view), dims);
}

std::string GraphLowering::step_name() {
    std::string_view name = node_->name;
    if (name.starts_with(name_prefix_)) name.remove_prefix(name_prefix_.size());
    const auto made =
        std::find_if(node_->outputs.begin(), node_->outputs.end(), [](ValueId id) { return id != no_value; });
    if (name.empty() && made != node_->outputs.end()) name = graph_.value(*made).name;
    const std::string wanted = as_token(name.empty() ? std::string_view(node_->op) : name);
    std::string unique = wanted;
    for (int suffix = 2; !step_names_.insert(unique).second; ++suffix) unique = fmt::format("{}.{}", wanted, suffix);
    return unique;
}

void GraphLowering::append(StepSpecVariant spec, std::vector<StepOperand> operands) {
    if (operands.size() > runtime::max_operands)
        unsupported(fmt::format("needs {} operands at once, more than {}", operands.size(), runtime::max_operands));
    plan_.steps.push_back({step_name(), node_->name, std::move(spec), std::move(operands)});
}

void GraphLowering::add(StepSpecVariant spec, const std::vector<View>& operands, std::vector<std::size_t> written) {
    if (written.empty()) written = {operands.size() - 1};
    std::vector<StepOperand> places;
    for (std::size_t i = 0; i < operands.size(); ++i) {
        const View& view = operands[i];
        const bool is_written = std::find(written.begin(), written.end(), i) != written.end();
        const auto width = static_cast<std::int64_t>(size_of(view.dtype));
        places.push_back({view.buffer, view.offset * width, is_written, !is_written, view.advance * width});
    }
    append(std::move(spec), std::move(places));
}

void GraphLowering::add_map(const ExprPtr& body, const std::vector<View>& inputs, const View& out) {
    if (element_count(out.dims) == 0) return;
    std::vector<View> used;
    std::vector<ExprPtr> renumbered(inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (!expr::uses(body, static_cast<int>(i))) continue;
        renumbered[i] = expr::operand(static_cast<int>(used.size()));
        used.push_back(inputs[i]);
    }
    Loop loop = build_map(expr::replace_operands(body, renumbered), used, out);
    used.push_back(out);
    const auto transposed = transposed_dims(loop);
    if (!transposed) return add(std::move(loop), used);
    for (View& view : used) view.dims = loop.extents;
    used[0].strides = loop.inputs[0].strides;
    used[1].strides = loop.output.strides;
    add_kernel(*this, "transpose", {transposed->input, transposed->output}, used);
}

void GraphLowering::add_reduce(Reduce kind, const ExprPtr& body, const std::vector<View>& inputs, const Dims& box,
                               const std::vector<std::int64_t>& axes, const View& out, DataType accumulator,
                               const ExprPtr& finish) {
    if (element_count(out.dims) == 0) return;
    std::vector<View> operands = inputs;
    operands.push_back(out);
    add(build_reduction(body, inputs, box, {kind, axes, accumulator, finish}, out), operands);
}

void GraphLowering::remark(const std::string& message) { remarks_.refused("lower", node_->name, message); }

}  // namespace igata
