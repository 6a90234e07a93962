// To look for data races (OpenMP's own synchronisation is invisible to ThreadSanitizer, hence one thread each):
//     g++ -std=c++20 -g -O1 -fsanitize=thread -fopenmp -I. tests/main.cpp tests/runtime/program.cpp
//         tests/runtime/allocation_count.cpp -ldnnl -ldl -o race && OMP_NUM_THREADS=1 ./race -tc="contexts*"
#include <doctest/doctest.h>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "runtime/programs.hpp"
#include "tests/runtime/allocation_count.hpp"
#include "tests/runtime/single_step.hpp"

namespace igata::runtime::test {
namespace {

constexpr std::int64_t channels = 24;
constexpr std::int64_t size = 12;

struct Scale {
    std::int64_t row;
};

/// Loop code as the emitter would write it: dst = src * 2, a row an iteration.
void double_rows(const void* state, std::byte* const* operands, std::int64_t begin, std::int64_t end) {
    const std::int64_t row = static_cast<const Scale*>(state)->row;
    for (std::int64_t i = begin * row; i < end * row; ++i) {
        reinterpret_cast<float*>(operands[1])[i] = reinterpret_cast<const float*>(operands[0])[i] * 2.0F;
    }
}

/// input -> convolution+swish -> depthwise -> loop -> convolution with residual -> max pool -> output, on an arena.
class Network {
public:
    Network() : weights_(sizeof(float) * 4096) {
        const MemorySpec image = layout(DataType::f32, {1, channels, size, size}, channels_last(4));
        constexpr std::int64_t bytes = channels * size * size * 4;
        for (int i = 0; i < 4096; ++i)
            reinterpret_cast<float*>(weights_.get())[i] = static_cast<float>(i % 17 - 8) * 0.01F;

        pointwise_.src = pointwise_.dst = image;
        pointwise_.weights = layout(DataType::f32, {channels, channels, 1, 1});
        pointwise_.epilogue.count = 1;
        pointwise_.epilogue.ops[0].eltwise = Eltwise::swish;
        pointwise_.epilogue.ops[0].alpha = 1.0F;
        residual_ = pointwise_;
        residual_.epilogue.ops[0].kind = PostOp::Kind::sum;
        depthwise_ = pointwise_;
        depthwise_.groups = channels;
        depthwise_.weights = layout(DataType::f32, {channels, 1, 3, 3});
        for (int i = 0; i < 2; ++i) depthwise_.pads_begin[i] = depthwise_.pads_end[i] = 1;
        loop_ = {double_rows, &scale_, size, channels * size * size};
        pool_.src = image;
        pool_.dst = layout(DataType::f32, {1, channels, size, size}, channels_last(4));

        const OperandSpec none;
        const OperandSpec first{Space::arena, 0, 0};
        const OperandSpec second{Space::arena, 0, bytes};
        const OperandSpec weights{Space::weights, 0, 0};
        add(StepKind::convolution, &pointwise_, {{Space::input, 0, 0}, weights, none, first});
        add(StepKind::convolution, &depthwise_, {first, weights, none, second});
        add(StepKind::loop, &loop_, {second, second});
        add(StepKind::convolution, &residual_, {second, weights, none, first});
        add(StepKind::pooling, &pool_, {first, {Space::output, 0, 0}});
        spec_ = {steps_.data(), static_cast<int>(steps_.size()), 2 * bytes, 4096 * 4};
    }

    const ProgramSpec& spec() const { return spec_; }
    const std::byte* weights() const { return weights_.get(); }

private:
    void add(StepKind kind, const void* spec, const std::vector<OperandSpec>& operands) {
        StepSpec row;
        row.kind = kind;
        row.spec = spec;
        row.name = "step";
        row.operand_count = static_cast<int>(operands.size());
        std::copy(operands.begin(), operands.end(), row.operands);
        steps_.push_back(row);
    }

