#include "compiler/driver/driver.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <system_error>
#include <tuple>

#include <unistd.h>

#include <fmt/format.h>

#include "compiler/frontend/onnx_import.hpp"
#include "compiler/frontend/protobuf_file.hpp"
#include "compiler/passes/pool_weights.hpp"

namespace igata {

namespace {

namespace fs = std::filesystem;

struct Binding {
    std::string dim;
    std::vector<std::int64_t> values;
};

Binding parse_binding(const std::string& text) {
    const auto equals = text.rfind('=');
    const bool named = equals != std::string::npos && equals > 0;
    Binding binding{text.substr(0, equals), {}};
    const char* next = text.data() + (named ? equals + 1 : text.size());
    const char* const end = text.data() + text.size();
    for (bool more = true; more;) {
        std::int64_t value = 0;
        const auto [after, error] = std::from_chars(next, end, value);
        more = after != end && *after == ',';
        if (error != std::errc{} || (after != end && !more) || value < 1)
            throw Error(ExitCode::usage,
                        fmt::format("--bind {}: write DIM=VALUE with a dim's symbol or INPUT:AXIS, as in `--bind "
                                    "N=1` or `--bind image:0=1`, or several values, as in `--bind N=1,8`",
                                    text));
        if (std::find(binding.values.begin(), binding.values.end(), value) != binding.values.end())
            throw Error(ExitCode::usage, fmt::format("--bind {}: {} is given twice", text, value));
        binding.values.push_back(value);
        next = after + 1;
    }
    return binding;
}

/// Dtypes, names and ranks agree: the plans are called through one interface.
void require_alike(const std::vector<Plan::Port>& ports, const std::vector<Plan::Port>& first) {
    for (std::size_t i = 0; i < ports.size(); ++i) {
        const ValueType& a = first.at(i).type;
        const ValueType& b = ports[i].type;
        if (a.dtype != b.dtype || a.dims.size() != b.dims.size())
            throw Unsupported(fmt::format("'{}' is {} with one binding and {} with another: cast them apart",
                                          ports[i].name, to_string(a), to_string(b)));
    }
}

}  // namespace

Graph load_model(const fs::path& file, Remarks& remarks) {
    Graph graph = import_onnx(file, remarks);
    naming(file, [&] { check_supported(graph); });
    return graph;
}

std::vector<Bindings> parse_bindings(const std::vector<std::string>& bind) {
    constexpr std::size_t most = 32;
    std::vector<Bindings> all(1);
    for (const std::string& text : bind) {
        const Binding binding = parse_binding(text);
        if (all.front().contains(binding.dim))
            throw Error(ExitCode::usage, fmt::format("--bind {}: {} is bound twice", text, binding.dim));
        if (all.size() * binding.values.size() > most)
            throw Error(
                ExitCode::usage,
                fmt::format("--bind {}: every combination of the values becomes a plan, {} so far; there may be {}",
                            text, all.size() * binding.values.size(), most));
        std::vector<Bindings> longer;
        for (const Bindings& bindings : all) {
            for (const std::int64_t value : binding.values) {
                longer.push_back(bindings);
                longer.back().emplace(binding.dim, value);
            }
        }
        all = std::move(longer);
    }
    return all;
}

Bindings parse_single_binding(const std::vector<std::string>& bind) {
    std::vector<Bindings> all = parse_bindings(bind);
    if (all.size() > 1) throw Error(ExitCode::usage, "--bind: this command takes one value for each dim");
    return std::move(all.front());
}

PipelineOptions pipeline_options(const PipelineFlags& flags, const Bindings& bindings) {
    PipelineOptions options;
    options.bindings = bindings;
    options.print_after = flags.print_after;
    options.stop_after = flags.stop_after;
    options.time_passes = flags.time_passes;
    options.bisect = flags.bisect;
    options.after = flags.after;
    options.bf16 = flags.precision == "bf16";
    if (!flags.tuned.empty()) {
        const std::string text = read_file(flags.tuned);
        options.tuning = naming(flags.tuned, [&] { return parse_tuning(text); });
    }
    return options;
}

PipelineResult run_pipeline(const fs::path& file, Graph graph, const PipelineFlags& flags, const Bindings& bindings,
                            Remarks& remarks) {
    const PipelineOptions options = pipeline_options(flags, bindings);
    return naming(file, [&] { return run_pipeline(std::move(graph), options, remarks); });
}

std::vector<Plan> make_plans(const fs::path& file, Graph graph, const PipelineFlags& flags,
                             const std::vector<Bindings>& bindings, Remarks& remarks) {
    std::vector<Plan> plans;
    for (const Bindings& binding : bindings) {
        Remarks own;
        Graph mine = &binding == &bindings.back() ? std::move(graph) : clone(graph);
        plans.push_back(run_pipeline(file, std::move(mine), flags, binding, own).plan);
        add_new_remarks(remarks, own);
    }
    if (plans.size() == 1 || !flags.stop_after.empty()) return plans;
    naming(file, [&] {
        for (const Plan& plan : plans) {
            require_alike(plan.inputs, plans.front().inputs);
            require_alike(plan.outputs, plans.front().outputs);
        }
    });
    pool_weights(plans);
    return plans;
}

void add_new_remarks(Remarks& remarks, const Remarks& others) {
    const auto key = [](const Remark& r) { return std::tie(r.pass, r.node, r.message, r.refused); };
    for (const Remark& remark : others.all()) {
        const auto is_same = [&](const Remark& known) { return key(known) == key(remark); };
        if (std::any_of(remarks.all().begin(), remarks.all().end(), is_same)) continue;
        if (remark.refused) remarks.refused(remark.pass, remark.node, remark.message);
        else remarks.done(remark.pass, remark.node, remark.message);
    }
}

void print_remarks(const PipelineFlags& flags, const Remarks& remarks) {
    if (!flags.remarks) return;
    for (const Remark& remark : remarks.all())
        fmt::print(stderr, "{} [{}]{}{}: {}\n", remark.refused ? "missed" : "remark", remark.pass,
                   remark.node.empty() ? "" : " ", remark.node, remark.message);
}

void write_files(const fs::path& folder, const std::vector<std::pair<std::string, std::string>>& files) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) throw BadInput(fmt::format("{}: cannot be made ({})", folder.string(), error.message()));
    std::vector<fs::path> temporaries;
    std::vector<fs::path> placed;
    const auto give_up = [&](const std::string& name, const std::string& why) {
        for (const auto* written : {&temporaries, &placed})
            for (const fs::path& path : *written) fs::remove(path, error);
        throw BadInput(fmt::format("{}: cannot be written ({})", (folder / name).string(), why));
    };
    for (const auto& [name, text] : files) {
        temporaries.push_back(folder / fmt::format(".{}.{}", name, getpid()));
        std::ofstream stream(temporaries.back(), std::ios::binary);
        stream.write(text.data(), static_cast<std::streamsize>(text.size()));
        stream.close();
        if (!stream) give_up(name, std::generic_category().message(errno));
    }
    for (std::size_t i = 0; i < files.size(); ++i) {
        fs::rename(temporaries[i], folder / files[i].first, error);
        if (error) give_up(files[i].first, error.message());
        placed.push_back(folder / files[i].first);
    }
}

}  // namespace igata
