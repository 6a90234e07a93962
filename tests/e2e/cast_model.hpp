// A model of tests/models, cast and compiled, behind its C interface.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "compiler/driver/needs.hpp"
#include "compiler/emit/emitter.hpp"
#include "compiler/frontend/onnx_import.hpp"
#include "compiler/frontend/tensor_proto.hpp"
#include "compiler/passes/passes.hpp"
#include "compiler/passes/pool_weights.hpp"
#include "runtime/predictor_abi.h"
#include "tests/e2e/compile_cpp.hpp"

namespace igata::test {

inline const std::filesystem::path models = IGATA_SOURCE_DIR "/tests/models";

/// The files of a predictor called `name`.
inline std::vector<EmittedFile> cast_model(const std::filesystem::path& model, const std::string& name,
                                           EmitOptions::Weights weights = EmitOptions::Weights::literal,
                                           const Bindings& bindings = {}) {
    Remarks remarks;
    PipelineOptions options;
    options.bindings = bindings;
    const PipelineResult result = run_pipeline(import_onnx(model, remarks), options, remarks);
    return emit(result.plan, {name, weights, needs_of({&result.plan, 1})}, remarks);
}

inline void write_files(const std::filesystem::path& folder, const std::vector<EmittedFile>& files) {
    for (const EmittedFile& file : files) write_file(folder / file.path, file.bytes);
}

inline std::vector<Tensor> read_tensors(const std::filesystem::path& folder, const std::string& prefix) {
    std::vector<Tensor> tensors;
    for (int i = 0;; ++i) {
        const auto file = folder / (prefix + std::to_string(i) + ".pb");
        if (!std::filesystem::exists(file)) return tensors;
        tensors.push_back(read_tensor_proto(file));
    }
}

/// The same with a plan for each binding.
inline std::vector<EmittedFile> cast_plans(const std::filesystem::path& model, const std::string& name,
                                           const std::vector<Bindings>& bindings) {
    Remarks remarks;
    std::vector<Plan> plans;
    for (const Bindings& binding : bindings) {
        PipelineOptions options;
        options.bindings = binding;
        plans.push_back(run_pipeline(import_onnx(model, remarks), options, remarks).plan);
    }
    pool_weights(plans);
    return emit(plans, {name, EmitOptions::Weights::literal, needs_of(plans)}, remarks);
}

/// A compiled predictor with one model and one context.
class Predictor {
public:
    Predictor(const std::filesystem::path& library, std::string name, const igata_options* options = nullptr)
        : library_(library), name_(std::move(name)) {
        check(library_.function<igata_status(const igata_options*, void**)>(name_ + "_model_create")(options, &model_));
        check(library_.function<igata_status(const void*, void**)>(name_ + "_context_create")(model_, &context_));
    }
    ~Predictor() {
        library_.function<void(void*)>(name_ + "_context_destroy")(context_);
        library_.function<void(void*)>(name_ + "_model_destroy")(model_);
    }
    Predictor(const Predictor&) = delete;
    Predictor& operator=(const Predictor&) = delete;

    const igata_predictor_info& info() const {
        return *library_.function<const igata_predictor_info*()>(name_ + "_info")();
    }

    /// Any batch that the predictor takes.
    std::vector<Tensor> run(const std::vector<Tensor>& inputs, const std::vector<Tensor>& like) {
        std::vector<const void*> in;
        for (const Tensor& input : inputs) in.push_back(input.bytes().data());
        std::vector<Tensor> outputs;
        std::vector<void*> out;
        for (const Tensor& tensor : like) outputs.emplace_back(tensor.dtype(), tensor.dims());
        for (Tensor& output : outputs) out.push_back(output.mutable_bytes().data());
        const std::int64_t batch = info().batched != 0 ? inputs.at(0).dims().at(0) : 0;
        check(status(in.data(), out.data(), batch));
        return outputs;
    }
    igata_status status(const void* const* inputs, void* const* outputs, std::int64_t batch) {
        return library_.function<igata_status(void*, const void* const*, void* const*, std::int64_t)>(name_ + "_run")(
            context_, inputs, outputs, batch);
    }
    igata_status profile(const void* const* inputs, void* const* outputs, std::int64_t batch, double* seconds) {
        return library_.function<igata_status(void*, const void* const*, void* const*, std::int64_t, double*)>(
            name_ + "_profile")(context_, inputs, outputs, batch, seconds);
    }
    const char* implementation(int step) const {
        return library_.function<const char*(const void*, int)>(name_ + "_implementation")(model_, step);
    }
    igata_status output_dims(const std::int64_t* const* inputs, std::int64_t* const* outputs) const {
        return library_.function<igata_status(const std::int64_t* const*, std::int64_t* const*)>(
            name_ + "_output_dims")(inputs, outputs);
    }
    std::string last_error() const { return library_.function<const char*()>(name_ + "_last_error")(); }

private:
    void check(igata_status status) const {
        if (status != IGATA_OK) throw std::runtime_error(last_error());
    }
    Library library_;
    std::string name_;
    void* model_ = nullptr;
    void* context_ = nullptr;
};

/// The largest difference, relative to values above 1; infinite if types differ.
inline double difference(const Tensor& a, const Tensor& b) {
    if (a.type() != b.type()) return std::numeric_limits<double>::infinity();
    const auto x = a.to_f64(), y = b.to_f64();
    double largest = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double error = std::abs(x[i] - y[i]) / std::max(1.0, std::abs(y[i]));
        if (!(error <= largest)) largest = error;
    }
    return largest;
}

}  // namespace igata::test
