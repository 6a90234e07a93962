#include <doctest/doctest.h>

#include <functional>
#include <limits>

#include "runtime/image_pooling.hpp"
#include "runtime/kernels/pool.hpp"
#include "tests/runtime/single_step.hpp"

namespace igata::runtime::test {
namespace {

/// A random pooling geometry; `dilated` may be 1 only.
PoolingSpec random_pooling(Random& random, bool dilated) {
    PoolingSpec s;
    s.algorithm = static_cast<Pooling>(pick(random, 0, 2));
    s.spatial = static_cast<int>(pick(random, 1, 3));
    std::vector<std::int64_t> src{pick(random, 1, 2), pick(random, 1, 35)};
    std::vector<std::int64_t> dst = src;
    for (int i = 0; i < s.spatial; ++i) {
        s.kernel[i] = pick(random, 1, 4);
        s.strides[i] = pick(random, 1, 3);
        s.dilations[i] = dilated ? pick(random, 1, 2) : 1;
        s.pads_begin[i] = pick(random, 0, s.kernel[i] - 1);
        s.pads_end[i] = pick(random, 0, s.kernel[i] - 1);
        src.push_back(pick(random, 8, 14));
        dst.push_back(
            (src.back() + s.pads_begin[i] + s.pads_end[i] - (s.kernel[i] - 1) * s.dilations[i] - 1) / s.strides[i] + 1);
    }
    const std::vector<int> order = pick(random, 0, 1) == 0 ? std::vector<int>{} : channels_last(s.spatial + 2);
    s.src = layout(DataType::f32, src, order);
    s.dst = layout(DataType::f32, dst, order);
    return s;
}

struct Expected {
    double value;
    std::int64_t place;
};

Expected reference_pooling(const PoolingSpec& s, const std::function<double(const std::int64_t*)>& src,
                           const std::int64_t* index) {
    double sum = 0;
    double highest = -std::numeric_limits<double>::infinity();
    std::int64_t place = 0;
    std::int64_t inside = 0;
    std::int64_t padded = 0;
    MemorySpec window;
    window.rank = s.spatial;
    std::copy(s.kernel, s.kernel + max_spatial, window.dims);
    for_each_index(window, [&](const std::int64_t* k) {
        std::int64_t at[max_rank] = {index[0], index[1]};
        bool in_image = true;
        bool in_padding = true;
        for (int i = 0; i < s.spatial; ++i) {
            at[2 + i] = index[2 + i] * s.strides[i] + k[i] * s.dilations[i] - s.pads_begin[i];
            in_image = in_image && at[2 + i] >= 0 && at[2 + i] < s.src.dims[2 + i];
            in_padding = in_padding && at[2 + i] < s.src.dims[2 + i] + s.pads_end[i];
        }
        padded += in_padding ? 1 : 0;
        if (!in_image) return;
        ++inside;
        const double value = src(at);
        sum += value;
        if (value <= highest) return;
        highest = value;
        place = 0;
        for (int i = 0; i < s.src.rank; ++i) place = place * s.src.dims[i] + at[i];
    });
    if (s.algorithm == Pooling::max) return {highest, place};
    return {sum / static_cast<double>(s.algorithm == Pooling::average_include_padding ? padded : inside), place};
}

KernelSpec kernel_spec(const PoolingSpec& s, const std::vector<MemorySpec>& operands) {
    KernelSpec k;
    k.make = make_pool;
    k.operand_count = static_cast<int>(operands.size());
    std::copy(operands.begin(), operands.end(), k.operands);
    k.ints[0] = static_cast<std::int64_t>(s.algorithm);
    k.ints[1] = s.spatial;
    for (int i = 0; i < max_spatial; ++i) {
        k.ints[2 + i] = s.kernel[i];
        k.ints[5 + i] = s.strides[i];
        k.ints[8 + i] = s.dilations[i];
        k.ints[11 + i] = s.pads_begin[i];
        k.ints[14 + i] = s.pads_end[i];
    }
    return k;
}

TEST_CASE("pooling equals its definition") {
    for (unsigned seed = 0; seed < 120; ++seed) {
        Random random(seed);
        const bool as_kernel = seed % 2 == 1;
        PoolingSpec spec = random_pooling(random, as_kernel);
        Operand src = random_operand(random, spec.src);
        Operand dst = make_operand(spec.dst);
        dst.written = true;
        const KernelSpec kernel = kernel_spec(spec, {spec.src, spec.dst});
        SingleStep step(as_kernel ? StepKind::kernel : StepKind::pooling,
                        as_kernel ? static_cast<const void*>(&kernel) : static_cast<const void*>(&spec), {&src, &dst});
        step.run();
        int wrong = 0;
        for_each_index(spec.dst, [&](const std::int64_t* index) {
            const auto at = [&](const std::int64_t* place) { return static_cast<double>(src.at(place)); };
            const double expected = reference_pooling(spec, at, index).value;
            if (std::isfinite(expected) && !close(expected, dst.at(index), 1e-5)) ++wrong;
        });
        INFO("seed " << seed);
        CHECK(wrong == 0);
    }
}

TEST_CASE("pooling of images equals its definition at every instruction set") {
    for (unsigned seed = 0; seed < 200; ++seed) {
        Random random(seed);
        PoolingSpec spec = random_pooling(random, true);
        if (!ImagePooling::fits(spec)) continue;
        Operand src = random_operand(random, spec.src);
        for (const Isa isa : {Isa::baseline, Isa::v3, Isa::v4}) {
            if (isa > detect_isa()) continue;
            Operand dst = make_operand(spec.dst);
            std::byte* operands[] = {src.bytes.data(), dst.bytes.data()};
            ImagePooling(spec, isa).run({operands, nullptr, nullptr, nullptr});
            int wrong = 0;
            for_each_index(spec.dst, [&](const std::int64_t* index) {
                const auto at = [&](const std::int64_t* place) { return static_cast<double>(src.at(place)); };
                const double expected = reference_pooling(spec, at, index).value;
                const float actual = dst.at(index);
                const bool empty = !std::isfinite(expected);  // a window without any element
                if (empty ? std::isfinite(actual) : !close(expected, actual, 1e-5)) ++wrong;
            });
            INFO("seed " << seed << ", instruction set " << static_cast<int>(isa));
            CHECK(wrong == 0);
        }
    }
}

TEST_CASE("pooling with indices finds the first maximum, for integers as well") {
    for (unsigned seed = 0; seed < 60; ++seed) {
        Random random(seed);
        PoolingSpec spec = random_pooling(random, true);
        spec.algorithm = Pooling::max;
        spec.src.dtype = spec.dst.dtype = DataType::i8;
        MemorySpec places = spec.dst;
        places.dtype = DataType::i64;
        const KernelSpec kernel = kernel_spec(spec, {spec.src, spec.dst, places});
        Operand src = make_operand(spec.src);
        for (std::byte& b : src.bytes) b = static_cast<std::byte>(pick(random, 0, 5) - 3);  // many equals
        Operand dst = make_operand(spec.dst);
        Operand indices = make_operand(places);
        dst.written = indices.written = true;
        SingleStep step(StepKind::kernel, &kernel, {&src, &dst, &indices});
        step.run();
        int wrong = 0;
        for_each_index(spec.dst, [&](const std::int64_t* index) {
            const auto at = [&](const std::int64_t* p) {
                return static_cast<double>(src.data<std::int8_t>()[offset_of(spec.src, p)]);
            };
            const Expected expected = reference_pooling(spec, at, index);
            if (!std::isfinite(expected.value)) return;
            const std::int64_t offset = offset_of(spec.dst, index);
            if (dst.data<std::int8_t>()[offset] != static_cast<std::int8_t>(expected.value)) ++wrong;
            if (indices.data<std::int64_t>()[offset] != expected.place) ++wrong;
        });
        INFO("seed " << seed);
        CHECK(wrong == 0);
    }
}

TEST_CASE("an Lp pool is the norm of its window") {
    PoolingSpec spec;
    spec.spatial = 1;
    spec.kernel[0] = 2;
    spec.src = layout(DataType::f32, {1, 1, 3});
    spec.dst = layout(DataType::f32, {1, 1, 2});
    KernelSpec kernel = kernel_spec(spec, {spec.src, spec.dst});
    kernel.ints[0] = 3;
    kernel.floats[0] = 2.0F;
    Operand src = make_operand(spec.src);
    src.data()[0] = 3.0F;
    src.data()[1] = -4.0F;
    Operand dst = make_operand(spec.dst);
    dst.written = true;
    SingleStep(StepKind::kernel, &kernel, {&src, &dst}).run();
    CHECK(dst.data()[0] == doctest::Approx(5.0));
    CHECK(dst.data()[1] == doctest::Approx(4.0));
}

}  // namespace
}  // namespace igata::runtime::test
