#include "runtime/predictor_cli.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>

#include "runtime/predictor_arguments.hpp"
#include "runtime/predictor_profile.hpp"
#include "runtime/predictor_shapes.hpp"

namespace igata::cli {

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

std::vector<std::int64_t> dims_of(const igata_tensor_info& port) { return {port.dims, port.dims + port.rank}; }

/// A model with one context.
class Session {
public:
    Session(const Functions& functions, const Arguments& arguments) : f_(functions) {
        const igata_options options{arguments.threads, arguments.weights.empty() ? nullptr : arguments.weights.c_str()};
        if (f_.info->weights_in_file != 0 && options.weights == nullptr)
            throw Failure(2, "this predictor keeps its weights in a file: pass --weights FILE.bin");
        check(f_.model_create(&options, &model_));
        const igata_status status = f_.context_create(model_, &context_);
        if (status != IGATA_OK) f_.model_destroy(model_);
        check(status);
    }
    ~Session() {
        f_.context_destroy(context_);
        f_.model_destroy(model_);
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// The outputs, those of a size that depends on the data cut to it.
    std::vector<Tensor> run(const std::vector<Tensor>& inputs) {
        const Pointers from(inputs);
        std::vector<std::vector<std::int64_t>> dims;
        std::vector<std::int64_t*> places;
        for (int i = 0; i < f_.info->output_count; ++i) dims.push_back(dims_of(f_.info->outputs[i]));
        for (std::vector<std::int64_t>& place : dims) places.push_back(place.data());
        check(f_.output_dims(from.dims.data(), places.data()));
        std::vector<Tensor> outputs;
        for (std::size_t i = 0; i < dims.size(); ++i)
            outputs.push_back(make_tensor(f_.info->outputs[i].dtype, dims[i]));
        run_into(inputs, outputs);
        for (std::size_t i = 0; i < dims.size(); ++i) {
            const igata_tensor_info& output = f_.info->outputs[i];
            if (output.open_axis < 0) continue;
            const Tensor& size = outputs[static_cast<std::size_t>(output.size_output)];
            outputs[i] = cropped(outputs[i], output.open_axis, static_cast<std::int64_t>(size.at(0)));
        }
        return outputs;
    }

    void run_into(const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) {
        const Pointers from(inputs);
        check(f_.run(context_, from.data.data(), from.dims.data(), addresses(outputs).data()));
    }

    Profile profile(const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs, const Arguments& arguments) {
        const Pointers from(inputs);
        const std::vector<void*> to = addresses(outputs);
        return measure_profile(f_, {model_, context_, from.data.data(), from.dims.data(), to.data(), arguments.threads},
                               arguments.benchmark);
    }

    std::size_t context_bytes() const { return f_.context_bytes(model_); }

private:
    struct Pointers {
        explicit Pointers(const std::vector<Tensor>& tensors) {
            for (const Tensor& tensor : tensors) {
                data.push_back(tensor.bytes.data());
                dims.push_back(tensor.dims.data());
            }
        }
        std::vector<const void*> data;
        std::vector<const std::int64_t*> dims;
    };

    static std::vector<void*> addresses(std::vector<Tensor>& tensors) {
        std::vector<void*> all;
        for (Tensor& tensor : tensors) all.push_back(tensor.bytes.data());
        return all;
    }
    void check(igata_status status) const {
        if (status != IGATA_OK) throw Failure(status == IGATA_BAD_ARGUMENT ? 2 : 4, f_.last_error());
    }
    const Functions& f_;
    void* model_ = nullptr;
    void* context_ = nullptr;
};

int port_index(const igata_tensor_info* ports, int count, const std::string& name, const char* kind) {
    std::string names;
    for (int i = 0; i < count; ++i) {
        if (name == ports[i].name) return i;
        names += std::string(i > 0 ? ", " : "") + ports[i].name;
    }
    throw Failure(2, std::string("no ") + kind + " is called '" + name + "'; there is: " + names);
}

/// Whether a tensor alone suits the port: its dims, or a multiple along the batch.
bool suits(const Tensor& tensor, const igata_tensor_info& port, bool batched) {
    std::vector<std::int64_t> dims = dims_of(port);
    const bool more = batched && !dims.empty() && tensor.dims.size() == dims.size() && dims[0] > 0 &&
                      tensor.dims[0] > 0 && tensor.dims[0] % dims[0] == 0;
    if (more) dims[0] = tensor.dims[0];
    return tensor.dtype == port.dtype && tensor.dims == dims;
}

/// What input i may be: `f32[1,3,32,32] or f32[8,3,32,32] or a multiple of it along axis 0`.
std::string choices(const igata_predictor_info& info, int i) {
    std::vector<std::string> known;
    std::string text;
    bool batched = false;
    for (int p = 0; p < info.plan_count; ++p) {
        const igata_tensor_info& port = info.plans[p].inputs[i];
        batched = batched || info.plans[p].batched != 0;
        const std::string choice = describe(port.dtype, dims_of(port));
        if (std::find(known.begin(), known.end(), choice) != known.end()) continue;
        known.push_back(choice);
        text += (text.empty() ? "" : " or ") + choice;
    }
    return text + (batched ? " or a multiple of it along axis 0" : "");
}

/// Whether there are plans for inputs of these dims, whose ranks are right.
bool is_served(const std::vector<std::vector<std::int64_t>>& dims, const igata_predictor_info& info,
               std::string& message) {
    std::vector<const std::int64_t*> pointers;
    for (const std::vector<std::int64_t>& own : dims) pointers.push_back(own.data());
    const runtime::InputDims all{pointers.data(), &info, 0};
    if (runtime::make_up(info, all, [](const igata_predictor_info&, std::int64_t) {})) return true;
    message = runtime::no_plan_message(info, all);
    return false;
}

/// Throws Failure (4) unless the inputs fit and agree on the batch.
void require_fit(const std::vector<Tensor>& inputs, const std::vector<std::string>& sources,
                 const igata_predictor_info& info) {
    std::vector<std::vector<std::int64_t>> dims;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const igata_tensor_info& port = info.inputs[i];
        dims.push_back(inputs[i].dims);
        bool fine = inputs[i].dtype == port.dtype && dims[i].size() == static_cast<std::size_t>(port.rank);
        if (info.plan_count == 1) fine = suits(inputs[i], port, info.batched != 0);
        if (!fine)
            throw Failure(4, sources[i] + ": " + describe(inputs[i].dtype, inputs[i].dims) + " does not fit '" +
                                 port.name + "', which is " + choices(info, static_cast<int>(i)));
        if (info.plan_count == 1 && info.batched != 0 && dims[i][0] != dims[0][0])
            throw Failure(4, sources[i] + ": its batch differs from that of " + sources[0]);
    }
    std::string message;
    if (!is_served(dims, info, message)) throw Failure(4, (sources.empty() ? "" : sources[0] + ": ") + message);
}

std::vector<Tensor> read_inputs(const Arguments& arguments, const igata_predictor_info& info) {
    std::vector<std::string> files(static_cast<std::size_t>(info.input_count));
    for (const auto& [name, file] : arguments.inputs)
        files[static_cast<std::size_t>(port_index(info.inputs, info.input_count, name, "input"))] = file;
    std::vector<Tensor> tensors;
    for (int i = 0; i < info.input_count; ++i) {
        const std::string& file = files[static_cast<std::size_t>(i)];
        if (file.empty())
            throw Failure(2, std::string("input '") + info.inputs[i].name + "' is missing: pass " +
                                 info.inputs[i].name + "=FILE.npy");
        tensors.push_back(read_npy(file));
    }
    require_fit(tensors, files, info);
    return tensors;
}

/// Inputs of zeros: of the first plan's dims, but for what --shape and --batch say.
std::vector<Tensor> blank_inputs(const Arguments& arguments, const igata_predictor_info& info) {
    std::vector<std::vector<std::int64_t>> dims;
    for (int i = 0; i < info.input_count; ++i) dims.push_back(dims_of(info.inputs[i]));
    for (const auto& [name, shape] : arguments.shapes) {
        if (name.empty() && info.input_count != 1)
            throw Failure(2, "--shape takes NAME=D,D,... where there are several inputs");
        const int i = name.empty() ? 0 : port_index(info.inputs, info.input_count, name, "input");
        auto& own = dims[static_cast<std::size_t>(i)];
        if (shape.size() != own.size())
            throw Failure(2, std::string("--shape: input '") + info.inputs[i].name + "' has " +
                                 std::to_string(own.size()) + " dims, not " + std::to_string(shape.size()));
        own = shape;
    }
    for (std::vector<std::int64_t>& own : dims)
        if (arguments.batch > 0 && !own.empty()) own[0] = arguments.batch;
    std::string message;
    if (!is_served(dims, info, message)) throw Failure(2, message);
    std::vector<Tensor> tensors;
    for (int i = 0; i < info.input_count; ++i)
        tensors.push_back(make_tensor(info.inputs[i].dtype, dims[static_cast<std::size_t>(i)]));
    return tensors;
}

/// The tensor as a port that pictures are loaded into.
ImageShape picture_shape(const Tensor& tensor, const igata_predictor_info& info, const Arguments& arguments) {
    igata_tensor_info port = info.inputs[0];
    port.dims = tensor.dims.data();
    return image_shape(port, arguments.image);
}

// What is printed -----------------------------------------------------------------------------------------------------

std::vector<std::string> read_labels(const std::string& path) {
    std::vector<std::string> labels;
    if (path.empty()) return labels;
    std::istringstream lines(read_file(path));
    for (std::string line; std::getline(lines, line);) {
        if (!line.empty() && line.back() == '\r') line.pop_back();
        labels.push_back(line);
    }
    return labels;
}

std::string number_text(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", value);
    return text;
}

/// `0.9993`, or the largest values: `tabby 0.83  lynx 0.12`.
std::string values_text(const Tensor& tensor, std::int64_t begin, std::int64_t count, const Arguments& arguments,
                        const std::vector<std::string>& labels) {
    const auto label = [&](std::int64_t i) {
        return static_cast<std::size_t>(i) < labels.size() ? labels[static_cast<std::size_t>(i)]
                                                           : "#" + std::to_string(i);
    };
    if (count == 1) return (labels.empty() ? "" : label(0) + " ") + number_text(tensor.at(begin));
    std::vector<std::int64_t> order(static_cast<std::size_t>(count));
    std::iota(order.begin(), order.end(), 0);
    const auto shown = std::min<std::int64_t>(arguments.top, count);
    std::partial_sort(order.begin(), order.begin() + shown, order.end(), [&](std::int64_t a, std::int64_t b) {
        return tensor.at(begin + a) != tensor.at(begin + b) ? tensor.at(begin + a) > tensor.at(begin + b) : a < b;
    });
    std::string text;
    for (std::int64_t i = 0; i < shown; ++i) {
        const std::int64_t at = order[static_cast<std::size_t>(i)];
        text += (i > 0 ? "  " : "") + label(at) + " " + number_text(tensor.at(begin + at));
    }
    return text;
}

void print_outputs(const std::vector<Tensor>& outputs, const Arguments& arguments, const igata_predictor_info& info) {
    const std::vector<std::string> labels = read_labels(arguments.labels);
    for (int i = 0; i < info.output_count; ++i) {
        const Tensor& tensor = outputs[static_cast<std::size_t>(i)];
        const std::int64_t rows = info.batched != 0 ? tensor.dims[0] : 1;
        for (std::int64_t row = 0; row < rows; ++row) {
            const std::int64_t count = tensor.count() / rows;
            std::printf("%s  %s\n", info.outputs[i].name,
                        values_text(tensor, row * count, count, arguments, labels).c_str());
        }
    }
}

// What can be asked for -----------------------------------------------------------------------------------------------

void print_ports(const igata_predictor_info& plan) {
    for (int i = 0; i < plan.input_count; ++i)
        std::printf("input   %s  %s\n", plan.inputs[i].name,
                    describe(plan.inputs[i].dtype, dims_of(plan.inputs[i])).c_str());
    for (int i = 0; i < plan.output_count; ++i)
        std::printf("output  %s  %s%s\n", plan.outputs[i].name,
                    describe(plan.outputs[i].dtype, dims_of(plan.outputs[i])).c_str(),
                    plan.outputs[i].open_axis >= 0 ? " at most" : "");
}

void print_description(const Functions& functions, const Arguments& arguments) {
    const igata_predictor_info& info = *functions.info;
    bool batched = false;
    std::size_t activations = 0;
    if (info.plan_count > 1) std::printf("%s: %d plans\n", info.name, info.plan_count);
    else std::printf("%s: %d steps\n", info.name, info.step_count);
    for (int p = 0; p < info.plan_count; ++p) {
        const igata_predictor_info& plan = info.plans[p];
        if (info.plan_count > 1) std::printf("plan    %d of %d steps\n", p, plan.step_count);
        print_ports(plan);
        batched = batched || plan.batched != 0;
        activations = std::max(activations, plan.arena_bytes);
    }
    const char* sum = info.plan_count > 1 ? "any that those above make up" : "any multiple of the above";
    std::printf("batch   %s\n", batched ? sum : "fixed");
    std::printf("memory  weights %zu bytes%s, activations %zu bytes", info.weight_bytes,
                info.weights_in_file != 0 ? " in a file" : "", activations);
    if (info.weights_in_file == 0 || !arguments.weights.empty())
        std::printf(", a context %zu bytes", Session(functions, arguments).context_bytes());
    std::printf("\n");
}

void classify(const Functions& functions, const Arguments& arguments) {
    const igata_predictor_info& info = *functions.info;
    if (info.input_count != 1)
        throw Failure(2,
                      "this predictor has " + std::to_string(info.input_count) + " inputs: pass each as NAME=FILE.npy");
    std::vector<Tensor> input = blank_inputs(arguments, info);
    const ImageShape shape = picture_shape(input[0], info, arguments);
    const std::vector<std::string> labels = read_labels(arguments.labels);
    std::size_t width = 0;
    for (const std::string& path : arguments.pictures) width = std::max(width, path.size());
    Session session(functions, arguments);
    const auto batch = static_cast<std::size_t>(shape.batch);
    for (std::size_t begin = 0; begin < arguments.pictures.size(); begin += batch) {
        const std::size_t end = std::min(begin + batch, arguments.pictures.size());
        for (std::size_t i = begin; i < end; ++i)
            load_image(arguments.pictures[i], arguments.image, shape, static_cast<std::int64_t>(i - begin), input[0]);
        const std::vector<Tensor> outputs = session.run(input);
        for (std::size_t i = begin; i < end; ++i) {
            for (int o = 0; o < info.output_count; ++o) {
                const Tensor& tensor = outputs[static_cast<std::size_t>(o)];
                const bool per_picture = !tensor.dims.empty() && tensor.dims[0] == shape.batch;
                const std::int64_t count = per_picture ? tensor.count() / shape.batch : tensor.count();
                const std::int64_t start = per_picture ? static_cast<std::int64_t>(i - begin) * count : 0;
                std::printf("%-*s  %s%s\n", static_cast<int>(width), arguments.pictures[i].c_str(),
                            info.output_count > 1 ? (std::string(info.outputs[o].name) + "  ").c_str() : "",
                            values_text(tensor, start, count, arguments, labels).c_str());
            }
        }
    }
}

void run_files(const Functions& functions, const Arguments& arguments) {
    const igata_predictor_info& info = *functions.info;
    std::vector<std::string> files(static_cast<std::size_t>(info.output_count));
    for (const auto& [name, file] : arguments.outputs)
        files[static_cast<std::size_t>(port_index(info.outputs, info.output_count, name, "output"))] = file;
    const std::vector<Tensor> inputs = read_inputs(arguments, info);
    const std::vector<Tensor> outputs = Session(functions, arguments).run(inputs);
    for (std::size_t i = 0; i < files.size(); ++i) {
        if (!files[i].empty()) write_npy(files[i], outputs[i]);
    }
    if (arguments.outputs.empty()) print_outputs(outputs, arguments, info);
}

/// The most memory that this process had at once, in MB; 0 where the system does not say. (getrusage counts what was
/// there before this program was started in the process, too.)
double peak_memory() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.compare(0, 6, "VmHWM:") == 0) return std::strtod(line.c_str() + 6, nullptr) / 1024.0;
    }
    return 0.0;
}

