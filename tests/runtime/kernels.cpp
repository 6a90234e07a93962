#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

#include "runtime/kernels/arg_extremum.hpp"
#include "runtime/kernels/cumulative.hpp"
#include "runtime/kernels/gather.hpp"
#include "runtime/kernels/gather_elements.hpp"
#include "runtime/kernels/gather_nd.hpp"
#include "tests/runtime/single_step.hpp"

namespace igata::runtime::test {
namespace {

template <class T>
Operand operand_of(DataType dtype, const std::vector<std::int64_t>& dims, const std::vector<T>& values) {
    Operand operand = make_operand(layout(dtype, dims));
    REQUIRE(operand.bytes.size() == values.size() * sizeof(T));
    std::memcpy(operand.bytes.data(), values.data(), operand.bytes.size());
    return operand;
}

/// Runs a kernel over its operands; the last one is written.
template <class T>
std::vector<T> run_kernel(MakeKernel make, std::vector<Operand*> operands, const std::vector<std::int64_t>& ints) {
    KernelSpec spec;
    spec.make = make;
    for (Operand* operand : operands) spec.operands[spec.operand_count++] = operand->spec;
    std::copy(ints.begin(), ints.end(), spec.ints);
    operands.back()->written = true;
    SingleStep(StepKind::kernel, &spec, operands).run();
    std::vector<T> result;
    for_each_index(operands.back()->spec, [&](const std::int64_t* index) {
        result.push_back(operands.back()->data<T>()[offset_of(operands.back()->spec, index)]);
    });
    return result;
}

TEST_CASE("gather takes slices of any type at any axis") {
    Operand data = operand_of<std::int16_t>(DataType::i16, {2, 3}, {0, 1, 2, 10, 11, 12});
    Operand indices = operand_of<std::int64_t>(DataType::i64, {2, 2}, {2, 0, -1, 1});
    Operand dst = make_operand(layout(DataType::i16, {2, 2, 2}));
    CHECK(run_kernel<std::int16_t>(make_gather, {&data, &indices, &dst}, {1}) ==
          std::vector<std::int16_t>{2, 0, 2, 1, 12, 10, 12, 11});

    Operand row = operand_of<std::int32_t>(DataType::i32, {1}, {-2});
    Operand dst_row = make_operand(layout(DataType::i16, {1, 3}));
    CHECK(run_kernel<std::int16_t>(make_gather, {&data, &row, &dst_row}, {0}) == std::vector<std::int16_t>{0, 1, 2});

    Operand scalar = operand_of<std::int64_t>(DataType::i64, {}, {7});
    Operand dst_scalar = make_operand(layout(DataType::i16, {2}));
    CHECK(run_kernel<std::int16_t>(make_gather, {&data, &scalar, &dst_scalar}, {1}) ==
          std::vector<std::int16_t>{2, 12});
}

TEST_CASE("gather reads strided data and writes strided results") {
    Operand data = make_operand(layout(DataType::f32, {2, 3}, {1, 0}));
    for_each_index(data.spec, [&](const std::int64_t* i) { data.at(i) = static_cast<float>(10 * i[0] + i[1]); });
    Operand indices = operand_of<std::int64_t>(DataType::i64, {2}, {2, 1});
    Operand dst = make_operand(layout(DataType::f32, {2, 2}, {1, 0}, 1));
    CHECK(run_kernel<float>(make_gather, {&data, &indices, &dst}, {1}) == std::vector<float>{2, 1, 12, 11});
}

TEST_CASE("gather_elements and gather_nd") {
    Operand data = operand_of<std::int64_t>(DataType::i64, {2, 2}, {1, 2, 3, 4});
    Operand indices = operand_of<std::int64_t>(DataType::i64, {2, 2}, {0, 0, 1, -2});
    Operand dst = make_operand(layout(DataType::i64, {2, 2}));
    CHECK(run_kernel<std::int64_t>(make_gather_elements, {&data, &indices, &dst}, {1}) ==
          std::vector<std::int64_t>{1, 1, 4, 3});
    CHECK(run_kernel<std::int64_t>(make_gather_elements, {&data, &indices, &dst}, {0}) ==
          std::vector<std::int64_t>{1, 2, 3, 2});

    Operand points = operand_of<std::int64_t>(DataType::i64, {2, 2}, {0, 0, 1, 1});
    Operand dst_points = make_operand(layout(DataType::i64, {2}));
    CHECK(run_kernel<std::int64_t>(make_gather_nd, {&data, &points, &dst_points}, {0}) ==
          std::vector<std::int64_t>{1, 4});

    Operand rows = operand_of<std::int64_t>(DataType::i64, {2, 1}, {1, 0});
    CHECK(run_kernel<std::int64_t>(make_gather_nd, {&data, &rows, &dst}, {0}) == std::vector<std::int64_t>{3, 4, 1, 2});

    Operand cube = operand_of<std::int64_t>(DataType::i64, {2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7});
    Operand batched = operand_of<std::int64_t>(DataType::i64, {2, 1}, {1, 0});
    CHECK(run_kernel<std::int64_t>(make_gather_nd, {&cube, &batched, &dst}, {1}) ==
          std::vector<std::int64_t>{2, 3, 4, 5});
}

TEST_CASE("arg_extremum finds the first or the last of equals") {
    Operand src = operand_of<float>(DataType::f32, {2, 4}, {1, 5, 5, 0, -1, -1, -2, -2});
    Operand dst = make_operand(layout(DataType::i64, {2, 1}));
    CHECK(run_kernel<std::int64_t>(make_arg_extremum, {&src, &dst}, {1, 1, 0}) == std::vector<std::int64_t>{1, 0});
    CHECK(run_kernel<std::int64_t>(make_arg_extremum, {&src, &dst}, {1, 1, 1}) == std::vector<std::int64_t>{2, 1});
    CHECK(run_kernel<std::int64_t>(make_arg_extremum, {&src, &dst}, {1, 0, 0}) == std::vector<std::int64_t>{3, 2});
    Operand columns = make_operand(layout(DataType::i64, {1, 4}));
    CHECK(run_kernel<std::int64_t>(make_arg_extremum, {&src, &columns}, {0, 0, 1}) ==
          std::vector<std::int64_t>{1, 1, 1, 1});
}

TEST_CASE("arg_extremum goes through lines side by side as through each alone, NaN included") {
    Random random(5);
    Operand src = make_operand(layout(DataType::f32, {2, 7, 300}, {}, 3));
    for_each_index(src.spec, [&](const std::int64_t* i) {
        const std::int64_t value = pick(random, -4, 4);
        src.at(i) = value == 4 ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(value);
    });
    Operand across = make_operand(layout(DataType::f32, {2, 7, 300}, {0, 2, 1}));
    for_each_index(src.spec, [&](const std::int64_t* i) { across.at(i) = src.at(i); });
    for (const std::int64_t maximum : {0, 1}) {
        for (const std::int64_t last : {0, 1}) {
            Operand side_by_side = make_operand(layout(DataType::i64, {2, 1, 300}));
            Operand alone = side_by_side;
            const std::vector<std::int64_t> ints{1, maximum, last};
            const auto together = run_kernel<std::int64_t>(make_arg_extremum, {&src, &side_by_side}, ints);
            CHECK(together == run_kernel<std::int64_t>(make_arg_extremum, {&across, &alone}, ints));
            CHECK(*std::max_element(together.begin(), together.end()) == 6);
        }
    }
}

TEST_CASE("gather_elements along any axis, with strides and indices of both types") {
    Operand data = make_operand(layout(DataType::f32, {3, 4}, {1, 0}, 1));
    for_each_index(data.spec, [&](const std::int64_t* i) { data.at(i) = static_cast<float>(10 * i[0] + i[1]); });
    Operand rows = operand_of<std::int32_t>(DataType::i32, {2, 3}, {2, 0, -1, 1, 1, -3});
    Operand dst = make_operand(layout(DataType::f32, {2, 3}));
    CHECK(run_kernel<float>(make_gather_elements, {&data, &rows, &dst}, {0}) ==
          std::vector<float>{20, 1, 22, 10, 11, 2});
    Operand columns = operand_of<std::int64_t>(DataType::i64, {2, 3}, {3, 0, -1, 1, 1, -4});
    CHECK(run_kernel<float>(make_gather_elements, {&data, &columns, &dst}, {1}) ==
          std::vector<float>{3, 0, 3, 11, 11, 10});
}

TEST_CASE("cumulative_sum in every mode") {
    Operand src = operand_of<std::int32_t>(DataType::i32, {2, 3}, {1, 2, 3, 4, 5, 6});
    Operand dst = make_operand(layout(DataType::i32, {2, 3}));
    using Ints = std::vector<std::int32_t>;
    CHECK(run_kernel<std::int32_t>(make_cumulative, {&src, &dst}, {1, 0, 0}) == Ints{1, 3, 6, 4, 9, 15});
    CHECK(run_kernel<std::int32_t>(make_cumulative, {&src, &dst}, {1, 1, 0}) == Ints{0, 1, 3, 0, 4, 9});
    CHECK(run_kernel<std::int32_t>(make_cumulative, {&src, &dst}, {1, 0, 1}) == Ints{6, 5, 3, 15, 11, 6});
    CHECK(run_kernel<std::int32_t>(make_cumulative, {&src, &dst}, {1, 1, 1}) == Ints{5, 3, 0, 11, 6, 0});
    CHECK(run_kernel<std::int32_t>(make_cumulative, {&src, &dst}, {0, 0, 0}) == Ints{1, 2, 3, 5, 7, 9});
}

TEST_CASE("16-bit floats convert exactly and round to nearest even") {
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
        const auto half = static_cast<std::uint16_t>(bits);
        const float value = Element<Float16Bits>::load({half});
        if (value == value) CHECK(Element<Float16Bits>::store(value).bits == half);
        const float brain = Element<BFloat16Bits>::load({half});
        if (brain == brain) CHECK(Element<BFloat16Bits>::store(brain).bits == half);
    }
    CHECK(Element<Float16Bits>::store(1.0F + 0x1p-11F).bits == 0x3c00);
    CHECK(Element<Float16Bits>::store(1.0F + 0x3p-11F).bits == 0x3c02);
    CHECK(Element<Float16Bits>::store(65520.0F).bits == 0x7c00);
    CHECK(Element<BFloat16Bits>::store(1.0F + 0x1p-8F).bits == 0x3f80);
}

}  // namespace
}  // namespace igata::runtime::test
