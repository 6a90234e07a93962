// What If, Loop and Scan are made of. Captured values (see ir/subgraphs.hpp) come after ONNX's own inputs.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "compiler/ir/subgraphs.hpp"
#include "compiler/ops/op.hpp"

namespace igata {

/// The graph that is the attribute. Throws std::invalid_argument if there is none.
inline Graph& graph_attribute(const Node& node, const std::string& name) {
    const auto found = node.attrs.find(name);
    const auto* graph = found == node.attrs.end() ? nullptr : std::get_if<std::shared_ptr<Graph>>(&found->second);
    if (graph == nullptr) throw std::invalid_argument(fmt::format("attribute '{}' is no graph", name));
    return **graph;
}

/// A Loop or Scan. Inputs: `first` of its own (a Loop's trip count and condition, the lengths of a Scan of opset 8),
/// then states, scanned values and captures. Outputs: the states, then stacked values. The body has `lead` inputs more
/// in front (a Loop's iteration and condition) and `lead_out` outputs more (its condition).
struct LoopParts {
    bool is_loop = true;
    std::size_t first = 2, states = 0, scanned = 0, captures = 0, stacked = 0;
    std::size_t lead = 2, lead_out = 1;
    Graph* body = nullptr;
};

/// Throws std::invalid_argument if node and body do not fit.
inline LoopParts loop_parts(const Node& node) {
    LoopParts parts;
    parts.is_loop = node.op == "Loop";
    parts.body = &graph_attribute(node, "body");
    parts.captures = capture_count(node);
    if (!parts.is_loop) {
        parts.lead = parts.lead_out = 0;
        parts.first = node.version == 8 ? 1 : 0;
        const std::int64_t scanned = node.attrs.get_int("num_scan_inputs", 0);
        if (scanned < 1 || scanned > static_cast<std::int64_t>(node.inputs.size()))
            throw std::invalid_argument(fmt::format("num_scan_inputs is {}", scanned));
        parts.scanned = static_cast<std::size_t>(scanned);
    }
    const std::size_t given = node.inputs.size();
    const std::size_t others = parts.first + parts.scanned + parts.captures;
    if (given < others) throw std::invalid_argument(fmt::format("has {} inputs, too few", given - parts.captures));
    parts.states = given - others;
    const std::size_t expected = parts.lead + given - parts.first;
    if (parts.body->inputs.size() != expected)
        throw std::invalid_argument(fmt::format("its body takes {} inputs, not {}",
                                                parts.body->inputs.size() - parts.captures, expected - parts.captures));
    const std::size_t results = parts.body->outputs.size();
    if (results < parts.lead_out + parts.states)
        throw std::invalid_argument(fmt::format("its body has {} outputs, too few", results));
    parts.stacked = results - parts.lead_out - parts.states;
    if (node.outputs.size() > parts.states + parts.stacked)
        throw std::invalid_argument(fmt::format("has {} outputs, its body {}", node.outputs.size(), results));
    for (std::size_t i = parts.first; i < given; ++i)
        if (node.inputs[i] == no_value) throw std::invalid_argument(fmt::format("input {} is missing", i));
    return parts;
}

/// Where a Scan cuts its scanned values, or a Loop or Scan stacks its results.
struct ScanAxis {
    std::int64_t axis = 0;
    bool backward = false;
};

/// The i-th of the attributes `scan_<side>_axes` and `scan_<side>_directions` for a value of that rank (with the axis).
inline ScanAxis scan_axis(const Node& node, const std::string& side, std::size_t i, std::size_t rank) {
    const auto axes = node.attrs.get_ints("scan_" + side + "_axes");
    const auto directions = node.attrs.get_ints("scan_" + side + "_directions");
    ScanAxis result;
    if (node.op == "Loop") return result;
    if (i < axes.size()) result.axis = normalize_axis(axes[i], rank);
    if (i < directions.size()) result.backward = directions[i] != 0;
    if (rank == 0) throw std::invalid_argument("a scanned value has no axis");
    return result;
}

}  // namespace igata
