// What the C functions of a predictor do, short of its own names: errors to status codes, batches to runs.
#pragma once

#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>

#include "runtime/predictor_abi.h"
#include "runtime/program.hpp"

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
inline thread_local char last_error[256] = "";

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

/// How many runs make up `batch` (0: one run).
inline std::int64_t repeats_of(const igata_predictor_info& info, std::int64_t batch) {
    if (batch == 0) return 1;
    const igata_tensor_info* port = info.input_count > 0 ? info.inputs : info.outputs;
    const std::int64_t unit = info.batched != 0 && port->rank > 0 ? port->dims[0] : 1;
    if (info.batched == 0) require(batch == 1, "this predictor was cast for a fixed batch: pass 0 or 1");
    require(batch > 0 && batch % unit == 0,
            "the batch is not a positive multiple of the one this predictor was cast for");
    return batch / unit;
}

inline void check_pointers(const igata_tensor_info* ports, int count, const void* const* pointers, const char* kind) {
    for (int i = 0; i < count; ++i) {
        if (pointers != nullptr && (pointers[i] != nullptr || ports[i].bytes == 0)) continue;
        throw StatusError(IGATA_BAD_ARGUMENT, std::string(kind) + " '" + ports[i].name + "' is null");
    }
}

/// Calls run(inputs, outputs) for consecutive pieces of the inputs and outputs.
template <int inputs_max, int outputs_max, class Run>
void run_batch(const igata_predictor_info& info, const void* const* inputs, void* const* outputs, std::int64_t batch,
               const Run& run) {
    check_pointers(info.inputs, info.input_count, inputs, "input");
    check_pointers(info.outputs, info.output_count, outputs, "output");
    const std::int64_t repeats = repeats_of(info, batch);
    const void* in[inputs_max] = {};
    void* out[outputs_max] = {};
    for (std::int64_t repeat = 0; repeat < repeats; ++repeat) {
        const auto step = static_cast<std::size_t>(repeat);
        for (int i = 0; i < info.input_count; ++i)
            in[i] = static_cast<const char*>(inputs[i]) + step * info.inputs[i].bytes;
        for (int i = 0; i < info.output_count; ++i)
            out[i] = static_cast<char*>(outputs[i]) + step * info.outputs[i].bytes;
        run(in, out);
    }
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
