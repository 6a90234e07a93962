#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "compiler/ir/interpret.hpp"
#include "compiler/ir/scalar.hpp"

using namespace igata;

namespace {

template <class T>
using Limits = std::numeric_limits<T>;

/// body over operands of one type and shape.
template <class Out, class T>
std::vector<Out> eval(std::string_view body, const std::vector<std::vector<T>>& operands) {
    std::vector<Tensor> tensors;
    std::vector<const Tensor*> inputs;
    const Dims dims{static_cast<std::int64_t>(operands.at(0).size())};
    for (const std::vector<T>& values : operands) tensors.push_back(Tensor::of<T>(dims, values));
    for (const Tensor& tensor : tensors) inputs.push_back(&tensor);
    const Tensor result = eval_map(expr::parse(body), inputs, {data_type_of<Out>(), dims});
    const auto values = result.values<Out>();
    return {values.begin(), values.end()};
}

constexpr float inf = Limits<float>::infinity();
constexpr float not_a_number = Limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("integers are exact in their own type and wrap on overflow") {
    using I = std::int64_t;
    const I big = Limits<I>::max();
    const I small = Limits<I>::min();
    CHECK(eval<I, I>("x0 + x1", {{big, (I{1} << 53) + 1}, {1, 0}}) == std::vector<I>{small, (I{1} << 53) + 1});
    CHECK(eval<I, I>("x0 * 3 - x1", {{big, 5}, {0, 1}}) == std::vector<I>{big - 2, 14});
    CHECK(eval<I, I>("-x0", {{small}}) == std::vector<I>{small});
    CHECK(eval<I, I>("abs(x0)", {{small, -3}}) == std::vector<I>{small, 3});
    CHECK(eval<I, I>("x0 / x1", {{7, -7, 7, small}, {2, 2, 0, -1}}) == std::vector<I>{3, -3, 0, small});
    CHECK(eval<I, I>("mod(x0, x1)", {{7, -7, 7, -7, 7, small}, {3, 3, -3, -3, 0, -1}}) ==
          std::vector<I>{1, 2, -2, -1, 0, 0});
    CHECK(eval<I, I>("fmod(x0, x1)", {{7, -7, 7, -7, 7, small}, {3, 3, -3, -3, 0, -1}}) ==
          std::vector<I>{1, -1, 1, -1, 0, 0});
    CHECK(eval<I, I>("pow(x0, x1)", {{3, 2, 2, -1, -1, 0, 5}, {4, 64, -1, -3, -4, 0, 0}}) ==
          std::vector<I>{81, 0, 0, -1, 1, 1, 1});
    CHECK(eval<std::uint64_t, std::uint64_t>("max(x0, 1) - 2", {{Limits<std::uint64_t>::max(), 0}}) ==
          std::vector<std::uint64_t>{Limits<std::uint64_t>::max() - 2, Limits<std::uint64_t>::max()});
    CHECK(eval<std::uint16_t, std::uint16_t>("x0 * x0", {{65535}}) == std::vector<std::uint16_t>{1});
    CHECK(eval<std::int8_t, std::int8_t>("sign(x0)", {{-128, 0, 5}}) == std::vector<std::int8_t>{-1, 0, 1});
}

TEST_CASE("shifts by the width or more give 0") {
    using U = std::uint8_t;
    CHECK(eval<U, U>("shift_left(x0, x1)", {{1, 255, 255, 1}, {7, 4, 8, 200}}) == std::vector<U>{128, 240, 0, 0});
    CHECK(eval<U, U>("shift_right(x0, x1)", {{128, 255, 255, 1}, {7, 4, 8, 200}}) == std::vector<U>{1, 15, 0, 0});
    CHECK(eval<U, U>("bitwise_xor(x0, bitwise_not(x1))", {{0x0f}, {0x33}}) == std::vector<U>{0xc3});
}

TEST_CASE("min and max propagate NaN") {
    const std::vector<float> low = eval<float, float>("min(x0, x1)", {{1, not_a_number, 2}, {2, 1, not_a_number}});
    CHECK(low[0] == 1);
    CHECK(std::isnan(low[1]));
    CHECK(std::isnan(low[2]));
    const std::vector<float> high = eval<float, float>("min(max(x0, 0), 6)", {{-1, 3, 7, not_a_number}});
    CHECK(high[0] == 0);
    CHECK(high[1] == 3);
    CHECK(high[2] == 6);
    CHECK(std::isnan(high[3]));
}

TEST_CASE("rounding, remainders and predicates of floats") {
    CHECK(eval<float, float>("round(x0)", {{0.5F, 1.5F, 2.5F, -0.5F, -1.5F, 2.6F}}) ==
          std::vector<float>{0, 2, 2, -0.0F, -2, 3});
    CHECK(eval<float, float>("mod(x0, x1)", {{5.5F, -5.5F, 5.5F}, {2, 2, -2}}) ==
          std::vector<float>{1.5F, 0.5F, -0.5F});
    CHECK(eval<float, float>("fmod(x0, x1)", {{5.5F, -5.5F, 5.5F}, {2, 2, -2}}) ==
          std::vector<float>{1.5F, -1.5F, 1.5F});
    CHECK(eval<bool, float>("isnan(x0)", {{not_a_number, inf, 1}}) == std::vector<bool>{true, false, false});
    CHECK(eval<bool, float>("isinf(x0)", {{not_a_number, -inf, 1}}) == std::vector<bool>{false, true, false});
    CHECK(eval<bool, float>("x0 == x0", {{not_a_number, -inf, 1}}) == std::vector<bool>{false, true, true});
    CHECK(eval<float, float>("sigmoid(x0)", {{-200, 0, 200}}) == std::vector<float>{0, 0.5F, 1});
}

TEST_CASE("casts have a result for every value") {
    CHECK(eval<std::int32_t, float>("cast<i32>(x0)", {{1.9F, -1.9F, 3e9F, -3e9F, not_a_number, inf}}) ==
          std::vector<std::int32_t>{1, -1, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN});
    CHECK(eval<std::int64_t, double>("cast<i64>(x0)", {{9.3e18, -9.3e18, 1e15 + 0.5}}) ==
          std::vector<std::int64_t>{INT64_MIN, INT64_MIN, 1000000000000000});
    CHECK(eval<std::uint8_t, float>("cast<u8>(x0)", {{-1, 256, 255.5F, 3e9F}}) ==
          std::vector<std::uint8_t>{255, 0, 255, 0});
    CHECK(eval<std::uint64_t, float>("cast<u64>(x0)", {{0x1p64F, 0x1p63F, -1}}) ==
          std::vector<std::uint64_t>{0, std::uint64_t{1} << 63, UINT64_MAX});
    CHECK(eval<std::int8_t, std::int32_t>("cast<i8>(x0)", {{200, -129}}) == std::vector<std::int8_t>{-56, 127});
    CHECK(eval<bool, float>("cast<bool>(x0)", {{0.5F, 0, -0.0F, not_a_number}}) ==
          std::vector<bool>{true, false, false, true});
    CHECK(eval<float, bool>("cast<f32>(x0)", {{true, false}}) == std::vector<float>{1, 0});
    const std::vector<float> halves = eval<float, float>("cast<f32>(cast<f16>(x0))", {{2049, 1e6F, 0.1F}});
    CHECK(halves[0] == 2048);
    CHECK(halves[1] == inf);
    CHECK(halves[2] == Half::decode(Half::encode(0.1F)));
}

TEST_CASE("halves are computed in f32 and rounded once, doubles in f64") {
    const std::vector<Half> tiny = eval<Half, Half>("x0 + x1 + x1", {{Half(2048.0F)}, {Half(1.0F)}});
    CHECK(static_cast<float>(tiny[0]) == 2050);
    const std::vector<BFloat16> brain = eval<BFloat16, BFloat16>("x0 * x0", {{BFloat16(1.0078125F)}});
    CHECK(static_cast<float>(brain[0]) == 1.015625F);
    CHECK(eval<double, double>("exp(x0)", {{1.0}}) == std::vector<double>{std::exp(1.0)});
    CHECK(eval<double, double>("x0 * 0.1", {{3.0}}) == std::vector<double>{3.0 * 0.1});
}

TEST_CASE("a map broadcasts its inputs, across block borders too") {
    std::vector<float> wide(7 * 600);
    for (std::size_t i = 0; i < wide.size(); ++i) wide[i] = static_cast<float>(i);
    const Tensor a = Tensor::of<float>({7, 600}, wide);
    const Tensor b = Tensor::of<float>({7, 1}, {0, 1, 2, 3, 4, 5, 6});
    const Tensor c = Tensor::scalar<float>(0.5F);
    const Tensor sum = eval_map(expr::parse("x0 * x2 + x1"), {&a, &b, &c}, {DataType::f32, {7, 600}});
    for (std::size_t i = 0; i < wide.size(); ++i)
        REQUIRE(sum.values<float>()[i] == wide[i] * 0.5F + static_cast<float>(i / 600));
    const Tensor d = Tensor::of<float>({3}, {10, 20, 30});
    const Tensor e = Tensor::of<float>({2, 2, 1}, {1, 2, 3, 4});
    CHECK(eval_map(expr::parse("x0 + x1"), {&d, &e}, {DataType::f32, {2, 2, 3}}) ==
          Tensor::of<float>({2, 2, 3}, {11, 21, 31, 12, 22, 32, 13, 23, 33, 14, 24, 34}));
    const Tensor none(DataType::f32, {0, 3});
    CHECK(eval_map(expr::parse("x0 + x1"), {&none, &d}, {DataType::f32, {0, 3}}).count() == 0);
}

namespace {

/// Runs a loop over vectors in the ranges that threads would take.
template <class Out, class In>
std::vector<Out> run(const Loop& loop, std::vector<In> in, std::size_t out_size, std::int64_t split = 0) {
    std::vector<Out> out(out_size, Out(77));
    std::byte* const operands[] = {reinterpret_cast<std::byte*>(in.data()), reinterpret_cast<std::byte*>(out.data())};
    const std::int64_t whole = loop.extents[0];
    if (split > 0) run_loop(loop, operands, 0, split);
    if (split < whole || whole == 0) run_loop(loop, operands, split, whole);
    return out;
}

Loop make_loop(Dims extents, DataType in, Dims in_strides, DataType out, Dims out_strides, std::string_view body) {
    Loop loop;
    loop.extents = std::move(extents);
    loop.inputs = {{in, std::move(in_strides)}};
    loop.output = {out, std::move(out_strides)};
    loop.body = expr::parse(body);
    return loop;
}

}  // namespace

TEST_CASE("a loop runs over any strides and any part of its outermost dim") {
    const Loop transpose = make_loop({3, 2}, DataType::f32, {1, 3}, DataType::f32, {2, 1}, "x0 + 1");
    CHECK(run<float, float>(transpose, {0, 1, 2, 3, 4, 5}, 6, 1) == std::vector<float>{1, 4, 2, 5, 3, 6});
    Loop reversed = make_loop({4}, DataType::i32, {-1}, DataType::i64, {2}, "cast<i64>(x0)");
    std::vector<std::int32_t> in{1, 2, 3, 4};
    std::vector<std::int64_t> out(8, 0);
    std::byte* const operands[] = {reinterpret_cast<std::byte*>(in.data() + 3),
                                   reinterpret_cast<std::byte*>(out.data())};
    run_loop(reversed, operands, 0, 4);
    CHECK(out == std::vector<std::int64_t>{4, 0, 3, 0, 2, 0, 1, 0});
    const Loop scalar = make_loop({}, DataType::f32, {}, DataType::f32, {}, "x0 * x0");
    float three = 3;
    float nine = 0;
    std::byte* const scalars[] = {reinterpret_cast<std::byte*>(&three), reinterpret_cast<std::byte*>(&nine)};
    run_loop(scalar, scalars, 0, 1);
    CHECK(nine == 9);
}

TEST_CASE("a loop may write over its input") {
    const Loop loop = make_loop({1000}, DataType::f32, {1}, DataType::f32, {1}, "x0 * 2");
    std::vector<float> values(1000, 21);
    auto* bytes = reinterpret_cast<std::byte*>(values.data());
    std::byte* const operands[] = {bytes, bytes};
    run_loop(loop, operands, 0, 1000);
    CHECK(values == std::vector<float>(1000, 42));
}

TEST_CASE("a loop reduces over inner, outer and all dims") {
    Loop loop = make_loop({2, 3}, DataType::f32, {3, 1}, DataType::f32, {1, 0}, "x0 * x0");
    loop.reduce = Reduce::sum;
    loop.accumulator = DataType::f32;
    loop.reduced = {false, true};
    loop.finish = expr::parse("x0 / 2");
    CHECK(run<float, float>(loop, {1, 2, 3, 4, 5, 6}, 2, 1) == std::vector<float>{7, 38.5F});
    loop.output.strides = {0, 1};
    loop.reduced = {true, false};
    loop.finish = nullptr;
    CHECK(run<float, float>(loop, {1, 2, 3, 4, 5, 6}, 3, 2) == std::vector<float>{17, 29, 45});
    loop.output.strides = {0, 0};
    loop.reduced = {true, true};
    loop.reduce = Reduce::maximum;
    loop.body = expr::parse("-x0");
    CHECK(run<float, float>(loop, {1, 2, 3, 4, 5, 6}, 1, 2) == std::vector<float>{-1});
    loop.reduce = Reduce::product;
    loop.body = expr::parse("x0");
    CHECK(run<float, float>(loop, {1, 2, 3, 4, 5, 6}, 1, 2) == std::vector<float>{720});
}

TEST_CASE("reductions in another type, over nothing, and over much") {
    Loop loop = make_loop({3}, DataType::i32, {1}, DataType::i64, {0}, "cast<i64>(x0)");
    loop.reduce = Reduce::sum;
    loop.accumulator = DataType::i64;
    loop.reduced = {true};
    const std::int32_t big = Limits<std::int32_t>::max();
    CHECK(run<std::int64_t, std::int32_t>(loop, {big, big, big}, 1, 3) == std::vector<std::int64_t>{3LL * big});
    loop = make_loop({0}, DataType::i32, {1}, DataType::i32, {0}, "x0");
    loop.reduced = {true};
    loop.accumulator = DataType::i32;
    loop.reduce = Reduce::minimum;
    CHECK(run<std::int32_t, std::int32_t>(loop, {1}, 1) == std::vector<std::int32_t>{big});
    loop = make_loop({1000}, DataType::f16, {1}, DataType::f16, {0}, "x0");
    loop.reduced = {true};
    loop.accumulator = DataType::f16;
    loop.reduce = Reduce::sum;
    CHECK(static_cast<float>(run<Half, Half>(loop, std::vector<Half>(1000, Half(10.0F)), 1, 1000)[0]) == 10000);
}
