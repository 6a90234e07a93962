#include "compiler/driver/data_set.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "compiler/diagnostics.hpp"
#include "compiler/driver/frozen_engine.hpp"
#include "compiler/frontend/tensor_proto.hpp"

namespace igata {

namespace {

namespace fs = std::filesystem;

/// The number that ends a stem, as in input_12; -1 if there is none.
long trailing_number(const std::string& stem) {
    const auto begin = stem.find_last_not_of("0123456789") + 1;
    return begin == stem.size() || stem.size() - begin > 9 ? -1 : std::stol(stem.substr(begin));
}

/// Files `<prefix><number>.pb` of the folder, each put where its name or number says. A name may stand twice.
std::vector<Tensor> read_tensors(const fs::path& folder, const std::string& prefix,
                                 const std::vector<std::string>& names) {
    std::vector<Tensor> tensors(names.size());
    for (const auto& entry : fs::directory_iterator(folder)) {
        const std::string stem = entry.path().stem().string();
        if (!stem.starts_with(prefix) || entry.path().extension() != ".pb") continue;
        std::string name;
        Tensor tensor = read_tensor_proto(entry.path(), &name);
        const auto count = static_cast<std::ptrdiff_t>(names.size());
        std::ptrdiff_t place = trailing_number(stem);
        if (place < 0 || place >= count || names[static_cast<std::size_t>(place)] != name) {
            const auto known = std::find(names.begin(), names.end(), name);
            if (known != names.end()) place = known - names.begin();
        }
        if (place < 0 || place >= count)
            throw BadInput(fmt::format("{}: tensor '{}' is none of the model's", entry.path().string(), name));
        tensors[static_cast<std::size_t>(place)] = std::move(tensor);
    }
    return tensors;
}

/// onnx's own recordings keep bf16, which NumPy does not have, as u16.
Tensor as_recorded(const Tensor& tensor, DataType wanted) {
    return wanted == DataType::bf16 && tensor.dtype() == DataType::u16
               ? Tensor::from_bytes(DataType::bf16, tensor.dims(), tensor.bytes())
               : tensor;
}

std::string to_string(const std::vector<SymbolicDim>& dims) {
    std::string text;
    for (const SymbolicDim& dim : dims) {
        if (!text.empty()) text += ',';
        text += dim.known() ? fmt::format("{}", dim.value) : dim.symbol.empty() ? "?" : dim.symbol;
    }
    return "[" + text + "]";
}

/// Results of few bits may differ in the last one; and where they were recorded from steps that were each rounded to
/// few bits, by half of the last one of the largest result.
double last_bit(DataType dtype) { return dtype == DataType::bf16 ? 0x1p-7 : dtype == DataType::f16 ? 0x1p-10 : 0.0; }

template <class T>
void compare_values(const Tensor& actual, const Tensor& expected, const Bounds& bounds, Difference& difference) {
    const auto a = actual.values<T>();
    const auto b = expected.values<T>();
    const double rtol = std::max(bounds.rtol, last_bit(expected.dtype()));
    double atol = bounds.atol;
    if (const double bit = last_bit(expected.dtype()); bit > 0)
        for (const T y : b)
            if (std::isfinite(static_cast<double>(y)))
                atol = std::max(atol, bit / 2 * std::abs(static_cast<double>(y)));
    for (std::size_t i = 0; i < a.size(); ++i) {
        const auto x = static_cast<double>(a[i]);
        const auto y = static_cast<double>(b[i]);
        if (a[i] == b[i] || (std::isnan(x) && std::isnan(y))) continue;
        double error = std::abs(x - y);
        if (std::isnan(error)) error = std::numeric_limits<double>::infinity();
        difference.absolute = std::max(difference.absolute, error);
        if (std::abs(y) > atol) difference.relative = std::max(difference.relative, error / std::abs(y));
        const bool close = is_floating(expected.dtype()) && std::isfinite(y) && error <= atol + rtol * std::abs(y);
        if (!close) ++difference.beyond;
    }
}

}  // namespace

std::vector<fs::path> find_data_sets(const fs::path& folder) {
    std::vector<fs::path> sets;
    if (!fs::is_directory(folder)) throw BadInput(fmt::format("{}: no such folder", folder.string()));
    for (const auto& entry : fs::directory_iterator(folder))
        if (entry.is_directory() && entry.path().filename().string().starts_with("test_data_set_"))
            sets.push_back(entry.path());
    std::sort(sets.begin(), sets.end(), [](const fs::path& a, const fs::path& b) {
        return std::pair(trailing_number(a.string()), a) < std::pair(trailing_number(b.string()), b);
    });
    return sets;
}

std::vector<fs::path> require_data_sets(const fs::path& folder) {
    std::vector<fs::path> folders = find_data_sets(folder);
    if (folders.empty()) throw BadInput(fmt::format("{}: holds no test_data_set_*", folder.string()));
    return folders;
}

DataSet read_data_set(const fs::path& folder, const Graph& graph) {
    std::vector<std::string> inputs;
    std::vector<std::string> outputs;
    for (const Graph::Input& input : graph.inputs) inputs.push_back(graph.value(input.value).name);
    for (const Graph::Output& output : graph.outputs) outputs.push_back(graph.value(output.value).name);
    DataSet set{folder.filename().string(), read_tensors(folder, "input_", inputs),
                read_tensors(folder, "output_", outputs)};
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (set.inputs[i].empty())
            throw BadInput(fmt::format("{}: nothing recorded for input '{}'", folder.string(), inputs[i]));
        set.inputs[i] = as_recorded(set.inputs[i], graph.inputs[i].dtype);
    }
    if (std::all_of(set.outputs.begin(), set.outputs.end(), [](const Tensor& tensor) { return tensor.empty(); }))
        throw BadInput(fmt::format("{}: no output is recorded", folder.string()));
    return set;
}

