#include <doctest/doctest.h>

#include <numeric>
#include <random>

#include <fmt/format.h>

#include "compiler/passes/lifetimes.hpp"
#include "compiler/passes/pool_weights.hpp"
#include "tests/passes/lowering.hpp"

using namespace igata;

namespace {

/// Elementwise steps over buffers of 16 floats: "b2=b0,b1" a line.
Plan chain(const std::vector<std::pair<int, std::vector<int>>>& steps, const std::vector<int>& sizes) {
    Plan plan;
    plan.name = "chain";
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        Buffer buffer;
        buffer.name = fmt::format("b{}", i);
        buffer.dtype = DataType::f32;
        buffer.bytes = sizes[i] * 4;
        plan.buffers.push_back(buffer);
    }
    for (const auto& [to, from] : steps) {
        Loop loop;
        const int count = sizes[static_cast<std::size_t>(to)];
        loop.extents = {count};
        Step step;
        loop.body = expr::constant(1.0);
        for (std::size_t k = 0; k < from.size(); ++k) {
            const bool whole = sizes[static_cast<std::size_t>(from[k])] == count;
            loop.inputs.push_back({DataType::f32, {whole ? 1 : 0}});
            loop.body = expr::make(ExprOp::add, {loop.body, expr::operand(static_cast<int>(k))});
            step.operands.push_back({from[k], 0, false, true});
        }
        loop.output = {DataType::f32, {1}};
        step.operands.push_back({to, 0, true, false});
        step.name = fmt::format("s{}", plan.steps.size());
        step.spec = loop;
        plan.steps.push_back(step);
    }
    return plan;
}

}  // namespace

TEST_CASE("plan_memory: a chain of loops runs in place") {
    Plan plan = chain({{0, {}}, {1, {0}}, {2, {1}}, {3, {2}}}, {100, 100, 100, 100});
    plan_memory(plan);
    verify(plan);
    CHECK(plan.arena_bytes == 448);
}

TEST_CASE("plan_memory: an operand that is read again, or broadcast, keeps its bytes") {
    Plan again = chain({{0, {}}, {1, {0}}, {2, {0, 1}}}, {16, 16, 16});
    plan_memory(again);
    verify(again);
    CHECK(again.arena_bytes == 128);
    CHECK(again.buffers[0].offset != again.buffers[1].offset);
    Plan spread = chain({{0, {}}, {1, {0}}}, {1, 64});
    plan_memory(spread);
    verify(spread);
    CHECK(spread.buffers[0].offset != spread.buffers[1].offset);
}

TEST_CASE("verify refuses live buffers that share bytes") {
    Plan plan = chain({{0, {}}, {1, {}}, {2, {0, 1}}}, {16, 16, 16});
    plan_memory(plan);
    plan.buffers[1].offset = plan.buffers[0].offset;
    CHECK_THROWS_WITH(verify(plan), "plan 'chain': buffers 'b0' and 'b1' overlap while both are alive");
    Plan unwritten = chain({{1, {0}}}, {16, 16});
    CHECK_THROWS_WITH(verify(unwritten), "plan 'chain', step 's0': reads 'b0' before it is written");
    Plan outside = chain({{0, {}}}, {16});
    outside.buffers[0].bytes = 60;
    CHECK_THROWS_WITH(verify(outside), "plan 'chain', step 's0': operand 0 lies outside of 'b0'");
}

TEST_CASE("plan_memory and schedule hold on random plans, and scheduling never raises the peak") {
    std::mt19937 random(7);
    for (int round = 0; round < 200; ++round) {
        std::vector<std::pair<int, std::vector<int>>> steps;
        std::vector<int> sizes;
        const int count = 3 + static_cast<int>(random() % 20);
        for (int i = 0; i < count; ++i) {
            sizes.push_back(random() % 3 == 0 ? 64 : 1 + static_cast<int>(random() % 500));
            std::vector<int> from;
            for (int k = static_cast<int>(random() % 3); i > 0 && k > 0; --k)
                from.push_back(static_cast<int>(random()) & 0xffff);
            for (int& id : from) id %= i;
            std::erase_if(from, [&](int id) {
                return sizes[static_cast<std::size_t>(id)] != sizes.back() && sizes[static_cast<std::size_t>(id)] < 1;
            });
            steps.emplace_back(i, from);
        }
        Plan plan = chain(steps, sizes);
        const std::int64_t before = peak_bytes(memory_groups(plan), plan.steps.size());
        schedule(plan);
        verify(plan);
        const std::int64_t peak = peak_bytes(memory_groups(plan), plan.steps.size());
        CHECK(peak <= before);
        plan_memory(plan);
        verify(plan);
        CHECK(plan.arena_bytes >= peak);
    }
}

TEST_CASE("schedule: a branch is finished before the next is begun") {
    Plan plan = chain({{0, {}}, {1, {}}, {2, {0}}, {3, {1}}, {4, {2, 3}}}, {1000, 1000, 16, 16, 16});
    CHECK(peak_bytes(memory_groups(plan), 5) >= 8000);
    schedule(plan);
    verify(plan);
    CHECK(peak_bytes(memory_groups(plan), 5) < 8000);
}

TEST_CASE("pool_weights: equal bytes are stored once") {
    Plan plan = lowered(R"(graph g (x: f32[2,3]) -> (y) {
  a = constant f32[3] {1,2,3}
  b = constant f32[1,3] {1,2,3}
  c = constant f32[3] {1,2,4}
  p = Map(x, a) => x0 + x1
  q = Map(p, b) => x0 * x1
  y = Map(q, c) => x0 - x1
})");
    pool_weights(plan);
    verify(plan);
    CHECK(plan.weight_bytes == 128);
}

TEST_CASE("pool_weights: plans of one model share a pool") {
    const auto with = [](const std::string& constants) {
        return lowered("graph g (x: f32[2,3]) -> (y) {\n  a = constant f32[3] " + constants +
                       "\n  y = Map(x, a) => x0 + x1\n}");
    };
    Plan plans[] = {with("{1,2,3}"), with("{1,2,3}"), with("{1,2,4}")};
    pool_weights(plans);
    const auto offset = [](const Plan& plan) {
        for (const Buffer& buffer : plan.buffers)
            if (buffer.space == runtime::Space::weights) return buffer.offset;
        return std::int64_t{-1};
    };
    for (const Plan& plan : plans) {
        verify(plan);
        CHECK(plan.weight_bytes == 128);
    }
    CHECK(offset(plans[0]) == 0);
    CHECK(offset(plans[1]) == 0);
    CHECK(offset(plans[2]) == 64);
}
