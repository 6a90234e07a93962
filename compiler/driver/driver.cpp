#include "compiler/driver/driver.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <system_error>

#include <unistd.h>

#include <fmt/format.h>

#include "compiler/frontend/onnx_import.hpp"

namespace igata {

namespace {

namespace fs = std::filesystem;

template <class F>
auto naming(const fs::path& file, F&& f) {
    try {
        return f();
    } catch (const Error& error) {
        throw Error(error.code(), fmt::format("{}: {}", file.string(), error.what()));
    }
}

std::int64_t parse_binding_value(const std::string& text, std::size_t begin) {
    std::int64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [next, error] = std::from_chars(text.data() + begin, end, value);
    if (error == std::errc{} && next != end && *next == ',')
        throw Error(ExitCode::usage,
                    fmt::format("--bind {}: a dim takes one value; at run time, axis 0 may be any multiple "
                                "of it",
                                text));
    if (error != std::errc{} || next != end || value < 1)
        throw Error(ExitCode::usage,
                    fmt::format("--bind {}: write DIM=VALUE with a dim's symbol or INPUT:AXIS, as in `--bind "
                                "N=1` or `--bind image:0=1`",
                                text));
    return value;
}

}  // namespace

Graph load_model(const fs::path& file, Remarks& remarks) {
    Graph graph = import_onnx(file, remarks);
    naming(file, [&] { check_supported(graph); });
    return graph;
}

Bindings parse_bindings(const std::vector<std::string>& bind) {
    Bindings bindings;
    for (const std::string& text : bind) {
        const auto equals = text.rfind('=');
        const std::string dim = text.substr(0, equals);
        const bool named = equals != std::string::npos && equals > 0;
        const std::int64_t value = parse_binding_value(text, named ? equals + 1 : text.size());
        if (!bindings.emplace(dim, value).second)
            throw Error(ExitCode::usage, fmt::format("--bind {}: {} is bound twice", text, dim));
    }
    return bindings;
}

PipelineOptions pipeline_options(const PipelineFlags& flags, const Bindings& bindings) {
    PipelineOptions options;
    options.bindings = bindings;
    options.print_after = flags.print_after;
    options.stop_after = flags.stop_after;
    options.time_passes = flags.time_passes;
    options.bisect = flags.bisect;
    options.after = flags.after;
    return options;
}

PipelineResult run_pipeline(const fs::path& file, Graph graph, const PipelineFlags& flags, const Bindings& bindings,
                            Remarks& remarks) {
    return naming(file, [&] { return run_pipeline(std::move(graph), pipeline_options(flags, bindings), remarks); });
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
