// The kernel `resample` on random tables, axes and layouts against the definition.
#include <doctest/doctest.h>

#include "runtime/kernels/resample.hpp"
#include "tests/runtime/single_step.hpp"

namespace igata::runtime::test {
namespace {

/// A random order of the axes.
std::vector<int> random_order(Random& random, int rank) {
    std::vector<int> order;
    for (int i = 0; i < rank; ++i) order.push_back(i);
    std::shuffle(order.begin(), order.end(), random);
    return order;
}

/// Places and weights of one axis.
struct Table {
    Operand places, weights;

    Table(Random& random, std::int64_t from, std::int64_t to) {
        const std::int64_t taps = pick(random, 1, 4);
        places = make_operand(layout(DataType::i32, {to, taps}));
        for (std::int64_t i = 0; i < to * taps; ++i)
            places.data<std::int32_t>()[i] = static_cast<std::int32_t>(pick(random, 0, from - 1));
        weights = random_operand(random, layout(DataType::f32, {to, taps}));
        places.constant = weights.constant = true;
    }

    /// Calls f(place, weight) for each tap of a result.
    template <class F>
    void for_each_tap(std::int64_t result, const F& f) {
        const std::int64_t taps = places.spec.dims[1];
        for (std::int64_t i = result * taps; i < (result + 1) * taps; ++i)
            f(places.data<std::int32_t>()[i], static_cast<double>(weights.data()[i]));
    }
};

}  // namespace

TEST_CASE("resample adds weighted elements along one axis or two") {
    Random random(3);
    for (int round = 0; round < 150; ++round) {
        CAPTURE(round);
        const int rank = static_cast<int>(pick(random, 2, 5));
        std::vector<std::int64_t> dims;
        for (int i = 0; i < rank; ++i) dims.push_back(pick(random, 1, i == 1 ? 33 : 5));
        const std::vector<int> axes = random_order(random, rank);
        const int column = axes[0];
        const int row = pick(random, 0, 2) > 0 ? axes[1] : -1;
        const std::vector<int> order = random_order(random, rank);
        const bool alike = pick(random, 0, 3) > 0;
        Operand src = random_operand(
            random, layout(DataType::f32, dims, alike ? order : random_order(random, rank), pick(random, 0, 1)));
        dims[static_cast<std::size_t>(column)] = pick(random, 1, 6);
        if (row >= 0) dims[static_cast<std::size_t>(row)] = pick(random, 1, 6);
        Operand dst = make_operand(layout(DataType::f32, dims, order));
        dst.written = true;
        Table columns(random, src.spec.dims[column], dst.spec.dims[column]);
        Table rows(random, row < 0 ? 1 : src.spec.dims[row], row < 0 ? 1 : dst.spec.dims[row]);

        KernelSpec spec;
        spec.name = "resample";
        spec.make = make_resample;
        spec.ints[0] = row;
        spec.ints[1] = column;
        std::vector<Operand*> operands{&src, &rows.places, &rows.weights, &columns.places, &columns.weights, &dst};
        if (row < 0) operands[1] = operands[2] = nullptr;
        for (Operand* operand : operands) {
            if (operand != nullptr) spec.operands[spec.operand_count] = operand->spec;
            ++spec.operand_count;
        }
        SingleStep(StepKind::kernel, &spec, operands, static_cast<int>(pick(random, 1, 2))).run();

        int wrong = 0;
        for_each_index(dst.spec, [&](const std::int64_t* index) {
            double expected = 0;
            std::int64_t at[max_rank] = {};
            std::copy(index, index + rank, at);
            const auto add_columns = [&](double factor) {
                columns.for_each_tap(index[column], [&](std::int64_t place, double weight) {
                    at[column] = place;
                    expected += factor * weight * static_cast<double>(src.at(at));
                });
            };
            if (row < 0) add_columns(1);
            else
                rows.for_each_tap(index[row], [&](std::int64_t place, double weight) {
                    at[row] = place;
                    add_columns(weight);
                });
            if (!close(expected, dst.at(index), 1e-5)) ++wrong;
        });
        CHECK(wrong == 0);
    }
}

}  // namespace igata::runtime::test
