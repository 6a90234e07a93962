// TensorScatter: rows written into a cache of keys or values, at a position of each sample's own; a kernel.
//     present = TensorScatter(past, update, positions) {axis=-2}
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "compiler/ops/arguments.hpp"
#include "compiler/ops/lowering.hpp"

namespace igata {

namespace {

template <class Context>
std::size_t axis_of(const Context& c) {
    return as_index(normalize_axis(c.node().attrs.get_int("axis", -2), input_dims(c, 0).size()));
}

bool is_circular(const Node& node) {
    const std::string mode = node.attrs.get_string("mode", "linear");
    if (mode != "linear" && mode != "circular")
        throw std::invalid_argument(fmt::format("mode '{}' is not known", mode));
    return mode == "circular";
}

void infer_tensor_scatter(InferContext& c) {
    const std::size_t axis = axis_of(c);
    if (axis == 0) c.fail("axis 0 is the batch");
    static_cast<void>(is_circular(c.node()));
    Dims expected = c.dims(0);
    bool fits = c.dims(1).size() == expected.size() && c.dims(1)[axis] <= expected[axis] && c.dtype(0) == c.dtype(1);
    if (fits) expected[axis] = c.dims(1)[axis];
    fits = fits && expected == c.dims(1);
    if (!fits) c.fail(fmt::format("update {} does not fit {}", to_string(c.input(1)), to_string(c.input(0))));
    if (c.has_input(2) && (c.dtype(2) != DataType::i64 || c.dims(2) != Dims{expected[0]}))
        c.fail(fmt::format("write_indices should be i64[{}], is {}", expected[0], to_string(c.input(2))));
    c.set_output(0, c.input(0));
}

void eval_tensor_scatter(EvalContext& c) {
    Tensor result = c.input(0);
    const Dims& dims = result.dims();
    const std::size_t axis = axis_of(c);
    const std::int64_t length = dims[axis];
    const std::int64_t added = c.input(1).dims()[axis];
    const auto at = static_cast<std::ptrdiff_t>(axis);
    const std::int64_t outer = element_count({dims.begin(), dims.begin() + at});
    const std::size_t block = as_index(element_count({dims.begin() + at + 1, dims.end()})) * size_of(result.dtype());
    const std::span<std::byte> write = result.mutable_bytes();
    const std::span<const std::byte> read = c.input(1).bytes();
    for (std::int64_t i = 0; i < outer && block > 0; ++i) {
        const std::int64_t sample = i / (outer / dims[0]);
        std::int64_t start = c.has_input(2) ? c.input(2).values<std::int64_t>()[as_index(sample)] : 0;
        if (!is_circular(c.node()) && (start < 0 || start > length - added))
            throw std::invalid_argument(fmt::format("{} rows do not fit at {} of {}", added, start, length));
        for (std::int64_t k = 0; k < added; ++k) {
            const std::int64_t place = ((start % length + k) % length + length) % length;
            std::memcpy(write.data() + as_index(i * length + place) * block,
                        read.data() + as_index(i * added + k) * block, block);
        }
    }
    c.set_output(0, std::move(result));
}

}  // namespace

void register_tensor_scatter(Registry& registry) {
    OpDef op;
    op.name = "TensorScatter";
    op.since = op.newest = 24;
    op.min_inputs = 2;
    op.max_inputs = 3;
    op.attrs = {{"axis", AttrKind::integer}, {"mode", AttrKind::string}};
    op.infer = infer_tensor_scatter;
    op.eval = eval_tensor_scatter;
    op.lower = [](LowerContext& c) {
        const View positions = c.node().input(2) == no_value ? View{} : c.input(2);
        add_kernel(c, "tensor_scatter", {as_dim(axis_of(c)), is_circular(c.node()) ? 1 : 0},
                   {c.input(0), c.input(1), positions, c.output(0)});
    };
    registry.add(std::move(op));
}

}  // namespace igata
