// The commands of the tool: each takes its options as main.cpp parsed them and returns the exit code.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compiler/diagnostics.hpp"
#include "compiler/driver/engine.hpp"
#include "compiler/passes/passes.hpp"

namespace igata {

/// What every command that runs the pipeline takes.
struct PipelineFlags {
    std::vector<std::string> bind;  ///< DIM=VALUE[,VALUE...]
    std::vector<std::string> print_after;
    std::string stop_after;
    bool time_passes = false;
    bool remarks = false;
    int bisect = -1;
    std::filesystem::path tuned;    ///< what `igata tune` wrote; empty: none
    std::string precision = "f32";  ///< or bf16
    std::function<void(const std::string& pass, const Graph& graph)> after = nullptr;  ///< as in PipelineOptions
};

struct CompileFlags {
    std::filesystem::path model;
    std::filesystem::path folder;
    std::string name;  ///< empty: the model file's stem
    std::string weights = "literal";
    std::filesystem::path data;  ///< where to measure the error of bf16; empty: nowhere
    PipelineFlags pipeline;
};

struct CheckFlags {
    std::filesystem::path model;
    bool passes = false;
    bool int8 = false;
    PipelineFlags pipeline;
};

struct RunFlags {
    std::filesystem::path model;
    std::vector<std::string> inputs;   ///< [NAME=]FILE.npy
    std::vector<std::string> outputs;  ///< [NAME=]FILE.npy
    PipelineFlags pipeline;
};

struct VerifyFlags {
    std::filesystem::path model;
    std::filesystem::path data;
    EngineKind engine = EngineKind::generated;
    double rtol = 1e-3;
    double atol = 1e-4;
};

struct ConformanceFlags {
    std::filesystem::path folder;
    EngineKind engine = EngineKind::generated;
    bool list = false;
    std::string filter;
    int sample = 0;                     ///< how many of the cases, drawn by `seed`; 0: all
    std::optional<std::uint32_t> seed;  ///< none: another one every day
    double rtol = 1e-3;
    double atol = 1e-4;
};

struct ReportFlags {
    std::filesystem::path model;
    std::filesystem::path file;
    PipelineFlags pipeline;
};

struct ProfileFlags {
    std::filesystem::path model;
    std::filesystem::path data;  ///< empty: invented inputs, and dims as bound
    int runs = 50;
    int threads = 1;
    std::filesystem::path json;      ///< empty: not written
    std::filesystem::path markdown;  ///< empty: not written
    PipelineFlags pipeline;
};

struct TuneFlags {
    std::filesystem::path model;
    std::filesystem::path file;
    std::filesystem::path data;  ///< empty: invented inputs, and dims as bound
    int runs = 30;
    int threads = 1;
    PipelineFlags pipeline;
};

struct OnednnFlags {
    std::vector<std::filesystem::path> models;
    std::string threading = "omp";
    PipelineFlags pipeline;
};

ExitCode command_compile(const CompileFlags& flags);
ExitCode command_check(const CheckFlags& flags);
ExitCode command_run(const RunFlags& flags);
ExitCode command_verify(const VerifyFlags& flags);
ExitCode command_conformance(const ConformanceFlags& flags);
ExitCode command_report(const ReportFlags& flags);
ExitCode command_profile(const ProfileFlags& flags);
ExitCode command_tune(const TuneFlags& flags);
ExitCode command_onednn_flags(const OnednnFlags& flags);
ExitCode command_ops(bool json);

// What the commands share ---------------------------------------------------------------------------------------------

/// What f returns; errors that it throws name the file.
template <class F>
auto naming(const std::filesystem::path& file, F&& f) {
    try {
        return f();
    } catch (const Error& error) {
        throw Error(error.code(), file.string() + ": " + error.what());
    }
}

/// Imports the model; every operator is supported. Throws Error, beginning with the file.
Graph load_model(const std::filesystem::path& file, Remarks& remarks);

/// From DIM=VALUE[,VALUE...] each: every combination of the values, those of the last dim changing fastest. At least
/// one, which may be empty. Throws a usage Error.
std::vector<Bindings> parse_bindings(const std::vector<std::string>& bind);
/// For commands that make one plan: throws a usage Error if a dim has several values.
Bindings parse_single_binding(const std::vector<std::string>& bind);

PipelineOptions pipeline_options(const PipelineFlags& flags, const Bindings& bindings);
/// Runs the pipeline; errors begin with the file.
PipelineResult run_pipeline(const std::filesystem::path& file, Graph graph, const PipelineFlags& flags,
                            const Bindings& bindings, Remarks& remarks);
/// A plan for each binding, over one pool of weights; a remark that holds for several is made once. Throws Unsupported
/// where the plans' inputs or outputs differ in more than their dims.
std::vector<Plan> make_plans(const std::filesystem::path& file, Graph graph, const PipelineFlags& flags,
                             const std::vector<Bindings>& bindings, Remarks& remarks);
/// Adds those that are not there yet: what holds for several bindings is said once.
void add_new_remarks(Remarks& remarks, const Remarks& others);
/// To stderr, if `flags` ask for them.
void print_remarks(const PipelineFlags& flags, const Remarks& remarks);

/// Writes all files, each to a temporary beside its place, then renames them: nobody sees half of one. Makes the
/// folder.
void write_files(const std::filesystem::path& folder, const std::vector<std::pair<std::string, std::string>>& files);

}  // namespace igata
