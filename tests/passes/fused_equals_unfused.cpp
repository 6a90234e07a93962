// Random networks compute the same after every fusing pass as before it.
#include <doctest/doctest.h>

#include <algorithm>

#include "compiler/ir/text.hpp"
#include "compiler/passes/passes.hpp"
#include "tests/first_seed.hpp"
#include "tests/passes/before_after.hpp"
#include "tests/passes/random_graph.hpp"

using namespace igata;

TEST_CASE("random networks compute the same fused and unfused") {
    std::size_t before = 0;
    std::size_t after = 0;
    std::size_t epilogues = 0;
    for (std::uint32_t seed = test::first_seed(), end = seed + 300; seed < end; ++seed) {
        CAPTURE(seed);
        Remarks remarks;
        Graph graph = test::random_graph(seed);
        bind_dims(graph, {}, remarks);
        infer_types(graph, remarks);
        verify(graph);
        const std::vector<Tensor> expected = test::evaluate(graph, seed);
        before += graph.nodes.size();
        const auto check = [&](const char* pass) {
            CAPTURE(pass);
            verify(graph);
            Graph inferred = clone(graph);
            infer_types(inferred, remarks);
            REQUIRE(print(inferred) == print(graph));
            REQUIRE(test::difference(test::evaluate(graph, seed), expected) < 1e-4);
        };
        simplify(graph, remarks);
        check("simplify");
        fuse_maps(graph, remarks);
        check("fuse_maps");
        fuse_epilogues(graph, remarks);
        check("fuse_epilogues");
        after += graph.nodes.size();
        epilogues += static_cast<std::size_t>(std::count_if(graph.nodes.begin(), graph.nodes.end(),
                                                            [](const Node& node) { return node.has_epilogue(); }));
    }
    MESSAGE(before << " nodes became " << after << ", " << epilogues << " with an epilogue");
    CHECK(after * 10 < before * 7);
    CHECK(epilogues > 600);
}

TEST_CASE("a random network is fused as far as its budget goes, and computes the same at every step") {
    for (std::uint32_t seed : {7U, 8U, 9U}) {
        for (int budget = 0; budget < 40; ++budget) {
            CAPTURE(seed);
            CAPTURE(budget);
            Remarks remarks;
            Graph graph = test::random_graph(seed);
            bind_dims(graph, {}, remarks);
            infer_types(graph, remarks);
            const std::vector<Tensor> expected = test::evaluate(graph, seed);
            const Budget left(budget);
            simplify(graph, remarks, left);
            fuse_maps(graph, remarks, left);
            fuse_epilogues(graph, remarks, left);
            verify(graph);
            REQUIRE(test::difference(test::evaluate(graph, seed), expected) < 1e-4);
        }
    }
}
