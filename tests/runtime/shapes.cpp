// Which plans serve which shapes.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "runtime/predictor_shapes.hpp"

namespace igata::runtime::test {
namespace {

/// Plans of one input x and one output y, of the same dims.
class Shapes {
public:
    Shapes(std::vector<std::vector<std::int64_t>> dims, bool batched) : dims_(std::move(dims)) {
        ports_.reserve(dims_.size());
        for (const auto& own : dims_)
            ports_.push_back({"x", IGATA_F32, static_cast<int>(own.size()), own.data(), 0, -1, 0});
        for (const igata_tensor_info& port : ports_) {
            igata_predictor_info plan = {};
            plan.name = "p";
            plan.input_count = plan.output_count = 1;
            plan.inputs = plan.outputs = &port;
            plan.batched = batched ? 1 : 0;
            plans_.push_back(plan);
        }
        for (igata_predictor_info& plan : plans_) {
            plan.plan_count = static_cast<int>(plans_.size());
            plan.plans = plans_.data();
        }
    }

    /// `2x1 3x0`: two runs of plan 1, then three of plan 0; or the message.
    std::string made_up(const std::vector<std::int64_t>& dims) const {
        const std::int64_t* const given[] = {dims.data()};
        const InputDims all{given, plans_.data(), 0};
        std::string text;
        const auto take = [&](const igata_predictor_info& plan, std::int64_t runs) {
            text += (text.empty() ? "" : " ") + std::to_string(runs) + "x" + std::to_string(&plan - plans_.data());
        };
        return make_up(plans_[0], all, take) ? text : no_plan_message(plans_[0], all);
    }

    std::vector<std::int64_t> output(std::vector<std::int64_t> dims) const {
        const std::int64_t* const given[] = {dims.data()};
        std::vector<std::int64_t> result(dims.size(), -1);
        std::int64_t* const places[] = {result.data()};
        CHECK(find_output_dims(plans_[0], {given, plans_.data(), 0}, places));
        return result;
    }

private:
    std::vector<std::vector<std::int64_t>> dims_;
    std::vector<igata_tensor_info> ports_;
    std::vector<igata_predictor_info> plans_;
};

TEST_CASE("a batch is made up of the plans at hand, from the largest") {
    const Shapes shapes({{1, 4}, {8, 4}, {32, 4}}, true);
    CHECK(shapes.made_up({1, 4}) == "1x0");
    CHECK(shapes.made_up({8, 4}) == "1x1");
    CHECK(shapes.made_up({19, 4}) == "2x1 3x0");
    CHECK(shapes.made_up({75, 4}) == "2x2 1x1 3x0");
    CHECK(shapes.output({19, 4}) == std::vector<std::int64_t>{19, 4});
    CHECK(shapes.made_up({3, 5}) ==
          "no plan serves x [3,5]; there is x [1,4]; x [8,4]; x [32,4]; and batches made up of these");
    CHECK(shapes.made_up({0, 4}).rfind("no plan serves x [0,4]", 0) == 0);
    CHECK(shapes.made_up({-8, 4}).rfind("no plan serves x [-8,4]", 0) == 0);
}

TEST_CASE("where the largest leaves a rest, the next may not") {
    const Shapes shapes({{4, 2}, {3, 2}}, true);
    CHECK(shapes.made_up({6, 2}) == "2x1");
    CHECK(shapes.made_up({7, 2}) == "1x0 1x1");
    CHECK(shapes.made_up({8, 2}) == "2x0");
    CHECK(shapes.made_up({5, 2}).rfind("no plan serves x [5,2]", 0) == 0);
}

TEST_CASE("only plans of the same other dims make up a batch, and only batched ones") {
    const Shapes sizes({{1, 16}, {8, 32}}, true);
    CHECK(sizes.made_up({9, 16}) == "9x0");
    CHECK(sizes.made_up({16, 32}) == "2x1");
    CHECK(sizes.made_up({9, 32}).rfind("no plan serves x [9,32]", 0) == 0);
    const Shapes fixed({{2, 16}, {8, 16}}, false);
    CHECK(fixed.made_up({8, 16}) == "1x1");
    CHECK(fixed.made_up({4, 16}) == "no plan serves x [4,16]; there is x [2,16]; x [8,16]");
    const Shapes scalar({{}}, false);
    CHECK(scalar.made_up({}) == "1x0");
}

}  // namespace
}  // namespace igata::runtime::test
