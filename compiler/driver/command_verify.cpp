#include <algorithm>

#include <fmt/format.h>

#include "compiler/driver/data_set.hpp"
#include "compiler/driver/driver.hpp"

namespace igata {

ExitCode command_verify(const VerifyFlags& flags) {
    Remarks remarks;
    const Graph graph = load_model(flags.model, remarks);
    const auto folders = require_data_sets(flags.data);
    std::vector<std::vector<ValueType>> inputs;
    for (const auto& folder : folders) {
        const std::vector<ValueType> types = types_of(read_data_set(folder, graph).inputs);
        if (std::find(inputs.begin(), inputs.end(), types) == inputs.end()) inputs.push_back(types);
    }
    const std::unique_ptr<Engine> engine =
        naming(flags.model, [&] { return make_engine(flags.engine, graph, inputs); });
    int failed = 0;
    fmt::print("{:<18}  {:<24}  {:>12}  {:>12}\n", "data set", "output", "abs error", "rel error");
    for (const auto& folder : folders) {
        const DataSet set = read_data_set(folder, graph);
        const auto results = engine->run(set.inputs);
        bool fine = true;
        for (std::size_t i = 0; i < results.size(); ++i) {
            if (set.outputs[i].empty()) continue;
            const Difference difference = compare(results[i], set.outputs[i], {flags.rtol, flags.atol});
            fine = fine && difference.fine();
            fmt::print("{:<18}  {:<24}  ", set.name, graph.outputs[i].name);
            if (!difference.wrong.empty()) fmt::print("FAILED: {}\n", difference.wrong);
            else
                fmt::print("{:>12.3g}  {:>12.3g}{}\n", difference.absolute, difference.relative,
                           difference.fine() ? ""
                                             : fmt::format("  FAILED: {} of {} elements beyond tolerance",
                                                           difference.beyond, set.outputs[i].count()));
        }
        if (!fine) ++failed;
    }
    fmt::print("{} of {} data sets within rtol {:g}, atol {:g}\n", folders.size() - static_cast<std::size_t>(failed),
               folders.size(), flags.rtol, flags.atol);
    return failed == 0 ? ExitCode::fine : ExitCode::mismatch;
}

}  // namespace igata
