// MatMul with numpy's semantics, and Gemm: alpha * op(A) * op(B) + beta * C.
#include <Eigen/Core>

#include "compiler/ir/interpret.hpp"
#include "compiler/ops/op.hpp"
#include "compiler/ops/open_axes.hpp"
#include "compiler/ops/rules/fold_affine.hpp"
#include "compiler/ops/widen.hpp"

namespace igata {
namespace {

/// MatMul as a batch of [m, k] x [k, n] products, the axes that numpy adds to vectors included.
struct Product {
    Dims a, b;    ///< batch dims (broadcastable), then the matrix
    Dims batch;   ///< broadcast batch dims
    Dims result;  ///< ONNX's result: added axes are dropped
    std::int64_t m, k, n;
};

Product product_of(Dims a, Dims b) {
    if (a.empty() || b.empty()) throw std::invalid_argument("a scalar cannot be multiplied as a matrix");
    const bool row = a.size() == 1;
    const bool column = b.size() == 1;
    const std::string shapes = to_string(a) + " and " + to_string(b);
    if (row) a.insert(a.begin(), 1);
    if (column) b.push_back(1);
    if (a.back() != b[b.size() - 2]) throw std::invalid_argument("the inner dims of " + shapes + " differ");
    const Dims batch = broadcast(Dims(a.begin(), a.end() - 2), Dims(b.begin(), b.end() - 2));
    Product p{a, b, batch, batch, a[a.size() - 2], a.back(), b.back()};
    if (!row) p.result.push_back(p.m);
    if (!column) p.result.push_back(p.n);
    return p;
}

bool is_multiplied(DataType dtype) {
    return is_floating(dtype) || dtype == DataType::i32 || dtype == DataType::i64 || dtype == DataType::u32 ||
           dtype == DataType::u64;
}

void require_types(InferContext& ctx) {
    if (!is_multiplied(ctx.dtype(0))) ctx.fail("matrices may not be " + std::string(name_of(ctx.dtype(0))));
    if (ctx.dtype(1) != ctx.dtype(0)) ctx.fail("the matrices differ in type");
}

void infer_matmul(InferContext& ctx) {
    require_types(ctx);
    ctx.set_output(0, {ctx.dtype(0), product_of(ctx.dims(0), ctx.dims(1)).result});
}

/// The type to compute in: integers wrap around, hence unsigned.
template <class F>
void visit_multiplied(DataType dtype, F&& f) {
    switch (dtype) {
        case DataType::f64: return f.template operator()<double>();
        case DataType::i32:
        case DataType::u32: return f.template operator()<std::uint32_t>();
        case DataType::i64:
        case DataType::u64: return f.template operator()<std::uint64_t>();
        default: return f.template operator()<float>();
    }
}

template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class T>
Eigen::Map<const Matrix<T>> matrix(const Tensor& tensor, std::int64_t offset, std::int64_t rows, std::int64_t columns) {
    return {reinterpret_cast<const T*>(tensor.bytes().data()) + offset, rows, columns};
}

template <class T>
Eigen::Map<Matrix<T>> result_matrix(Tensor& tensor, std::int64_t offset, std::int64_t rows, std::int64_t columns) {
    return {reinterpret_cast<T*>(tensor.mutable_bytes().data()) + offset, rows, columns};
}

/// Which matrix of the operand each step of the batch takes.
std::vector<std::int64_t> batch_places(const Dims& operand, const Dims& batch) {
    const Dims own(operand.begin(), operand.end() - 2);
    const Dims strides = broadcast_strides(own, row_major_strides(own), batch);
    std::vector<std::int64_t> places{0};
    for (std::size_t i = 0; i < batch.size(); ++i) {
        std::vector<std::int64_t> next;
        for (const std::int64_t place : places)
            for (std::int64_t at = 0; at < batch[i]; ++at) next.push_back(place + at * strides[i]);
        places = std::move(next);
    }
    return places;
}

void eval_matmul(EvalContext& ctx) {
    const Product p = product_of(ctx.input(0).dims(), ctx.input(1).dims());
    const auto a = batch_places(p.a, p.batch);
    const auto b = batch_places(p.b, p.batch);
    Tensor& y = ctx.make_output(0);
    visit_multiplied(y.dtype(), [&]<class T>() {
        for (std::size_t i = 0; i < a.size(); ++i)
            result_matrix<T>(y, static_cast<std::int64_t>(i) * p.m * p.n, p.m, p.n).noalias() =
                matrix<T>(ctx.input(0), a[i] * p.m * p.k, p.m, p.k) *
                matrix<T>(ctx.input(1), b[i] * p.k * p.n, p.k, p.n);
    });
}

// Lowering ------------------------------------------------------------------------------------------------------------

View with_dims(View view, Dims dims, Dims strides) {
    view.dims = std::move(dims);
    view.strides = std::move(strides);
    return view;
}

/// Axes of one element in front.
View with_rank(View view, std::size_t rank) {
    view.dims.insert(view.dims.begin(), rank - view.dims.size(), 1);
    view.strides.insert(view.strides.begin(), rank - view.strides.size(), 0);
    return view;
}

View swapped(View view) {
    std::swap(view.dims[0], view.dims[1]);
    std::swap(view.strides[0], view.strides[1]);
    return view;
}

/// The primitive reads rows or columns without gaps, and repeats nothing but axes of one element.
View matrix_operand(LowerContext& ctx, View view) {
    const std::size_t rank = view.dims.size();
    bool fits = false;
    for (std::size_t i = rank - 2; i < rank; ++i) fits = fits || view.strides[i] == 1 || view.dims[i] == 1;
    for (std::size_t i = 0; i < rank; ++i) fits = fits && (view.dims[i] == 1 || view.strides[i] > 0);
    if (!fits) return ctx.row_major(view);
    const Dims dense = row_major_strides(view.dims);
    for (std::size_t i = 0; i < rank; ++i)
        if (view.dims[i] == 1) view.strides[i] = std::max<std::int64_t>(dense[i], 1);
    return view;
}

/// The reduction over the box [batch..., m, n, k], for types that the primitive does not cover.
void add_product_loop(LowerContext& ctx, View a, View b, View y, const ExprPtr& finish) {
    const std::size_t rank = y.dims.size();
    Dims box = y.dims;
    box.push_back(a.dims.back());
    a.dims.insert(a.dims.end() - 1, 1);
    a.strides.insert(a.strides.end() - 1, 0);
    std::swap(b.dims[rank - 2], b.dims[rank - 1]);
    std::swap(b.strides[rank - 2], b.strides[rank - 1]);
    b.dims.insert(b.dims.end() - 2, 1);
    b.strides.insert(b.strides.end() - 2, 0);
    y.dims.push_back(1);
    y.strides.push_back(0);
    ctx.add_reduce(Reduce::sum, expr::parse("x0 * x1"), {a, b}, box, {static_cast<std::int64_t>(rank)}, y, y.dtype,
                   finish);
}

/// y = a x b + bias in f32; all of one rank. y may have axes of one element that the node's result lacks.
void add_product(LowerContext& ctx, View a, View b, const View& bias, const Dims& y) {
    a = matrix_operand(ctx, a);
    b = matrix_operand(ctx, b);
    runtime::MatMulSpec spec;
    spec.b_is_constant = ctx.graph().is_constant(ctx.node().input(1));
    spec.dst.rank = static_cast<int>(y.size());
    std::copy(y.begin(), y.end(), spec.dst.dims);
    const Dims& result = ctx.graph().value(ctx.node().output(0)).type.dims;
    ctx.add_with_epilogue(spec, {a, b, bias}, 0, row_major_order(result.size()));
}

/// oneDNN's products are of f32, and divide by extents that are zero.
bool has_primitive(const View& a, const View& b) {
    return a.dtype == DataType::f32 && element_count(a.dims) > 0 && element_count(b.dims) > 0;
}

void lower_matmul(LowerContext& ctx) {
    View a = ctx.input(0);
    View b = ctx.input(1);
    const Product p = product_of(a.dims, b.dims);
    const std::size_t rank = p.batch.size() + 2;
    if (rank > runtime::max_rank) ctx.unsupported("more than " + std::to_string(runtime::max_rank) + " axes");
    if (b.dims.size() == 1) b = with_dims(b, p.b, {b.strides[0], 1});
    a = with_rank(a, rank);
    b = with_rank(b, rank);
    Dims y = p.batch;
    y.insert(y.end(), {p.m, p.n});
    if (has_primitive(a, b)) return add_product(ctx, a, b, {}, y);
    add_product_loop(ctx, a, b, ctx.reshaped(ctx.output(0), y), nullptr);
}

bool transposed(const Attrs& attrs, const char* name) { return attrs.get_int(name, 0) != 0; }

void infer_gemm(InferContext& ctx) {
    require_types(ctx);
    Dims a = ctx.dims(0);
    Dims b = ctx.dims(1);
    if (a.size() != 2 || b.size() != 2) ctx.fail("A " + to_string(a) + " and B " + to_string(b) + " must be matrices");
    if (transposed(ctx.attrs(), "transA")) std::swap(a[0], a[1]);
    if (transposed(ctx.attrs(), "transB")) std::swap(b[0], b[1]);
    if (a[1] != b[0])
        ctx.fail("the inner dims of A " + to_string(ctx.dims(0)) + " and B " + to_string(ctx.dims(1)) + " differ");
    const Dims result{a[0], b[1]};
    if (ctx.has_input(2)) {
        if (ctx.dtype(2) != ctx.dtype(0)) ctx.fail("C differs in type from A and B");
        if (ctx.dims(2).size() > 2 || broadcast(ctx.dims(2), result) != result)
            ctx.fail("C " + to_string(ctx.dims(2)) + " does not broadcast to " + to_string(result));
    }
    ctx.set_output(0, {ctx.dtype(0), result});
}

void eval_gemm(EvalContext& ctx) {
    Tensor& y = ctx.make_output(0);
    const Dims& dims = ctx.output_type(0).dims;
    const std::vector<std::int64_t> swap{1, 0};
    const Tensor a = transposed(ctx.attrs(), "transA") ? ctx.input(0).transposed(swap) : ctx.input(0);
    const Tensor b = transposed(ctx.attrs(), "transB") ? ctx.input(1).transposed(swap) : ctx.input(1);
    const double alpha = static_cast<double>(ctx.attrs().get_float("alpha", 1));
    const double beta = static_cast<double>(ctx.attrs().get_float("beta", 1));
    visit_multiplied(y.dtype(), [&]<class T>() {
        const auto scale = [](double value) {
            if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<std::int64_t>(value));
            else return static_cast<T>(value);
        };
        const std::int64_t k = a.dims()[1];
        auto result = result_matrix<T>(y, 0, dims[0], dims[1]);
        result.noalias() = scale(alpha) * (matrix<T>(a, 0, dims[0], k) * matrix<T>(b, 0, k, dims[1]));
        if (!ctx.has_input(2)) return;
        const Dims& c = ctx.input(2).dims();
        const Dims strides = broadcast_strides(c, row_major_strides(c), dims);
        const T* addend = reinterpret_cast<const T*>(ctx.input(2).bytes().data());
        for (std::int64_t i = 0; i < dims[0]; ++i)
            for (std::int64_t j = 0; j < dims[1]; ++j)
                result(i, j) += scale(beta) * addend[i * strides[0] + j * strides[1]];
    });
}

ExprPtr scale_of(float factor, DataType dtype) {
    if (is_integer(dtype)) return expr::constant(static_cast<std::int64_t>(factor));
    return expr::constant(static_cast<double>(factor));
}

/// `factor * view`, computed now if it is constant.
View scaled(LowerContext& ctx, std::size_t input, float factor) {
    const View view = ctx.input(input);
    if (factor == 1) return view;
    const ExprPtr body = expr::make(ExprOp::mul, {expr::operand(0), scale_of(factor, view.dtype)});
    if (const Tensor* constant = ctx.graph().constant(ctx.node().input(input)))
        return ctx.constant(eval_map(body, {constant}, constant->type()));
    const View result = ctx.temporary(view.dtype, view.dims);
    ctx.add_map(body, {view}, result);
    return result;
}

void lower_gemm(LowerContext& ctx) {
    const Attrs& attrs = ctx.node().attrs;
    const float alpha = attrs.get_float("alpha", 1);
    const float beta = ctx.node().input(2) == no_value ? 0 : attrs.get_float("beta", 1);
    const bool primitive = has_primitive(ctx.input(0), ctx.input(1));
    View a = ctx.input(0);
    View b = primitive ? scaled(ctx, 1, alpha) : ctx.input(1);
    if (transposed(attrs, "transA")) a = swapped(a);
    if (transposed(attrs, "transB")) b = swapped(b);
    const Dims y{a.dims[0], b.dims[1]};
    const Dims c = beta == 0 ? Dims{} : ctx.input(2).dims;
    const bool is_bias = beta != 0 && (c == Dims{y[1]} || c == Dims{1, y[1]});
    if (primitive && (is_bias || beta == 0))
        return add_product(ctx, a, b, is_bias ? ctx.reshaped(scaled(ctx, 2, beta), {y[1]}) : View{}, y);
    const View result = ctx.output(0);
    if (primitive) {
        runtime::MatMulSpec spec;
        const std::vector<View> operands{matrix_operand(ctx, a), matrix_operand(ctx, b), View{},
                                         matrix_operand(ctx, result)};
        spec.a = memory_spec(operands[0]);
        spec.b = memory_spec(operands[1]);
        spec.dst = memory_spec(operands[3]);
        spec.b_is_constant = ctx.graph().is_constant(ctx.node().input(1));
        ctx.add(spec, operands);
    } else {
        const ExprPtr factor = scale_of(alpha, a.dtype);
        add_product_loop(ctx, a, b, result, alpha == 1 ? nullptr : expr::make(ExprOp::mul, {expr::operand(0), factor}));
    }
    if (beta == 0) return;
    const ExprPtr addend = expr::make(ExprOp::mul, {expr::operand(1), scale_of(beta, result.dtype)});
    const ExprPtr sum = expr::simplify(expr::make(ExprOp::add, {expr::operand(0), addend}));
    ctx.add_map(sum, {result, ctx.input(2)}, result);
}

/// Products of what is not there are zero.
bool close_matmul(ExpandContext& c) {
    const std::size_t inner = c.dims(1).size() == 1 ? 0 : c.dims(1).size() - 2;
    if (!is_open_along(c, 0, c.dims(0).size() - 1) || !is_open_along(c, 1, inner)) return false;
    c.finish_again({filled(c, 0, 0), filled(c, 1, 0)});
    return true;
}

/// Before opset 7, C was broadcast only where an attribute said so.
void raise_gemm(Graph&, NodeIt node) { node->attrs.erase("broadcast"); }

}  // namespace

