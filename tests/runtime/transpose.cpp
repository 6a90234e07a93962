#include "runtime/kernels/transpose.hpp"

#include <doctest/doctest.h>

#include "tests/runtime/single_step.hpp"

namespace igata::runtime::test {
namespace {

template <class T>
void check_transpose(DataType dtype) {
    for (unsigned seed = 0; seed < 40; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        const std::vector<std::int64_t> dims{pick(random, 1, 3), pick(random, 1, 150), pick(random, 1, 40)};
        const auto gap = [&] { return pick(random, 0, 2); };
        Operand src = make_operand(layout(dtype, dims, {0, 1, 2}, gap()));
        for (std::byte& byte : src.bytes) byte = static_cast<std::byte>(random());
        Operand dst = make_operand(layout(dtype, dims, {2, 0, 1}, gap()));
        dst.written = true;
        KernelSpec spec;
        spec.name = "transpose";
        spec.make = make_transpose;
        spec.operand_count = 2;
        spec.operands[0] = src.spec;
        spec.operands[1] = dst.spec;
        spec.ints[0] = 2;
        spec.ints[1] = 1;
        SingleStep(StepKind::kernel, &spec, {&src, &dst}, static_cast<int>(pick(random, 1, 3))).run();
        int wrong = 0;
        for_each_index(src.spec, [&](const std::int64_t* index) {
            const T from = src.data<T>()[offset_of(src.spec, index)];
            if (std::memcmp(&from, dst.data<T>() + offset_of(dst.spec, index), sizeof(T)) != 0) ++wrong;
        });
        CHECK(wrong == 0);
    }
}

/// Wider and narrower than blocks, in each direction.
template <class T>
void check_levels() {
    constexpr std::int64_t rows = 53;
    constexpr std::int64_t columns = 37;
    std::vector<T> src(rows * columns);
    for (std::size_t i = 0; i < src.size(); ++i) src[i] = static_cast<T>(i * 7 + 1);
    for (const Isa isa : {Isa::baseline, Isa::v3, Isa::v4}) {
        if (isa > detect_isa()) continue;
        std::vector<T> dst(src.size());
        const TransposeTask task{reinterpret_cast<const std::byte*>(src.data()),
                                 reinterpret_cast<std::byte*>(dst.data()),
                                 rows,
                                 columns,
                                 columns,
                                 rows};
        Versions<TransposeBody<T>, const TransposeTask&>::get(isa)(task);
        int wrong = 0;
        for (std::int64_t row = 0; row < rows; ++row)
            for (std::int64_t column = 0; column < columns; ++column)
                if (dst[static_cast<std::size_t>(column * rows + row)] !=
                    src[static_cast<std::size_t>(row * columns + column)])
                    ++wrong;
        CHECK(wrong == 0);
    }
}

}  // namespace

TEST_CASE("transpose moves elements of every size, with any strides and threads") {
    check_transpose<std::uint8_t>(DataType::u8);
    check_transpose<std::uint16_t>(DataType::f16);
    check_transpose<std::uint32_t>(DataType::f32);
    check_transpose<std::uint64_t>(DataType::i64);
}

TEST_CASE("transpose, at every level of instructions") {
    check_levels<std::uint8_t>();
    check_levels<std::uint16_t>();
    check_levels<std::uint32_t>();
    check_levels<std::uint64_t>();
}

}  // namespace igata::runtime::test
