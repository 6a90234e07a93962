#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <map>
#include <optional>
#include <random>

#include <fmt/format.h>

#include "compiler/driver/data_set.hpp"
#include "compiler/driver/driver.hpp"
#include "compiler/driver/generated_engine.hpp"
#include "compiler/ops/op.hpp"

namespace igata {

namespace {

namespace fs = std::filesystem;

struct Verdict {
    enum { passed, failed, skipped } kind = passed;
    std::string reason;
};

/// Folders with a model.onnx and recorded data, in the order of their paths.
std::vector<fs::path> find_cases(const fs::path& root, const std::string& filter) {
    if (!fs::is_directory(root)) throw BadInput(fmt::format("{}: no such folder", root.string()));
    std::vector<fs::path> cases;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
        if (entry.path().filename() != "model.onnx") continue;
        const fs::path folder = entry.path().parent_path();
        if (folder.string().find(filter) != std::string::npos && !find_data_sets(folder).empty())
            cases.push_back(folder);
    }
    std::sort(cases.begin(), cases.end());
    return cases;
}

/// Some of the cases, in their order. Says which, so that they can be had again.
std::vector<fs::path> draw_sample(std::vector<fs::path> cases, const ConformanceFlags& flags) {
    using Days = std::chrono::duration<std::int64_t, std::ratio<86400>>;
    const auto today = std::chrono::duration_cast<Days>(std::chrono::system_clock::now().time_since_epoch()).count();
    const std::uint32_t seed = flags.seed.value_or(static_cast<std::uint32_t>(today));
    std::mt19937 random(seed);
    const std::size_t all = cases.size();
    const std::size_t count = std::min(all, static_cast<std::size_t>(flags.sample));
    for (std::size_t i = 0; i < count; ++i) std::swap(cases[i], cases[i + random() % (all - i)]);
    cases.resize(count);
    std::sort(cases.begin(), cases.end());
    fmt::print("{} of {} cases, --seed {}\n", count, all, seed);
    return cases;
}

/// Some of onnx's own recordings have another shape than their model declares; what is recorded holds.
void adopt_shapes(Graph& graph, const std::vector<Tensor>& inputs) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        std::vector<SymbolicDim>& dims = graph.inputs[i].dims;
        dims.resize(inputs[i].dims().size());
        for (std::size_t axis = 0; axis < dims.size(); ++axis)
            if (dims[axis].known()) dims[axis].value = inputs[i].dims()[axis];
    }
}

/// Numbers drawn at random are nobody else's.
bool draws(const Graph& graph) {
    return std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
        const OpDef* op = Registry::instance().find(node.op);
        return op != nullptr && op->is_random;
    });
}

/// One folder: its model with an engine for each data set, then what that engine makes of it.
class Case {
public:
    Case(fs::path folder, const ConformanceFlags& flags) : folder_(std::move(folder)), flags_(flags) {}

    const fs::path& folder() const { return folder_; }

    void prepare(CompiledTogether& together) {
        guard([&] {
            Remarks remarks;
            graph_ = load_model(folder_ / "model.onnx", remarks);
            replay_.emplace(flags_.engine, graph_, true, &together);
            for (const auto& data : find_data_sets(folder_)) {
                const DataSet& set = sets_.emplace_back(read_data_set(data, graph_));
                adopt_shapes(graph_, set.inputs);
                replay_->engine_for(set.inputs);
            }
        });
    }

    Verdict judge() {
        guard([&] {
            for (const DataSet& set : sets_)
                if (verdict_.kind == Verdict::passed) verdict_ = replay(set);
        });
        return verdict_;
    }

private:
    Verdict replay(const DataSet& set) {
        const auto results = replay_->run(set.inputs);
        for (std::size_t i = 0; i < results.size(); ++i) {
            if (set.outputs[i].empty()) continue;
            const Difference difference = compare(results[i], set.outputs[i], {flags_.rtol, flags_.atol});
            const std::string where = fmt::format("{}: output '{}'", set.name, graph_.outputs[i].name);
            if (!difference.wrong.empty()) return {Verdict::failed, fmt::format("{} {}", where, difference.wrong)};
            if (!difference.fine() && !draws(graph_))
                return {Verdict::failed,
                        fmt::format("{}: {} of {} elements beyond tolerance, largest error {:.3g}", where,
                                    difference.beyond, set.outputs[i].count(), difference.absolute)};
        }
        return {};
    }

    /// Work that may say that the case is unsupported, or fails; nothing is done after that.
    template <class Work>
    void guard(const Work& work) {
        if (verdict_.kind != Verdict::passed) return;
        try {
            work();
        } catch (const Error& error) {
            verdict_ = {error.code() == ExitCode::unsupported ? Verdict::skipped : Verdict::failed, error.what()};
        } catch (const std::exception& error) {
            verdict_ = {Verdict::failed, error.what()};
        }
    }

    fs::path folder_;
    const ConformanceFlags& flags_;
    Graph graph_;
    std::deque<DataSet> sets_;
    std::optional<Replay> replay_;
    Verdict verdict_;
};

/// How many cases share a translation unit: a compromise of time and of the memory that the C++ compiler takes.
constexpr std::size_t cases_together = 40;

}  // namespace

ExitCode command_conformance(const ConformanceFlags& flags) {
    const char* const words[] = {"passed", "failed", "skipped"};
    std::map<int, int> counts;
    std::vector<fs::path> folders = find_cases(flags.folder, flags.filter);
    if (flags.sample > 0) folders = draw_sample(std::move(folders), flags);
    for (std::size_t first = 0; first < folders.size(); first += cases_together) {
        CompiledTogether together;
        std::deque<Case> cases;
        for (std::size_t i = first; i < std::min(folders.size(), first + cases_together); ++i)
            cases.emplace_back(folders[i], flags).prepare(together);
        for (Case& one : cases) {
            Verdict verdict = one.judge();
            ++counts[verdict.kind];
            if (const std::string prefix = (one.folder() / "model.onnx").string() + ": ";
                verdict.reason.starts_with(prefix))
                verdict.reason.erase(0, prefix.size());
            std::replace(verdict.reason.begin(), verdict.reason.end(), '\n', ' ');
            if (flags.list || verdict.kind == Verdict::failed)
                fmt::print("{:<8}{}{}{}\n", words[verdict.kind], fs::relative(one.folder(), flags.folder).string(),
                           verdict.reason.empty() ? "" : ": ", verdict.reason);
        }
        std::fflush(stdout);
    }
    fmt::print("{} passed, {} failed, {} skipped\n", counts[Verdict::passed], counts[Verdict::failed],
               counts[Verdict::skipped]);
    return counts[Verdict::failed] == 0 ? ExitCode::fine : ExitCode::mismatch;
}

}  // namespace igata
