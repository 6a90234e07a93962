// Random loops as generated code, against their interpretation.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <optional>
#include <random>

#include "compiler/emit/loop_vectors.hpp"
#include "compiler/emit/loops.hpp"
#include "compiler/ir/interpret.hpp"
#include "compiler/ir/view.hpp"
#include "runtime/isa.hpp"
#include "tests/e2e/compile_cpp.hpp"

using namespace igata;

namespace {

/// A loop with the buffers that it runs over.
struct Case {
    Loop loop;
    std::string text;    ///< for messages
    bool exact = false;  ///< floats, too, to the last bit
    std::vector<Tensor> inputs;
    Dims output_dims;
};

using Random = std::mt19937;

int pick(Random& random, int count) { return static_cast<int>(random() % static_cast<unsigned>(count)); }

/// Values that stay in range of every type used: small, with zeros and both signs.
Tensor random_tensor(Random& random, DataType dtype, const Dims& dims) {
    Tensor wide(DataType::f64, dims);
    for (double& value : wide.mutable_values<double>())
        value = (pick(random, 41) - 20) / (is_floating(dtype) ? 8.0 : 2.0);
    return wide.cast(dtype);
}

Dims random_strides(Random& random, const Dims& extents) {
    std::vector<int> order(extents.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
    if (pick(random, 2) == 0) std::shuffle(order.begin(), order.end(), random);
    Dims strides = strides_for_order(extents, order);
    for (std::int64_t& stride : strides) {
        if (pick(random, 5) == 0) stride = 0;
    }
    return strides;
}

constexpr const char* float_bodies[] = {"x0 * sigmoid(x0)",
                                        "max(x0 + x1, 0) * 0.5",
                                        "select(x0 < x1, x0, tanh(x1))",
                                        "exp(-abs(x0)) + erf(x1)",
                                        "pow(abs(x0) + 1, 0.5) / 3",
                                        "min(x0, x1) - x2 * x2",
                                        "floor(x0) + ceil(x1) + round(x2)",
                                        "sqrt(abs(x0)) + log(abs(x1) + 1) + log1p(abs(x2))",
                                        "mod(x0, 3) + fmod(x1, 2)",
                                        "sign(x0) * cast<f32>(cast<i32>(x1))",
                                        "sin(x0) + cos(x0) + atan(x1)",
                                        "3",
                                        "x0"};
constexpr const char* integer_bodies[] = {"x0 + x1 * 3",
                                          "x0 / x1",
                                          "mod(x0, x1)",
                                          "fmod(x0, x1)",
                                          "max(x0, x1) - min(x0, 2)",
                                          "pow(x0, 3)",
                                          "select(x0 == x1, -x0, abs(x1))",
                                          "bitwise_xor(x0, bitwise_not(x1))",
                                          "shift_left(x0, 1)",
                                          "sign(x0)"};

Case random_case(unsigned seed) {
    Random random(seed);
    Case c;
    const bool floats = pick(random, 3) > 0;
    const DataType type = floats ? (pick(random, 4) > 0    ? DataType::f32
                                    : pick(random, 2) == 0 ? DataType::f64
                                                           : DataType::f16)
                                 : (pick(random, 2) == 0   ? DataType::i64
                                    : pick(random, 2) == 0 ? DataType::i32
                                                           : DataType::i8);
    c.text = floats ? float_bodies[pick(random, static_cast<int>(std::size(float_bodies)))]
                    : integer_bodies[pick(random, static_cast<int>(std::size(integer_bodies)))];
    if (type != DataType::f32 && c.text.find("cast<") != std::string::npos) c.text = "x0 + x1";
    c.loop.body = expr::parse(c.text);
    const int rank = pick(random, 5);
    for (int d = 0; d < rank; ++d)
        c.loop.extents.push_back(pick(random, 4) == 0 ? 65 + pick(random, 80) : 1 + pick(random, 5));
    const bool reduces = pick(random, 2) == 0 && c.text != "3";
    c.output_dims = c.loop.extents;
    if (reduces) {
        c.loop.reduce = static_cast<Reduce>(pick(random, 4));
        if (*c.loop.reduce == Reduce::product) c.loop.reduce = Reduce::sum;  // grows out of range
        c.loop.accumulator = type == DataType::f16 ? DataType::f32 : type;
        if (type == DataType::f16) c.loop.body = expr::cast(DataType::f32, c.loop.body);
        for (std::int64_t& extent : c.output_dims) {
            c.loop.reduced.push_back(pick(random, 2) == 0);
            if (c.loop.reduced.back()) extent = 1;
        }
        if (floats && pick(random, 2) == 0) c.loop.finish = expr::parse("x0 * 0.25");
    }
    for (int i = 0; i < expr::operand_count(c.loop.body); ++i) {
        c.loop.inputs.push_back({type, random_strides(random, c.loop.extents)});
        c.inputs.push_back(random_tensor(random, type, c.loop.extents));
    }
    c.loop.output = {type, row_major_strides(c.output_dims)};
    for (std::size_t d = 0; d < c.output_dims.size(); ++d) {
        if (reduces && c.loop.reduced[d]) c.loop.output.strides[d] = 0;
    }
    return c;
}

/// A picture with its channels innermost, scaled and shifted by channel.
Case normalisation(std::int64_t pixels, std::int64_t channels, std::int64_t channel_step) {
    Random random(7);
    Case c;
    c.text = "x0 * 0.25 + x1 - x2 + x3";
    c.loop.body = expr::parse(c.text);
    c.loop.extents = c.output_dims = {pixels, channels};
    c.loop.inputs = {{DataType::f32, {channels, 1}},
                     {DataType::f32, {0, channel_step}},
                     {DataType::f32, {0, 1}},
                     {DataType::f32, {0, 0}}};
    for (int i = 0; i < 4; ++i) c.inputs.push_back(random_tensor(random, DataType::f32, {pixels, channels * 2}));
    c.loop.output = {DataType::f32, {channels, 1}};
    return c;
}

using Run = void(std::byte* const*, std::int64_t, std::int64_t);

Tensor run(Case& c, const std::function<void(std::byte* const*)>& run_all) {
    Tensor output(c.loop.output.dtype, c.output_dims);
    std::vector<std::byte*> operands;
    for (Tensor& input : c.inputs) operands.push_back(input.mutable_bytes().data());
    operands.push_back(output.mutable_bytes().data());
    run_all(operands.data());
    return output;
}

void check_equal(const Case& c, const Tensor& got, const Tensor& expected) {
    const bool exact = c.exact || !is_floating(got.dtype());
    const auto a = got.to_f64(), b = expected.to_f64();
    const double tolerance = got.dtype() == DataType::f16 ? 2e-3 : 2e-5;
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const bool same = a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i])) ||
                          (!exact && std::abs(a[i] - b[i]) <= tolerance * std::max(1.0, std::abs(b[i])));
        if (!same && wrong++ == 0) MESSAGE("element " << i << ": " << a[i] << ", not " << b[i]);
    }
    CHECK_MESSAGE(wrong == 0, c.text << " over " << to_string(c.loop.extents) << " " << name_of(got.dtype()));
}

