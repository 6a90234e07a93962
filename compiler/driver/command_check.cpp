#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "compiler/driver/audit_int8.hpp"
#include "compiler/driver/data_set.hpp"
#include "compiler/driver/driver.hpp"
#include "compiler/ops/interpret_graph.hpp"

namespace igata {

namespace {

/// Reals in [-1, 1]; integers, which are often indices or axes, 0 or 1.
Tensor random_tensor(const ValueType& type, std::mt19937& random) {
    if (is_small(type.dtype)) return random_tensor({DataType::f32, type.dims}, random).cast(type.dtype);
    Tensor tensor(type.dtype, type.dims);
    visit_dtype(type.dtype, [&]<class T>() {
        for (T& value : tensor.mutable_values<T>()) {
            const auto bits = static_cast<std::int32_t>(random() >> 8U);
            if constexpr (std::is_same_v<T, bool>) value = bits % 2 == 0;
            else if constexpr (std::is_integral_v<T>) value = static_cast<T>(bits % 2);
            else value = T(static_cast<float>(bits) * 0x1p-23F - 1.0F);
        }
    });
    return tensor;
}

/// Interprets the graph after each pass and compares with the first result.
class PassChecker {
public:
    void after(const std::string& pass, const Graph& graph) {
        if (!typed(graph) || !culprit_.empty()) return;
        if (inputs_.empty()) {
            std::mt19937 random(1);
            for (const Graph::Input& input : graph.inputs)
                inputs_.push_back(random_tensor(graph.value(input.value).type, random));
            expected_ = interpret(graph, inputs_);
            fmt::print("{:<18} reference\n", pass);
            return;
        }
        const auto results = interpret(graph, inputs_);
        double largest = 0.0;
        for (std::size_t i = 0; i < results.size(); ++i) {
            const Difference difference = compare(results[i], expected_[i], {1e-3, 1e-3 * magnitude(expected_[i])});
            largest = std::max(largest, difference.absolute);
            if (difference.fine() || !culprit_.empty()) continue;
            culprit_ =
                fmt::format("{} changed output '{}': {}", pass, graph.outputs[i].name,
                            difference.wrong.empty() ? fmt::format("largest error {:.3g} absolute, {:.3g} relative",
                                                                   difference.absolute, difference.relative)
                                                     : difference.wrong);
        }
        fmt::print("{:<18} largest error {:.3g}\n", pass, largest);
    }
    const std::string& culprit() const { return culprit_; }

private:
    static bool typed(const Graph& graph) {
        for (const Graph::Output& output : graph.outputs)
            if (!graph.value(output.value).type.known()) return false;
        return true;
    }
    static double magnitude(const Tensor& tensor) {
        double largest = 0.0;
        for (const double value : tensor.to_f64())
            if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
        return largest;
    }

    std::vector<Tensor> inputs_;
    std::vector<Tensor> expected_;
    std::string culprit_;
};

/// What --bind calls them. A batch is taken as 1 where nobody says; without others nothing is known of the shapes.
std::vector<std::string> open_dims(const Graph& graph) {
    std::vector<std::string> open;
    for (const Graph::Input& input : graph.inputs)
        for (std::size_t axis = 1; axis < input.dims.size(); ++axis) {
            if (input.dims[axis].known()) continue;
            const std::string& symbol = input.dims[axis].symbol;
            std::string name = symbol.empty() ? fmt::format("{}:{}", graph.value(input.value).name, axis) : symbol;
            if (std::find(open.begin(), open.end(), name) == open.end()) open.push_back(std::move(name));
        }
    return open;
}

void print_audit(const std::vector<Int8Layer>& layers) {
    const auto saturates = [](const Int8Layer& layer) { return layer.saturating > 0; };
    fmt::print("{} layers of integers; {} could saturate in 8-bit instructions without VNNI (Igata's do not)\n",
               layers.size(), std::count_if(layers.begin(), layers.end(), saturates));
    for (const Int8Layer& layer : layers)
        fmt::print("  {}: {} of {} channels\n", layer.name, layer.saturating, layer.channels);
}

}  // namespace

ExitCode command_check(const CheckFlags& flags) {
    Remarks remarks;
    const Graph graph = load_model(flags.model, remarks);
    const std::vector<std::string> dims = open_dims(graph);
    const bool open = !flags.passes && !flags.int8 && flags.pipeline.bind.empty() && !dims.empty();
    std::string culprit;
    std::vector<Int8Layer> layers;
    for (const Bindings& bindings : parse_bindings(flags.pipeline.bind)) {
        if (open || !culprit.empty()) break;
        PassChecker checker;
        PipelineFlags pipeline = flags.pipeline;  // an operator may be supported, and what a node wants of it not
        pipeline.after = [&](const std::string& pass, const Graph& now) {
            if (flags.passes) checker.after(pass, now);
            if (flags.int8 && pass == "fuse_quantized") layers = audit_int8(now);
        };
        Remarks own;
        (void)run_pipeline(flags.model, clone(graph), pipeline, bindings, own);
        add_new_remarks(remarks, own);
        culprit = checker.culprit();
    }
    print_remarks(flags.pipeline, remarks);
    if (!culprit.empty()) {
        fmt::print("{}\n", culprit);
        return ExitCode::mismatch;
    }
    fmt::print("{}: all {} nodes are supported{}\n", flags.model.string(), graph.nodes.size(),
               flags.passes ? std::string(", and no pass changes a result")
               : open ? fmt::format(" by their operators; --bind the dims that are open ({}) to check their shapes",
                                    fmt::join(dims, ", "))
                      : "");
    if (flags.int8) print_audit(layers);
    return ExitCode::fine;
}

}  // namespace igata
