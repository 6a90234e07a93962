// What the compiler does, in order. Each pass is a function of its own in the file of its name; its first lines show a
// before and an after.
#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "compiler/ir/text.hpp"
#include "compiler/passes/passes.hpp"

namespace igata {

namespace {

struct State {
    PipelineResult result;
    Layouts layouts;
    const PipelineOptions& options;
    Budget budget;
    Remarks& remarks;
};

enum class Works { on_graph, on_graph_to_fuse, on_layouts, on_plan, on_plan_to_fuse };

bool fuses(Works works) { return works == Works::on_graph_to_fuse || works == Works::on_plan_to_fuse; }
bool changes_plan(Works works) { return works == Works::on_plan || works == Works::on_plan_to_fuse; }

struct Pass {
    const char* name;
    Works works;
    void (*run)(State&);
};

constexpr std::array passes{
    Pass{"bind_dims", Works::on_graph, [](State& s) { bind_dims(s.result.graph, s.options.bindings, s.remarks); }},
    Pass{"infer_types", Works::on_graph, [](State& s) { infer_types(s.result.graph, s.remarks); }},
    Pass{"widen_halves", Works::on_graph, [](State& s) { widen_halves(s.result.graph); }},
    Pass{"fold_constants", Works::on_graph, [](State& s) { fold_constants(s.result.graph, s.remarks); }},
    Pass{"fuse_quantized", Works::on_graph_to_fuse,
         [](State& s) { fuse_quantized(s.result.graph, s.remarks, s.budget); }},
    Pass{"simplify", Works::on_graph_to_fuse, [](State& s) { simplify(s.result.graph, s.remarks, s.budget); }},
    Pass{"fuse_maps", Works::on_graph_to_fuse, [](State& s) { fuse_maps(s.result.graph, s.remarks, s.budget); }},
    Pass{"fuse_epilogues", Works::on_graph_to_fuse,
         [](State& s) { fuse_epilogues(s.result.graph, s.remarks, s.budget); }},
    Pass{"assign_layouts", Works::on_layouts, [](State& s) { s.layouts = assign_layouts(s.result.graph); }},
    Pass{"lower", Works::on_plan, [](State& s) { s.result.plan = lower(s.result.graph, s.layouts, s.remarks); }},
    Pass{"absorb_scales", Works::on_plan_to_fuse, [](State& s) { absorb_scales(s.result.plan, s.remarks, s.budget); }},
    Pass{"absorb_means", Works::on_plan_to_fuse, [](State& s) { absorb_means(s.result.plan, s.remarks, s.budget); }},
    Pass{"absorb_maps", Works::on_plan_to_fuse, [](State& s) { absorb_maps(s.result.plan, s.remarks, s.budget); }},
    Pass{"schedule", Works::on_plan, [](State& s) { schedule(s.result.plan); }},
    Pass{"stream_strips", Works::on_plan_to_fuse, [](State& s) { stream_strips(s.result.plan); }},
    Pass{"narrow_weights", Works::on_plan, [](State& s) { narrow_weights(s.result.plan); }},
    Pass{"allow_bf16", Works::on_plan,
         [](State& s) {
             if (s.options.bf16) allow_bf16(s.result.plan);
         }},
    Pass{"apply_tuning", Works::on_plan, [](State& s) { apply_tuning(s.result.plan, s.options.tuning, s.remarks); }},
    Pass{"plan_memory", Works::on_plan, [](State& s) { plan_memory(s.result.plan); }},
    Pass{"pool_weights", Works::on_plan, [](State& s) { pool_weights(s.result.plan); }},
};

void require_pass(const std::string& name, const char* option) {
    std::vector<std::string_view> names;
    for (const Pass& pass : passes) names.emplace_back(pass.name);
    if (std::find(names.begin(), names.end(), name) == names.end())
        throw Error(ExitCode::usage,
                    fmt::format("{}: there is no pass '{}'; the passes are {}", option, name, fmt::join(names, ", ")));
}

/// Order of axes of every value that is not row-major.
std::string print(const Graph& graph, const Layouts& layouts) {
    std::string text;
    for (std::size_t id = 0; id < layouts.size(); ++id)
        if (!std::is_sorted(layouts[id].begin(), layouts[id].end()))
            text += fmt::format("  {}: order [{}]\n", graph.value(static_cast<ValueId>(id)).name,
                                fmt::join(layouts[id], ","));
    return text;
}

bool is_wanted(const std::vector<std::string>& print_after, const char* name) {
    return std::any_of(print_after.begin(), print_after.end(),
                       [&](const std::string& wanted) { return wanted == "all" || wanted == name; });
}

void verify_after(const Pass& pass, const State& state) {
    try {
        if (changes_plan(pass.works)) verify(state.result.plan);
        else verify(state.result.graph);
    } catch (const std::logic_error& error) {
        throw std::logic_error(fmt::format("after {}: {}", pass.name, error.what()));
    }
}

void print_after(const Pass& pass, const State& state) {
    const std::string text = changes_plan(pass.works)          ? print(state.result.plan)
                             : pass.works == Works::on_layouts ? print(state.result.graph, state.layouts)
                                                               : print(state.result.graph);
    fmt::print(state.options.dump, "; after {}\n{}\n", pass.name, text);
}

}  // namespace

PipelineResult run_pipeline(Graph graph, const PipelineOptions& options, Remarks& remarks) {
    if (!options.stop_after.empty()) require_pass(options.stop_after, "--stop-after");
    for (const std::string& name : options.print_after)
        if (name != "all") require_pass(name, "--print-after");

    State state{{std::move(graph), {}, {}}, {}, options, Budget(options.bisect), remarks};
    for (const Pass& pass : passes) {
        const bool skipped = fuses(pass.works) && !options.fuse;
        if (!skipped) {
            const auto start = std::chrono::steady_clock::now();
            pass.run(state);
            const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
            state.result.seconds.emplace_back(pass.name, seconds.count());
            verify_after(pass, state);
            if (options.time_passes) fmt::print(options.dump, "{:>16} {:9.3f} ms\n", pass.name, seconds.count() * 1e3);
            if (is_wanted(options.print_after, pass.name)) print_after(pass, state);
            if (options.after && pass.works < Works::on_layouts) options.after(pass.name, state.result.graph);
        }
        if (options.stop_after == pass.name) break;
    }
    return std::move(state.result);
}

}  // namespace igata
