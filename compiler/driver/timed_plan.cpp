#include "compiler/driver/timed_plan.hpp"

#include "compiler/driver/data_set.hpp"

namespace igata {

namespace {

/// Numbers between 0 and 1 that never repeat soon; zeros for other types, which are any index's first.
Tensor plain_input(const ValueType& type) {
    Tensor tensor(type.dtype, type.dims);
    if (type.dtype != DataType::f32) return tensor;
    std::uint32_t state = 1;
    for (float& value : tensor.mutable_values<float>()) {
        state = state * 1664525U + 1013904223U;
        value = static_cast<float>(state >> 8) * 0x1p-24F;
    }
    return tensor;
}

}  // namespace

TimedPlan timed_plan(const std::filesystem::path& model, const std::filesystem::path& data, const PipelineFlags& flags,
                     Bindings bindings) {
    TimedPlan timed;
    Remarks remarks;
    Graph graph = load_model(model, remarks);
    if (!data.empty()) {
        if (!bindings.empty()) throw Error(ExitCode::usage, "--data already gives the dims: leave out --bind");
        timed.inputs = read_data_set(require_data_sets(data).front(), graph).inputs;
        bindings = bindings_of(graph, timed.inputs);
    }
    timed.plan = run_pipeline(model, std::move(graph), flags, bindings, remarks).plan;
    if (data.empty())
        for (const Plan::Port& port : timed.plan.inputs) timed.inputs.push_back(plain_input(port.type));
    return timed;
}

}  // namespace igata
