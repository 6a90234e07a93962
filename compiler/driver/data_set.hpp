// Recorded inputs and outputs (test_data_set_*), replayed through an engine and compared.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compiler/driver/engine.hpp"

namespace igata {

struct DataSet {
    std::string name;
    std::vector<Tensor> inputs;   ///< in the graph's order
    std::vector<Tensor> outputs;  ///< likewise; empty tensors where none was recorded
};

/// The folders test_data_set_* in `folder`, by number.
std::vector<std::filesystem::path> find_data_sets(const std::filesystem::path& folder);
/// Likewise; throws BadInput if there are none.
std::vector<std::filesystem::path> require_data_sets(const std::filesystem::path& folder);

/// input_*.pb and output_*.pb, each assigned by its tensor's name if the graph knows it, else by its number. Throws
/// BadInput if an input is missing.
DataSet read_data_set(const std::filesystem::path& folder, const Graph& graph);

/// INPUT:AXIS=value for every dim that the model leaves open. Throws BadInput where a tensor does not suit its input.
Bindings bindings_of(const Graph& graph, const std::vector<Tensor>& inputs);
Bindings bindings_of(const Graph& graph, const std::vector<ValueType>& inputs);
std::vector<ValueType> types_of(const std::vector<Tensor>& tensors);

/// How far a result is from what was recorded.
struct Difference {
    std::string wrong;        ///< another type or shape; empty if comparable
    double absolute = 0.0;    ///< largest
    double relative = 0.0;    ///< largest, of those where more than atol was expected
    std::int64_t beyond = 0;  ///< elements beyond tolerance

    bool fine() const { return wrong.empty() && beyond == 0; }
};

struct Bounds {
    double rtol = 1e-3;
    double atol = 1e-4;
};

/// Floats: |actual - expected| <= atol + rtol * |expected|, NaN equal to NaN, one unit in the last place always
/// forgiven in f16 and bf16; others must be equal.
Difference compare(const Tensor& actual, const Tensor& expected, const Bounds& bounds);

/// Makes engines as the data's shapes need them, and uses each as long as it accepts what comes.
class Replay {
public:
    /// `freeze`: recorded shapes, axes and the like that the compiler must know become constants of the model.
    /// `together`: what generated code is compiled with.
    Replay(EngineKind kind, const Graph& graph, bool freeze = false, CompiledTogether* together = nullptr)
        : kind_(kind), graph_(graph), freeze_(freeze), together_(together) {}
    /// An engine that runs such inputs.
    Engine& engine_for(const std::vector<Tensor>& inputs);
    std::vector<Tensor> run(const std::vector<Tensor>& inputs) { return engine_for(inputs).run(inputs); }

private:
    EngineKind kind_;
    const Graph& graph_;
    bool freeze_;
    CompiledTogether* together_;
    std::vector<std::unique_ptr<Engine>> engines_;
};

}  // namespace igata
