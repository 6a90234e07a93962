#include "compiler/driver/generated_engine.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "compiler/emit/emitter.hpp"
#include "runtime/predictor_abi.h"

namespace igata {

namespace {

namespace fs = std::filesystem;

class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string pattern = (fs::temp_directory_path() / "igata-XXXXXX").string();
        if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error(pattern + ": cannot be made");
        path_ = pattern;
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    const fs::path& path() const { return path_; }

private:
    fs::path path_;
};

std::string read_text(const fs::path& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
}

std::vector<std::string> words(const char* text) {
    std::istringstream stream(text != nullptr ? text : "");
    return {std::istream_iterator<std::string>(stream), {}};
}

/// Runs a program without a shell, with what it prints in `log`. Throws with the end of that if it fails.
void execute(const std::vector<std::string>& command, const fs::path& log) {
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    pid_t child = 0;
    const int failure = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failure != 0)
        throw Error(ExitCode::usage,
                    fmt::format("{} cannot be run ({}): set CXX to a C++ compiler, or use --engine plan", command[0],
                                std::strerror(failure)));
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (status != 0)
        throw std::runtime_error(fmt::format("{} failed:\n{}", command[0], read_text(log).substr(0, 4000)));
}

fs::path build(const Plan& plan, const fs::path& folder) {
    for (const EmittedFile& file : emit(plan, {"model", EmitOptions::Weights::incbin}, {})) {
        std::ofstream stream(folder / file.path, std::ios::binary);
        stream.write(file.bytes.data(), static_cast<std::streamsize>(file.bytes.size()));
        if (!stream.flush())
            throw std::runtime_error(fmt::format("{}: cannot be written", (folder / file.path).string()));
    }
    std::vector<std::string> command = words(std::getenv("CXX"));
    if (command.empty()) command = {"c++"};
    for (const char* flag : {"-std=c++17", "-O2", "-fPIC", "-shared", "-fopenmp"}) command.emplace_back(flag);
    for (std::string& flag : words(std::getenv("CXXFLAGS"))) command.push_back(std::move(flag));
    const fs::path library = folder / "model.so";
    for (const std::string& word :
         {"-I" + folder.string(), std::string("-idirafter" IGATA_ONEDNN_INCLUDE_DIR), "-Wa,-I" + folder.string(),
          (folder / "model.cpp").string(), std::string("-o"), library.string(), std::string(IGATA_ONEDNN_LIBRARY)})
        command.push_back(word);
    execute(command, folder / "log");
    return library;
}

}  // namespace

struct GeneratedEngine::Impl {
    explicit Impl(const Plan& plan) : ports(plan.outputs) {
        library = dlopen(build(plan, folder.path()).c_str(), RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr) throw std::runtime_error(dlerror());
        const auto create_model = symbol<igata_status (*)(const igata_options*, void**)>("model_model_create");
        const auto create_context = symbol<igata_status (*)(const void*, void**)>("model_context_create");
        info = symbol<const igata_predictor_info* (*)()>("model_info")();
        check(create_model(nullptr, &model));
        check(create_context(model, &context));
    }
    ~Impl() {
        if (library == nullptr) return;
        symbol<void (*)(void*)>("model_context_destroy")(context);
        symbol<void (*)(void*)>("model_model_destroy")(model);
        dlclose(library);
    }

    template <class Function>
    Function symbol(const char* name) const {
        void* const address = dlsym(library, name);
        if (address == nullptr) throw std::runtime_error(fmt::format("the generated library has no {}", name));
        return reinterpret_cast<Function>(address);
    }
    void check(igata_status status) const {
        if (status != IGATA_OK) throw std::runtime_error(symbol<const char* (*)()>("model_last_error")());
    }

    TemporaryFolder folder;
    std::vector<Plan::Port> ports;
    void* library = nullptr;
    const igata_predictor_info* info = nullptr;
    void* model = nullptr;
    void* context = nullptr;
};

GeneratedEngine::GeneratedEngine(const Plan& plan) : impl_(std::make_unique<Impl>(plan)) {}
GeneratedEngine::~GeneratedEngine() = default;

std::vector<Tensor> GeneratedEngine::run(const std::vector<Tensor>& inputs) {
    const bool batched = impl_->info->batched != 0 && !inputs.empty();
    const std::int64_t batch = batched ? inputs.front().dims().at(0) : 0;
    std::vector<const void*> from;
    std::vector<Tensor> outputs;
    std::vector<void*> to;
    for (const Tensor& input : inputs) from.push_back(input.bytes().data());
    for (const Plan::Port& port : impl_->ports) {
        Dims dims = port.type.dims;
        if (batched) dims.at(0) *= batch / impl_->info->inputs[0].dims[0];
        to.push_back(outputs.emplace_back(port.type.dtype, dims).mutable_bytes().data());
    }
    using Run = igata_status (*)(void*, const void* const*, void* const*, std::int64_t);
    impl_->check(impl_->symbol<Run>("model_run")(impl_->context, from.data(), to.data(), batch));
    return outputs;
}

}  // namespace igata
