// tiny_classifier for C++17: see tiny_classifier.h for the C interface, which this wraps.
//
//     tiny_classifier::Predictor predictor;
//     predictor.run(image, scores);
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

#include "tiny_classifier.h"

namespace tiny_classifier {

/// The dims of each input and output.
namespace shape {
inline constexpr std::array<std::int64_t, 4> image{{1, 3, 32, 32}};
inline constexpr std::array<std::int64_t, 2> scores{{1, 5}};
}  // namespace shape

/// The number of elements of each input and output.
namespace count {
inline constexpr std::size_t image = 3072;
inline constexpr std::size_t scores = 5;
}  // namespace count

class Error : public std::runtime_error {
public:
    explicit Error(igata_status status)
        : std::runtime_error(std::string(tiny_classifier_status_message(status)) + ": " + tiny_classifier_last_error()), status_(status) {}
    igata_status status() const { return status_; }

private:
    igata_status status_;
};

inline void check(igata_status status) {
    if (status != IGATA_OK) throw Error(status);
}

struct Options {
    int threads = 0;      ///< 0: as many as OpenMP would take; compiled without OpenMP, 0 and 1 alike
    std::string weights;  ///< path of tiny_classifier.bin where weights are kept in a file
};

/// Program and packed weights: immutable, shared by Predictors in any threads.
class Model {
public:
    /// Throws Error.
    explicit Model(const Options& options = {}) {
        const igata_options plain{options.threads, options.weights.c_str()};
        tiny_classifier_model* model = nullptr;
        check(tiny_classifier_model_create(&plain, &model));
        model_.reset(model);
    }
    const tiny_classifier_model* get() const { return model_.get(); }

private:
    struct Destroy {
        void operator()(tiny_classifier_model* model) const { tiny_classifier_model_destroy(model); }
    };
    std::unique_ptr<tiny_classifier_model, Destroy> model_;
};

class Predictor {
public:
    /// Pays every cost. Throws Error.
    explicit Predictor(const Options& options = {}) : Predictor(std::make_shared<const Model>(options)) {}
    explicit Predictor(std::shared_ptr<const Model> model) : model_(std::move(model)) {
        tiny_classifier_context* context = nullptr;
        check(tiny_classifier_context_create(model_->get(), &context));
        context_.reset(context);
    }

    /// Another Predictor over the same model, for another thread.
    Predictor clone() const { return Predictor(model_); }
    const std::shared_ptr<const Model>& model() const { return model_; }
    static const igata_predictor_info& info() { return *tiny_classifier_info(); }

    /// Row-major tensors of the shapes above with `batch` as axis 0, a multiple of 1. Throws Error.
    void run(const float* image, float* scores, std::int64_t batch = 1) {
        const void* const inputs[] = {image};
        void* const outputs[] = {scores};
        check(tiny_classifier_run(context_.get(), inputs, outputs, batch));
    }

private:
    struct Destroy {
        void operator()(tiny_classifier_context* context) const { tiny_classifier_context_destroy(context); }
    };
    std::shared_ptr<const Model> model_;
    std::unique_ptr<tiny_classifier_context, Destroy> context_;
};

}  // namespace tiny_classifier