void benchmark(const Functions& functions, const Arguments& arguments) {
    const igata_predictor_info& info = *functions.info;
    std::vector<Tensor> inputs =
        arguments.inputs.empty() ? blank_inputs(arguments, info) : read_inputs(arguments, info);
    if (!arguments.pictures.empty() && info.input_count == 1)
        load_image(arguments.pictures[0], arguments.image, picture_shape(inputs[0], info, arguments), 0, inputs[0]);
    const Clock::time_point start = Clock::now();
    Session session(functions, arguments);
    const double create = milliseconds_since(start);
    std::vector<Tensor> outputs = session.run(inputs);
    const double first = milliseconds_since(start);
    const Clock::time_point warm_up = Clock::now();
    for (int i = 0; i < 10 && milliseconds_since(warm_up) < 1000.0; ++i) session.run_into(inputs, outputs);
    std::vector<double> times;
    for (int i = 0; i < arguments.benchmark; ++i) {
        const Clock::time_point before = Clock::now();
        session.run_into(inputs, outputs);
        times.push_back(milliseconds_since(before));
    }
    std::sort(times.begin(), times.end());
    const auto at = [&](double quantile) {
        return times[static_cast<std::size_t>(quantile * static_cast<double>(times.size() - 1) + 0.5)];
    };
    const std::string threads = arguments.threads == 0 ? "default" : std::to_string(arguments.threads);
    std::printf("create        %.2f ms\nfirst result  %.2f ms\n", create, first);
    std::printf("run           min %.3f ms, median %.3f ms, p90 %.3f ms (runs %d, threads %s)\n", times.front(),
                at(0.5), at(0.9), arguments.benchmark, threads.c_str());
    std::printf("peak memory   %.1f MB\n", peak_memory());
    if (arguments.per_step)
        std::printf("\n%s", profile_table(session.profile(inputs, outputs, arguments), TableStyle::plain).c_str());
}