/// What stands between quantized layers; x0 is of bytes, x1 of bytes or f32, x2 f32.
constexpr const char* quantized_bodies[] = {
    "cast<u8>(max(min(round((cast<f32>(cast<i32>(x0) - 3) * 0.1 + cast<f32>(cast<i32>(x1) - 4) * 0.06) / 0.07) + 7, "
    "255), 0))",
    "cast<i8>(max(min(round(cast<f32>(cast<i32>(x0) - 11) * 0.03 * cast<f32>(x1) / 0.018) + -5, 127), -128))",
    "cast<u8>(round(cast<f32>(cast<i32>(cast<i8>(x0))) * 0.5))",
    "cast<i8>(cast<f32>(x0) * 1.5 - cast<f32>(x1))",
    "cast<f32>(cast<i32>(x0) - 128) * 0.02 + x2",
    "cast<u8>(max(min(round(x2 / 0.1) + 128, 255), 0))",
    "cast<u8>(max(min(round(cast<f32>(cast<u8>(max(min(round(x2 * 0.7), 255), 0))) + cast<f32>(x0)), 255), 0))",
    "cast<i32>(x0) + cast<i32>(x1) * 3",
    "-cast<f32>(x0) / 0.25",
    "x0"};

/// A loop over bytes whose rows are dense, or repeat, or lie apart.
Case quantized_case(unsigned seed) {
    Random random(seed);
    Case c;
    c.text = quantized_bodies[seed % std::size(quantized_bodies)];
    c.loop.body = expr::parse(c.text);
    constexpr std::int64_t widths[] = {1, 3, 8, 16, 24, 40, 64, 88, 100, 300};
    const std::int64_t rows = pick(random, 2) == 0 ? 1 : 64 + pick(random, 80);
    const std::int64_t width = widths[pick(random, static_cast<int>(std::size(widths)))];
    c.loop.extents = c.output_dims = {rows, rows == 1 ? width * 37 : width};
    const std::int64_t row = c.loop.extents[1];
    const DataType bytes = pick(random, 2) == 0 ? DataType::u8 : DataType::i8;
    const int gap = pick(random, 3) == 0 ? 5 : 0;
    for (int i = 0; i < std::max(1, expr::operand_count(c.loop.body)); ++i) {
        const bool real = i == 2 || (i == 1 && c.text.find("x1)") != std::string::npos && pick(random, 2) == 0 &&
                                     c.text.find("cast<i32>(x1)") == std::string::npos);
        const DataType type = real ? DataType::f32 : bytes;
        const int kind = i == 0 || i == 2 ? 0 : pick(random, 4);  // a row for all, one element for all
        c.loop.inputs.push_back(
            {type, {kind == 0 ? row + gap : 0, kind == 3 || (kind == 2 && rows == 1) ? 0 : std::int64_t{1}}});
        Tensor wide(DataType::f64, {rows, row + gap});
        for (double& value : wide.mutable_values<double>())
            value = real ? (pick(random, 4001) - 2000) / 32.0 : pick(random, 256) - (type == DataType::i8 ? 128 : 0);
        c.inputs.push_back(wide.cast(type));
    }
    std::vector<DataType> types;
    for (const auto& input : c.loop.inputs) types.push_back(input.dtype);
    c.loop.output = {expr::type_of(c.loop.body, types), {row, 1}};
    if (c.loop.output.dtype == DataType::f32 && rows > 1 && pick(random, 3) > 0) {  // the rows' average
        c.loop.reduce = Reduce::sum;
        c.loop.reduced = {true, false};
        c.loop.accumulator = DataType::f32;
        c.loop.finish = expr::parse("x0 * 0.25");
        c.loop.output.strides[0] = 0;
        c.output_dims[0] = 1;
    }
    c.exact = is_vectorised(c.loop);
    return c;
}

