// The command line: options in, exit code out. What the commands do is in driver/.
#include <cstdio>
#include <map>
#include <new>
#include <string>
#include <vector>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <CLI/CLI.hpp>

#include "compiler/driver/driver.hpp"

namespace {

using namespace igata;

const std::map<std::string, EngineKind> engines{
    {"generated", EngineKind::generated}, {"plan", EngineKind::plan}, {"interpreter", EngineKind::interpreter}};

struct Flags {
    CompileFlags compile;
    CheckFlags check;
    RunFlags run;
    VerifyFlags verify;
    ConformanceFlags conformance;
    ReportFlags report;
    ProfileFlags profile;
    TuneFlags tune;
    OnednnFlags onednn;
    bool json = false;
};

const CLI::Validator not_negative([](std::string& text) { return text.starts_with('-') ? text + " is negative" : ""; },
                                  "");

CLI::App* command(CLI::App& app, const char* name, const char* what, const char* examples) {
    CLI::App* sub = app.add_subcommand(name, what);
    sub->footer(std::string("Examples:\n") + examples);
    return sub;
}

void add_model(CLI::App* sub, std::filesystem::path& model) {
    sub->add_option("model", model, "the ONNX file")->required()->type_name("MODEL");
}

void add_bind(CLI::App* sub, PipelineFlags& flags) {
    sub->add_option("--bind", flags.bind,
                    "the value of a dim that the model leaves open: its symbol, or INPUT:AXIS. Several values make a "
                    "plan for each, those of several dims for every combination")
        ->type_name("DIM=VALUE[,VALUE...]")
        ->allow_extra_args(false);
}

void add_tuned(CLI::App* sub, PipelineFlags& flags) {
    sub->add_option("--tuned", flags.tuned, "choices of kernels that `igata tune` wrote")->type_name("FILE");
}

void add_precision(CLI::App* sub, PipelineFlags& flags) {
    sub->add_option("--precision", flags.precision,
                    "what convolutions and matrix products multiply: f32, or bf16 where the processor has "
                    "instructions for it and it pays (f32 elsewhere)")
        ->check(CLI::IsMember({"f32", "bf16"}).description(""))
        ->capture_default_str()
        ->type_name("TYPE");
}

void add_remarks(CLI::App* sub, PipelineFlags& flags) {
    sub->add_flag("--remarks", flags.remarks, "what was fused, and what was not and why");
}

void add_pipeline(CLI::App* sub, PipelineFlags& flags) {
    sub->add_option("--print-after", flags.print_after, "print the model after these passes, or after all")
        ->type_name("PASS|all")
        ->delimiter(',')
        ->allow_extra_args(false);
    sub->add_option("--stop-after", flags.stop_after, "run no pass after this one, and write nothing")
        ->type_name("PASS");
    sub->add_flag("--time-passes", flags.time_passes, "print how long each pass took");
    sub->add_option("--bisect", flags.bisect, "apply only the first N rewrites")->type_name("N")->check(not_negative);
    add_remarks(sub, flags);
}

void add_engine(CLI::App* sub, EngineKind& engine, double& rtol, double& atol) {
    sub->add_option_function<std::string>(
           "--engine", [&engine](const std::string& name) { engine = engines.at(name); },
           "generated (compiled C++, the default), plan (the same steps in this process) or interpreter (the "
           "reference)")
        ->check(CLI::IsMember({"generated", "plan", "interpreter"}).description(""))
        ->type_name("ENGINE");
    sub->add_option("--rtol", rtol, "relative tolerance")->capture_default_str()->check(not_negative)->type_name("R");
    sub->add_option("--atol", atol, "absolute tolerance")->capture_default_str()->check(not_negative)->type_name("A");
}

void add_compile(CLI::App& app, CompileFlags& flags) {
    CLI::App* sub = command(app, "compile", "Cast a model into C++",
                            "  igata compile model.onnx -o out\n"
                            "  igata compile model.onnx -o out --name photo --bind image:0=8 --weights incbin\n"
                            "  igata compile model.onnx -o out --bind N=1,8,32\n"
                            "  igata compile model.onnx -o out --precision bf16 --data .\n");
    add_model(sub, flags.model);
    sub->add_option("-o,--output", flags.folder, "the folder to write to")->required()->type_name("DIR");
    sub->add_option("--name", flags.name, "name of the files and of the C++ namespace; default: the model file's")
        ->type_name("NAME");
    sub->add_option("--weights", flags.weights,
                    "where they go: literal (into the .cpp), incbin (a .bin beside it, read by the "
                    "assembler) or file (a .bin mapped at run time)")
        ->check(CLI::IsMember({"literal", "incbin", "file"}).description(""))
        ->capture_default_str()
        ->type_name("FORM");
    add_tuned(sub, flags.pipeline);
    add_precision(sub, flags.pipeline);
    sub->add_option("--data", flags.data,
                    "with --precision bf16: print how far results then are from those in f32, of the inputs in "
                    "DIR/test_data_set_*")
        ->type_name("DIR");
    add_bind(sub, flags.pipeline);
    add_pipeline(sub, flags.pipeline);
}

void add_check(CLI::App& app, CheckFlags& flags) {
    CLI::App* sub = command(app, "check", "Say whether a model is supported: exit code 3 and a list if it is not",
                            "  igata check model.onnx\n"
                            "  igata check model.onnx --passes --bind N=1\n"
                            "  igata check quantized.onnx --int8\n");
    add_model(sub, flags.model);
    sub->add_flag("--passes", flags.passes,
                  "run the interpreter after every pass and name the first that changes a result");
    sub->add_flag("--int8", flags.int8,
                  "list the layers of integers, and which would saturate in 8-bit instructions without VNNI");
    add_bind(sub, flags.pipeline);
    add_pipeline(sub, flags.pipeline);
}

void add_run(CLI::App& app, RunFlags& flags) {
    CLI::App* sub = command(app, "run", "Run a model in the reference interpreter",
                            "  igata run model.onnx --input image.npy\n"
                            "  igata run model.onnx --input a=a.npy --input b=b.npy --output sum=sum.npy\n");
    add_model(sub, flags.model);
    sub->add_option("--input", flags.inputs, "a tensor for an input; NAME= may be left out if there is but one")
        ->type_name("[NAME=]FILE.npy")
        ->allow_extra_args(false);
    sub->add_option("--output", flags.outputs, "where to write an output")
        ->type_name("[NAME=]FILE.npy")
        ->allow_extra_args(false);
    add_remarks(sub, flags.pipeline);
}

void add_verify(CLI::App& app, VerifyFlags& flags) {
    CLI::App* sub =
        command(app, "verify", "Replay recorded tensors (test_data_set_*) and compare: exit code 1 beyond tolerance",
                "  igata verify model.onnx --data .\n"
                "  igata verify model.onnx --data . --engine interpreter --atol 2e-5\n");
    add_model(sub, flags.model);
    sub->add_option("--data", flags.data, "the folder that holds test_data_set_*")->required()->type_name("DIR");
    add_engine(sub, flags.engine, flags.rtol, flags.atol);
}

void add_conformance(CLI::App& app, ConformanceFlags& flags) {
    CLI::App* sub = command(app, "conformance", "Replay every folder that holds model.onnx and test_data_set_*",
                            "  igata conformance onnx/backend/test/data/node --engine plan\n"
                            "  igata conformance onnx/backend/test/data/node --list --filter test_conv\n"
                            "  igata conformance onnx/backend/test/data/node --sample 20\n");
    sub->add_option("folder", flags.folder, "where to look")->required()->type_name("DIR");
    sub->add_flag("--list", flags.list, "a line for each case, with the reason");
    sub->add_option("--filter", flags.filter, "only folders whose path holds this text")->type_name("TEXT");
    sub->add_option("--sample", flags.sample, "only so many of them, others every day")
        ->check(CLI::Range(1, 1000000))
        ->type_name("N");
    sub->add_option("--seed", flags.seed, "which --sample to take: the number that it printed")->type_name("S");
    add_engine(sub, flags.engine, flags.rtol, flags.atol);
}

void add_report(CLI::App& app, ReportFlags& flags) {
    CLI::App* sub = command(app, "report", "Write a page about what becomes of a model: steps, fusions, memory",
                            "  igata report model.onnx -o model.html\n");
    add_model(sub, flags.model);
    sub->add_option("-o,--output", flags.file, "the page to write")->required()->type_name("FILE.html");
    add_tuned(sub, flags.pipeline);
    add_precision(sub, flags.pipeline);
    add_bind(sub, flags.pipeline);
}

void add_data(CLI::App* sub, std::filesystem::path& data) {
    sub->add_option("--data", data, "take the inputs, and with them the dims, from DIR/test_data_set_*")
        ->type_name("DIR");
}

void add_runs(CLI::App* sub, int& runs, int& threads) {
    const CLI::Range positive(1, 1000000);
    sub->add_option("--runs", runs, "how many runs to measure")->check(positive)->capture_default_str()->type_name("N");
    sub->add_option("--threads", threads, "threads of a run")->check(positive)->capture_default_str()->type_name("T");
}

void add_profile(CLI::App& app, ProfileFlags& flags) {
    CLI::App* sub = command(app, "profile", "Cast and compile a model, run it here, and print the time of each step",
                            "  igata profile model.onnx\n"
                            "  igata profile model.onnx --bind N=8 --threads 2 --markdown profile.md\n"
                            "  igata profile model.onnx --data .\n");
    add_model(sub, flags.model);
    add_data(sub, flags.data);
    add_runs(sub, flags.runs, flags.threads);
    sub->add_option("--json", flags.json, "also write the figures to a file")->type_name("FILE");
    sub->add_option("--markdown", flags.markdown, "also write the table to a file")->type_name("FILE");
    add_tuned(sub, flags.pipeline);
    add_precision(sub, flags.pipeline);
    add_bind(sub, flags.pipeline);
}

void add_tune(CLI::App& app, TuneFlags& flags) {
    CLI::App* sub = command(app, "tune",
                            "Time the kernels that could run each step on this machine, and write down where others "
                            "than the usual ones are the fastest",
                            "  igata tune model.onnx -o model.tuned\n"
                            "  igata tune model.onnx -o model.tuned --bind N=1,8 --threads 2\n"
                            "  igata compile model.onnx -o out --tuned model.tuned\n");
    add_model(sub, flags.model);
    sub->add_option("-o,--output", flags.file, "the file to write")->required()->type_name("FILE");
    add_data(sub, flags.data);
    add_runs(sub, flags.runs, flags.threads);
    add_precision(sub, flags.pipeline);
    add_bind(sub, flags.pipeline);
}

void add_onednn_flags(CLI::App& app, OnednnFlags& flags) {
    CLI::App* sub = command(app, "onednn-flags", "Print the CMake settings of the smallest oneDNN that the models need",
                            "  igata onednn-flags model.onnx\n"
                            "  cmake -S oneDNN -B build $(igata onednn-flags a.onnx b.onnx --threading seq)\n");
    sub->add_option("models", flags.models, "the ONNX files")->required()->type_name("MODEL...");
    sub->add_option("--threading", flags.threading, "omp, or seq: without OpenMP")
        ->check(CLI::IsMember({"omp", "seq"}).description(""))
        ->capture_default_str()
        ->type_name("THREADING");
    add_precision(sub, flags.pipeline);
    add_bind(sub, flags.pipeline);
}

ExitCode dispatch(const CLI::App& app, const Flags& flags) {
    const std::string name = app.get_subcommands().front()->get_name();
    if (name == "compile") return command_compile(flags.compile);
    if (name == "check") return command_check(flags.check);
    if (name == "run") return command_run(flags.run);
    if (name == "verify") return command_verify(flags.verify);
    if (name == "conformance") return command_conformance(flags.conformance);
    if (name == "report") return command_report(flags.report);
    if (name == "profile") return command_profile(flags.profile);
    if (name == "tune") return command_tune(flags.tune);
    if (name == "onednn-flags") return command_onednn_flags(flags.onednn);
    return command_ops(flags.json);
}

/// `--bind A B` as `--bind A --bind B`: CLI11 would take the model that follows for a third.
std::vector<std::string> spread_bindings(int argc, char** argv) {
    std::vector<std::string> arguments;
    bool binding = false;
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        const bool more = binding && argument.find('=') != std::string::npos && !argument.starts_with('-');
        if (more && arguments.back() != "--bind") arguments.emplace_back("--bind");
        arguments.push_back(argument);
        binding = argument == "--bind" || more;
    }
    return {arguments.rbegin(), arguments.rend()};  // as CLI11 takes them
}