std::vector<ValueType> types_of(const std::vector<Tensor>& tensors) {
    std::vector<ValueType> types;
    for (const Tensor& tensor : tensors) types.push_back(tensor.type());
    return types;
}

Bindings bindings_of(const Graph& graph, const std::vector<Tensor>& inputs) {
    return bindings_of(graph, types_of(inputs));
}

Bindings bindings_of(const Graph& graph, const std::vector<ValueType>& inputs) {
    Bindings bindings;
    for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
        const Graph::Input& input = graph.inputs[i];
        const std::string& name = graph.value(input.value).name;
        const Dims& dims = inputs.at(i).dims;
        bool fits = inputs[i].dtype == input.dtype && dims.size() == input.dims.size();
        for (std::size_t axis = 0; fits && axis < dims.size(); ++axis) {
            if (!input.dims[axis].known()) bindings[fmt::format("{}:{}", name, axis)] = dims[axis];
            else fits = dims[axis] == input.dims[axis].value;
        }
        if (!fits)
            throw BadInput(fmt::format("input '{}' is {}{} but got {}", name, name_of(input.dtype),
                                       to_string(input.dims), to_string(inputs[i])));
    }
    return bindings;
}

Difference compare(const Tensor& actual, const Tensor& recorded, const Bounds& bounds) {
    const Tensor expected = as_recorded(recorded, actual.dtype());
    Difference difference;
    if (actual.type() != expected.type())
        difference.wrong = fmt::format("is {}, recorded was {}", to_string(actual.type()), to_string(expected.type()));
    else if (is_small(expected.dtype()))
        return compare(actual.cast(DataType::f32), expected.cast(DataType::f32), {0, 0});
    else visit_dtype(expected.dtype(), [&]<class T>() { compare_values<T>(actual, expected, bounds, difference); });
    return difference;
}

Engine& Replay::engine_for(const std::vector<Tensor>& inputs) {
    for (const auto& engine : engines_)
        if (engine->accepts(inputs)) return *engine;
    engines_.push_back(freeze_ ? make_frozen_engine(kind_, graph_, inputs, together_)
                               : make_engine(kind_, clone(graph_), bindings_of(graph_, inputs), together_));
    return *engines_.back();
}

}  // namespace igata
