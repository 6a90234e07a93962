// Operators that reorder the axes. All are one view: the axes split, permuted and joined again.
//     y = Transpose(x) {perm=[0,3,1,2]}
//     y = DepthToSpace(x) {blocksize=2} | SpaceToDepth(x) {blocksize=2}
// How Transposes meet, cancel and sink towards the results is in rules/.
#include <numeric>

#include <fmt/format.h>

#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/carry_axis.hpp"
#include "compiler/ops/rules/transpose.hpp"

namespace igata {

Dims transpose_perm(const Node& node, std::size_t rank) {
    Dims perm(rank);
    std::iota(perm.rbegin(), perm.rend(), 0);
    if (!node.attrs.has("perm")) return perm;
    const Dims given = node.attrs.get_ints("perm");
    if (!std::is_permutation(perm.begin(), perm.end(), given.begin(), given.end()))
        throw std::invalid_argument(fmt::format("perm {} does not permute {} axes", to_string(given), rank));
    return given;
}

namespace {

OpDef transpose_op() {
    OpDef op;
    op.name = "Transpose";
    op.takes_small_types = true;
    op.newest = 21;
    op.attrs = {{"perm", AttrKind::integers}};
    op.infer = [](InferContext& c) {
        const Dims perm = transpose_perm(c.node(), c.dims(0).size());
        c.set_output(0, {c.dtype(0), transposed(row_major_view(c.dtype(0), c.dims(0)), perm).dims});
    };
    op.eval = [](EvalContext& c) {
        c.set_output(0, c.input(0).transposed(transpose_perm(c.node(), c.input(0).dims().size())));
    };
    op.lower = [](LowerContext& c) {
        const View view = c.input(0);
        c.set_output(0, transposed(view, transpose_perm(c.node(), view.dims.size())));
    };
    op.carry_axis = [](const InferContext& c, std::size_t, int axis) {
        const Dims perm = transpose_perm(c.node(), c.dims(0).size());
        return static_cast<int>(std::find(perm.begin(), perm.end(), axis) - perm.begin());
    };
    add_transpose_rules(op.rules);
    add_sink_transpose_rules(op.rules);
    return op;
}

/// How a block moves between channels and space: axes 1, 2, 3 are split by `split` and the six parts permuted.
struct BlockMove {
    View view;    ///< of rank 6, after the permutation
    Dims joined;  ///< the dims of the result, rank 4
};

BlockMove move_blocks(const View& source, const Node& node) {
    const Dims& dims = source.dims;
    const std::int64_t block = node.attrs.get_int("blocksize", 0);
    if (dims.size() != 4 || block < 1)
        throw std::invalid_argument(fmt::format("needs a blocksize and [n,c,h,w], not {}", to_string(dims)));
    const auto need = [&](bool divides) {
        if (!divides)
            throw std::invalid_argument(fmt::format("blocksize {} does not divide {}", block, to_string(dims)));
    };
    const std::string mode = node.attrs.get_string("mode", "DCR");
    const bool crd = mode == "CRD";
    if (!crd && mode != "DCR") throw std::invalid_argument(fmt::format("mode must be DCR or CRD, got '{}'", mode));
    if (node.op == "SpaceToDepth") {
        need(dims[2] % block == 0 && dims[3] % block == 0);
        const View parts = split_axis(split_axis(source, 3, dims[3] / block), 2, dims[2] / block);  // n c h a w b
        return {transposed(parts, crd ? Dims{0, 1, 3, 5, 2, 4} : Dims{0, 3, 5, 1, 2, 4}),
                {dims[0], dims[1] * block * block, dims[2] / block, dims[3] / block}};
    }
    need(dims[1] % (block * block) == 0);
    const Dims joined{dims[0], dims[1] / (block * block), dims[2] * block, dims[3] * block};
    if (crd)
        return {transposed(split_axis(split_axis(source, 1, joined[1]), 2, block), Dims{0, 1, 4, 2, 5, 3}), joined};
    return {transposed(split_axis(split_axis(source, 1, block), 2, block), Dims{0, 3, 4, 1, 5, 2}), joined};
}

OpDef block_op(std::string name) {
    OpDef op;
    op.name = std::move(name);
    op.takes_small_types = true;
    op.newest = 28;
    op.attrs = {{"blocksize", AttrKind::integer, true}, {"mode", AttrKind::string}};
    op.carry_axis = carry_batch;
    op.infer = [](InferContext& c) {
        c.set_output(0, {c.dtype(0), move_blocks(row_major_view(c.dtype(0), c.dims(0)), c.node()).joined});
    };
    op.eval = [](EvalContext& c) {
        const BlockMove move = move_blocks(view_of(c.input(0)), c.node());
        c.set_output(0, copy_of(c.input(0), move.view).reshaped(move.joined));
    };
    op.lower = [](LowerContext& c) {
        const BlockMove move = move_blocks(c.input(0), c.node());
        c.set_output(0, c.reshaped(move.view, move.joined));
    };
    return op;
}

}  // namespace

void register_transpose(Registry& registry) {
    registry.add(transpose_op());
    registry.add(block_op("DepthToSpace"));
    registry.add(block_op("SpaceToDepth"));
}

}  // namespace igata