// --verify ------------------------------------------------------------------------------------------------------------

/// prefix0.pb, prefix1.pb, ... in the order of `ports`, by name where the recorded tensors have one.
std::vector<Tensor> read_recorded(const std::filesystem::path& folder, const char* prefix,
                                  const igata_tensor_info* ports, int count) {
    std::vector<Tensor> tensors(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
        std::string name;
        Tensor tensor = read_tensor_proto((folder / (prefix + std::to_string(i) + ".pb")).string(), name);
        int place = i;
        for (int j = 0; j < count; ++j)
            if (name == ports[j].name) place = j;
        tensors[static_cast<std::size_t>(place)] = std::move(tensor);
    }
    return tensors;
}

/// Prints the largest errors; true within tolerance.
bool compare(const std::string& label, const Tensor& got, const Tensor& expected, const Arguments& arguments) {
    if (got.dims != expected.dims || got.dtype != expected.dtype) {
        std::printf("%s: recorded %s, got %s\n", label.c_str(), describe(expected.dtype, expected.dims).c_str(),
                    describe(got.dtype, got.dims).c_str());
        return false;
    }
    double absolute = 0.0, relative = 0.0;
    bool fine = true;
    for (std::int64_t i = 0; i < got.count(); ++i) {
        const double a = got.at(i), b = expected.at(i);
        if (a == b || (std::isnan(a) && std::isnan(b))) continue;
        const double error = std::abs(a - b);
        fine = fine && error <= arguments.atol + arguments.rtol * std::abs(b);
        absolute = std::isnan(error) ? error : std::max(absolute, error);
        if (b != 0.0) relative = std::max(relative, error / std::abs(b));
    }
    std::printf("%s: largest error %.3g absolute, %.3g relative%s\n", label.c_str(), absolute, relative,
                fine ? "" : ": MISMATCH");
    return fine;
}

