// statistics: a predictor cast from an ONNX model by Igata 0.1.0. Generated: to change it, cast again.
// Needs oneDNN and the C++ runtime; -fopenmp gives it threads. Order: Igata's runtime, the weights, the steps, the C interface.
#include "statistics.h"

// ... the runtime ...

namespace {
namespace igata::runtime::model {

// The weights -------------------------------------------------------------------------------------------------------

alignas(64) const char weights_data[] =
"";

struct Weights {
    explicit Weights(const igata_options&) {}
    const std::byte* data() const { return reinterpret_cast<const std::byte*>(weights_data); }
};

// The steps ---------------------------------------------------------------------------------------------------------

/// mean
struct mean_body {
    template <int>
    [[gnu::always_inline]] static void run(std::byte* const* operands, std::int64_t begin, std::int64_t end) {
        const auto* const x0 = reinterpret_cast<const float*>(operands[0]);
        auto* const y = reinterpret_cast<float*>(operands[1]);
        for (std::int64_t i0 = begin; i0 < end; ++i0) {
            const auto* const x0_1 = x0 + i0 * 240;
            auto* const y_1 = y + i0;
            alignas(64) float lane[64];
            for (auto& value : lane) value = float{};
            for (std::int64_t i1 = 0; i1 < 3; ++i1) {
                const auto* const x0_2 = x0_1 + i1 * 64;
                #pragma GCC ivdep
                for (std::int64_t j = 0; j < 64; ++j) {
                    const float v0 = x0_2[j];
                    lane[j] = lane[j] + v0;
                }
            }
            {
                const auto* const x0_2 = x0_1 + 3 * 64;
                #pragma GCC ivdep
                for (std::int64_t j = 0; j < 48; ++j) {
                    const float v0 = x0_2[j];
                    lane[j] = lane[j] + v0;
                }
            }
            for (std::int64_t width = 32; width > 0; width /= 2) {
                for (std::int64_t j = 0; j < width; ++j) lane[j] = lane[j] + lane[j + width];
            }
            const float r = lane[0];
            const float f0 = r / 240.0F;
            *y_1 = f0;
        }
    }
};
constexpr LoopSpec mean_spec{run_loop<mean_body>, nullptr, 2, 480};

/// variance
struct variance_body {
    template <int>
    [[gnu::always_inline]] static void run(std::byte* const* operands, std::int64_t begin, std::int64_t end) {
        const auto* const x0 = reinterpret_cast<const float*>(operands[0]);
        const auto* const x1 = reinterpret_cast<const float*>(operands[1]);
        auto* const y = reinterpret_cast<float*>(operands[2]);
        for (std::int64_t i0 = begin; i0 < end; ++i0) {
            const auto* const x0_1 = x0 + i0 * 240;
            const auto* const x1_1 = x1 + i0;
            auto* const y_1 = y + i0;
            alignas(64) float lane[64];
            for (auto& value : lane) value = float{};
            for (std::int64_t i1 = 0; i1 < 3; ++i1) {
                const auto* const x0_2 = x0_1 + i1 * 64;
                const float c1 = *x1_1;
                #pragma GCC ivdep
                for (std::int64_t j = 0; j < 64; ++j) {
                    const float v0 = x0_2[j];
                    const float t0 = v0 - c1;
                    const float t1 = t0 * t0;
                    lane[j] = lane[j] + t1;
                }
            }
            {
                const auto* const x0_2 = x0_1 + 3 * 64;
                const float c1 = *x1_1;
                #pragma GCC ivdep
                for (std::int64_t j = 0; j < 48; ++j) {
                    const float v0 = x0_2[j];
                    const float t0 = v0 - c1;
                    const float t1 = t0 * t0;
                    lane[j] = lane[j] + t1;
                }
            }
            for (std::int64_t width = 32; width > 0; width /= 2) {
                for (std::int64_t j = 0; j < width; ++j) lane[j] = lane[j] + lane[j + width];
            }
            *y_1 = lane[0];
        }
    }
};
constexpr LoopSpec variance_spec{run_loop<variance_body>, nullptr, 2, 480};

// best
constexpr KernelSpec best_spec{
    /*name*/ "arg_extremum",
    /*make*/ make_arg_extremum,
    /*operand_count*/ 2,
    /*operands*/ {{DataType::f32, 3, {40, 2, 6}, {1, 240, 40}}, {DataType::i64, 3, {1, 2, 6}, {0, 6, 1}}},
    /*ints*/ {0, 1},
    /*floats*/ {0.0F, 0.0F, 0.0F, 0.0F},
};

/// above
struct above_body {
    template <int>
    [[gnu::always_inline]] static void run(std::byte* const* operands, std::int64_t begin, std::int64_t end) {
        const auto* const x0 = reinterpret_cast<const std::int64_t*>(operands[0]);
        const auto* const x1 = reinterpret_cast<const float*>(operands[1]);
        auto* const y = reinterpret_cast<std::uint8_t*>(operands[2]);
        #pragma GCC ivdep
        for (std::int64_t i0 = begin; i0 < end; ++i0) {
            const std::int64_t v0 = x0[i0];
            const float v1 = x1[i0];
            const float t0 = scalar::cast<float>(v0);
            const bool t1 = t0 > v1;
            y[i0] = t1;
        }
    }
};
constexpr LoopSpec above_spec{run_loop<above_body>, nullptr, 2, 2};

constexpr StepSpec steps[] = {
    {StepKind::loop, &mean_spec, "mean", 2, {{Space::input, 0, 0}, {Space::arena, 0, 0}}},
    {StepKind::loop, &variance_spec, "variance", 3, {{Space::input, 0, 0}, {Space::arena, 0, 0}, {Space::output, 0, 0}}},
    {StepKind::kernel, &best_spec, "best", 2, {{Space::input, 0, 0}, {Space::output, 1, 0}}},
    {StepKind::loop, &above_spec, "above", 3, {{Space::input, 1, 0}, {Space::output, 0, 0}, {Space::output, 2, 0}}},
};

constexpr ProgramSpec programs[] = {
    {steps, 4, 64, 0},
};

// The interface -----------------------------------------------------------------------------------------------------

constexpr std::int64_t input_0_dims[] = {2, 6, 40};
constexpr std::int64_t input_1_dims[] = {2};
constexpr igata_tensor_info inputs[] = {
    {"a", IGATA_F32, 3, input_0_dims, 1920, -1, 0},
    {"b", IGATA_I64, 1, input_1_dims, 16, -1, 0},
};
constexpr std::int64_t output_0_dims[] = {2};
constexpr std::int64_t output_1_dims[] = {2, 6};
constexpr std::int64_t output_2_dims[] = {2};
constexpr igata_tensor_info outputs[] = {
    {"variance", IGATA_F32, 1, output_0_dims, 8, -1, 0},
    {"best", IGATA_I64, 2, output_1_dims, 96, -1, 0},
    {"above", IGATA_BOOL, 1, output_2_dims, 2, -1, 0},
};
constexpr igata_step_info step_infos[] = {
    {"mean", "loop", "mean", "sum [2,240] -> [2,1]", 0, 1928},
    {"variance", "loop", "variance", "sum [2,240] -> [2,1]", 0, 1936},
    {"best", "kernel", "best", "arg_extremum [40,2,6] -> [1,2,6]", 0, 2016},
    {"above", "loop", "above", "[2] -> [2]", 0, 26},
};
constexpr igata_predictor_info plans[1] = {
    {"statistics", 2, 3, inputs, outputs, 0, 0, 4, 0, 64, step_infos, 1, plans},
};

}  // namespace igata::runtime::model
}  // namespace

