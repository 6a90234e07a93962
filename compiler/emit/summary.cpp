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
        all.push_back({{"name", port.name}, {"dtype", name_of(port.type.dtype)}, {"dims", port.type.dims}, {"declared", declared}});
    }
    return all;
}

}  // namespace

std::string summary_json(const Plan& plan, const EmitOptions& options, const Remarks& remarks) {
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
    Json said = Json::array();
    for (const Remark& remark : remarks.all()) {
        said.push_back({{"pass", remark.pass}, {"node", remark.node}, {"message", remark.message}, {"refused", remark.refused}});
    }
    const Json all = {{"name", options.name},
                      {"igata", IGATA_VERSION},
                      {"inputs", ports_json(plan.inputs)},
                      {"outputs", ports_json(plan.outputs)},
                      {"batched", plan.batched},
                      {"weights", {{"form", name_of(options.weights)}, {"bytes", plan.weight_bytes}}},
                      {"arena_bytes", plan.arena_bytes},
                      {"step_count", plan.steps.size()},
                      {"steps_by_kind", counts},
                      {"steps", steps},
                      {"remarks", said}};
    return all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace igata
