#include <doctest/doctest.h>

#include "runtime/depthwise.hpp"
#include "tests/runtime/tiled_kernel.hpp"

namespace igata::runtime::test {
namespace {

/// A depthwise convolution with a mean, its operands, and what it gives at one instruction set and number of threads.
struct Case {
    ConvolutionSpec spec;
    Operand src, weights, bias, dst, mean;

    explicit Case(Random& random) {
        const std::int64_t images = pick(random, 1, 3);
        const std::int64_t channels = pick(random, 0, 3) == 0 ? pick(random, 2, 20) : pick(random, 2, 300);
        std::vector<std::int64_t> src_dims{images, channels};
        std::vector<std::int64_t> dst_dims = src_dims;
        std::vector<std::int64_t> weight_dims{channels, 1};
        for (int i = 0; i < 2; ++i) {
            const std::int64_t kernel = pick(random, 1, 5);
            spec.dilations[i] = pick(random, 0, 3) == 0 ? 2 : 1;
            spec.strides[i] = pick(random, 1, 2);
            const std::int64_t reach = (kernel - 1) * spec.dilations[i];
            spec.pads_begin[i] = pick(random, 0, reach + 1);
            spec.pads_end[i] = pick(random, 0, reach + 1);
            const std::int64_t size = pick(random, 1, 20) + std::max<std::int64_t>(0, reach - spec.pads_begin[i]);
            weight_dims.push_back(kernel);
            src_dims.push_back(size);
            dst_dims.push_back((size + spec.pads_begin[i] + spec.pads_end[i] - reach - 1) / spec.strides[i] + 1);
        }
        spec.groups = channels;
        spec.src = layout(DataType::f32, src_dims, channels_last(4), pick(random, 0, 3) == 0 ? 3 : 0);
        spec.dst = layout(DataType::f32, dst_dims, channels_last(4), pick(random, 0, 3) == 0 ? 5 : 0);
        spec.weights = layout(DataType::f32, weight_dims);
        spec.bias = layout(DataType::f32, {channels});
        spec.epilogue.count = static_cast<int>(pick(random, 0, 2));
        for (PostOp& op : spec.epilogue.ops) op.eltwise = pick(random, 0, 1) == 0 ? Eltwise::swish : Eltwise::relu;
        for (PostOp& op : spec.epilogue.ops) op.alpha = 1.0F;
        spec.mean = {layout(DataType::f32, {images, channels, 1, 1}), 4};
        src = random_operand(random, spec.src);
        weights = random_operand(random, spec.weights);
        bias = random_operand(random, spec.bias);
        dst = random_operand(random, spec.dst);
        mean = random_operand(random, spec.mean.memory);
    }

    void run(Isa isa, int threads) {
        dst.bytes = run_kernel<DepthwiseConvolution>(spec, {&src, &weights, &bias, &dst, &mean}, isa, threads);
    }
};

double largest_difference(Operand& a, Operand& b) {
    double largest = 0;
    for_each_index(a.spec, [&](const std::int64_t* index) {
        const auto expected = static_cast<double>(a.at(index));
        const double error = std::fabs(expected - static_cast<double>(b.at(index))) / (1 + std::fabs(expected));
        largest = std::isnan(error) ? INFINITY : std::max(largest, error);
    });
    return largest;
}

}  // namespace

TEST_CASE(
    "a depthwise convolution and its mean are equal for every instruction set, and the same for 1 and 2 threads") {
    for (unsigned seed = 0; seed < 60; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        Case base(random);
        base.run(Isa::baseline, 1);
        for (const Isa isa : instruction_sets()) {
            Case one = base;
            one.run(isa, 1);
            CHECK(largest_difference(base.dst, one.dst) < 1e-5);
            CHECK(largest_difference(base.mean, one.mean) < 1e-5);
            Case two = base;
            two.run(isa, 2);
            CHECK(one.dst.bytes == two.dst.bytes);
            CHECK(one.mean.bytes == two.mean.bytes);
        }
    }
}

TEST_CASE("an image alone and in a batch have the same depthwise results and means") {
    for (unsigned seed = 0; seed < 40; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        Case batch(random);
        batch.run(detect_isa(), 1);
        for (std::int64_t image = 0; image < batch.spec.src.dims[0]; ++image) {
            Case alone = batch;
            for (MemorySpec* spec : {&alone.spec.src, &alone.spec.dst, &alone.spec.mean.memory}) spec->dims[0] = 1;
            const auto first = image * batch.spec.src.strides[0] * static_cast<std::int64_t>(sizeof(float));
            alone.src.bytes.erase(alone.src.bytes.begin(), alone.src.bytes.begin() + first);
            alone.run(detect_isa(), 1);
            int wrong = 0;
            for_each_index(alone.spec.dst, [&](const std::int64_t* index) {
                const std::int64_t there[] = {image, index[1], index[2], index[3]};
                wrong += alone.dst.at(index) == batch.dst.at(there) ? 0 : 1;
            });
            for_each_index(alone.spec.mean.memory, [&](const std::int64_t* index) {
                const std::int64_t there[] = {image, index[1], 0, 0};
                wrong += alone.mean.at(index) == batch.mean.at(there) ? 0 : 1;
            });
            CHECK(wrong == 0);
        }
    }
}

}  // namespace igata::runtime::test
