// y = ReverseSequence(x, lengths) {time_axis=0, batch_axis=1}: the first lengths[batch] elements along the time axis
// come backwards, the others as they are. Lowered to GatherElements along time with indices that a loop over [time,
// batch] makes.
#include <algorithm>

#include <fmt/format.h>

#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/lowering.hpp"

namespace igata {

namespace {

struct Axes {
    std::size_t time, batch;
};

Axes axes_of(const Node& node, std::size_t rank) {
    const std::int64_t time = node.attrs.get_int("time_axis", 0);
    const std::int64_t batch = node.attrs.get_int("batch_axis", 1);
    if (rank < 2) throw std::invalid_argument("needs a time and a batch axis");
    if (!((time == 0 && batch == 1) || (time == 1 && batch == 0)))
        throw std::invalid_argument(
            fmt::format("time_axis and batch_axis must be 0 and 1 or 1 and 0, got {} and {}", time, batch));
    return {as_index(time), as_index(batch)};
}

void infer_reverse_sequence(InferContext& c) {
    const Axes axes = axes_of(c.node(), c.dims(0).size());
    if (c.dtype(1) != DataType::i64 || c.dims(1) != Dims{c.dims(0)[axes.batch]})
        c.fail(fmt::format("sequence_lens must be i64[{}], not {}", c.dims(0)[axes.batch], to_string(c.input(1))));
    c.set_output(0, c.input(0));
}

void eval_reverse_sequence(EvalContext& c) {
    const Tensor& x = c.input(0);
    const Axes axes = axes_of(c.node(), x.dims().size());
    const Dims lengths = c.input(1).to_i64();
    const std::int64_t steps = x.dims()[axes.time];
    Tensor y = x;
    for (std::size_t batch = 0; batch < lengths.size(); ++batch) {
        const std::int64_t length = lengths[batch];
        if (length < 0 || length > steps)
            throw BadInput(fmt::format("{}: a sequence of {} steps does not fit {}", describe(c.node()), length,
                                       to_string(x.dims())));
        const View item = sliced(view_of(x), axes.batch, as_dim(batch), 1);
        if (length > 0)
            copy_elements(x, sliced(item, axes.time, length - 1, length, -1), y, sliced(item, axes.time, 0, length));
    }
    c.set_output(0, std::move(y));
}

void lower_reverse_sequence(LowerContext& c) {
    const View x = c.input(0);
    const View out = c.output(0);
    if (element_count(x.dims) == 0) return;
    const Axes axes = axes_of(c.node(), x.dims.size());
    Dims grid(x.dims.size(), 1);
    grid[axes.batch] = x.dims[axes.batch];
    const View lengths = c.reshaped(c.input(1), grid);
    grid[axes.time] = x.dims[axes.time];
    const View sources = c.temporary(DataType::i64, grid);
    c.add_map(expr::parse("select(x1 < x0, x0 - 1 - x1, x1)"), {expanded(lengths, grid), positions(c, grid, axes.time)},
              sources);
    add_kernel(c, "gather_elements", {as_dim(axes.time)}, {x, expanded(sources, x.dims), out});
}

}  // namespace

void register_reverse_sequence(Registry& registry) {
    OpDef op;
    op.name = "ReverseSequence";
    op.since = 10;
    op.newest = 28;
    op.min_inputs = op.max_inputs = 2;
    op.attrs = {{"time_axis", AttrKind::integer}, {"batch_axis", AttrKind::integer}};
    op.infer = infer_reverse_sequence;
    op.eval = eval_reverse_sequence;
    op.lower = lower_reverse_sequence;
    registry.add(std::move(op));
}

}  // namespace igata
