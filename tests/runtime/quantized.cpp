// Quantized convolutions against the definition, by every kernel at every instruction set that this machine has; and
// tables of bytes.
#include <doctest/doctest.h>

#include <map>

#include "runtime/kernels/byte_table.hpp"
#include "runtime/kernels/quantized_convolution.hpp"
#include "tests/runtime/single_step.hpp"

namespace igata::runtime::test {
namespace {

Operand random_bytes(Random& random, const MemorySpec& spec) {
    Operand operand = make_operand(spec);
    for (std::byte& value : operand.bytes) value = static_cast<std::byte>(random() & 0xffU);
    return operand;
}

DataType pick_byte(Random& random) { return pick(random, 0, 1) == 0 ? DataType::i8 : DataType::u8; }

/// A convolution and its operands, in their order; absent ones have no bytes.
struct Case {
    KernelSpec spec;
    std::vector<Operand> operands = std::vector<Operand>(9);

    explicit Case(Random& random) {
        const bool depthwise = pick(random, 0, 2) == 0;
        const std::int64_t groups = depthwise                 ? pick_channels(random)
                                    : pick(random, 0, 3) == 0 ? pick(random, 2, 3)
                                                              : 1;
        const std::int64_t ic = depthwise ? 1 : pick(random, 0, 1) == 0 ? 4 * pick(random, 1, 20) : pick(random, 1, 30);
        const std::int64_t oc = depthwise ? 1 : pick(random, 1, 140);
        const std::int64_t images = pick(random, 1, 2);
        const int axes = static_cast<int>(std::max<std::int64_t>(1, pick(random, -1, 3)));
        std::vector<std::int64_t> src{images, groups * ic};
        std::vector<std::int64_t> dst{images, groups * oc};
        std::vector<std::int64_t> weights{groups * oc, ic};
        spec.ints[0] = groups;
        for (int i = 0; i < axes; ++i) {
            const std::int64_t kernel = pick(random, 0, 1) == 0 ? 1 : pick(random, 2, axes == 3 ? 3 : 7);
            const std::int64_t stride = pick(random, 1, 3);
            const std::int64_t dilation = pick(random, 0, 3) == 0 ? 2 : 1;
            const std::int64_t reach = (kernel - 1) * dilation;
            const std::int64_t before = pick(random, 0, reach + 1);
            const std::int64_t after = pick(random, 0, reach + 1);
            const std::int64_t size = pick(random, 1, axes == 3 ? 5 : 20) + std::max<std::int64_t>(0, reach - before);
            spec.ints[1 + i] = stride;
            spec.ints[4 + i] = dilation;
            spec.ints[7 + i] = before;
            src.push_back(size);
            dst.push_back((size + before + after - reach - 1) / stride + 1);
            weights.push_back(kernel);
        }
        const auto order = pick(random, 0, 5) == 0 ? std::vector<int>{} : channels_last(2 + axes);
        const auto gap = [&] { return pick(random, 0, 3) == 0 ? pick(random, 1, 20) : 0; };
        add(0, random_bytes(random, layout(pick_byte(random), src, order, gap())));
        add(2, random_bytes(random, layout(pick_byte(random), weights)));
        if (pick(random, 0, 3) != 0) add(1, random_bytes(random, layout(operands[0].spec.dtype, {1})));
        add_weight_zeros(random, groups * oc);
        if (pick(random, 0, 1) == 0) add(4, integers(random, groups * oc));
        const DataType real = pick(random, 0, 1) == 0 ? DataType::i32 : DataType::f32;
        const DataType result = pick(random, 0, 2) == 0 ? real : pick_byte(random);
        if (result != DataType::i32) add(5, multipliers(random, pick(random, 0, 3) == 0 ? 1 : groups * oc));
        zero_varies = result == real && pick(random, 0, 1) == 0;
        if (result != real) {
            if (pick(random, 0, 3) != 0) add(6, random_bytes(random, layout(result, {1})));
            if (pick(random, 0, 1) == 0) add(7, random_bytes(random, layout(result, {256})));
        }
        add(8, make_operand(layout(result, dst, order, gap())));
        spec.operand_count = 9;
    }

    /// Less than a vector of any width, odd, whole, and enough for several parts.
    static std::int64_t pick_channels(Random& random) {
        constexpr std::int64_t most[] = {8, 16, 40, 150, 400};
        return pick(random, 2, most[pick(random, 0, 4)]);
    }

    void add(std::size_t i, Operand operand) {
        spec.operands[i] = operand.spec;
        operands[i] = std::move(operand);
    }

    /// Mostly what lets the products be of signed weights as they are.
    void add_weight_zeros(Random& random, std::int64_t channels) {
        if (pick(random, 0, 3) == 0) return;
        Operand zeros = random_bytes(random, layout(operands[2].spec.dtype, {pick(random, 0, 1) == 0 ? 1 : channels}));
        const auto middle = operands[2].spec.dtype == DataType::u8 ? std::byte{128} : std::byte{0};
        if (pick(random, 0, 2) != 0) std::fill(zeros.bytes.begin(), zeros.bytes.end(), middle);
        add(3, std::move(zeros));
    }

