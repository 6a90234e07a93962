// perceptron for C++17: see perceptron.h for the C interface, which this wraps.
//
//     perceptron::Predictor predictor;
//     predictor.run(x, logits, hidden);
//
// A Predictor serves one thread at a time; `clone()` makes one for another thread that shares the weights.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "perceptron.h"

namespace perceptron {

/// The dims of each input and output.
namespace shape {
inline constexpr std::array<std::int64_t, 2> x{{1, 12}};
inline constexpr std::array<std::int64_t, 2> logits{{1, 4}};
inline constexpr std::array<std::int64_t, 2> hidden{{1, 16}};
}  // namespace shape

/// The number of elements of each input and output.
namespace count {
inline constexpr std::size_t x = 12;
inline constexpr std::size_t logits = 4;
inline constexpr std::size_t hidden = 16;
}  // namespace count

class Error : public std::runtime_error {
public:
    explicit Error(igata_status status)
        : std::runtime_error(std::string(perceptron_status_message(status)) + ": " + perceptron_last_error()), status_(status) {}
    igata_status status() const { return status_; }

private:
    igata_status status_;
};

inline void check(igata_status status) {
    if (status != IGATA_OK) throw Error(status);
}

struct Options {
    int threads = 0;      ///< 0: as many as OpenMP would take; compiled without OpenMP, 0 and 1 alike
    std::string weights;  ///< path of perceptron.bin where weights are kept in a file
};

/// Program and packed weights: immutable, shared by Predictors in any threads.
class Model {
public:
    /// Throws Error.
    explicit Model(const Options& options = {}) {
        const igata_options plain{options.threads, options.weights.c_str()};
        perceptron_model* model = nullptr;
        check(perceptron_model_create(&plain, &model));
        model_.reset(model);
    }
    const perceptron_model* get() const { return model_.get(); }

private:
    struct Destroy {
        void operator()(perceptron_model* model) const { perceptron_model_destroy(model); }
    };
    std::unique_ptr<perceptron_model, Destroy> model_;
};

class Predictor {
public:
    /// Pays every cost. Throws Error.
    explicit Predictor(const Options& options = {}) : Predictor(std::make_shared<const Model>(options)) {}
    explicit Predictor(std::shared_ptr<const Model> model) : model_(std::move(model)) {
        perceptron_context* context = nullptr;
        check(perceptron_context_create(model_->get(), &context));
        context_.reset(context);
    }

    /// Another Predictor over the same model, for another thread.
    Predictor clone() const { return Predictor(model_); }
    const std::shared_ptr<const Model>& model() const { return model_; }
    static const igata_predictor_info& info() { return *perceptron_info(); }

    /// Row-major tensors of the shapes above with `batch` as axis 0, a multiple of 1. Throws Error.
    void run(const float* x, float* logits, float* hidden, std::int64_t batch = 1) {
        const void* const inputs[] = {x};
        void* const outputs[] = {logits, hidden};
        check(perceptron_run(context_.get(), inputs, outputs, batch));
    }

private:
    struct Destroy {
        void operator()(perceptron_context* context) const { perceptron_context_destroy(context); }
    };
    std::shared_ptr<const Model> model_;
    std::unique_ptr<perceptron_context, Destroy> context_;
};

}  // namespace perceptron
