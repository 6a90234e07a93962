#include "compiler/driver/engine.hpp"

#include <algorithm>

#include "compiler/driver/data_set.hpp"
#include "compiler/driver/generated_engine.hpp"
#include "compiler/driver/plan_engine.hpp"
#include "compiler/ir/view.hpp"
#include "compiler/ops/interpret_graph.hpp"
#include "compiler/passes/pool_weights.hpp"

namespace igata {

namespace {

/// Cuts results to their true sizes, and leaves out those sizes that the model itself does not return.
template <class Outputs>
std::vector<Tensor> cropped(std::vector<Tensor> results, const Outputs& outputs) {
    std::size_t own = results.size();
    for (std::size_t i = 0; i < results.size(); ++i) {
        const OpenAxis& open = outputs[i].open;
        if (open.axis < 0) continue;
        const auto axis = static_cast<std::size_t>(open.axis);
        const std::int64_t size = results.at(open.size_output).to_i64().at(0);
        results[i] = copy_of(results[i], sliced(view_of(results[i]), axis, 0, size));
        own = std::min(own, open.size_output);
    }
    results.resize(own);
    return results;
}

class InterpreterEngine : public Engine {
public:
    InterpreterEngine(Graph graph, const Bindings& bindings) : graph_(std::move(graph)) {
        Remarks remarks;
        bind_dims(graph_, bindings, remarks);
        infer_types(graph_, remarks);
    }
    bool accepts(const std::vector<Tensor>& inputs) const override {
        for (std::size_t i = 0; i < inputs.size(); ++i)
            if (inputs[i].type() != graph_.value(graph_.inputs.at(i).value).type) return false;
        return true;
    }
    std::vector<Tensor> run(const std::vector<Tensor>& inputs) override {
        return cropped(interpret(graph_, inputs), graph_.outputs);
    }

private:
    Graph graph_;
};

/// How many runs of the plan its inputs are worth; 0 if they do not suit it.
std::int64_t parts_of(const Plan::Port& port, bool batched, const ValueType& type) {
    if (type == port.type) return 1;
    if (!batched || type.dtype != port.type.dtype || type.dims.size() != port.type.dims.size()) return 0;
    const bool same = std::equal(type.dims.begin() + 1, type.dims.end(), port.type.dims.begin() + 1);
    const std::int64_t own = port.type.dims[0];
    return same && own > 0 && type.dims[0] % own == 0 ? type.dims[0] / own : 0;
}

bool serves(const std::vector<Plan::Port>& ports, bool batched, const std::vector<ValueType>& inputs) {
    std::int64_t parts = -1;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const std::int64_t own = parts_of(ports.at(i), batched, inputs[i]);
        if (own == 0 || (parts > 0 && parts != own)) return false;
        parts = own;
    }
    return true;
}

class InProcessEngine : public Engine {
public:
    explicit InProcessEngine(const Plan& plan)
        : ports_(plan.inputs), outputs_(plan.outputs), batched_(plan.batched), engine_(plan) {}
    bool accepts(const std::vector<Tensor>& inputs) const override {
        return serves(ports_, batched_, types_of(inputs));
    }
    std::vector<Tensor> run(const std::vector<Tensor>& inputs) override {
        return cropped(engine_.run(inputs), outputs_);
    }

private:
    std::vector<Plan::Port> ports_;
    std::vector<Plan::Port> outputs_;
    bool batched_;
    PlanEngine engine_;
};

class CompiledEngine : public Engine {
public:
    explicit CompiledEngine(const std::vector<Plan>& plans) : outputs_(plans.front().outputs), engine_(plans) {}
    CompiledEngine(const std::vector<Plan>& plans, CompiledTogether& together)
        : outputs_(plans.front().outputs), engine_(plans, together) {}
    bool accepts(const std::vector<Tensor>& inputs) const override { return engine_.accepts(inputs); }
    std::vector<Tensor> run(const std::vector<Tensor>& inputs) override {
        return cropped(engine_.run(inputs), outputs_);
    }

private:
    std::vector<Plan::Port> outputs_;
    GeneratedEngine engine_;
};

/// Each run goes to the first engine that accepts it.
class AnyEngine : public Engine {
public:
    explicit AnyEngine(std::vector<std::unique_ptr<Engine>> engines) : engines_(std::move(engines)) {}
    bool accepts(const std::vector<Tensor>& inputs) const override { return find(inputs) != nullptr; }
    std::vector<Tensor> run(const std::vector<Tensor>& inputs) override {
        Engine* engine = find(inputs);
        if (engine == nullptr) throw BadInput("the engine was made for inputs of other types");
        return engine->run(inputs);
    }

private:
    Engine* find(const std::vector<Tensor>& inputs) const {
        for (const auto& engine : engines_)
            if (engine->accepts(inputs)) return engine.get();
        return nullptr;
    }
    std::vector<std::unique_ptr<Engine>> engines_;
};

Plan make_plan(Graph graph, const Bindings& bindings) {
    PipelineOptions options;
    options.bindings = bindings;
    Remarks remarks;
    return run_pipeline(std::move(graph), options, remarks).plan;
}

}  // namespace

std::unique_ptr<Engine> make_engine(EngineKind kind, Graph graph, const Bindings& bindings,
                                    CompiledTogether* together) {
    switch (kind) {
        case EngineKind::interpreter: return std::make_unique<InterpreterEngine>(std::move(graph), bindings);
        case EngineKind::plan: return std::make_unique<InProcessEngine>(make_plan(std::move(graph), bindings));
        case EngineKind::generated: break;
    }
    const std::vector plans{make_plan(std::move(graph), bindings)};
    return together != nullptr ? std::make_unique<CompiledEngine>(plans, *together)
                               : std::make_unique<CompiledEngine>(plans);
}

std::unique_ptr<Engine> make_engine(EngineKind kind, const Graph& graph,
                                    const std::vector<std::vector<ValueType>>& inputs) {
    std::vector<std::unique_ptr<Engine>> engines;
    std::vector<Plan> plans;
    for (const std::vector<ValueType>& types : inputs) {
        const Bindings bindings = bindings_of(graph, types);
        if (kind == EngineKind::interpreter) {
            engines.push_back(make_engine(kind, clone(graph), bindings));
            continue;
        }
        const auto suits = [&](const Plan& plan) { return serves(plan.inputs, plan.batched, types); };
        if (std::none_of(plans.begin(), plans.end(), suits)) plans.push_back(make_plan(clone(graph), bindings));
    }
    if (kind == EngineKind::generated) {
        pool_weights(plans);
        return std::make_unique<CompiledEngine>(plans);
    }
    for (const Plan& plan : plans) engines.push_back(std::make_unique<InProcessEngine>(plan));
    return std::make_unique<AnyEngine>(std::move(engines));
}

}  // namespace igata