    static Operand integers(Random& random, std::int64_t count) {
        Operand operand = make_operand(layout(DataType::i32, {count}));
        for (std::int64_t i = 0; i < count; ++i)
            operand.data<std::int32_t>()[i] = static_cast<std::int32_t>(pick(random, -100000, 100000));
        return operand;
    }
    static Operand multipliers(Random& random, std::int64_t count) {
        Operand operand = make_operand(layout(DataType::f32, {count}));
        // Powers of two make halves, which round to even.
        for (std::int64_t i = 0; i < count; ++i)
            operand.data()[i] = pick(random, 0, 1) == 0 ? std::ldexp(1.0F, -static_cast<int>(pick(random, 6, 12)))
                                                        : 1e-4F * static_cast<float>(pick(random, 1, 100));
        return operand;
    }

    std::int32_t byte(std::size_t i, std::int64_t at = 0) const {
        if (operands[i].bytes.empty()) return 0;
        return small_integer(operands[i].bytes.data(), operands[i].spec.dtype, at);
    }

    /// The elements of the result by the definition, row-major.
    std::vector<std::int32_t> expected() const {
        const QuantizedShape shape(spec);
        std::vector<std::int32_t> results;
        for_each_index(operands[8].spec, [&](const std::int64_t* index) {
            const std::int64_t oc = index[1];
            const std::int64_t zeros = static_cast<std::int64_t>(operands[3].bytes.size());
            std::int64_t sum = 0;
            MemorySpec of_channel = operands[2].spec;
            of_channel.dims[0] = 1;
            for_each_index(of_channel, [&](const std::int64_t* w) {
                const std::int64_t channel = oc / shape.channels * shape.src_channels + w[1];
                std::int64_t at[max_rank] = {index[0], channel};
                for (int i = 0; i + 2 < of_channel.rank; ++i) {
                    at[2 + i] = index[2 + i] * spec.ints[1 + i] - spec.ints[7 + i] + w[2 + i] * spec.ints[4 + i];
                    if (at[2 + i] < 0 || at[2 + i] >= operands[0].spec.dims[2 + i]) return;
                }
                const std::int64_t weight = oc * of_channel.strides[0] + offset_of(of_channel, w);
                sum += (byte(0, offset_of(operands[0].spec, at)) - byte(1)) *
                       (byte(2, weight) - byte(3, zeros > 1 ? oc : 0));
            });
            if (!operands[4].bytes.empty()) sum += reinterpret_cast<const std::int32_t*>(operands[4].bytes.data())[oc];
            results.push_back(finished(static_cast<std::int32_t>(sum), oc));
        });
        return results;
    }

    static std::int32_t bits_of(float value) {
        std::int32_t bits = 0;
        std::memcpy(&bits, &value, sizeof bits);
        return bits;
    }

    /// f32 as its bits.
    std::int32_t finished(std::int32_t sum, std::int64_t oc) const {
        const DataType dtype = operands[8].spec.dtype;
        if (dtype == DataType::i32) return sum;
        const auto* multiplier = reinterpret_cast<const float*>(operands[5].bytes.data());
        const float scaled = static_cast<float>(sum) * multiplier[operands[5].bytes.size() > 4 ? oc : 0];
        if (dtype == DataType::f32) return bits_of(scaled);
        const double moved = std::nearbyint(static_cast<double>(scaled)) + byte(6);
        const double least = dtype == DataType::i8 ? -128 : 0;
        const auto value = static_cast<std::int32_t>(std::min(std::max(moved, least), least + 255));
        return operands[7].bytes.empty() ? value : byte(7, value & 0xff);
    }

    /// By the kernel that needs VPDPBUSD and takes this, if there is one.
    static std::unique_ptr<Operation> make_vnni(const Builder& builder, const KernelSpec& spec, Isa isa) {
        if (VnniDepthwise::fits(builder, spec, isa)) return std::make_unique<VnniDepthwise>(builder, spec, isa);
        if (VnniConvolution::fits(builder, spec, isa)) return std::make_unique<VnniConvolution>(builder, spec, isa);
        return nullptr;
    }

