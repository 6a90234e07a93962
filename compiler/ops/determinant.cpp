// y = Det(x): the determinant of each square matrix, by a kernel.
#include <cmath>

#include "compiler/ops/arguments.hpp"
#include "compiler/ops/lowering.hpp"

namespace igata {

namespace {

void infer_det(InferContext& c) {
    const Dims& dims = c.dims(0);
    if (!is_floating(c.dtype(0))) c.fail("takes floating-point numbers, got " + std::string(name_of(c.dtype(0))));
    if (dims.size() < 2 || dims[dims.size() - 1] != dims[dims.size() - 2])
        c.fail("needs square matrices, not " + to_string(dims));
    c.set_output(0, {c.dtype(0), Dims(dims.begin(), dims.end() - 2)});
}

/// By elimination; the pivot is the largest of its column.
double determinant(std::vector<double> m, std::size_t n) {
    double product = 1;
    for (std::size_t step = 0; step < n; ++step) {
        std::size_t pivot = step;
        for (std::size_t row = step; row < n; ++row)
            if (std::abs(m[row * n + step]) > std::abs(m[pivot * n + step])) pivot = row;
        if (pivot != step) {
            for (std::size_t i = 0; i < n; ++i) std::swap(m[step * n + i], m[pivot * n + i]);
            product = -product;
        }
        product *= m[step * n + step];
        for (std::size_t row = step + 1; row < n && m[step * n + step] != 0; ++row) {
            const double factor = m[row * n + step] / m[step * n + step];
            for (std::size_t i = step; i < n; ++i) m[row * n + i] -= factor * m[step * n + i];
        }
    }
    return product;
}

void eval_det(EvalContext& c) {
    const std::vector<double> elements = c.input(0).to_f64();
    const std::size_t n = as_index(c.input(0).dims().back());
    Tensor results(DataType::f64, c.output_type(0).dims);
    auto from = elements.begin();
    for (double& result : results.mutable_values<double>()) {
        const auto next = from + static_cast<std::ptrdiff_t>(n * n);
        result = determinant({from, next}, n);
        from = next;
    }
    c.set_output(0, results.cast(c.output_type(0).dtype));
}

}  // namespace

void register_determinant(Registry& registry) {
    OpDef op;
    op.name = "Det";
    op.since = 11;
    op.newest = 22;
    op.infer = infer_det;
    op.eval = eval_det;
    op.lower = [](LowerContext& c) { add_kernel(c, "determinant", {}, {c.input(0), c.output(0)}); };
    registry.add(std::move(op));
}

}  // namespace igata
