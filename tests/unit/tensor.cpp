#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "compiler/ir/tensor.hpp"

using namespace igata;

TEST_CASE("a copied tensor does not change with its original") {
    Tensor a = Tensor::of<float>({2, 2}, {1, 2, 3, 4});
    const Tensor b = a;
    a.mutable_values<float>()[0] = 9;
    CHECK(b.values<float>()[0] == 1);
    CHECK(a.values<float>()[0] == 9);
}

TEST_CASE("transposed permutes the axes as ONNX Transpose does") {
    const Tensor a = Tensor::of<std::int64_t>({2, 3}, {1, 2, 3, 4, 5, 6});
    const std::vector<std::int64_t> perm{1, 0};
    CHECK(a.transposed(perm) == Tensor::of<std::int64_t>({3, 2}, {1, 4, 2, 5, 3, 6}));
}

TEST_CASE("half and bfloat16 keep every value of their own and round ties to even") {
    for (std::uint32_t bits = 0; bits < 0x10000U; ++bits) {
        const auto half = static_cast<std::uint16_t>(bits);
        const float value = Half::decode(half);
        if (!std::isnan(value)) CHECK(Half::encode(value) == half);
    }
    CHECK(Half::encode(65520.0F) == 0x7c00);
    CHECK(Half::encode(2049.0F) == Half::encode(2048.0F));
    CHECK(BFloat16::encode(1.00390625F) == 0x3f80);
}

TEST_CASE("broadcasting follows numpy") {
    CHECK(broadcast({2, 1, 3}, {4, 1}) == Dims{2, 4, 3});
    CHECK(broadcast({}, {5}) == Dims{5});
    CHECK(broadcast_strides({1, 3}, {3, 1}, {2, 4, 3}) == Dims{0, 0, 1});
    CHECK_THROWS_WITH(broadcast({2}, {3}), "shapes [2] and [3] do not broadcast");
}

TEST_CASE("a tensor casts every value, out of range or not, as ONNX Runtime does on x86") {
    const Tensor x = Tensor::of<float>({6}, {-1.5F, 300, NAN, 3e9F, 3e20F, -INFINITY});
    constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
    CHECK(x.cast(DataType::u8) == Tensor::of<std::uint8_t>({6}, {255, 44, 0, 0, 0, 0}));
    CHECK(x.cast(DataType::i16) == Tensor::of<std::int16_t>({6}, {-1, 300, 0, 0, 0, 0}));
    CHECK(x.cast(DataType::i32) ==
          Tensor::of<std::int32_t>({6}, {-1, 300, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN}));
    CHECK(x.cast(DataType::u32) == Tensor::of<std::uint32_t>({6}, {UINT32_MAX, 300, 0, 3000000000, 0, 1U << 31U}));
    CHECK(x.cast(DataType::i64) == Tensor::of<std::int64_t>({6}, {-1, 300, least, 3000000000, least, least}));
    CHECK(Tensor::of<double>({2}, {-1.5, 0x1p63}).cast(DataType::u64) ==
          Tensor::of<std::uint64_t>({2}, {UINT64_MAX, std::uint64_t{1} << 63U}));
    CHECK(x.cast(DataType::f16).cast(DataType::u8) == Tensor::of<std::uint8_t>({6}, {255, 44, 0, 0, 0, 0}));
    CHECK(x.cast(DataType::boolean) == Tensor::of<bool>({6}, {true, true, true, true, true, true}));
}