void register_matmul(Registry& registry) {
    OpDef matmul;
    matmul.name = "MatMul";
    matmul.newest = 13;
    matmul.min_inputs = matmul.max_inputs = 2;
    matmul.infer = infer_matmul;
    matmul.eval = widened<eval_matmul>;
    matmul.lower = lower_matmul;
    matmul.takes_epilogue = true;
    matmul.widens_halves = true;
    matmul.carry_axis = [](const InferContext& c, std::size_t input, int axis) {
        const bool is_row = input == 0 && c.dims(1).size() >= 2 && axis + 2 == static_cast<int>(c.dims(0).size());
        return is_row ? static_cast<int>(c.graph().value(c.node().outputs[0]).type.dims.size()) - 2 : -1;
    };
    matmul.close = close_matmul;
    registry.add(std::move(matmul));

    OpDef gemm;
    gemm.name = "Gemm";
    gemm.newest = 13;
    gemm.min_inputs = 2;
    gemm.max_inputs = 3;
    gemm.attrs = {{"alpha", AttrKind::real},
                  {"beta", AttrKind::real},
                  {"transA", AttrKind::integer},
                  {"transB", AttrKind::integer},
                  {"broadcast", AttrKind::integer}};
    gemm.raise = raise_gemm;
    gemm.infer = infer_gemm;
    gemm.eval = widened<eval_gemm>;
    gemm.lower = lower_gemm;
    gemm.takes_epilogue = true;
    gemm.widens_halves = true;
    gemm.carry_axis = [](const InferContext& c, std::size_t input, int axis) {
        const bool fits_all = !c.has_input(2) || c.dims(2).size() < 2 || c.dims(2)[0] == 1;
        const int row = c.attrs().get_int("transA", 0) != 0 ? 1 : 0;
        return input == 0 && axis == row && fits_all ? 0 : -1;
    };
    add_matmul_affine_rules(gemm.rules);
    registry.add(std::move(gemm));
}

}  // namespace igata