    AlignedMemory weights_;
    ConvolutionSpec pointwise_, depthwise_, residual_;
    PoolingSpec pool_;
    Scale scale_{channels * size};
    LoopSpec loop_;
    std::vector<StepSpec> steps_;
    ProgramSpec spec_;
};

std::vector<float> image_of(int seed) {
    Random random(static_cast<unsigned>(seed));
    std::vector<float> image(channels * size * size);
    for (float& value : image) value = std::uniform_real_distribution<float>(-1.0F, 1.0F)(random);
    return image;
}

std::vector<float> run(Context& context, const std::vector<float>& image) {
    std::vector<float> result(image.size());
    const void* input = image.data();
    void* output = result.data();
    context.run(&input, &output);
    return result;
}

TEST_CASE("contexts of one program run at the same time, with equal results") {
    const Network network;
    const Program program(network.spec(), network.weights(), 1);
    std::vector<std::vector<float>> expected;
    {
        Context context(program);
        for (int i = 0; i < 8; ++i) expected.push_back(run(context, image_of(i)));
    }
    CHECK(expected[0] != expected[1]);
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            Context context(program);
            for (int i = 0; i < 200; ++i) {
                if (run(context, image_of(i % 8)) != expected[static_cast<std::size_t>(i % 8)]) ++wrong;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == 0);
}

TEST_CASE("two threads compute what one does") {
    const Network network;
    const Program one(network.spec(), network.weights(), 1);
    const Program two(network.spec(), network.weights(), 2);
    Context first(one);
    Context second(two);
    const std::vector<float> a = run(first, image_of(1));
    const std::vector<float> b = run(second, image_of(1));
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(b[i] == doctest::Approx(a[i]).epsilon(1e-5));
}

TEST_CASE("what programs pack alike is there once, and their contexts share an arena") {
    PackedConstants packed;
    AlignedMemory a(64), b(64), c(64), d(128);
    for (AlignedMemory* memory : {&a, &b, &c, &d}) std::fill_n(memory->get(), memory->size(), std::byte{1});
    c.get()[63] = std::byte{2};
    for (AlignedMemory* memory : {&a, &b, &c, &d}) packed.share(*memory);
    CHECK(a.get() == b.get());
    CHECK(a.get() != c.get());
    CHECK(d.size() == 128);

    const Network network;
    const ProgramSpec specs[] = {network.spec(), network.spec()};
    const Programs programs(specs, 2, network.weights(), 1);
    CHECK(programs.arena_bytes() == programs[0].arena_bytes());
    Contexts contexts(programs);
    const std::vector<float> first = run(contexts[0], image_of(1));
    CHECK(run(contexts[1], image_of(2)) != first);
    CHECK(run(contexts[1], image_of(1)) == first);
}

TEST_CASE("a run leaves the caller's number of threads alone") {
    const int before = max_threads();
    const Network network;
    const Program program(network.spec(), network.weights(), before + 1);
    CHECK(program.threads() == before + 1);
    CHECK(max_threads() == before);
    Context context(program);
    run(context, image_of(1));
    CHECK(max_threads() == before);
}

TEST_CASE("a run allocates nothing") {
    if (!counts_allocations) return;  // the sanitizers have an allocator of their own
    const Network network;
    const Program program(network.spec(), network.weights(), 1);
    Context context(program);
    const std::vector<float> image = image_of(1);
    std::vector<float> result(image.size());
    const void* input = image.data();
    void* output = result.data();
    start_counting();
    context.run(&input, &output);
    context.run(&input, &output);
    const Allocations allocations = stop_counting();
    CHECK(allocations.own == 0);
    MESSAGE("allocations inside oneDNN: " << allocations.library);
    start_counting();
    run(context, image);
    CHECK(stop_counting().own == 1);  // the result's vector: so the counter counts
}

TEST_CASE("a profiled run gives the same results, and the time of each step, which make up the run's") {
    const Network network;
    const Program program(network.spec(), network.weights(), 1);
    REQUIRE(program.step_count() == static_cast<std::size_t>(network.spec().step_count));
    CHECK(program.implementation(1) == std::string("igata:depthwise:") + name_of(detect_isa()));
    CHECK(program.implementation(2) == "igata:loop");
    CHECK(program.implementation(3).find(':') != std::string::npos);
    CHECK_THROWS_AS(program.implementation(5), std::out_of_range);
    Context context(program);
    const std::vector<float> image = image_of(1);
    const std::vector<float> expected = run(context, image);
    std::vector<float> result(image.size());
    const void* input = image.data();
    void* output = result.data();
    double closest = 0.0;  // on a busy machine, between two clocks there may be anything
    for (int i = 0; i < 50; ++i) {
        std::vector<double> seconds(program.step_count(), 0.0);
        const auto before = std::chrono::steady_clock::now();
        context.profile(&input, &output, seconds.data());
        const double whole = std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
        double sum = 0.0;
        for (const double step : seconds) {
            CHECK(step > 0.0);
            sum += step;
        }
        CHECK(sum <= whole);
        closest = std::max(closest, sum / whole);
    }
    CHECK(result == expected);
    CHECK(closest > 0.9);
    std::vector<double> seconds(program.step_count(), 1.0);
    start_counting();
    context.profile(&input, &output, seconds.data());
    if (counts_allocations) CHECK(stop_counting().own == 0);
    for (const double step : seconds) CHECK(step > 1.0);  // added to what was there
}

TEST_CASE("a step that cannot be made is named") {
    ConvolutionSpec spec;
    spec.src = layout(DataType::i64, {1, 2, 3, 3});
    spec.weights = layout(DataType::i64, {2, 2, 1, 1});
    spec.dst = spec.src;
    StepSpec row;
    row.kind = StepKind::convolution;
    row.spec = &spec;
    row.name = "block1/conv";
    CHECK_THROWS_WITH_AS(Program(ProgramSpec{&row, 1, 0, 0}, nullptr),
                         "step 'block1/conv': oneDNN has no such element type", std::runtime_error);
}

}  // namespace
}  // namespace igata::runtime::test
