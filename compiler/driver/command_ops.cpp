#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "compiler/driver/driver.hpp"
#include "compiler/ops/op.hpp"

namespace igata {

namespace {

const char* name_of(AttrKind kind) {
    switch (kind) {
        case AttrKind::integer: return "int";
        case AttrKind::real: return "float";
        case AttrKind::string: return "string";
        case AttrKind::tensor: return "tensor";
        case AttrKind::integers: return "ints";
        case AttrKind::reals: return "floats";
        case AttrKind::strings: return "strings";
        case AttrKind::graph: return "graph";
    }
    return "";
}

nlohmann::ordered_json to_json(const OpDef& op) {
    nlohmann::ordered_json attributes = nlohmann::json::array();
    for (const AttrDef& attr : op.attrs)
        attributes.push_back({{"name", attr.name}, {"type", name_of(attr.kind)}, {"required", attr.required}});
    return {{"name", op.name},   {"domain", op.domain}, {"family", op.family},
            {"since", op.since}, {"newest", op.newest}, {"attributes", std::move(attributes)},
            {"note", op.note}};
}

}  // namespace

ExitCode command_ops(bool json) {
    std::vector<const OpDef*> ops;
    for (const OpDef& op : Registry::instance().all())
        if (!op.is_internal) ops.push_back(&op);
    std::sort(ops.begin(), ops.end(), [](const OpDef* a, const OpDef* b) { return a->name < b->name; });
    if (json) {
        nlohmann::ordered_json all = nlohmann::json::array();
        for (const OpDef* op : ops) all.push_back(to_json(*op));
        fmt::print("{}\n", all.dump(2));
        return ExitCode::fine;
    }
    fmt::print("| operator | family | since opset | newest revision | limits |\n|---|---|---|---|---|\n");
    for (const OpDef* op : ops)
        fmt::print("| {} | {} | {} | {} | {} |\n", op->name, op->family, op->since, op->newest, op->note);
    return ExitCode::fine;
}

}  // namespace igata