struct statistics_model {
    explicit statistics_model(const igata_options& options)
        : weights(options), programs(igata::runtime::model::programs, 1, weights.data(), igata::runtime::threads_of(options)) {}

    igata::runtime::model::Weights weights;
    igata::runtime::Programs programs;
};

struct statistics_context {
    explicit statistics_context(const statistics_model& model) : contexts(model.programs) {}

    igata::runtime::Contexts contexts;
};

const igata_predictor_info* statistics_info(void) { return igata::runtime::model::plans; }

igata_status statistics_model_create(const igata_options* options, statistics_model** model) {
    return igata::runtime::guarded([&] {
        igata::runtime::require(model != nullptr, "model is null");
        *model = nullptr;
        *model = new statistics_model(options != nullptr ? *options : igata_options{0, nullptr});
    });
}

void statistics_model_destroy(statistics_model* model) { delete model; }

igata_status statistics_context_create(const statistics_model* model, statistics_context** context) {
    return igata::runtime::guarded([&] {
        igata::runtime::require(model != nullptr && context != nullptr, "model or context is null");
        *context = nullptr;
        *context = new statistics_context(*model);
    });
}

void statistics_context_destroy(statistics_context* context) { delete context; }

size_t statistics_context_bytes(const statistics_model* model) { return model != nullptr ? model->programs.arena_bytes() : 0; }

