#include <doctest/doctest.h>

#include <sstream>

#include "runtime/convolution.hpp"
#include "tests/runtime/single_step.hpp"

namespace igata::runtime::test {
namespace {

/// One accumulated result of a convolution, by the definition.
double reference_convolution(const ConvolutionSpec& s, const std::vector<Operand*>& operands,
                             const std::int64_t* index) {
    Operand& src = *operands[0];
    Operand& weights = *operands[1];
    Operand* bias = operands[2];
    Operand* scale = s.scale.is_present() ? operands[static_cast<std::size_t>(s.scale.operand_index)] : nullptr;
    const std::int64_t oc = index[1];
    const std::int64_t ic_per_group = s.weights.dims[1];
    const std::int64_t group = oc / (s.dst.dims[1] / s.groups);
    double sum = bias != nullptr ? static_cast<double>(bias->data()[oc]) : 0.0;
    MemorySpec one_filter = s.weights;
    one_filter.dims[0] = 1;
    for_each_index(one_filter, [&](const std::int64_t* w) {
        std::int64_t at[max_rank] = {index[0], group * ic_per_group + w[1]};
        std::int64_t tap[max_rank] = {oc, w[1]};
        for (int i = 0; i < s.spatial; ++i) {
            at[2 + i] = index[2 + i] * s.strides[i] + w[2 + i] * s.dilations[i] - s.pads_begin[i];
            tap[2 + i] = w[2 + i];
            if (at[2 + i] < 0 || at[2 + i] >= s.src.dims[2 + i]) return;
        }
        const std::int64_t channel[max_rank] = {s.scale.memory.dims[0] > 1 ? at[0] : 0, at[1]};
        const double factor = scale != nullptr ? static_cast<double>(scale->at(channel)) : 1.0;
        sum += factor * static_cast<double>(src.at(at)) * static_cast<double>(weights.at(tap));
    });
    return sum;
}

std::string describe(const ConvolutionSpec& s) {
    std::ostringstream text;
    const auto list = [&](const char* name, const std::int64_t* values, int count) {
        text << ' ' << name;
        for (int i = 0; i < count; ++i) text << (i > 0 ? 'x' : '=') << values[i];
    };
    list("src", s.src.dims, s.src.rank);
    list("weights", s.weights.dims, s.weights.rank);
    list("strides", s.strides, s.spatial);
    list("dilations", s.dilations, s.spatial);
    list("begin", s.pads_begin, s.spatial);
    list("end", s.pads_end, s.spatial);
    list("src_strides", s.src.strides, s.src.rank);
    list("dst_strides", s.dst.strides, s.dst.rank);
    text << " scale=" << s.scale.is_present() << " mean=" << s.mean.is_present() << " groups=" << s.groups
         << " bias=" << s.bias.rank << " epilogue=";
    for (int i = 0; i < s.epilogue.count; ++i) {
        text << static_cast<int>(s.epilogue.ops[i].kind) << ':' << static_cast<int>(s.epilogue.ops[i].eltwise) << ' ';
    }
    return text.str();
}

/// How many averages over the spatial axes of `dst` the mean has wrong.
int wrong_means(Operand& dst, Operand& mean) {
    std::vector<double> sums(static_cast<std::size_t>(dst.spec.dims[0] * dst.spec.dims[1]));
    const auto place = [&](const std::int64_t* index) {
        return static_cast<std::size_t>(index[0] * dst.spec.dims[1] + index[1]);
    };
    for_each_index(dst.spec,
                   [&](const std::int64_t* index) { sums[place(index)] += static_cast<double>(dst.at(index)); });
    const double count =
        static_cast<double>(element_count(dst.spec)) / static_cast<double>(std::max<std::size_t>(sums.size(), 1));
    int wrong = 0;
    for_each_index(mean.spec, [&](const std::int64_t* index) {
        if (!close(sums[place(index)] / count, mean.at(index), 1e-5)) ++wrong;
    });
    return wrong;
}

/// Runs the convolution on random data and compares every result.
void check_convolution(Random& random, ConvolutionSpec& spec, std::vector<Operand>& extra, bool constant, int threads,
                       double tolerance = default_tolerance) {
    Operand src = random_operand(random, spec.src);
    Operand weights = random_operand(random, spec.weights);
    Operand bias = random_operand(random, spec.bias);
    Operand dst = random_operand(random, spec.dst);
    weights.constant = bias.constant = constant;
    dst.written = true;
    std::vector<Operand*> operands{&src, &weights, spec.bias.rank > 0 ? &bias : nullptr, &dst};
    for (Operand& operand : extra) operands.push_back(&operand);
    Operand before = dst;
    std::vector<std::byte> before_mean;
    SingleStep step(StepKind::convolution, &spec, operands, threads);
    step.run();
    int wrong = 0;
    for_each_index(spec.dst, [&](const std::int64_t* index) {
        const double sum = reference_convolution(spec, operands, index);
        const double expected = reference_epilogue(spec.epilogue, operands, index, spec.dst.rank, sum,
                                                   static_cast<double>(before.at(index)));
        if (!close(expected, dst.at(index), tolerance)) ++wrong;
    });
    INFO(describe(spec));
    CHECK(wrong == 0);
    if (spec.mean.is_present()) {
        Operand& mean = *operands[static_cast<std::size_t>(spec.mean.operand_index)];
        CHECK(wrong_means(dst, mean) == 0);
        before_mean = mean.bytes;
        std::fill(mean.bytes.begin(), mean.bytes.end(), std::byte{0});
    }
    Operand first = dst;
    dst.bytes = before.bytes;
    step.run();
    CHECK(dst.bytes == first.bytes);
    if (spec.mean.is_present())
        CHECK(operands[static_cast<std::size_t>(spec.mean.operand_index)]->bytes == before_mean);
}

std::int64_t result_size(const ConvolutionSpec& s, int i, std::int64_t size) {
    return (size + s.pads_begin[i] + s.pads_end[i] - ((s.weights.dims[2 + i] - 1) * s.dilations[i] + 1)) /
               s.strides[i] +
           1;
}

enum class Shape : std::uint8_t { any, depthwise, pointwise, single_pixel, three_by_three };

ConvolutionSpec random_convolution(Random& random, Shape shape, int spatial, std::vector<Operand>& extra) {
    ConvolutionSpec s;
    s.spatial = spatial;
    s.groups = shape == Shape::depthwise                        ? pick(random, 1, 60)
               : pick(random, 0, 3) == 0 && shape == Shape::any ? pick(random, 2, 4)
                                                                : 1;
    const std::int64_t ic = shape == Shape::depthwise ? 1 : pick(random, 1, 40);
    const std::int64_t oc = s.groups * (shape == Shape::depthwise ? pick(random, 1, 8) / 7 + 1 : pick(random, 1, 40));
    std::vector<std::int64_t> src_dims{pick(random, 1, 3), ic * s.groups};
    std::vector<std::int64_t> weight_dims{oc, ic};
    const std::int64_t limit = spatial == 3 ? 6 : 17;
    for (int i = 0; i < spatial; ++i) {
        const bool single = shape == Shape::pointwise || shape == Shape::single_pixel;
        const bool plain = single || shape == Shape::three_by_three;
        weight_dims.push_back(single ? 1 : plain ? 3 : pick(random, 1, shape == Shape::depthwise ? 7 : 4));
        src_dims.push_back(
            shape == Shape::single_pixel ? 1 : pick(random, 1, limit) + (single ? 0 : 12 - (spatial == 3 ? 6 : 0)));
        s.strides[i] = shape == Shape::single_pixel || shape == Shape::three_by_three ? 1 : pick(random, 1, 3);
        s.dilations[i] = plain ? 1 : pick(random, 1, 4) / 3 + (pick(random, 0, 1));
        if (s.dilations[i] == 0) s.dilations[i] = 1;
        const std::int64_t reach = (weight_dims.back() - 1) * s.dilations[i];
        const std::int64_t most_pad = reach + (pick(random, 0, 7) == 0 ? 2 : 0);  // then some results read only padding
        s.pads_begin[i] = pick(random, 0, most_pad);
        s.pads_end[i] = pick(random, 0, most_pad);
    }
    s.weights = layout(DataType::f32, weight_dims);
    std::vector<std::int64_t> dst_dims{src_dims[0], oc};
    for (int i = 0; i < spatial; ++i) dst_dims.push_back(result_size(s, i, src_dims[static_cast<std::size_t>(2 + i)]));
    const auto order = [&] { return pick(random, 0, 3) == 0 ? std::vector<int>{} : channels_last(spatial + 2); };
    s.src = layout(DataType::f32, src_dims, order(), pick(random, 0, 5) == 0 ? 3 : 0);
    s.dst = layout(DataType::f32, dst_dims, order(), pick(random, 0, 5) == 0 ? 5 : 0);
    if (pick(random, 0, 2) > 0) s.bias = layout(DataType::f32, {oc});
    s.epilogue = random_epilogue(random, s.dst, 4, extra);
    const auto add = [&](OptionalOperand& operand, std::int64_t images, std::int64_t channels) {
        std::vector<std::int64_t> dims(static_cast<std::size_t>(spatial) + 2, 1);
        dims[0] = images;
        dims[1] = channels;
        operand.memory = layout(DataType::f32, dims);
        operand.operand_index = 4 + static_cast<std::int32_t>(extra.size());
        extra.push_back(random_operand(random, operand.memory));
    };
    if (pick(random, 0, 3) == 0) add(s.scale, pick(random, 0, 1) == 0 ? 1 : src_dims[0], src_dims[1]);
    if (pick(random, 0, 2) == 0) {
        add(s.mean, dst_dims[0], oc);
        extra.back().written = true;
    }
    return s;
}

/// `wish`: for any implementation, which the runtime need not grant.
void fuzz(Shape shape, int spatial, int cases, bool wish = false) {
    for (int i = 0; i < cases; ++i) {
        Random random(static_cast<unsigned>(i * 31 + spatial));
        std::vector<Operand> extra;
        ConvolutionSpec spec = random_convolution(random, shape, spatial, extra);
        if (wish)
            spec.implementation =
                static_cast<Implementation>(pick(random, 1, static_cast<std::int64_t>(Implementation::strips)));
        check_convolution(random, spec, extra, pick(random, 0, 4) > 0, static_cast<int>(pick(random, 1, 2)));
    }
}

TEST_CASE("a convolution equals its definition") { fuzz(Shape::any, 2, 80); }
TEST_CASE("a convolution over one spatial axis equals its definition") { fuzz(Shape::any, 1, 40); }
TEST_CASE("a convolution over three spatial axes equals its definition") { fuzz(Shape::any, 3, 25); }
TEST_CASE("a depthwise convolution equals its definition") {
    fuzz(Shape::depthwise, 2, 120);
    fuzz(Shape::depthwise, 1, 30);
}
TEST_CASE("a 1x1 convolution equals its definition") { fuzz(Shape::pointwise, 2, 60); }
TEST_CASE("a convolution of one pixel equals its definition") { fuzz(Shape::single_pixel, 2, 60); }
TEST_CASE("a convolution equals its definition whatever is to run it") {
    fuzz(Shape::any, 2, 40, true);
    fuzz(Shape::any, 1, 20, true);
    fuzz(Shape::any, 3, 10, true);
    fuzz(Shape::depthwise, 2, 40, true);
    fuzz(Shape::pointwise, 2, 40, true);
    fuzz(Shape::three_by_three, 2, 80, true);
}

/// Of 32 channels each: the usual choice is winograd4.
ConvolutionSpec same_size_three_by_three() {
    ConvolutionSpec spec;
    spec.src = layout(DataType::f32, {1, 32, 40, 40}, channels_last(4));
    spec.dst = spec.src;
    spec.weights = layout(DataType::f32, {32, 32, 3, 3});
    spec.pads_begin[0] = spec.pads_begin[1] = spec.pads_end[0] = spec.pads_end[1] = 1;
    return spec;
}

TEST_CASE("a convolution is run by what is wished for, if that can, else by the usual choice") {
    ConvolutionSpec spec = same_size_three_by_three();
    StepSpec row;
    row.operands[1].space = Space::weights;
    const Builder builder{{}, &row, nullptr, nullptr};
    const auto chosen = [&](Implementation wish) {
        spec.implementation = wish;
        return choose_kernel(builder, spec).kernel;
    };
    CHECK(chosen(Implementation::automatic) == Implementation::winograd4);
    for (const Implementation wish : {Implementation::winograd2, Implementation::onednn_convolution,
                                      Implementation::onednn_reordered, Implementation::winograd4})
        CHECK(chosen(wish) == wish);
    for (const Implementation wish :
         {Implementation::pointwise, Implementation::depthwise, Implementation::onednn_matmul, Implementation::strips})
        CHECK(chosen(wish) == Implementation::winograd4);
}

TEST_CASE("a residual is added right where oneDNN unfolds the source, as with dilations wider than its kernels take") {
    for (const int spatial : {1, 2}) {
        CAPTURE(spatial);
        Random random(7);
        ConvolutionSpec spec;
        spec.spatial = spatial;
        std::vector<std::int64_t> image{1, 32};
        std::vector<std::int64_t> filters{32, 32};
        for (int i = 0; i < spatial; ++i) {
            image.push_back(40);
            filters.push_back(3);
            spec.dilations[i] = 16;
            spec.pads_begin[i] = 32;
        }
        spec.src = spec.dst = layout(DataType::f32, image, channels_last(spatial + 2));
        spec.weights = layout(DataType::f32, filters);
        spec.epilogue.count = 1;
        spec.epilogue.ops[0].kind = PostOp::Kind::binary;
        spec.epilogue.ops[0].binary = Binary::add;
        spec.epilogue.ops[0].operand = spec.dst;
        spec.epilogue.ops[0].operand_index = 4;
        std::vector<Operand> extra{random_operand(random, spec.dst)};
        check_convolution(random, spec, extra, true, 1);
    }
}

TEST_CASE("a residual added after an activation does not make a convolution a reference one") {
    ConvolutionSpec spec;
    spec.src = layout(DataType::f32, {1, 8, 16, 16}, channels_last(4));
    spec.dst = layout(DataType::f32, {1, 32, 16, 16}, channels_last(4));
    spec.weights = layout(DataType::f32, {32, 8, 1, 1});
    spec.epilogue.count = 3;
    spec.epilogue.ops[1].kind = PostOp::Kind::sum;
    for (const int i : {0, 2}) {
        spec.epilogue.ops[i].kind = PostOp::Kind::eltwise;
        spec.epilogue.ops[i].eltwise = Eltwise::relu;
    }
    StepSpec row;
    row.operand_count = 4;
    const Builder builder{dnnl::engine(dnnl::engine::kind::cpu, 0), &row, nullptr, nullptr};
    const std::string implementation = make_onednn_convolution(builder, spec)->implementation();
    CAPTURE(implementation);
    CHECK_FALSE(onednn::is_reference(implementation));
}

TEST_CASE("a convolution that may multiply bf16 does so where the processor can and it pays") {
    ConvolutionSpec spec = same_size_three_by_three();
    StepSpec row;
    row.operands[1].space = Space::weights;
    const Builder builder{{}, &row, nullptr, nullptr};
    const auto chosen = [&](bool can) { return choose_kernel(builder, spec, Isa::v4, can).kernel; };
    const auto set_channels = [&](std::int64_t channels, std::int64_t kernel) {
        spec.src = spec.dst = layout(DataType::f32, {1, channels, 40, 40}, channels_last(4));
        spec.weights = layout(DataType::f32, {channels, channels, kernel, kernel});
    };
    for (const bool allowed : {false, true}) {
        for (const bool can : {false, true}) {
            spec.bf16 = allowed;
            set_channels(32, 3);
            CHECK(chosen(can) == Implementation::winograd4);  // fewer multiplications are faster still
            set_channels(16, 3);
            CHECK(chosen(can) == (allowed && can ? Implementation::onednn_bf16 : Implementation::onednn_convolution));
        }
    }
    spec.pads_begin[0] = spec.pads_begin[1] = spec.pads_end[0] = spec.pads_end[1] = 0;
    set_channels(32, 1);
    CHECK(chosen(false) == Implementation::onednn_convolution);
    CHECK(chosen(true) == Implementation::pointwise_bf16);
    spec.bf16 = false;
    for (const Implementation wish : {Implementation::pointwise_bf16, Implementation::onednn_bf16}) {
        spec.implementation = wish;
        CHECK(chosen(true) == Implementation::onednn_convolution);  // no wish for what is not allowed
        spec.bf16 = true;
        CHECK(chosen(true) == wish);
        CHECK(chosen(false) == Implementation::onednn_convolution);
        spec.bf16 = false;
    }
    set_channels(32, 3);
    spec.implementation = Implementation::automatic;
    spec.bf16 = true;
    spec.pads_begin[0] = spec.pads_begin[1] = spec.pads_end[0] = spec.pads_end[1] = 1;
    spec.groups = 32;
    spec.weights = layout(DataType::f32, {32, 1, 3, 3});
    CHECK(chosen(true) == Implementation::depthwise_3x3);
}

TEST_CASE("a convolution that may multiply bf16 is as close to its definition as that allows") {
    for (int i = 0; i < 60; ++i) {
        Random random(static_cast<unsigned>(i));
        std::vector<Operand> extra;
        ConvolutionSpec spec = random_convolution(random, i % 2 == 0 ? Shape::any : Shape::three_by_three, 2, extra);
        spec.epilogue = Epilogue{};  // might magnify the errors
        spec.scale = spec.mean = OptionalOperand{};
        spec.bf16 = true;
        extra.clear();
        check_convolution(random, spec, extra, true, 1, onednn::has_bf16() ? 0.1 : default_tolerance);
    }
}

}  // namespace
}  // namespace igata::runtime::test
