#include <doctest/doctest.h>

#include "runtime/program.hpp"
#include "tests/runtime/single_step.hpp"

namespace igata::runtime::test {
namespace {

/// A 1x1 convolution and the depthwise one after it, with random shapes and data.
struct Pair {
    ConvolutionSpec wide, deep;
    Operand src, scale, dst, mean;
    AlignedMemory pool;
    OperandSpec weights[4];
    std::int64_t between_bytes = 0;
};

void activate(Random& random, Epilogue& epilogue) {
    if (pick(random, 0, 2) == 0) return;
    epilogue.count = 1;
    epilogue.ops[0].kind = PostOp::Kind::eltwise;
    epilogue.ops[0].eltwise = pick(random, 0, 1) == 0 ? Eltwise::swish : Eltwise::relu;
    epilogue.ops[0].alpha = epilogue.ops[0].eltwise == Eltwise::swish ? 1.0F : 0.0F;
}

Pair random_pair(Random& random) {
    Pair pair;
    const std::int64_t n = pick(random, 1, 2);
    const std::int64_t ic = pick(random, 1, 20);
    const std::int64_t channels = pick(random, 2, 200);
    std::int64_t image[2];
    std::int64_t result[2];
    for (int i = 0; i < 2; ++i) {
        const std::int64_t kernel = pick(random, 1, 5);
        pair.deep.weights.dims[2 + i] = kernel;
        pair.deep.strides[i] = pick(random, 1, 3);
        pair.deep.dilations[i] = pick(random, 1, 2);
        const std::int64_t reach = (kernel - 1) * pair.deep.dilations[i];
        pair.deep.pads_begin[i] = pick(random, 0, reach);
        pair.deep.pads_end[i] = pick(random, 0, reach);
        image[i] = reach + pick(random, 1, 40);
        result[i] = (image[i] + pair.deep.pads_begin[i] + pair.deep.pads_end[i] - reach - 1) / pair.deep.strides[i] + 1;
    }
    pair.wide.src = layout(DataType::f32, {n, ic, image[0], image[1]}, channels_last(4));
    pair.wide.weights = layout(DataType::f32, {channels, ic, 1, 1});
    pair.wide.dst = layout(DataType::f32, {n, channels, image[0], image[1]}, channels_last(4));
    pair.deep.src = pair.wide.dst;
    pair.deep.groups = channels;
    pair.deep.weights = layout(DataType::f32, {channels, 1, pair.deep.weights.dims[2], pair.deep.weights.dims[3]});
    pair.deep.dst = layout(DataType::f32, {n, channels, result[0], result[1]}, channels_last(4));
    pair.wide.bias = pair.deep.bias = layout(DataType::f32, {channels});
    activate(random, pair.wide.epilogue);
    activate(random, pair.deep.epilogue);
    if (pick(random, 0, 1) == 0) {
        pair.wide.scale.memory = layout(DataType::f32, {n, ic, 1, 1}, channels_last(4));
        pair.wide.scale.operand_index = 4;
    }
    if (pick(random, 0, 1) == 0) {
        pair.deep.mean.memory = layout(DataType::f32, {n, channels, 1, 1}, channels_last(4));
        pair.deep.mean.operand_index = 4;
    }
    pair.src = random_operand(random, pair.wide.src);
    pair.scale = random_operand(random, pair.wide.scale.memory);
    pair.dst = make_operand(pair.deep.dst);
    pair.mean = make_operand(pair.deep.mean.memory);
    pair.between_bytes = element_count(pair.wide.dst) * 4;
    std::int64_t offset = 0;
    const MemorySpec* constants[] = {&pair.wide.weights, &pair.wide.bias, &pair.deep.weights, &pair.deep.bias};
    for (int i = 0; i < 4; ++i) {
        pair.weights[i] = {Space::weights, 0, offset};
        offset += static_cast<std::int64_t>(aligned(span_of(*constants[i]) * 4));
    }
    pair.pool = AlignedMemory(static_cast<std::size_t>(offset));
    std::uniform_real_distribution<float> values(-1, 1);
    for (std::int64_t i = 0; i < offset / 4; ++i) reinterpret_cast<float*>(pair.pool.get())[i] = values(random);
    return pair;
}

/// The bytes of dst and mean. With several threads, strips may not pay: `strips_seen` counts where they do.
std::vector<std::byte> run(Pair& pair, bool streamed, int threads, int* strips_seen = nullptr) {
    pair.wide.streamed = streamed;
    const OperandSpec between{Space::arena, 0, 0};
    StepSpec rows[2];
    for (StepSpec& row : rows) row.kind = StepKind::convolution;
    rows[0].spec = &pair.wide;
    rows[1].spec = &pair.deep;
    const OperandSpec first[] = {{Space::input, 0, 0}, pair.weights[0], pair.weights[1], between, {Space::input, 1, 0}};
    const OperandSpec second[] = {
        between, pair.weights[2], pair.weights[3], {Space::output, 0, 0}, {Space::output, 1, 0}};
    std::copy(std::begin(first), std::end(first), rows[0].operands);
    std::copy(std::begin(second), std::end(second), rows[1].operands);
    const Program program({rows, 2, pair.between_bytes, 0}, pair.pool.get(), threads);
    const bool in_strips = program.implementation(0).find("strips") != std::string::npos;
    if (strips_seen == nullptr) CHECK(in_strips == streamed);
    else *strips_seen += in_strips ? 1 : 0;
    Context context(program);
    const void* inputs[] = {pair.src.bytes.data(), pair.scale.bytes.data()};
    void* outputs[] = {pair.dst.bytes.data(), pair.mean.bytes.data()};
    context.run(inputs, outputs);
    std::vector<std::byte> result = pair.dst.bytes;
    result.insert(result.end(), pair.mean.bytes.begin(), pair.mean.bytes.end());
    return result;
}

TEST_CASE("a 1x1 and a depthwise convolution in strips give what they give one after the other") {
    int strips_seen = 0;
    for (unsigned seed = 0; seed < 120; ++seed) {
        Random random(seed);
        Pair pair = random_pair(random);
        INFO("seed " << seed);
        const std::vector<std::byte> whole = run(pair, false, 1);
        const std::vector<std::byte> strips = run(pair, true, 1);
        const auto* expected = reinterpret_cast<const float*>(whole.data());
        const auto* got = reinterpret_cast<const float*>(strips.data());
        int wrong = 0;
        for (std::size_t i = 0; i < whole.size() / 4; ++i)
            if (!close(static_cast<double>(expected[i]), got[i])) ++wrong;
        CHECK(wrong == 0);
        CHECK(run(pair, true, 2, &strips_seen) == strips);
        CHECK(run(pair, true, 3, &strips_seen) == strips);
    }
    CHECK(strips_seen > 100);
}

}  // namespace
}  // namespace igata::runtime::test