/// The cases as one library: `run<i>_<isa>(operands, begin, end)`.
class Compiled {
public:
    explicit Compiled(const std::vector<Case>& cases) {
        std::string source =
            "#include \"runtime/loop_arithmetic.hpp\"\n#include \"runtime/loop_vectors.hpp\"\nnamespace {\nusing "
            "namespace "
            "igata::runtime;\n";
        std::string functions;
        for (std::size_t i = 0; i < cases.size(); ++i) {
            const LoopCode code = loop_code(cases[i].loop, fmt::format("case{}", i), cases[i].text);
            source += code.body;
            outer_.push_back(code.outer);
            for (const char* isa : isas)
                functions += fmt::format(
                    "extern \"C\" void run{0}_{1}(std::byte* const* o, std::int64_t b, std::int64_t e) {{ "
                    "Versions<case{0}_body, std::byte* const*, std::int64_t, std::int64_t>::get(Isa::{1})(o, b, e); "
                    "}}\n",
                    i, isa);
        }
        test::write_file(folder_.path() / "loops.cpp", source + "}\n" + functions);
        test::run_command(std::string(test::strict) + "-I" IGATA_SOURCE_DIR " -shared -fPIC loops.cpp -o loops.so",
                          folder_.path());
        library_.emplace(folder_.path() / "loops.so");
    }