/// Gives memory of weights that are folded back to the system at once. By default, glibc keeps as much as the largest
/// piece that was ever given back, in pieces that the next ones do not fit into.
void return_large_memory() {
#if defined(__GLIBC__)
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
}

}  // namespace

int main(int argc, char** argv) {
    return_large_memory();
    CLI::App app("Igata casts ONNX models into C++ that calls oneDNN.", "igata");
    app.set_version_flag("--version", "igata " IGATA_VERSION);
    app.require_subcommand(1);
    app.footer(
        "Exit codes: 0 fine, 1 mismatch, 2 usage, 3 unsupported, 4 bad model or file.\n"
        "`igata COMMAND --help` shows a command's options and examples.");
    app.failure_message([](const CLI::App* failed, const CLI::Error& error) {
        const auto commands = failed->get_subcommands();
        const std::string name = commands.empty() ? "igata" : "igata " + commands.front()->get_name();
        if (commands.empty() && failed->remaining_size() > 0)
            return "igata: there is no command '" + failed->remaining().front() + "'; see `igata --help`\n";
        return "igata: " + std::string(error.what()) + "; see `" + name + " --help`\n";
    });
    Flags flags;
    add_compile(app, flags.compile);
    add_check(app, flags.check);
    add_run(app, flags.run);
    add_verify(app, flags.verify);
    add_conformance(app, flags.conformance);
    add_report(app, flags.report);
    add_profile(app, flags.profile);
    add_tune(app, flags.tune);
    add_onednn_flags(app, flags.onednn);
    command(app, "ops", "Print the table of operators", "  igata ops\n  igata ops --json\n")
        ->add_flag("--json", flags.json, "as JSON");
    try {
        app.parse(spread_bindings(argc, argv));
        return static_cast<int>(dispatch(app, flags));
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::usage);
    } catch (const Error& error) {
        std::fprintf(stderr, "igata: %s\n", error.what());
        return static_cast<int>(error.code());
    } catch (const std::bad_alloc&) {
        std::fputs("igata: out of memory\n", stderr);
        return static_cast<int>(ExitCode::bad_input);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "igata: internal error: %s\n", error.what());
        return 70;  // EX_SOFTWARE
    }
}
