// A plan as one self-contained HTML page.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "compiler/diagnostics.hpp"
#include "compiler/ir/plan.hpp"

namespace igata {

/// Multiply-adds count as two; a loop counts its expression once for each point.
std::int64_t flops_of(const Step& step);

/// Summary, memory over time and steps of each plan, and remarks. `model_nodes`: how many nodes the model had.
std::string report_page(std::span<const Plan> plans, std::size_t model_nodes, const Remarks& remarks);

}  // namespace igata
