// An engine for models whose inputs say what the compiler must know: shapes, axes, pads.
#pragma once

#include <memory>
#include <vector>

#include "compiler/driver/engine.hpp"

namespace igata {

/// Like make_engine with the dims of `inputs`; where that is Unsupported, small inputs are made constants, one more at
/// a time from the last, until the compiler knows enough. The engine accepts only inputs with the same values there.
std::unique_ptr<Engine> make_frozen_engine(EngineKind kind, const Graph& graph, const std::vector<Tensor>& inputs,
                                           CompiledTogether* together = nullptr);

}  // namespace igata
