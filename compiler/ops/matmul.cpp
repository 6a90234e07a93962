// MatMul with numpy's semantics, and Gemm: alpha * op(A) * op(B) + beta * C.
#include <Eigen/Core>

#include "compiler/ops/op.hpp"
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
    if (a.back() != b[b.size() - 2])
        throw std::invalid_argument("the inner dims of " + shapes + " differ");
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
                matrix<T>(ctx.input(0), a[i] * p.m * p.k, p.m, p.k) * matrix<T>(ctx.input(1), b[i] * p.k * p.n, p.k, p.n);
    });
}

bool transposed(const Attrs& attrs, const char* name) { return attrs.get_int(name, 0) != 0; }

void infer_gemm(InferContext& ctx) {
    require_types(ctx);
    Dims a = ctx.dims(0);
    Dims b = ctx.dims(1);
    if (a.size() != 2 || b.size() != 2) ctx.fail("A " + to_string(a) + " and B " + to_string(b) + " must be matrices");
    if (transposed(ctx.attrs(), "transA")) std::swap(a[0], a[1]);
    if (transposed(ctx.attrs(), "transB")) std::swap(b[0], b[1]);
    if (a[1] != b[0]) ctx.fail("the inner dims of A " + to_string(ctx.dims(0)) + " and B " + to_string(ctx.dims(1)) + " differ");
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
            for (std::int64_t j = 0; j < dims[1]; ++j) result(i, j) += scale(beta) * addend[i * strides[0] + j * strides[1]];
    });
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
    registry.add(std::move(matmul));

    OpDef gemm;
    gemm.name = "Gemm";
    gemm.newest = 13;
    gemm.min_inputs = 2;
    gemm.max_inputs = 3;
    gemm.attrs = {{"alpha", AttrKind::real}, {"beta", AttrKind::real}, {"transA", AttrKind::integer},
                  {"transB", AttrKind::integer}, {"broadcast", AttrKind::integer}};
    gemm.raise = raise_gemm;
    gemm.infer = infer_gemm;
    gemm.eval = widened<eval_gemm>;
    registry.add(std::move(gemm));
}

}  // namespace igata
