#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "compiler/driver/data_set.hpp"
#include "compiler/driver/driver.hpp"
#include "compiler/frontend/npy.hpp"

namespace igata {

namespace {

/// `[NAME=]FILE` for each of `names`: index and file. The name may be left out if there is but one.
std::pair<std::size_t, std::string> parse_assignment(const std::string& text, const std::vector<std::string>& names,
                                                     const char* option) {
    for (std::size_t i = 0; i < names.size(); ++i)
        if (text.starts_with(names[i] + "=")) return {i, text.substr(names[i].size() + 1)};
    if (names.size() == 1 && text.find('=') == std::string::npos) return {0, text};
    throw Error(ExitCode::usage, fmt::format("{} {}: write NAME=FILE.npy, where NAME is one of: {}", option, text,
                                             fmt::join(names, ", ")));
}

std::vector<Tensor> read_inputs(const RunFlags& flags, const Graph& graph) {
    std::vector<std::string> names;
    for (const Graph::Input& input : graph.inputs) names.push_back(graph.value(input.value).name);
    std::vector<Tensor> inputs(names.size());
    for (const std::string& text : flags.inputs) {
        const auto [i, file] = parse_assignment(text, names, "--input");
        inputs[i] = read_npy(file);
    }
    std::vector<std::string> missing;
    for (std::size_t i = 0; i < names.size(); ++i)
        if (inputs[i].empty()) missing.push_back(fmt::format("--input {}=FILE.npy", names[i]));
    if (!missing.empty())
        throw Error(ExitCode::usage, fmt::format("{} needs {}", flags.model.string(), fmt::join(missing, " ")));
    return inputs;
}

void summarize(const std::string& name, const Tensor& tensor) {
    const auto values = tensor.to_f64();
    fmt::print("{} {}", name, to_string(tensor.type()));
    if (!values.empty() && values.size() <= 8) fmt::print(" = {:g}", fmt::join(values, " "));
    else if (!values.empty()) {
        const auto [low, high] = std::minmax_element(values.begin(), values.end());
        double sum = 0.0;
        for (const double value : values) sum += value;
        fmt::print(" min {:g} max {:g} mean {:g}", *low, *high, sum / static_cast<double>(values.size()));
    }
    fmt::print("\n");
}

}  // namespace

ExitCode command_run(const RunFlags& flags) {
    Remarks remarks;
    Graph graph = load_model(flags.model, remarks);
    const auto inputs = read_inputs(flags, graph);
    std::vector<std::string> names;
    for (const Graph::Output& output : graph.outputs) names.push_back(output.name);
    std::vector<std::pair<std::size_t, std::string>> wanted;
    for (const std::string& text : flags.outputs) wanted.push_back(parse_assignment(text, names, "--output"));
    const auto outputs = naming(flags.model, [&] { return Replay(EngineKind::interpreter, graph).run(inputs); });
    for (std::size_t i = 0; i < outputs.size(); ++i) summarize(names[i], outputs[i]);
    for (const auto& [i, file] : wanted) write_npy(file, outputs[i]);
    print_remarks(flags.pipeline, remarks);
    return ExitCode::fine;
}

}  // namespace igata
