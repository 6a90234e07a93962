#include "compiler/driver/generated_engine.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <sstream>
#include <stdexcept>

#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "compiler/driver/needs.hpp"
#include "compiler/emit/emitter.hpp"
#include "runtime/predictor_abi.h"
#include "runtime/predictor_shapes.hpp"

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

/// Emitted files, of which <name>.cpp is compiled in a temporary folder and loaded.
class Library {
public:
    Library(const std::vector<EmittedFile>& files, const std::string& name) {
        const fs::path& folder = folder_.path();
        for (const EmittedFile& file : files) {
            std::ofstream stream(folder / file.path, std::ios::binary);
            stream.write(file.bytes.data(), static_cast<std::streamsize>(file.bytes.size()));
            if (!stream.flush())
                throw std::runtime_error(fmt::format("{}: cannot be written", (folder / file.path).string()));
        }
        std::vector<std::string> command = words(std::getenv("CXX"));
        if (command.empty()) command = {"c++"};
        for (const char* flag : {"-std=c++17", "-O2", "-fPIC", "-shared", "-fopenmp", "-fno-math-errno"})
            command.emplace_back(flag);
        for (std::string& flag : words(std::getenv("CXXFLAGS"))) command.push_back(std::move(flag));
        const fs::path library = folder / (name + ".so");
        for (const std::string& word : {"-I" + folder.string(), std::string("-idirafter" IGATA_ONEDNN_INCLUDE_DIR),
                                        "-Wa,-I" + folder.string(), (folder / (name + ".cpp")).string(),
                                        std::string("-o"), library.string(), std::string(IGATA_ONEDNN_LIBRARY)})
            command.push_back(word);
        execute(command, folder / "log");
        handle_ = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (handle_ == nullptr) throw std::runtime_error(dlerror());
    }
    ~Library() { dlclose(handle_); }
    Library(const Library&) = delete;
    Library& operator=(const Library&) = delete;

    /// Sets `function` to the one of that name.
    template <class Function>
    void find(Function& function, const std::string& name) const {
        void* const address = dlsym(handle_, name.c_str());
        if (address == nullptr) throw std::runtime_error(fmt::format("the generated library has no {}", name));
        function = reinterpret_cast<Function>(address);
    }

private:
    TemporaryFolder folder_;
    void* handle_ = nullptr;
};

}  // namespace

struct CompiledTogether::Impl {
    struct Model {
        std::string name;
        std::vector<Plan> plans;
    };

    /// The name of the model.
    const std::string& add(std::span<const Plan> plans) {
        if (library) throw std::logic_error("a model is added to those that are compiled");
        models.push_back({fmt::format("model{}", models.size()), {plans.begin(), plans.end()}});
        return models.back().name;
    }

    const Library& compiled() {
        if (!failure.empty()) throw std::runtime_error(failure);
        if (library) return *library;
        std::vector<PredictorSource> sources;
        runtime::Needs needs;
        for (const Model& model : models) {
            sources.push_back({model.plans, model.name});
            needs.add(needs_of(model.plans));
        }
        try {
            return library.emplace(emit_together(sources, "models", needs), "models");
        } catch (const std::exception& error) {
            failure = error.what();  // of all of them, and at every further run
            throw;
        }
    }

    std::vector<Model> models;
    std::optional<Library> library;
    std::string failure;
};

CompiledTogether::CompiledTogether() : impl_(std::make_unique<Impl>()) {}
CompiledTogether::~CompiledTogether() = default;

struct GeneratedEngine::Impl {
    Impl(std::span<const Plan> plans, int threads_of_a_run)
        : inputs(plans.front().inputs), outputs(plans.front().outputs), threads(threads_of_a_run) {}
    ~Impl() {
        if (functions.context_destroy != nullptr) functions.context_destroy(context);
        if (functions.model_destroy != nullptr) functions.model_destroy(model);
    }