    /// Case i as a whole, and in two parts as two threads would, with every instruction set that there is here.
    void check(std::size_t i, Case& c) {
        CAPTURE(i);
        const Tensor expected = run(c, [&](std::byte* const* operands) {
            run_loop(c.loop, operands, 0, c.loop.extents.empty() ? 1 : c.loop.extents[0]);
        });
        for (std::size_t isa = 0; isa <= static_cast<std::size_t>(runtime::detect_isa()); ++isa) {
            CAPTURE(std::string(isas[isa]));
            auto* function = library_->function<Run>(fmt::format("run{}_{}", i, isas[isa]));
            check_equal(c, run(c, [&](std::byte* const* operands) { function(operands, 0, outer_[i]); }), expected);
            check_equal(c,
                        run(c,
                            [&](std::byte* const* operands) {
                                function(operands, 0, outer_[i] / 2);
                                function(operands, outer_[i] / 2, outer_[i]);
                            }),
                        expected);
        }
    }

private:
    static constexpr const char* isas[] = {"baseline", "v3", "v4"};
    const test::TemporaryFolder folder_;
    std::optional<test::Library> library_;
    std::vector<std::int64_t> outer_;
};

}  // namespace

TEST_CASE("generated loops compute what the interpreter computes") {
    std::vector<Case> cases;
    for (unsigned i = 0; i < 64; ++i)
        cases.push_back(i < 4 ? normalisation(100 + 16 * i % 3, 1 + 2 * i, 1 + i % 2) : random_case(i));
    Compiled compiled(cases);
    for (std::size_t i = 0; i < cases.size(); ++i) compiled.check(i, cases[i]);
}

TEST_CASE("generated loops over bytes compute what the interpreter computes, to the bit") {
    std::vector<Case> cases;
    for (unsigned i = 0; i < 80; ++i) cases.push_back(quantized_case(i));
    std::size_t in_registers = 0, sums = 0;
    for (const Case& c : cases) {
        in_registers += is_vectorised(c.loop) ? 1 : 0;
        sums += is_vectorised(c.loop) && c.loop.reduce ? 1 : 0;
    }
    CHECK(in_registers >= 30);
    CHECK(sums >= 3);
    Compiled compiled(cases);
    for (std::size_t i = 0; i < cases.size(); ++i) compiled.check(i, cases[i]);
}

TEST_CASE("only loops over bytes and of what quantization is made of are written in registers") {
    Case c = normalisation(100, 16, 1);
    CHECK_FALSE(is_vectorised(c.loop));
    Loop loop;
    loop.extents = {64, 40};
    loop.inputs = {{DataType::u8, {40, 1}}};
    loop.output = {DataType::f32, {40, 1}};
    loop.body = expr::parse("cast<f32>(x0) * 0.5");
    CHECK(is_vectorised(loop));
    loop.body = expr::parse("sigmoid(cast<f32>(x0))");
    CHECK_FALSE(is_vectorised(loop));
    loop.body = expr::parse("cast<f32>(x0) * 0.5");
    loop.inputs[0].strides = {1, 64};
    CHECK_FALSE(is_vectorised(loop));
    loop.inputs[0].strides = {40, 1};
    loop.body = expr::operand(0);
    loop.output.dtype = DataType::u8;
    CHECK_FALSE(is_vectorised(loop));
}
