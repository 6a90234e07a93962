// Ways to run a model: the reference interpreter, its Plan in this process, or the generated code.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "compiler/diagnostics.hpp"
#include "compiler/ir/graph.hpp"
#include "compiler/passes/passes.hpp"

namespace igata {

enum class EngineKind { generated, plan, interpreter };
class CompiledTogether;

/// A model made ready for inputs of given shapes.
class Engine {
public:
    virtual ~Engine() = default;
    /// True if `run` takes inputs of these types.
    virtual bool accepts(const std::vector<Tensor>& inputs) const = 0;
    /// Inputs and outputs in the graph's order, outputs of their true size.
    virtual std::vector<Tensor> run(const std::vector<Tensor>& inputs) = 0;
};

/// Throws Error for what the compiler refuses, std::runtime_error where the engine itself fails. Generated code is
/// compiled `together` with that of other engines, if that is given.
std::unique_ptr<Engine> make_engine(EngineKind kind, Graph graph, const Bindings& bindings,
                                    CompiledTogether* together = nullptr);
/// One engine for inputs of several shapes: generated code has a plan for each that the plans before it do not serve.
std::unique_ptr<Engine> make_engine(EngineKind kind, const Graph& graph,
                                    const std::vector<std::vector<ValueType>>& inputs);

}  // namespace igata