/// Sizes of other outputs are not the model's own, and come last.
int recorded_outputs(const igata_predictor_info& info) {
    int count = info.output_count;
    for (int i = 0; i < info.output_count; ++i)
        if (info.outputs[i].open_axis >= 0) count = std::min(count, info.outputs[i].size_output);
    return count;
}

int verify(const Functions& functions, const Arguments& arguments) {
    const igata_predictor_info& info = *functions.info;
    std::vector<std::filesystem::path> folders;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(arguments.verify, error)) {
        if (entry.is_directory() && entry.path().filename().string().compare(0, 14, "test_data_set_") == 0)
            folders.push_back(entry.path());
    }
    if (folders.empty()) throw Failure(4, arguments.verify + ": no test_data_set_* in it");
    std::sort(folders.begin(), folders.end());
    Session session(functions, arguments);
    bool fine = true;
    for (const std::filesystem::path& folder : folders) {
        const std::vector<std::string> sources(static_cast<std::size_t>(info.input_count), folder.string());
        const std::vector<Tensor> inputs = read_recorded(folder, "input_", info.inputs, info.input_count);
        require_fit(inputs, sources, info);
        const std::vector<Tensor> expected = read_recorded(folder, "output_", info.outputs, recorded_outputs(info));
        const std::vector<Tensor> got = session.run(inputs);
        for (std::size_t i = 0; i < expected.size(); ++i)
            fine = compare(folder.filename().string() + " " + info.outputs[i].name, got[i], expected[i], arguments) &&
                   fine;
    }
    return fine ? 0 : 1;
}

int dispatch(const Functions& functions, int argc, char** argv) {
    const Arguments arguments = parse_arguments(argc, argv, *functions.info);
    if (arguments.help || argc == 1) {
        std::fputs(usage(*functions.info).c_str(), arguments.help ? stdout : stderr);
        return arguments.help ? 0 : 2;
    }
    if (!arguments.verify.empty()) return verify(functions, arguments);
    if (arguments.describe) print_description(functions, arguments);
    else if (arguments.benchmark > 0) benchmark(functions, arguments);
    else if (!arguments.pictures.empty()) classify(functions, arguments);
    else run_files(functions, arguments);
    return 0;
}

}  // namespace

int main(const Functions& functions, int argc, char** argv) {
    const char* name = functions.info->name;
    try {
        return dispatch(functions, argc, argv);
    } catch (const Failure& failure) {
        std::fprintf(stderr, "%s: %s\n", name, failure.what());
        return failure.code();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", name, error.what());
        return 4;
    }
}

}  // namespace igata::cli
