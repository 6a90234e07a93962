#include <nlohmann/json.hpp>

#include "compiler/emit/emitter.hpp"
#include "compiler/ir/cost.hpp"

namespace igata {

namespace {

using Json = nlohmann::ordered_json;

Json ports_json(const std::vector<Plan::Port>& ports) {
    Json all = Json::array();
    for (const Plan::Port& port : ports) {
        Json declared = Json::array();
        for (const SymbolicDim& dim : port.declared) {
            if (dim.known()) declared.push_back(dim.value);
            else declared.push_back(dim.symbol);
        }
        all.push_back({{"name", port.name},
                       {"dtype", name_of(port.type.dtype)},
                       {"dims", port.type.dims},
                       {"declared", declared}});
        if (port.open.axis >= 0)
            all.back()["open"] = {{"axis", port.open.axis}, {"size_output", port.open.size_output}};
    }
    return all;
}

/// What one plan is.
void add_plan(Json& json, const Plan& plan) {
    Json counts = Json::object();
    Json steps = Json::array();
    for (const Step& step : plan.steps) {
        const std::string kind(kind_of(step));
        counts[kind] = counts.value(kind, 0) + 1;
        const StepCost cost = cost_of(step);
        steps.push_back({{"name", step.name},
                         {"kind", kind},
                         {"origin", step.origin},
                         {"detail", describe(step)},
                         {"flops", cost.flops},
                         {"bytes", cost.bytes}});
    }
    json["arena_bytes"] = plan.arena_bytes;
    json["step_count"] = plan.steps.size();
    json["steps_by_kind"] = std::move(counts);
    json["steps"] = std::move(steps);
}

void add_ports(Json& json, const Plan& plan) {
    json["inputs"] = ports_json(plan.inputs);
    json["outputs"] = ports_json(plan.outputs);
    json["batched"] = plan.batched;
}

}  // namespace

std::string summary_json(Plans plans, const EmitOptions& options, const Remarks& remarks) {
    Json all = {{"name", options.name}, {"igata", IGATA_VERSION}};
    add_ports(all, plans.front());
    all["weights"] = {{"form", name_of(options.weights)}, {"bytes", plans.front().weight_bytes}};
    add_plan(all, plans.front());
    for (const Plan& plan : plans.subspan(1)) {
        Json further;
        add_ports(further, plan);
        add_plan(further, plan);
        all["further_plans"].push_back(std::move(further));
    }
    Json said = Json::array();
    for (const Remark& remark : remarks.all()) {
        said.push_back(
            {{"pass", remark.pass}, {"node", remark.node}, {"message", remark.message}, {"refused", remark.refused}});
    }
    all["remarks"] = std::move(said);
    return all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace igata