    /// All but the source constant, unless `zero_varies`, for the kernel that takes anything or that of bytes. Empty if
    /// that does not fit.
    std::vector<std::int32_t> run(Isa isa, bool vnni, int threads) {
        std::vector<std::byte> pool;
        StepSpec row;
        std::byte* addresses[max_operands] = {};
        for (std::size_t i = 0; i < 9; ++i) {
            addresses[i] = operands[i].bytes.empty() ? nullptr : operands[i].bytes.data();
            if (i == 0 || i == 8 || operands[i].bytes.empty() || (zero_varies && (i == 1 || i == 5))) continue;
            row.operands[i] = {Space::weights, 0, static_cast<std::int64_t>(pool.size())};
            pool.insert(pool.end(), operands[i].bytes.begin(), operands[i].bytes.end());
            pool.resize(aligned(pool.size()));
        }
        const ThreadScope scope(threads);
        const Builder builder{dnnl::engine(dnnl::engine::kind::cpu, 0), &row, pool.data(), nullptr};
        const std::unique_ptr<Operation> operation =
            vnni ? make_vnni(builder, spec, isa) : std::make_unique<QuantizedConvolution>(builder, spec, isa);
        if (operation == nullptr) return {};
        implementation = operation->implementation();
        std::fill(operands[8].bytes.begin(), operands[8].bytes.end(), untouched);
        const AlignedMemory scratch(operation->scratch_bytes());
        operation->run({addresses, scratch.get(), nullptr, nullptr});
        return results();
    }

    /// The elements of the result. What lies between them must be as it was.
    std::vector<std::int32_t> results() {
        std::vector<std::byte> between = operands[8].bytes;
        std::vector<std::int32_t> elements;
        for_each_index(operands[8].spec, [&](const std::int64_t* index) {
            const std::int64_t at = offset_of(operands[8].spec, index);
            const bool wide = size_of(operands[8].spec.dtype) == 4;
            elements.push_back(wide ? operands[8].data<std::int32_t>()[at] : byte(8, at));
            const auto size = static_cast<std::int64_t>(size_of(operands[8].spec.dtype));
            std::fill_n(between.begin() + at * size, size, untouched);
        });
        CHECK(std::count(between.begin(), between.end(), untouched) == static_cast<std::ptrdiff_t>(between.size()));
        return elements;
    }

    static constexpr std::byte untouched{0x55};
    bool zero_varies = false;    ///< the source's zero point and the multiplier are no constants
    std::string implementation;  ///< what ran last
};

}  // namespace

TEST_CASE("quantized convolutions are exact, by every kernel") {
    Random random(3);
    std::map<std::string, int> runs;
    for (int i = 0; i < 250; ++i) {
        Case test(random);
        CAPTURE(i);
        const auto expected = test.expected();
        for (const Isa isa : {Isa::baseline, Isa::v3, Isa::v4}) {
            if (isa > detect_isa()) continue;
            for (const int threads : {1, 3})
                for (const bool vnni : {false, true}) {
                    const auto results = test.run(isa, vnni, threads);
                    if (results.empty()) continue;
                    CHECK(results == expected);
                    ++runs[test.implementation];
                }
        }
    }
    for (const Isa isa : {Isa::v3, Isa::v4}) {
        if (isa > detect_isa() || !has_vnni(isa)) continue;
        CHECK(runs[std::string("igata:vnni_convolution:") + name_of(isa)] > 100);
        CHECK(runs[std::string("igata:vnni_depthwise:") + name_of(isa)] > 50);
    }
}

TEST_CASE("byte_table looks up each byte, in any layout") {
    Random random(5);
    const std::vector<int> rows{0, 1, 2}, columns{2, 0, 1};
    for (const auto& [order, dst_order] : {std::pair{rows, rows}, {columns, columns}, {rows, columns}})
        for (const std::int64_t gap : {0, 3}) {
            Operand table = random_bytes(random, layout(DataType::u8, {256}));
            Operand src = random_bytes(random, layout(DataType::u8, {3, 5, 77}, order, gap));
            Operand dst = make_operand(layout(DataType::u8, {3, 5, 77}, dst_order, 3 - gap));
            dst.written = true;
            KernelSpec spec;
            spec.make = make_byte_table;
            spec.operand_count = 3;
            std::vector<Operand*> operands{&table, &src, &dst};
            for (int i = 0; i < 3; ++i) spec.operands[i] = operands[static_cast<std::size_t>(i)]->spec;
            SingleStep(StepKind::kernel, &spec, operands).run();
            for_each_index(dst.spec, [&](const std::int64_t* index) {
                CHECK(dst.bytes[static_cast<std::size_t>(offset_of(dst.spec, index))] ==
                      table.bytes[std::to_integer<std::size_t>(
                          src.bytes[static_cast<std::size_t>(offset_of(src.spec, index))])]);
            });
        }
    for (const Isa isa : {Isa::baseline, Isa::v4}) {
        if (isa > detect_isa()) continue;
        const Operand table = random_bytes(random, layout(DataType::u8, {256}));
        Operand bytes = random_bytes(random, layout(DataType::u8, {1000}));
        const Operand before = bytes;
        const auto* from = reinterpret_cast<const std::uint8_t*>(table.bytes.data());
        auto* data = bytes.data<std::uint8_t>();
        translate_bytes(isa)(from, data, data, 1000);
        for (std::size_t i = 0; i < 1000; ++i)
            CHECK(bytes.bytes[i] == table.bytes[std::to_integer<std::size_t>(before.bytes[i])]);
    }
}

}  // namespace igata::runtime::test
