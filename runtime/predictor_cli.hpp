// The command line of a standalone predictor, for any predictor.
#pragma once

#include "runtime/predictor_abi.h"

namespace igata::cli {

/// A predictor's C functions without their types; `run` and `profile` are those that take the inputs' dims.
struct Functions {
    const igata_predictor_info* info;
    igata_status (*model_create)(const igata_options* options, void** model);
    void (*model_destroy)(void* model);
    igata_status (*context_create)(const void* model, void** context);
    void (*context_destroy)(void* context);
    size_t (*context_bytes)(const void* model);
    igata_status (*run)(void* context, const void* const* inputs, const int64_t* const* input_dims,
                        void* const* outputs);
    igata_status (*output_dims)(const int64_t* const* input_dims, int64_t* const* output_dims);
    igata_status (*profile)(void* context, const void* const* inputs, const int64_t* const* input_dims,
                            void* const* outputs, double* seconds);
    const char* (*implementation)(const void* model, int step);
    const char* (*last_error)();
};

/// Exit codes: 0 fine, 1 mismatch in --verify, 2 usage, 4 bad file or failure.
int main(const Functions& functions, int argc, char** argv);

}  // namespace igata::cli
