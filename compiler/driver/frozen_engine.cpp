#include "compiler/driver/frozen_engine.hpp"

#include <set>
#include <utility>

#include "compiler/driver/data_set.hpp"

namespace igata {

namespace {

constexpr std::int64_t most_frozen_elements = 64;

std::vector<Tensor> without(const std::vector<Tensor>& inputs, const std::set<std::size_t>& frozen) {
    std::vector<Tensor> kept;
    for (std::size_t i = 0; i < inputs.size(); ++i)
        if (!frozen.contains(i)) kept.push_back(inputs[i]);
    return kept;
}

class FrozenEngine : public Engine {
public:
    FrozenEngine(std::unique_ptr<Engine> engine, std::set<std::size_t> frozen, std::vector<Tensor> recorded)
        : engine_(std::move(engine)), frozen_(std::move(frozen)), recorded_(std::move(recorded)) {}
    bool accepts(const std::vector<Tensor>& inputs) const override {
        for (const std::size_t i : frozen_)
            if (!(inputs.at(i) == recorded_[i])) return false;
        return engine_->accepts(without(inputs, frozen_));
    }
    std::vector<Tensor> run(const std::vector<Tensor>& inputs) override {
        return engine_->run(without(inputs, frozen_));
    }

private:
    std::unique_ptr<Engine> engine_;
    std::set<std::size_t> frozen_;
    std::vector<Tensor> recorded_;
};

Graph freeze(const Graph& graph, const std::set<std::size_t>& frozen, const std::vector<Tensor>& inputs) {
    Graph result = clone(graph);
    result.inputs.clear();
    for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
        Value& value = result.value(graph.inputs[i].value);
        if (!frozen.contains(i)) result.inputs.push_back(graph.inputs[i]);
        else {
            value.type = inputs[i].type();
            value.constant = inputs[i];
        }
    }
    return result;
}

}  // namespace

std::unique_ptr<Engine> make_frozen_engine(EngineKind kind, const Graph& graph, const std::vector<Tensor>& inputs,
                                           CompiledTogether* together) {
    std::set<std::size_t> frozen;
    for (std::size_t next = inputs.size();;) {
        try {
            Graph candidate = freeze(graph, frozen, inputs);
            const Bindings bindings = bindings_of(candidate, without(inputs, frozen));
            return std::make_unique<FrozenEngine>(make_engine(kind, std::move(candidate), bindings, together), frozen,
                                                  inputs);
        } catch (const Error& error) {
            if (error.code() != ExitCode::unsupported) throw;
            while (next > 0 && (inputs[next - 1].dims().size() > 1 || inputs[next - 1].count() > most_frozen_elements))
                --next;
            if (next == 0) throw;
            frozen.insert(--next);
        }
    }
}

}  // namespace igata
