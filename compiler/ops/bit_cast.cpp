// y = BitCast(x) {to=6}: the same bytes as elements of another type of that width; a view. To bool, whose bytes are 0
// or 1, it is a loop.
#include <fmt/format.h>

#include "compiler/ops/arguments.hpp"
#include "compiler/ops/lowering.hpp"
#include "compiler/ops/onnx_type.hpp"

namespace igata {

void register_bit_cast(Registry& registry) {
    OpDef op;
    op.name = "BitCast";
    op.since = op.newest = 26;
    op.attrs = {{"to", AttrKind::integer, true}};
    op.infer = [](InferContext& c) {
        const DataType to = data_type_of_onnx(c.attrs().get_int("to", 0), c.node());
        if (size_of(to) != size_of(c.dtype(0)))
            c.fail(fmt::format("{} and {} differ in width", name_of(c.dtype(0)), name_of(to)));
        c.set_output(0, {to, c.dims(0)});
    };
    op.eval = [](EvalContext& c) {
        c.set_output(0, Tensor::from_bytes(c.output_type(0).dtype, c.input(0).dims(), c.input(0).bytes()));
    };
    op.lower = [](LowerContext& c) {
        const View x = c.input(0);
        View y = x;
        y.dtype = c.graph().value(c.node().outputs[0]).type.dtype;
        if (y.dtype == DataType::boolean && x.dtype != DataType::boolean)
            c.add_map(expr::parse("x0 != 0"), {x}, c.output(0));
        else c.set_output(0, y);
    };
    op.note = "no strings, 8-bit floats or 4-bit types";
    registry.add(std::move(op));
}

}  // namespace igata
