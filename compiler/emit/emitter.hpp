// From a Plan to the files of a predictor.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "compiler/diagnostics.hpp"
#include "compiler/ir/plan.hpp"

namespace igata {

struct EmitOptions {
    /// Where the weights go: string literals in the one C++ file, a .bin beside it that the assembler includes, or a
    /// .bin that is mapped at run time.
    enum class Weights : std::uint8_t { literal, incbin, file };

    std::string name;  ///< prefix of the C functions and the C++ namespace: an identifier
    Weights weights = Weights::literal;
    runtime::Needs needs = {~0U, ~0U, ~0U};  ///< of the runtime; the rest is left out
};

struct EmittedFile {
    std::string path;  ///< relative to the output folder
    std::string bytes;
};

/// One plan, or several of one model over one pool of weights (see pool_weights).
using Plans = std::span<const Plan>;

/// `<name>.cpp`, `<name>.h`, `<name>.hpp`, `<name>.json`, and `<name>.bin` where weights are kept apart. The same plans
/// give the same bytes. Throws Error (usage) if the name is no identifier, or the weights are too many for their place.
std::vector<EmittedFile> emit(Plans plans, const EmitOptions& options, const Remarks& remarks);
inline std::vector<EmittedFile> emit(const Plan& plan, const EmitOptions& options, const Remarks& remarks) {
    return emit(Plans(&plan, 1), options, remarks);
}

/// One of several predictors of a file.
struct PredictorSource {
    Plans plans;
    std::string name;
};
/// `<name>.cpp`, and a header for each predictor: many models in one translation unit, which has the runtime, with the
/// `needs` of all, once. Weights are literals.
std::vector<EmittedFile> emit_together(std::span<const PredictorSource> predictors, const std::string& name,
                                       const runtime::Needs& needs);

/// `<name>.json`: what was done.
std::string summary_json(Plans plans, const EmitOptions& options, const Remarks& remarks);

/// `literal`, `incbin`, `file`
std::string_view name_of(EmitOptions::Weights weights);

}  // namespace igata
