// What the C functions of a predictor do, short of its own names: errors to status codes, batches to runs.
#pragma once

#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>

#include "runtime/predictor_abi.h"
#include "runtime/predictor_shapes.hpp"
#include "runtime/programs.hpp"

namespace igata::runtime {

/// A failure with a status of its own.
class StatusError : public std::runtime_error {
public:
    StatusError(igata_status status, const std::string& message) : std::runtime_error(message), status_(status) {}
    igata_status status() const { return status_; }

private:
    igata_status status_;
};

/// What went wrong last in this thread.
inline thread_local char last_error[1024] = "";

inline igata_status note(igata_status status, const char* message) noexcept {
    std::snprintf(last_error, sizeof last_error, "%s", message);
    return status;
}

/// Runs `call`; no exception leaves.
template <class Call>
igata_status guarded(Call&& call) noexcept {
    try {
        call();
        return IGATA_OK;
    } catch (const StatusError& error) {
        return note(error.status(), error.what());
    } catch (const std::bad_alloc&) {
        return note(IGATA_OUT_OF_MEMORY, "out of memory");
    } catch (const std::exception& error) {
        return note(IGATA_FAILED, error.what());
    } catch (...) {
        return note(IGATA_FAILED, "unknown failure");
    }
}

inline void require(bool holds, const char* message) {
    if (!holds) throw StatusError(IGATA_BAD_ARGUMENT, message);
}

/// Throws StatusError if the code has no threads to offer.
inline int threads_of(const igata_options& options) {
#if defined(_OPENMP)
    return options.threads;
#else
    require(options.threads <= 1, "this predictor was compiled without OpenMP: threads must be 0 or 1");
    return 1;
#endif
}

/// The dims of a call that states a batch (0: the first plan's own).
inline InputDims batch_dims(const igata_predictor_info& info, std::int64_t batch) {
    if (info.batched == 0) {
        require(batch == 0 || batch == 1, "this predictor was cast for a fixed batch: pass 0 or 1");
        return {nullptr, &info, 0};
    }
    const InputDims dims{nullptr, &info, batch != 0 ? batch : unit_of(info)};
    if (!make_up(info, dims, [](const igata_predictor_info&, std::int64_t) {}))
        throw StatusError(IGATA_BAD_ARGUMENT,
                          info.plan_count > 1
                              ? no_plan_message(info, dims)
                              : "the batch is not a positive multiple of the one this predictor was cast for");
    return dims;
}

/// The dims of a call that states them all.
inline InputDims given_dims(const igata_predictor_info& info, const std::int64_t* const* dims) {
    for (int i = 0; i < info.input_count; ++i) {
        if (info.inputs[i].rank == 0 || (dims != nullptr && dims[i] != nullptr)) continue;
        throw StatusError(IGATA_BAD_ARGUMENT, std::string("the dims of input '") + info.inputs[i].name + "' are null");
    }
    return dims != nullptr ? InputDims{dims, &info, 0} : InputDims{nullptr, &info, 0};
}

/// Sets output_dims[i] to the dims of output i.
inline void tell_output_dims(const igata_predictor_info& info, const std::int64_t* const* input_dims,
                             std::int64_t* const* output_dims) {
    const InputDims dims = given_dims(info, input_dims);
    for (int i = 0; i < info.output_count; ++i)
        require(info.outputs[i].rank == 0 || (output_dims != nullptr && output_dims[i] != nullptr),
                "the place for an output's dims is null");
    if (!find_output_dims(info, dims, output_dims)) throw StatusError(IGATA_BAD_ARGUMENT, no_plan_message(info, dims));
}

inline void check_pointers(const igata_tensor_info* ports, int count, const void* const* pointers, const char* kind) {
    for (int i = 0; i < count; ++i) {
        if (pointers != nullptr && (pointers[i] != nullptr || ports[i].bytes == 0)) continue;
        throw StatusError(IGATA_BAD_ARGUMENT, std::string(kind) + " '" + ports[i].name + "' is null");
    }
}

/// Calls run(plan, inputs, outputs), with the plan's number, for consecutive pieces of the inputs and outputs.
template <int inputs_max, int outputs_max, class Run>
void run_plans(const igata_predictor_info& info, const void* const* inputs, const InputDims& dims, void* const* outputs,
               const Run& run) {
    const void* in[inputs_max] = {};
    void* out[outputs_max] = {};
    for (int i = 0; inputs != nullptr && i < info.input_count; ++i) in[i] = inputs[i];
    for (int i = 0; outputs != nullptr && i < info.output_count; ++i) out[i] = outputs[i];
    const auto run_plan = [&](const igata_predictor_info& plan, std::int64_t runs) {
        check_pointers(plan.inputs, plan.input_count, inputs, "input");
        check_pointers(plan.outputs, plan.output_count, outputs, "output");
        for (std::int64_t i = 0; i < runs; ++i) {
            run(static_cast<std::size_t>(&plan - info.plans), in, out);
            for (int k = 0; k < plan.input_count; ++k) in[k] = static_cast<const char*>(in[k]) + plan.inputs[k].bytes;
            for (int k = 0; k < plan.output_count; ++k) out[k] = static_cast<char*>(out[k]) + plan.outputs[k].bytes;
        }
    };
    if (!make_up(info, dims, run_plan)) throw StatusError(IGATA_BAD_ARGUMENT, no_plan_message(info, dims));
}

/// How many steps the plans before this one have: steps are numbered through all plans.
inline std::size_t first_step(const igata_predictor_info& info, std::size_t plan) {
    std::size_t steps = 0;
    for (std::size_t p = 0; p < plan; ++p) steps += static_cast<std::size_t>(info.plans[p].step_count);
    return steps;
}

/// What runs step `step`, or null.
inline const char* implementation_of(const igata_predictor_info& info, const Programs& programs, int step) {
    for (std::size_t p = 0; step >= 0 && p < programs.count(); step -= info.plans[p++].step_count)
        if (step < info.plans[p].step_count) return programs[p].implementation(static_cast<std::size_t>(step)).c_str();
    return nullptr;
}

inline const char* status_message(igata_status status) noexcept {
    switch (status) {
        case IGATA_OK: return "fine";
        case IGATA_BAD_ARGUMENT: return "bad argument";
        case IGATA_BAD_WEIGHTS: return "bad weights file";
        case IGATA_OUT_OF_MEMORY: return "out of memory";
        case IGATA_FAILED: return "failed";
    }
    return "unknown status";
}

}  // namespace igata::runtime