namespace {

void run(statistics_context* context, const void* const* inputs, const igata::runtime::InputDims& dims, void* const* outputs) {
    igata::runtime::require(context != nullptr, "context is null");
    igata::runtime::run_plans<2, 3>(
        *statistics_info(), inputs, dims, outputs, [&](std::size_t plan, const void* const* in, void* const* out) {
            context->contexts[plan].run(in, out);
        });
}

void profile(statistics_context* context, const void* const* inputs, const igata::runtime::InputDims& dims, void* const* outputs,
             double* seconds) {
    igata::runtime::require(context != nullptr && seconds != nullptr, "context or seconds is null");
    igata::runtime::run_plans<2, 3>(
        *statistics_info(), inputs, dims, outputs, [&](std::size_t plan, const void* const* in, void* const* out) {
            context->contexts[plan].profile(in, out, seconds + igata::runtime::first_step(*statistics_info(), plan));
        });
}

}  // namespace

igata_status statistics_run(statistics_context* context, const void* const* inputs, void* const* outputs, int64_t batch) {
    return igata::runtime::guarded(
        [&] { run(context, inputs, igata::runtime::batch_dims(*statistics_info(), batch), outputs); });
}

igata_status statistics_run_shaped(statistics_context* context, const void* const* inputs, const int64_t* const* input_dims,
                                 void* const* outputs) {
    return igata::runtime::guarded(
        [&] { run(context, inputs, igata::runtime::given_dims(*statistics_info(), input_dims), outputs); });
}

igata_status statistics_output_dims(const int64_t* const* input_dims, int64_t* const* output_dims) {
    return igata::runtime::guarded([&] { igata::runtime::tell_output_dims(*statistics_info(), input_dims, output_dims); });
}

igata_status statistics_profile(statistics_context* context, const void* const* inputs, void* const* outputs, int64_t batch,
                              double* seconds) {
    return igata::runtime::guarded(
        [&] { profile(context, inputs, igata::runtime::batch_dims(*statistics_info(), batch), outputs, seconds); });
}

igata_status statistics_profile_shaped(statistics_context* context, const void* const* inputs, const int64_t* const* input_dims,
                                     void* const* outputs, double* seconds) {
    return igata::runtime::guarded(
        [&] { profile(context, inputs, igata::runtime::given_dims(*statistics_info(), input_dims), outputs, seconds); });
}

const char* statistics_implementation(const statistics_model* model, int step) {
    return model != nullptr ? igata::runtime::implementation_of(*statistics_info(), model->programs, step) : nullptr;
}

const char* statistics_status_message(igata_status status) { return igata::runtime::status_message(status); }

const char* statistics_last_error(void) { return igata::runtime::last_error; }
