// statistics for C++17: see statistics.h for the C interface, which this wraps.
//
//     statistics::Predictor predictor;
//     predictor.run(a, b, variance, best, above);
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

#include "statistics.h"

namespace statistics {

/// The dims of each input and output.
namespace shape {
inline constexpr std::array<std::int64_t, 3> a{{2, 6, 40}};
inline constexpr std::array<std::int64_t, 1> b{{2}};
inline constexpr std::array<std::int64_t, 1> variance{{2}};
inline constexpr std::array<std::int64_t, 2> best{{2, 6}};
inline constexpr std::array<std::int64_t, 1> above{{2}};
}  // namespace shape

/// The number of elements of each input and output.
namespace count {
inline constexpr std::size_t a = 480;
inline constexpr std::size_t b = 2;
inline constexpr std::size_t variance = 2;
inline constexpr std::size_t best = 12;
inline constexpr std::size_t above = 2;
}  // namespace count

class Error : public std::runtime_error {
public:
    explicit Error(igata_status status)
        : std::runtime_error(std::string(statistics_status_message(status)) + ": " + statistics_last_error()), status_(status) {}
    igata_status status() const { return status_; }

private:
    igata_status status_;
};

inline void check(igata_status status) {
    if (status != IGATA_OK) throw Error(status);
}

struct Options {
    int threads = 0;      ///< 0: as many as OpenMP would take; compiled without OpenMP, 0 and 1 alike
    std::string weights;  ///< path of statistics.bin where weights are kept in a file
};

/// Program and packed weights: immutable, shared by Predictors in any threads.
class Model {
public:
    /// Throws Error.
    explicit Model(const Options& options = {}) {
        const igata_options plain{options.threads, options.weights.c_str()};
        statistics_model* model = nullptr;
        check(statistics_model_create(&plain, &model));
        model_.reset(model);
    }
    const statistics_model* get() const { return model_.get(); }

private:
    struct Destroy {
        void operator()(statistics_model* model) const { statistics_model_destroy(model); }
    };
    std::unique_ptr<statistics_model, Destroy> model_;
};

class Predictor {
public:
    /// Pays every cost. Throws Error.
    explicit Predictor(const Options& options = {}) : Predictor(std::make_shared<const Model>(options)) {}
    explicit Predictor(std::shared_ptr<const Model> model) : model_(std::move(model)) {
        statistics_context* context = nullptr;
        check(statistics_context_create(model_->get(), &context));
        context_.reset(context);
    }

    /// Another Predictor over the same model, for another thread.
    Predictor clone() const { return Predictor(model_); }
    const std::shared_ptr<const Model>& model() const { return model_; }
    static const igata_predictor_info& info() { return *statistics_info(); }

    /// Row-major tensors of the shapes above. Throws Error.
    void run(const float* a, const std::int64_t* b, float* variance, std::int64_t* best, bool* above) {
        const void* const inputs[] = {a, b};
        void* const outputs[] = {variance, best, above};
        check(statistics_run(context_.get(), inputs, outputs, 0));
    }

private:
    struct Destroy {
        void operator()(statistics_context* context) const { statistics_context_destroy(context); }
    };
    std::shared_ptr<const Model> model_;
    std::unique_ptr<statistics_context, Destroy> context_;
};

}  // namespace statistics
