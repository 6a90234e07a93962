// y = CenterCropPad(x, shape) {axes=[...]}: along each axis the middle of x, or x in the middle of zeros. A crop alone
// is a view; else one loop fills with zeros and another copies. What is odd goes to the end.
#include <fmt/format.h>

#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/lowering.hpp"

namespace igata {

namespace {

template <class Context>
Dims center_dims(const Context& c) {
    Dims dims = input_dims(c, 0);
    Dims axes(dims.size());
    for (std::size_t i = 0; i < axes.size(); ++i) axes[i] = as_dim(i);
    axes = normalize_axes(c.node().attrs.get_ints("axes", axes), dims.size());
    const Dims shape = integers(c, 1, "shape").value();
    if (shape.size() != axes.size())
        throw std::invalid_argument(fmt::format("shape {} for {} axes", to_string(shape), axes.size()));
    for (std::size_t i = 0; i < axes.size(); ++i) {
        if (shape[i] < 0) throw std::invalid_argument(fmt::format("shape {} is negative", to_string(shape)));
        dims[as_index(axes[i])] = shape[i];
    }
    return dims;
}

/// The middle of the view, no larger than `dims`.
View middle(View view, const Dims& dims) {
    for (std::size_t i = 0; i < dims.size(); ++i)
        if (dims[i] < view.dims[i]) view = sliced(std::move(view), i, (view.dims[i] - dims[i]) / 2, dims[i]);
    return view;
}

void eval_center(EvalContext& c) {
    const Tensor& x = c.input(0);
    Tensor& y = c.make_output(0);
    const View from = middle(view_of(x), y.dims());
    if (element_count(from.dims) > 0) copy_elements(x, from, y, middle(view_of(y), x.dims()));
}

void lower_center(LowerContext& c) {
    const View x = c.input(0);
    const Dims& dims = c.graph().value(c.node().outputs[0]).type.dims;
    const View from = middle(x, dims);
    if (from.dims == dims) return c.set_output(0, from);
    const View out = c.output(0);
    c.add_map(expr::operand(0), {expanded(c.constant(Tensor(x.dtype, {})), dims)}, out);
    c.add_map(expr::operand(0), {from}, middle(out, x.dims));
}

}  // namespace

void register_center_crop_pad(Registry& registry) {
    OpDef op;
    op.name = "CenterCropPad";
    op.since = op.newest = 18;
    op.min_inputs = op.max_inputs = 2;
    op.attrs = {{"axes", AttrKind::integers}};
    op.infer = [](InferContext& c) { c.set_output(0, {c.dtype(0), center_dims(c)}); };
    op.eval = eval_center;
    op.lower = lower_center;
    registry.add(std::move(op));
}

}  // namespace igata
