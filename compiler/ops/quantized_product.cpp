// ConvInteger, MatMulInteger, QLinearConv and QLinearMatMul: convolutions and matrix products of integers of 8 bits
// less their zero points, exact in 32 bits; the QLinear ones are scaled, rounded half to even and saturated to 8 bits
// again.
//
// They become the kernel quantized_convolution; a product of matrices is a convolution of one tap whose pixels are the
// rows. What it does not cover (batches of right matrices, zero points or scales of rows) becomes loops.
#include <fmt/format.h>

#include "compiler/ir/interpret.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/elementwise.hpp"
#include "compiler/ops/lowering.hpp"
#include "compiler/ops/window.hpp"

namespace igata {

namespace {

/// Where the inputs of an operator lie; `none`: it has no such input.
struct Roles {
    static constexpr std::size_t none = 99;
    std::size_t w, x_zero, w_zero;
    std::size_t x_scale = none, w_scale = none, y_scale = none, y_zero = none, bias = none;

    bool requantizes() const { return y_scale != none; }
};

bool is_convolution(const Node& node) { return node.op == "ConvInteger" || node.op == "QLinearConv"; }

Roles roles_of(const Node& node) {
    if (node.op == "QLinearConv" || node.op == "QLinearMatMul") return {3, 2, 5, 1, 4, 6, 7, 8};
    return {1, 2, 3};
}

bool is_byte(DataType dtype) { return dtype == DataType::i8 || dtype == DataType::u8; }

/// The type and shape of the operator over floats that this one stands for.
Dims product_dims(const Node& node, const Dims& x, const Dims& w) {
    Graph graph;
    Node product;
    product.op = is_convolution(node) ? "Conv" : "MatMul";
    product.name = node.name;
    product.attrs = node.attrs;
    product.inputs = {graph.add_value("x", {DataType::f64, x}), graph.add_value("w", {DataType::f64, w})};
    product.outputs = {graph.add_value("y")};
    infer_node(graph, product);
    return graph.value(product.outputs[0]).type.dims;
}

void check_scalar(const InferContext& c, std::size_t i, const char* what) {
    if (c.has_input(i) && element_count(c.dims(i)) != 1)
        c.fail(fmt::format("{} must be one number, not {}", what, to_string(c.dims(i))));
}

void check_scale(const InferContext& c, std::size_t i, const char* what) {
    const DataType dtype = c.dtype(i);
    const bool narrow = dtype == DataType::f16 || dtype == DataType::bf16;
    if (dtype != DataType::f32 && (!narrow || is_convolution(c.node())))
        c.fail(fmt::format("{} may not be {}", what, name_of(dtype)));
}

void check_convolution(const InferContext& c, const Roles& roles) {
    const std::int64_t channels = c.dims(roles.w).at(0);
    const auto check_channels = [&](std::size_t i, const char* what) {
        if (c.has_input(i) && element_count(c.dims(i)) != 1 && c.dims(i) != Dims{channels})
            c.fail(fmt::format("{} must be one number or {}, not {}", what, channels, to_string(c.dims(i))));
    };
    check_scalar(c, roles.x_zero, "the zero point of x");
    check_channels(roles.w_zero, "the zero point of w");
    if (!roles.requantizes()) return;
    check_scalar(c, roles.x_scale, "the scale of x");
    check_channels(roles.w_scale, "the scale of w");
    check_scalar(c, roles.y_scale, "the scale of y");
    check_scalar(c, roles.y_zero, "the zero point of y");
    if (!c.has_input(roles.bias)) return;
    if (c.dtype(roles.bias) != DataType::i32)
        c.fail(fmt::format("the bias must be i32, not {}", name_of(c.dtype(roles.bias))));
    if (c.dims(roles.bias) != Dims{channels})
        c.fail(fmt::format("the bias must be {}, not {}", to_string(Dims{channels}), to_string(c.dims(roles.bias))));
}

/// A zero point or scale of a matrix's rows as it broadcasts to the matrix: a vector stands upright.
Dims of_rows(const Dims& dims) {
    return dims.size() == 1 && dims[0] != 1 ? Dims{dims[0], 1} : dims.size() == 1 ? Dims{} : dims;
}
Dims of_columns(const Dims& dims) { return dims == Dims{1} ? Dims{} : dims; }

bool broadcasts_to(const Dims& dims, const Dims& whole) {
    return dims.size() <= whole.size() && std::equal(dims.rbegin(), dims.rend(), whole.rbegin(),
                                                     [](std::int64_t a, std::int64_t b) { return a == 1 || a == b; });
}

void check_matrices(const InferContext& c, const Roles& roles, const Dims& y) {
    const auto check = [&](std::size_t i, const Dims& dims, const Dims& whole, const char* what) {
        if (!c.has_input(i)) return;
        if (!broadcasts_to(dims, whole))
            c.fail(fmt::format("{} {} does not fit {}", what, to_string(c.dims(i)), to_string(whole)));
    };
    const auto dims = [&](std::size_t i) { return c.has_input(i) ? c.dims(i) : Dims{}; };
    check(roles.x_zero, of_rows(dims(roles.x_zero)), c.dims(0), "the zero point of A");
    check(roles.w_zero, of_columns(dims(roles.w_zero)), c.dims(roles.w), "the zero point of B");
    if (!roles.requantizes()) return;
    check(roles.x_scale, of_rows(dims(roles.x_scale)), y, "the scale of A");
    check(roles.w_scale, of_columns(dims(roles.w_scale)), y, "the scale of B");
    check(roles.y_scale, of_rows(dims(roles.y_scale)), y, "the scale of Y");
    check(roles.y_zero, of_rows(dims(roles.y_zero)), y, "the zero point of Y");
}

void infer_product(InferContext& c) {
    const Roles roles = roles_of(c.node());
    for (const std::size_t i : {std::size_t{0}, roles.w}) {
        if (is_small(c.dtype(i))) c.unsupported(fmt::format("products of {}", name_of(c.dtype(i))));
        if (!is_byte(c.dtype(i))) c.fail(fmt::format("takes i8 and u8, got {}", name_of(c.dtype(i))));
        const std::size_t zero = i == 0 ? roles.x_zero : roles.w_zero;
        if (c.has_input(zero) && c.dtype(zero) != c.dtype(i))
            c.fail(fmt::format("input {} is {}, its zero point {}", i, name_of(c.dtype(i)), name_of(c.dtype(zero))));
    }
    const Dims y = product_dims(c.node(), c.dims(0), c.dims(roles.w));
    if (is_convolution(c.node())) check_convolution(c, roles);
    else check_matrices(c, roles, y);
    if (!roles.requantizes()) return c.set_output(0, {DataType::i32, y});
    check_scale(c, roles.x_scale, "the scale of the first input");
    check_scale(c, roles.w_scale, "the scale of the second input");
    check_scale(c, roles.y_scale, "the scale of the result");
    if (!is_byte(c.dtype(roles.y_zero)))
        c.fail(fmt::format("the result may not be {}", name_of(c.dtype(roles.y_zero))));
    c.set_output(0, {c.dtype(roles.y_zero), y});
}

/// A zero point or scale as it broadcasts to the operand or result.
enum class Side : std::uint8_t { rows, columns };
Dims broadcast_dims(const Node& node, Side side, const Dims& dims, std::size_t rank) {
    if (!is_convolution(node)) return side == Side::rows ? of_rows(dims) : of_columns(dims);
    if (element_count(dims) == 1) return {};
    Dims result(rank, 1);
    result[1] = dims[0];
    return result;
}

// clang-format off
ExprPtr multiplier() { return expr::parse("cast<f32>(x0) * cast<f32>(x1) / cast<f32>(x2)"); }
// clang-format on

/// Of x0 = sums (i32), x1 = the multiplier and x2 = the zero point.
ExprPtr requantization(DataType result) {
    const ExprPtr scaled = expr::parse("round(cast<f32>(x0) * x1) + cast<f32>(x2)");
    return expr::cast(result, clamped_to(result, scaled));
}

// Reference -----------------------------------------------------------------------------------------------------------

Tensor less_zero(const Tensor& x, const Tensor* zero, const Dims& dims) {
    if (zero == nullptr) return x.cast(DataType::f64);
    const Tensor spread = zero->reshaped(dims);
    return eval_map(expr::parse("cast<f64>(x0) - cast<f64>(x1)"), {&x, &spread}, {DataType::f64, x.dims()});
}

/// Exact: sums of products of 9 bits in f64.
Tensor product_of(const EvalContext& c, const Tensor& x, const Tensor& w) {
    Node node = c.node();
    node.op = is_convolution(node) ? "Conv" : "MatMul";
    node.inputs = {0, 1};
    EvalContext inner(node, {&x, &w}, {{DataType::f64, c.output_type(0).dims}});
    op_of(node).eval(inner);
    return inner.results().at(0);
}

void eval_product(EvalContext& c) {
    const Node& node = c.node();
    const Roles roles = roles_of(node);
    const Tensor& w = c.input(roles.w);
    const std::size_t rank = c.output_type(0).dims.size();
    const auto zero = [&](std::size_t i) { return c.has_input(i) ? &c.input(i) : nullptr; };
    const Dims x_zero =
        zero(roles.x_zero) == nullptr ? Dims{} : broadcast_dims(node, Side::rows, c.input(roles.x_zero).dims(), rank);
    Dims w_zero;
    if (zero(roles.w_zero) != nullptr) {
        w_zero = of_columns(c.input(roles.w_zero).dims());
        if (is_convolution(node) && !w_zero.empty()) w_zero.resize(w.dims().size(), 1);
    }
    Tensor sums =
        product_of(c, less_zero(c.input(0), zero(roles.x_zero), x_zero), less_zero(w, zero(roles.w_zero), w_zero));
    if (c.has_input(roles.bias)) {
        const Tensor bias =
            c.input(roles.bias).reshaped(broadcast_dims(node, Side::columns, c.input(roles.bias).dims(), rank));
        sums = eval_map(expr::parse("x0 + cast<f64>(x1)"), {&sums, &bias}, sums.type());
    }
    sums = sums.cast(DataType::i64).cast(DataType::i32);
    if (!roles.requantizes()) return c.set_output(0, sums);
    const auto spread = [&](std::size_t i, Side side) {
        return c.input(i).reshaped(broadcast_dims(node, side, c.input(i).dims(), rank));
    };
    const Tensor x_scale = spread(roles.x_scale, Side::rows);
    const Tensor w_scale = spread(roles.w_scale, Side::columns);
    const Tensor y_scale = spread(roles.y_scale, Side::rows);
    const Tensor y_zero = spread(roles.y_zero, Side::rows);
    const Dims dims = broadcast(broadcast(x_scale.dims(), w_scale.dims()), y_scale.dims());
    const Tensor factor = eval_map(multiplier(), {&x_scale, &w_scale, &y_scale}, {DataType::f32, dims});
    c.set_output(0, eval_map(requantization(c.output_type(0).dtype), {&sums, &factor, &y_zero}, c.output_type(0)));
}

// Lowering ------------------------------------------------------------------------------------------------------------

/// The input under other dims of as many elements; a parameter, so a copy does not matter.
View parameter(LowerContext& c, std::size_t i, const Dims& dims) { return c.reshaped(c.input(i), dims); }

/// x_scale * w_scale / y_scale, computed now if that can be.
View multiplier_view(LowerContext& c, const Roles& roles, std::size_t rank) {
    std::vector<View> views;
    std::vector<Tensor> tensors;
    Dims dims;
    for (const std::size_t i : {roles.x_scale, roles.w_scale, roles.y_scale}) {
        const ValueId id = c.node().input(i);
        const Dims own = broadcast_dims(c.node(), i == roles.w_scale ? Side::columns : Side::rows,
                                        c.graph().value(id).type.dims, rank);
        dims = broadcast(dims, own);
        views.push_back(parameter(c, i, own));
        if (const Tensor* constant = c.graph().constant(id)) tensors.push_back(constant->reshaped(own));
    }
    if (tensors.size() == 3)
        return c.constant(eval_map(multiplier(), {&tensors[0], &tensors[1], &tensors[2]}, {DataType::f32, dims}));
    const View result = c.temporary(DataType::f32, dims);
    c.add_map(multiplier(), views, result);
    return result;
}

/// What the kernel takes besides src, weights and dst.
std::vector<View> parameters(LowerContext& c, const Roles& roles, std::size_t rank) {
    const auto flat = [&](std::size_t i) {
        return c.node().input(i) == no_value ? View{} : parameter(c, i, {element_count(input_dims(c, i))});
    };
    View factor;
    if (roles.requantizes()) {
        factor = multiplier_view(c, roles, rank);
        factor = c.reshaped(factor, {element_count(factor.dims)});
    }
    return {flat(roles.x_zero), flat(roles.w_zero), flat(roles.bias), factor, flat(roles.y_zero)};
}

void add_convolution(LowerContext& c, const std::vector<std::int64_t>& ints, const View& x, const View& w,
                     const std::vector<View>& p, const View& y) {
    const auto table = c.take_table();
    add_kernel(c, "quantized_convolution", ints,
               {x, p[0], w, p[1], p[2], p[3], p[4], table ? c.constant(*table) : View{}, y});
}

void lower_convolution(LowerContext& c) {
    const Roles roles = roles_of(c.node());
    const View w = c.input(roles.w);
    const std::size_t rank = w.dims.size();
    const auto order = channels_last_order(rank);
    const View x = c.in_order(c.input(0), order);
    const Window window =
        make_window(c.node().attrs, Dims(x.dims.begin() + 2, x.dims.end()), Dims(w.dims.begin() + 2, w.dims.end()));
    std::vector<std::int64_t> ints(10, 1);
    std::fill(ints.begin() + 7, ints.end(), 0);
    ints[0] = c.node().attrs.get_int("group", 1);
    std::copy(window.strides.begin(), window.strides.end(), ints.begin() + 1);
    std::copy(window.dilations.begin(), window.dilations.end(), ints.begin() + 4);
    std::copy(window.pads_begin.begin(), window.pads_begin.end(), ints.begin() + 7);
    add_convolution(c, ints, x, w, parameters(c, roles, rank), c.output_in_order(0, order));
}

/// One right matrix, and nothing that differs from row to row.
bool fits_kernel(const LowerContext& c, const Roles& roles) {
    const auto dims = [&](std::size_t i) { return c.node().input(i) == no_value ? Dims{} : input_dims(c, i); };
    const auto single = [&](std::size_t i) { return element_count(dims(i)) == 1; };
    const auto of_columns_only = [&](std::size_t i) {
        return single(i) || dims(i).size() == 1 || (dims(i).size() == 2 && dims(i)[0] == 1);
    };
    bool fits = dims(roles.w).size() <= 2 && element_count(input_dims(c, 0)) > 0 && element_count(dims(roles.w)) > 0 &&
                single(roles.x_zero) && of_columns_only(roles.w_zero);
    if (roles.requantizes())
        fits = fits && single(roles.x_scale) && of_columns_only(roles.w_scale) && single(roles.y_scale) &&
               single(roles.y_zero);
    return fits;
}

const Dims& result_dims(const LowerContext& c) { return c.graph().value(c.node().output(0)).type.dims; }

/// [rows, k] x [k, n] as a convolution: the rows are pixels.
void lower_to_kernel(LowerContext& c, const Roles& roles) {
    View w = c.input(roles.w);
    if (w.dims.size() == 1) w = with_axis(w, 1);
    const std::int64_t k = w.dims[0];
    const std::int64_t n = w.dims[1];
    const std::size_t rank = result_dims(c).size();
    const std::int64_t rows = element_count(input_dims(c, 0)) / std::max<std::int64_t>(1, k);
    const auto as_image = [](const View& matrix) {
        return View{matrix.buffer,
                    matrix.offset,
                    matrix.dtype,
                    {1, matrix.dims[1], matrix.dims[0]},
                    {matrix.dims[0] * matrix.dims[1], matrix.strides[1], matrix.strides[0]}};
    };
    const View weights{w.buffer, w.offset, w.dtype, {n, k, 1}, {w.strides[1], w.strides[0], 1}};
    const View x = c.reshaped(c.input(0), {rows, k});
    const View y = c.reshaped(c.output_in_order(0, row_major_order(rank)), {rows, n});
    add_convolution(c, {1, 1, 1, 1, 1, 1, 1, 0, 0, 0}, as_image(x), weights, parameters(c, roles, rank), as_image(y));
}

View less_zero(LowerContext& c, std::size_t i, std::size_t zero, const Dims& dims) {
    const View x = c.input(i);
    const View result = c.temporary(DataType::i32, x.dims);
    if (c.node().input(zero) == no_value) c.add_map(expr::parse("cast<i32>(x0)"), {x}, result);
    else c.add_map(expr::parse("cast<i32>(x0) - cast<i32>(x1)"), {x, parameter(c, zero, dims)}, result);
    return result;
}

/// The reduction over the box [batch..., m, n, k].
void lower_to_loops(LowerContext& c, const Roles& roles) {
    const auto dims = [&](std::size_t i) { return c.node().input(i) == no_value ? Dims{} : input_dims(c, i); };
    View a = less_zero(c, 0, roles.x_zero, of_rows(dims(roles.x_zero)));
    View b = less_zero(c, roles.w, roles.w_zero, of_columns(dims(roles.w_zero)));
    const Dims& y = result_dims(c);
    if (a.dims.size() == 1) a = with_axis(a, 0);
    if (b.dims.size() == 1) b = with_axis(b, 1);
    Dims box = broadcast(Dims(a.dims.begin(), a.dims.end() - 2), Dims(b.dims.begin(), b.dims.end() - 2));
    box.insert(box.end(), {a.dims[a.dims.size() - 2], b.dims.back()});
    const std::size_t rank = box.size();
    if (rank >= runtime::max_rank) c.unsupported("matrices with so many axes");
    const View sums = c.temporary(DataType::i32, box);
    box.push_back(a.dims.back());
    a = with_axis(a, a.dims.size() - 1);  // [m, 1, k]
    std::vector<std::int64_t> perm;
    for (std::size_t i = 0; i < b.dims.size(); ++i) perm.push_back(as_dim(i));
    std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
    b = transposed(b, perm);
    b = with_axis(b, b.dims.size() - 2);  // [1, n, k]
    c.add_reduce(Reduce::sum, expr::parse("x0 * x1"), {a, b}, box, {as_dim(rank)}, with_axis(sums, rank), DataType::i32,
                 nullptr);
    const View flat = c.reshaped(sums, y);
    if (!roles.requantizes()) return c.add_map(expr::operand(0), {flat}, c.output(0));
    const View factor = multiplier_view(c, roles, y.size());
    const View zero = parameter(c, roles.y_zero, of_rows(dims(roles.y_zero)));
    const View result = c.output(0);
    c.add_map(requantization(result.dtype), {flat, factor, zero}, result);
}

void lower_product(LowerContext& c) {
    const Roles roles = roles_of(c.node());
    if (is_convolution(c.node())) lower_convolution(c);
    else if (fits_kernel(c, roles)) lower_to_kernel(c, roles);
    else lower_to_loops(c, roles);
}

OpDef product_op(const char* name, int newest, int min_inputs, int max_inputs) {
    OpDef op;
    op.name = name;
    op.since = 10;
    op.newest = newest;
    op.min_inputs = min_inputs;
    op.max_inputs = max_inputs;
    op.infer = infer_product;
    op.eval = eval_product;
    op.lower = lower_product;
    return op;
}

}  // namespace

void register_quantized_product(Registry& registry) {
    for (OpDef op : {product_op("ConvInteger", 10, 2, 4), product_op("QLinearConv", 10, 8, 9)}) {
        op.attrs = {{"auto_pad", AttrKind::string}, {"dilations", AttrKind::integers},
                    {"group", AttrKind::integer},   {"kernel_shape", AttrKind::integers},
                    {"pads", AttrKind::integers},   {"strides", AttrKind::integers}};
        op.takes_table = op.name == "QLinearConv";
        registry.add(std::move(op));
    }
    registry.add(product_op("MatMulInteger", 10, 2, 4));
    OpDef matmul = product_op("QLinearMatMul", 21, 8, 8);
    matmul.takes_small_types = true;
    matmul.takes_table = true;
    matmul.note = "no 8-bit floats";
    registry.add(std::move(matmul));
}

}  // namespace igata
