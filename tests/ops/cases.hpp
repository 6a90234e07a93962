// One operator on ramps (see evaluate.hpp) against results recorded from ONNX Runtime or, where it lacks the case,
// computed with numpy.
#pragma once

#include <doctest/doctest.h>

#include <cmath>

#include "tests/ops/evaluate.hpp"

namespace igata {

struct Expected {
    Dims dims;
    std::vector<double> values;
};

struct Case {
    std::string name;
    std::string graph;
    std::vector<Expected> outputs;
};

inline void check_values(const Tensor& actual, const Expected& expected, double tolerance = 2e-5) {
    REQUIRE(actual.dims() == expected.dims);
    const std::vector<double> values = actual.to_f64();
    for (std::size_t i = 0; i < values.size(); ++i) {
        CAPTURE(i);
        CAPTURE(values[i]);
        CAPTURE(expected.values.at(i));
        CHECK(std::abs(values[i] - expected.values[i]) <= tolerance * (1 + std::abs(expected.values[i])));
    }
}

inline void check_cases(const std::vector<Case>& cases) {
    for (const Case& c : cases) {
        CAPTURE(c.name);
        const Graph graph = typed_graph(c.graph);
        for (const bool planned : {false, true}) {
            CAPTURE(planned);
            const std::vector<Tensor> results = planned ? run_plan(graph, ramps(graph)) : evaluate(graph, ramps(graph));
            REQUIRE(results.size() == c.outputs.size());
            for (std::size_t i = 0; i < results.size(); ++i) check_values(results[i], c.outputs[i]);
        }
    }
}

}  // namespace igata
