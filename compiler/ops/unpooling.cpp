// MaxUnpool: the elements that MaxPool found, put back where they were.
//     y = MaxUnpool(x, places)          the kernel `max_unpool`
//     y = MaxUnpool(x, places, shape)   likewise, then copied into the corner of the larger shape
#include <fmt/format.h>

#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/lowering.hpp"
#include "compiler/ops/window.hpp"

namespace igata {

namespace {

/// The dims that the places are of: those of a pooling's input that its windows cover exactly.
template <class Context>
Dims covered_dims(const Context& c) {
    using window_detail::attribute;
    const Attrs& attrs = c.node().attrs;
    Dims dims = input_dims(c, 0);
    if (dims.size() < 3) throw std::invalid_argument("the input " + to_string(dims) + " needs a spatial axis");
    const std::size_t rank = dims.size() - 2;
    const Dims kernel = attribute(attrs, "kernel_shape", rank, 1, 1);
    const Dims strides = attribute(attrs, "strides", rank, 1, 1);
    const Dims pads = attribute(attrs, "pads", 2 * rank, 0, 0);
    for (std::size_t i = 0; i < rank; ++i) {
        dims[i + 2] = (dims[i + 2] - 1) * strides[i] + kernel[i] - pads[i] - pads[rank + i];
        if (dims[i + 2] < 0) throw std::invalid_argument(fmt::format("pads {} leave nothing", to_string(pads)));
    }
    return dims;
}

void infer_max_unpool(InferContext& c) {
    const Dims covered = covered_dims(c);
    if (!is_floating(c.dtype(0))) c.fail("the input must be floating-point");
    if (c.dtype(1) != DataType::i64 || c.dims(1) != c.dims(0))
        c.fail(fmt::format("indices {} do not fit the input {}", to_string(c.input(1)), to_string(c.dims(0))));
    const Dims dims = integers(c, 2, "output_shape").value_or(covered);
    bool fits = dims.size() == covered.size();
    for (std::size_t i = 0; fits && i < dims.size(); ++i) fits = i < 2 ? dims[i] == covered[i] : dims[i] >= covered[i];
    if (!fits)
        c.fail(fmt::format("the output_shape {} is less than {}, which the windows cover", to_string(dims),
                           to_string(covered)));
    c.set_output(0, {c.dtype(0), dims});
}

/// The view of `whole` that the places are of.
View covered_view(View whole, const Dims& covered) {
    whole.dims = covered;
    return whole;
}

void eval_max_unpool(EvalContext& c) {
    const Tensor& x = c.input(0);
    Tensor all(x.dtype(), covered_dims(c));
    const Dims places = c.input(1).to_i64();
    const std::size_t width = size_of(x.dtype());
    for (std::size_t i = 0; i < places.size(); ++i) {
        if (places[i] < 0 || places[i] >= all.count())
            throw BadInput(fmt::format("{}: index {} is out of range for {}", describe(c.node()), places[i],
                                       to_string(all.dims())));
        const auto from = x.bytes().subspan(i * width, width);
        std::copy(from.begin(), from.end(), all.mutable_bytes().begin() + places[i] * as_dim(width));
    }
    Tensor& y = c.make_output(0);
    copy_elements(all, view_of(all), y, covered_view(view_of(y), all.dims()));
}

void lower_max_unpool(LowerContext& c) {
    const View x = c.input(0);
    const Dims covered = covered_dims(c);
    const bool whole = c.graph().value(c.node().outputs[0]).type.dims == covered;
    const View all = whole ? c.output_in_order(0, row_major_order(covered.size())) : c.temporary(x.dtype, covered);
    add_kernel(c, "max_unpool", {}, {x, c.input(1), all});
    if (whole) return;
    const View y = c.output(0);
    c.add_map(expr::constant(0.0), {}, y);
    c.add_map(expr::operand(0), {all}, covered_view(y, covered));
}

}  // namespace

void register_unpooling(Registry& registry) {
    OpDef op;
    op.name = "MaxUnpool";
    op.since = 9;
    op.newest = 22;
    op.min_inputs = 2;
    op.max_inputs = 3;
    op.attrs = {
        {"kernel_shape", AttrKind::integers, true}, {"pads", AttrKind::integers}, {"strides", AttrKind::integers}};
    op.infer = infer_max_unpool;
    op.eval = eval_max_unpool;
    op.lower = lower_max_unpool;
    registry.add(std::move(op));
}

}  // namespace igata
