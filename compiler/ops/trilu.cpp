// y = Trilu(x, k) {upper=1}: the upper or lower triangle of each matrix, zero elsewhere; a loop over x, the positions
// of rows and columns, and k, which need not be known at compile time.
#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/lowering.hpp"

namespace igata {

namespace {

bool is_upper(const Node& node) { return node.attrs.get_int("upper", 1) != 0; }

void infer_trilu(InferContext& c) {
    if (c.dims(0).size() < 2) c.fail("needs matrices, not " + to_string(c.dims(0)));
    if (c.has_input(1) && (c.dtype(1) != DataType::i64 || element_count(c.dims(1)) != 1))
        c.fail("k must be one i64, not " + to_string(c.input(1)));
    c.set_output(0, c.input(0));
}

void eval_trilu(EvalContext& c) {
    const Tensor& x = c.input(0);
    const std::size_t rank = x.dims().size();
    const std::int64_t rows = x.dims()[rank - 2];
    const std::int64_t columns = x.dims()[rank - 1];
    const std::int64_t k = integers(c, 1, "k").value_or(Dims{0})[0];
    Tensor& y = c.make_output(0);
    for (std::int64_t row = 0; row < rows; ++row) {
        const std::int64_t diagonal = std::clamp<std::int64_t>(row + k, is_upper(c.node()) ? 0 : -1, columns);
        const std::int64_t begin = is_upper(c.node()) ? diagonal : 0;
        const std::int64_t end = is_upper(c.node()) ? columns : std::min(diagonal + 1, columns);
        const View part = sliced(sliced(view_of(x), rank - 2, row, 1), rank - 1, begin, end - begin);
        if (element_count(part.dims) > 0) copy_elements(x, part, y, part);
    }
}

void lower_trilu(LowerContext& c) {
    const View x = c.input(0);
    const View k =
        c.node().input(1) != no_value ? c.reshaped(c.input(1), {}) : c.constant(Tensor::scalar<std::int64_t>(0));
    const char* body = is_upper(c.node()) ? "select(x2 - x1 >= x3, x0, x4)" : "select(x2 - x1 <= x3, x0, x4)";
    const std::size_t rank = x.dims.size();
    c.add_map(expr::parse(body),
              {x, positions(c, x.dims, rank - 2), positions(c, x.dims, rank - 1), expanded(k, x.dims),
               expanded(c.constant(Tensor(x.dtype, {})), x.dims)},
              c.output(0));
}

}  // namespace

void register_trilu(Registry& registry) {
    OpDef op;
    op.name = "Trilu";
    op.since = op.newest = 14;
    op.max_inputs = 2;
    op.attrs = {{"upper", AttrKind::integer}};
    op.infer = infer_trilu;
    op.eval = eval_trilu;
    op.lower = lower_trilu;
    registry.add(std::move(op));
}

}  // namespace igata
