#include <doctest/doctest.h>

#include <sstream>

#include "runtime/matmul.hpp"
#include "tests/runtime/single_step.hpp"

namespace igata::runtime::test {
namespace {

/// `rounds`: factors are rounded to bf16 before.
double reference_matmul(const MatMulSpec& s, Operand& a, Operand& b, Operand* bias, const std::int64_t* index,
                        bool rounds) {
    const auto factor = [&](float x) { return static_cast<double>(rounds ? scalar::load(scalar::to_bf16(x)) : x); };
    const int rank = s.dst.rank;
    std::int64_t left[max_rank] = {};
    std::int64_t right[max_rank] = {};
    for (int i = 0; i < rank; ++i) {
        left[i] = s.a.dims[i] == 1 ? 0 : index[i];
        right[i] = s.b.dims[i] == 1 ? 0 : index[i];
    }
    double sum = 0;
    if (bias != nullptr) {
        std::int64_t place[max_rank] = {};
        for (int i = 0; i < s.bias.rank; ++i) place[i] = s.bias.dims[i] == 1 ? 0 : index[i + rank - s.bias.rank];
        sum = static_cast<double>(bias->at(place));
    }
    for (std::int64_t k = 0; k < s.a.dims[rank - 1]; ++k) {
        left[rank - 1] = right[rank - 2] = k;
        sum += factor(a.at(left)) * factor(b.at(right));
    }
    return sum;
}

/// Row-major or with the last two axes swapped.
MemorySpec random_layout(Random& random, const std::vector<std::int64_t>& dims) {
    std::vector<int> order;
    for (int i = 0; i < static_cast<int>(dims.size()); ++i) order.push_back(i);
    if (pick(random, 0, 2) == 0) std::swap(order[dims.size() - 1], order[dims.size() - 2]);
    return layout(DataType::f32, dims, order, pick(random, 0, 4) == 0 ? 3 : 0);
}

MatMulSpec random_matmul(Random& random, std::vector<Operand>& extra) {
    const auto rank = static_cast<std::size_t>(pick(random, 2, 4));
    const std::int64_t m = pick(random, 0, 2) == 0 ? 1 : pick(random, 1, 40);
    const std::int64_t k = pick(random, 1, 70);
    const std::int64_t n = pick(random, 1, 50);
    std::vector<std::int64_t> a, b, dst;
    for (std::size_t i = 2; i < rank; ++i) {
        dst.push_back(pick(random, 1, 4));
        a.push_back(pick(random, 0, 3) == 0 ? 1 : dst.back());
        b.push_back(pick(random, 0, 1) == 0 || a.back() != dst.back() ? dst.back() : 1);
    }
    if (pick(random, 0, 2) == 0) b.assign(rank - 2, 1);
    for (std::size_t i = 0; i + 2 < rank; ++i) dst[i] = std::max(a[i], b[i]);
    a.insert(a.end(), {m, k});
    b.insert(b.end(), {k, n});
    dst.insert(dst.end(), {m, n});
    MatMulSpec s;
    s.a = random_layout(random, a);
    s.b = random_layout(random, b);
    s.dst = random_layout(random, dst);
    const std::int64_t bias = pick(random, 0, 3);
    if (bias == 1) s.bias = layout(DataType::f32, {n});
    if (bias == 2) s.bias = layout(DataType::f32, {m, n});
    if (bias == 3) s.bias = layout(DataType::f32, {m, 1});
    s.epilogue = random_epilogue(random, s.dst, 4, extra);
    return s;
}

std::string describe(const MatMulSpec& s) {
    std::ostringstream text;
    const auto list = [&](const char* name, const MemorySpec& m) {
        text << ' ' << name << '=';
        for (int i = 0; i < m.rank; ++i) text << m.dims[i] << '(' << m.strides[i] << ") ";
    };
    list("a", s.a);
    list("b", s.b);
    list("bias", s.bias);
    list("dst", s.dst);
    for (int i = 0; i < s.epilogue.count; ++i) {
        text << static_cast<int>(s.epilogue.ops[i].kind) << ':' << static_cast<int>(s.epilogue.ops[i].eltwise) << ' ';
        list("op", s.epilogue.ops[i].operand);
    }
    return text.str();
}

TEST_CASE("a matrix product equals its definition") {
    for (unsigned seed = 0; seed < 400; ++seed) {
        Random random(seed);
        std::vector<Operand> extra;
        MatMulSpec spec = random_matmul(random, extra);
        Operand a = random_operand(random, spec.a);
        Operand b = random_operand(random, spec.b);
        Operand bias = random_operand(random, spec.bias);
        Operand dst = random_operand(random, spec.dst);
        b.constant = spec.b_is_constant = pick(random, 0, 2) > 0;
        spec.bf16 = b.constant && pick(random, 0, 1) == 0;
        if (pick(random, 0, 1) == 0) spec.implementation = matmul_kernels[pick(random, 0, 3)];
        dst.written = true;
        Operand before = dst;
        std::vector<Operand*> operands{&a, &b, spec.bias.rank > 0 ? &bias : nullptr, &dst};
        for (Operand& operand : extra) operands.push_back(&operand);
        INFO("seed " << seed << describe(spec));
        SingleStep step(StepKind::matmul, &spec, operands, static_cast<int>(pick(random, 1, 2)));
        step.run();
        StepSpec row;
        row.operands[1].space = b.constant ? Space::weights : Space::input;
        const bool rounds = is_bf16(choose_kernel({{}, &row}, spec).kernel);
        int wrong = 0;
        for_each_index(spec.dst, [&](const std::int64_t* index) {
            const double sum = reference_matmul(spec, a, b, operands[2], index, rounds);
            const double expected = reference_epilogue(spec.epilogue, operands, index, spec.dst.rank, sum,
                                                       static_cast<double>(before.at(index)));
            if (!close(expected, dst.at(index))) ++wrong;
        });
        CHECK(wrong == 0);
    }
}

TEST_CASE("a residual added to a scaled product does not make it a reference one") {
    MatMulSpec spec;
    spec.a = layout(DataType::f32, {4, 64, 32});
    spec.b = layout(DataType::f32, {4, 32, 64});
    spec.dst = layout(DataType::f32, {4, 64, 64});
    spec.epilogue.count = 2;
    spec.epilogue.ops[0].kind = PostOp::Kind::eltwise;
    spec.epilogue.ops[0].eltwise = Eltwise::linear;
    spec.epilogue.ops[0].alpha = 0.125F;
    spec.epilogue.ops[1].kind = PostOp::Kind::sum;
    StepSpec row;
    row.operand_count = 4;
    const Builder builder{dnnl::engine(dnnl::engine::kind::cpu, 0), &row, nullptr, nullptr};
    const std::string implementation = make_onednn_matmul(builder, spec)->implementation();
    CAPTURE(implementation);
    CHECK_FALSE(onednn::is_reference(implementation));
}

}  // namespace
}  // namespace igata::runtime::test
