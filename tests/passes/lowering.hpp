// A graph in the text form, lowered.
#pragma once

#include <string>
#include <string_view>

#include "compiler/ir/text.hpp"
#include "compiler/passes/passes.hpp"

namespace igata {

/// Through assign_layouts and lower, without fusion; verified.
inline Plan lowered(std::string_view text, Remarks& remarks) {
    Graph graph = parse_graph(text);
    bind_dims(graph, {}, remarks);
    infer_types(graph, remarks);
    Plan plan = lower(graph, assign_layouts(graph), remarks);
    verify(plan);
    return plan;
}

inline Plan lowered(std::string_view text) {
    Remarks remarks;
    return lowered(text, remarks);
}

/// The plan's steps alone, a line each, without their names' origin.
inline std::string steps_of(const Plan& plan) {
    const std::string text = print(plan);
    std::string steps;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = text.find('\n', begin);
        std::string line = text.substr(begin, end - begin);
        if (line.find(" = ") == std::string::npos && line.starts_with("  "))
            steps += line.substr(2, line.find("  ;", 2) - 2) + "\n";
        begin = end + 1;
    }
    return steps;
}

}  // namespace igata
