#include "compiler/driver/engine.hpp"

#include <algorithm>

#include "compiler/driver/generated_engine.hpp"
#include "compiler/ops/interpret_graph.hpp"
#include "compiler/driver/plan_engine.hpp"

namespace igata {

namespace {

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
    std::vector<Tensor> run(const std::vector<Tensor>& inputs) override { return interpret(graph_, inputs); }

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

/// PlanEngine or GeneratedEngine.
template <class Impl>
class CastEngine : public Engine {
public:
    explicit CastEngine(const Plan& plan) : ports_(plan.inputs), batched_(plan.batched), impl_(plan) {}
    bool accepts(const std::vector<Tensor>& inputs) const override {
        std::int64_t parts = -1;
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            const std::int64_t own = parts_of(ports_.at(i), batched_, inputs[i].type());
            if (own == 0 || (parts > 0 && parts != own)) return false;
            parts = own;
        }
        return true;
    }
    std::vector<Tensor> run(const std::vector<Tensor>& inputs) override { return impl_.run(inputs); }

private:
    std::vector<Plan::Port> ports_;
    bool batched_;
    Impl impl_;
};

}  // namespace

std::unique_ptr<Engine> make_engine(EngineKind kind, Graph graph, const Bindings& bindings) {
    if (kind == EngineKind::interpreter) return std::make_unique<InterpreterEngine>(std::move(graph), bindings);
    PipelineOptions options;
    options.bindings = bindings;
    Remarks remarks;
    const Plan plan = run_pipeline(std::move(graph), options, remarks).plan;
    if (kind == EngineKind::plan) return std::make_unique<CastEngine<PlanEngine>>(plan);
    return std::make_unique<CastEngine<GeneratedEngine>>(plan);
}

}  // namespace igata
