#include <doctest/doctest.h>

#include "runtime/loop_arithmetic.hpp"
#include "runtime/matmul.hpp"
#include "tests/runtime/single_step.hpp"

namespace igata::runtime::test {
namespace {

/// Weights in 16 bits, and the same in f32.
struct Weights {
    Operand narrow, wide;

    Weights(Random& random, const std::vector<std::int64_t>& dims, DataType dtype)
        : narrow(make_operand(layout(dtype, dims))), wide(random_operand(random, layout(DataType::f32, dims))) {
        narrow.constant = wide.constant = true;
        for (std::size_t i = 0; i < span_of(wide.spec); ++i) {
            float& value = wide.data()[i];
            if (dtype == DataType::f16) value = scalar::load(narrow.data<F16>()[i] = scalar::to_f16(value));
            else value = scalar::load(narrow.data<BF16>()[i] = scalar::to_bf16(value));
        }
    }
};

/// What a step computes; `weights` are operand 1.
template <class Spec>
std::vector<std::byte> run(StepKind kind, const Spec& spec, Operand& src, Operand& weights,
                           std::string& implementation) {
    Operand dst = make_operand(spec.dst);
    dst.written = true;
    SingleStep step(kind, &spec, {&src, &weights, nullptr, &dst});
    step.run();
    implementation = step.implementation();
    return dst.bytes;
}

/// `weights_of(spec)`: where the spec describes them.
template <class Spec, class WeightsOf>
void check_equal(StepKind kind, Spec spec, const MemorySpec& src_spec, const WeightsOf& weights_of) {
    for (const DataType dtype : {DataType::f16, DataType::bf16}) {
        Random random(7);
        const MemorySpec& memory = weights_of(spec);
        Weights weights(random, {memory.dims, memory.dims + memory.rank}, dtype);
        Operand src = random_operand(random, src_spec);
        std::string by, wide_by;
        Spec narrow = spec;
        weights_of(narrow).dtype = dtype;
        const std::vector<std::byte> result = run(kind, narrow, src, weights.narrow, by);
        CHECK(result == run(kind, spec, src, weights.wide, wide_by));
        CHECK(by == wide_by);
        CAPTURE(by);
        CHECK(std::any_of(result.begin(), result.end(), [](std::byte b) { return b != std::byte{0}; }));
    }
}

TEST_CASE("convolutions with weights in 16 bits compute as with the same in f32, by anything") {
    for (const Implementation wish :
         {Implementation::automatic, Implementation::onednn_convolution, Implementation::onednn_reordered,
          Implementation::winograd2, Implementation::winograd4, Implementation::onednn_bf16}) {
        ConvolutionSpec spec;
        spec.src = spec.dst = layout(DataType::f32, {1, 16, 12, 12}, channels_last(4));
        spec.weights = layout(DataType::f32, {16, 16, 3, 3});
        spec.pads_begin[0] = spec.pads_begin[1] = spec.pads_end[0] = spec.pads_end[1] = 1;
        spec.bf16 = true;
        spec.implementation = wish;
        check_equal(
            StepKind::convolution, spec, spec.src, [](auto& s) -> auto& { return s.weights; });
        spec.groups = 16;
        spec.weights = layout(DataType::f32, {16, 1, 3, 3});
        check_equal(
            StepKind::convolution, spec, spec.src, [](auto& s) -> auto& { return s.weights; });
    }
    for (const Implementation wish : {Implementation::pointwise, Implementation::pointwise_bf16}) {
        ConvolutionSpec spec;
        spec.src = spec.dst = layout(DataType::f32, {1, 20, 5, 5}, channels_last(4));
        spec.weights = layout(DataType::f32, {20, 20, 1, 1});
        spec.bf16 = true;
        spec.implementation = wish;
        check_equal(
            StepKind::convolution, spec, spec.src, [](auto& s) -> auto& { return s.weights; });
    }
}

TEST_CASE("transposed convolutions with weights in 16 bits compute as with the same in f32") {
    for (const std::int64_t stride : {2, 1}) {
        DeconvolutionSpec spec;
        spec.src = layout(DataType::f32, {1, 8, 6, 6}, channels_last(4));
        spec.weights = layout(DataType::f32, {8, 12, 2, 2});
        spec.strides[0] = spec.strides[1] = stride;
        const std::int64_t size = 5 * stride + 2;
        spec.dst = layout(DataType::f32, {1, 12, size, size}, channels_last(4));
        check_equal(
            StepKind::deconvolution, spec, spec.src, [](auto& s) -> auto& { return s.weights; });
    }
}

TEST_CASE("matrix products with weights in 16 bits compute as with the same in f32, by anything") {
    for (const Implementation wish : matmul_kernels) {
        for (const std::int64_t rows : {1, 30}) {
            MatMulSpec spec;
            spec.a = layout(DataType::f32, {rows, 24});
            spec.b = layout(DataType::f32, {24, 40});
            spec.dst = layout(DataType::f32, {rows, 40});
            spec.b_is_constant = true;
            spec.bf16 = true;
            spec.implementation = wish;
            check_equal(
                StepKind::matmul, spec, spec.a, [](auto& s) -> auto& { return s.b; });
        }
    }
}

}  // namespace
}  // namespace igata::runtime::test
