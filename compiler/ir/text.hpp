// The text form of Graph and Plan: printed and parsed, for dumps, tests, rule patterns and bug reports.
#pragma once

#include <string>
#include <string_view>

#include "compiler/ir/graph.hpp"
#include "compiler/ir/plan.hpp"

namespace igata {

/// parse_graph(print(g)) equals g; constants of more than 16 elements print as `#<hash>` and parse back only as zeros.
std::string print(const Graph& graph);
std::string print(const Plan& plan);
/// What a step (no loop) computes on which shapes and strides, without its name and buffers: equal for steps that take
/// equally long. What runs it is left out.
std::string print_geometry(const Step& step);
/// Throws std::invalid_argument with line and column.
Graph parse_graph(std::string_view text);
Plan parse_plan(std::string_view text);

}  // namespace igata