    /// Makes the model of that name in the library ready.
    void create(const Library& library, const std::string& name) {
        const igata_options options{threads, nullptr};
        const auto symbol = [&](auto& function, const char* suffix) { library.find(function, name + suffix); };
        const igata_predictor_info* (*info)() = nullptr;
        symbol(info, "_info");
        symbol(functions.model_create, "_model_create");
        symbol(functions.model_destroy, "_model_destroy");
        symbol(functions.context_create, "_context_create");
        symbol(functions.context_destroy, "_context_destroy");
        symbol(functions.context_bytes, "_context_bytes");
        symbol(functions.run, "_run_shaped");
        symbol(functions.output_dims, "_output_dims");
        symbol(functions.profile, "_profile_shaped");
        symbol(functions.implementation, "_implementation");
        symbol(functions.last_error, "_last_error");
        functions.info = info();
        check(functions.model_create(&options, &model));
        check(functions.context_create(model, &context));
    }

    void check(igata_status status) const {
        if (status != IGATA_OK) throw std::runtime_error(functions.last_error());
    }

    std::optional<Library> own_library;  ///< of a model that is compiled alone
    std::vector<Plan::Port> inputs;
    std::vector<Plan::Port> outputs;
    int threads;
    cli::Functions functions = {};
    void* model = nullptr;
    void* context = nullptr;
    std::function<void()> make_ready = [] {};  ///< called before each run
};

GeneratedEngine::GeneratedEngine(std::span<const Plan> plans, int threads)
    : impl_(std::make_unique<Impl>(plans, threads)) {
    const auto files = emit(plans, {"model", EmitOptions::Weights::incbin, needs_of(plans)}, {});
    impl_->create(impl_->own_library.emplace(files, "model"), "model");
}

GeneratedEngine::GeneratedEngine(std::span<const Plan> plans, CompiledTogether& together)
    : impl_(std::make_unique<Impl>(plans, 0)) {
    const std::string name = together.impl_->add(plans);
    impl_->make_ready = [&impl = *impl_, &all = *together.impl_, name] {
        if (impl.context == nullptr) impl.create(all.compiled(), name);
    };
}

GeneratedEngine::~GeneratedEngine() = default;

/// The arguments of `run`, with room for the outputs.
struct GeneratedEngine::Call {
    Call(const Impl& impl, const std::vector<Tensor>& inputs) {
        for (const Tensor& input : inputs) {
            from.push_back(input.bytes().data());
            input_dims.push_back(input.dims().data());
        }
        std::vector<Dims> dims;
        for (const Plan::Port& port : impl.outputs) dims.push_back(port.type.dims);
        std::vector<std::int64_t*> places;
        for (Dims& place : dims) places.push_back(place.data());
        impl.check(impl.functions.output_dims(input_dims.data(), places.data()));
        for (std::size_t i = 0; i < dims.size(); ++i)
            to.push_back(outputs.emplace_back(impl.outputs[i].type.dtype, dims[i]).mutable_bytes().data());
    }
    std::vector<const void*> from;
    std::vector<const std::int64_t*> input_dims;
    std::vector<Tensor> outputs;
    std::vector<void*> to;
};

bool GeneratedEngine::accepts(const std::vector<Tensor>& inputs) const {
    std::vector<const std::int64_t*> dims;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const ValueType& type = impl_->inputs.at(i).type;
        if (inputs[i].dtype() != type.dtype || inputs[i].dims().size() != type.dims.size()) return false;
        if (impl_->context == nullptr && inputs[i].dims() != type.dims) return false;
        dims.push_back(inputs[i].dims().data());
    }
    if (impl_->context == nullptr) return true;
    return runtime::make_up(*impl_->functions.info, {dims.data(), impl_->functions.info, 0},
                            [](const igata_predictor_info&, std::int64_t) {});
}

std::vector<Tensor> GeneratedEngine::run(const std::vector<Tensor>& inputs) {
    impl_->make_ready();
    Call call(*impl_, inputs);
    impl_->check(impl_->functions.run(impl_->context, call.from.data(), call.input_dims.data(), call.to.data()));
    return std::move(call.outputs);
}

cli::Profile GeneratedEngine::profile(const std::vector<Tensor>& inputs, int runs) {
    Call call(*impl_, inputs);
    const cli::ProfiledRun run{impl_->model,           impl_->context, call.from.data(),
                               call.input_dims.data(), call.to.data(), impl_->threads};
    return cli::measure_profile(impl_->functions, run, runs);
}

}  // namespace igata
