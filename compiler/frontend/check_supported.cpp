#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "compiler/frontend/onnx_import.hpp"
#include "compiler/ir/subgraphs.hpp"
#include "compiler/ops/op.hpp"

namespace igata {

namespace {

/// Lines of the message: by operator, what is wrong with it and the nodes that have it.
using Findings = std::map<std::string, std::vector<std::string>>;

void find_unsupported(const Graph& graph, Findings& findings) {
    for (const Node& node : graph.nodes) {
        const std::string name = node.name.empty() && !node.outputs.empty() && node.outputs[0] != no_value
                                     ? graph.value(node.outputs[0]).name
                                     : node.name;
        const OpDef* op = Registry::instance().find(node.op);
        if (op == nullptr || (op->is_internal && node.version > 0))
            findings[fmt::format("{} (opset {})", node.op, node.version)].push_back(name);
        else if (node.version > 0 && node.version < op->since)  // 0: made by an operator's `raise`
            findings[fmt::format("{} (opset {}, known since {})", node.op, node.version, op->since)].push_back(name);
        for (const Graph* subgraph : subgraphs(node)) find_unsupported(*subgraph, findings);
    }
}

}  // namespace

void check_supported(const Graph& graph) {
    Findings findings;
    find_unsupported(graph, findings);
    if (findings.empty()) return;
    std::string message = "not supported:";
    for (const auto& [what, nodes] : findings) message += fmt::format("\n  {}: '{}'", what, fmt::join(nodes, "', '"));
    throw Unsupported(message + "\n`igata ops` lists the operators that are.");
}

}  // namespace igata
