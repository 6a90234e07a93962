/* statistics: a predictor cast from an ONNX model by Igata 0.1.0. Generated: to change it, cast again.
 *
 *     statistics_model* model;
 *     statistics_context* context;
 *     statistics_model_create(NULL, &model);
 *     statistics_context_create(model, &context);
 *     statistics_run(context, inputs, outputs, 0);
 *
 * input  a f32[2,6,40]
 * input  b i64[2]
 * output variance f32[2]
 * output best i64[2,6]
 * output above bool[2]
 */
#ifndef IGATA_STATISTICS_H
#define IGATA_STATISTICS_H

#ifndef IGATA_PREDICTOR_ABI_1
#define IGATA_PREDICTOR_ABI_1
/* What every predictor that Igata casts has in common; the same text stands in each predictor's header. */

#include <stddef.h>
#include <stdint.h>

typedef enum igata_status {
    IGATA_OK = 0,
    IGATA_BAD_ARGUMENT = 1,  /* a null pointer or an impossible batch */
    IGATA_BAD_WEIGHTS = 2,   /* the weights file is missing, or not the one that belongs to this predictor */
    IGATA_OUT_OF_MEMORY = 3,
    IGATA_FAILED = 4         /* oneDNN refused; the message says at which step */
} igata_status;

/* Element types. Booleans are bytes of 0 or 1; f16 and bf16 are passed as their bits. */
typedef enum igata_dtype {
    IGATA_F32 = 1, IGATA_F64, IGATA_F16, IGATA_BF16, IGATA_I8, IGATA_I16, IGATA_I32, IGATA_I64,
    IGATA_U8, IGATA_U16, IGATA_U32, IGATA_U64, IGATA_BOOL
} igata_dtype;

/* One input or output: a dense row-major tensor. */
typedef struct igata_tensor_info {
    const char* name;    /* as in the model */
    igata_dtype dtype;
    int rank;
    const int64_t* dims;
    size_t bytes;        /* of the whole tensor */
} igata_tensor_info;

/* One step of a run, and what it costs on paper. */
typedef struct igata_step_info {
    const char* name;
    const char* kind;    /* convolution, matmul, pooling, softmax, lrn, kernel or loop */
    const char* origin;  /* the model's nodes that it stands for */
    const char* detail;  /* kernel, shapes and post-ops, for people */
    int64_t flops;       /* of convolutions and matrix products, a multiply-add counting as two; 0 for others */
    int64_t bytes;       /* read and written, each operand once */
} igata_step_info;

typedef struct igata_predictor_info {
    const char* name;
    int input_count;
    int output_count;
    const igata_tensor_info* inputs;
    const igata_tensor_info* outputs;
    int batched;          /* 1: dims[0] of every input and output is a batch, and run takes any multiple of it */
    int weights_in_file;  /* 1: igata_options.weights must name the .bin that was cast with the predictor */
    int step_count;
    size_t weight_bytes;
    size_t arena_bytes;   /* activations of one context; oneDNN's scratch memory comes on top */
    const igata_step_info* steps;
} igata_predictor_info;

typedef struct igata_options {
    int threads;          /* 0: as many as OpenMP would take; compiled without OpenMP, 0 and 1 alike */
    const char* weights;  /* path of the weights file, where weights_in_file is 1; else NULL */
} igata_options;

#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Program and packed weights: immutable, to be shared by any number of threads. */
typedef struct statistics_model statistics_model;
/* The memory of one run at a time: one per thread. */
typedef struct statistics_context statistics_context;

const igata_predictor_info* statistics_info(void);

/* Pays every cost: primitives are made, weights packed. `options` may be NULL. */
igata_status statistics_model_create(const igata_options* options, statistics_model** model);
/* After the last of its contexts. NULL is fine. */
void statistics_model_destroy(statistics_model* model);

igata_status statistics_context_create(const statistics_model* model, statistics_context** context);
void statistics_context_destroy(statistics_context* context);
/* Bytes that one context of the model holds. */
size_t statistics_context_bytes(const statistics_model* model);

/* inputs[i] and outputs[i] point to dense row-major tensors as in statistics_info(). `batch` is the extent of axis 0, any
 * multiple of the predictor's own; 0 stands for the predictor's own. Allocates, locks and prints nothing. */
igata_status statistics_run(statistics_context* context, const void* const* inputs, void* const* outputs, int64_t batch);

/* Like run, and adds the seconds that each step took to seconds[0 .. step_count): see statistics_info()->steps. */
igata_status statistics_profile(statistics_context* context, const void* const* inputs, void* const* outputs, int64_t batch,
                              double* seconds);
/* What runs a step on this processor: oneDNN's name of its implementation, or `igata:` and the kernel's. The model's; NULL
 * if there is no such step. */
const char* statistics_implementation(const statistics_model* model, int step);

/* What a status means, in a word or two. */
const char* statistics_status_message(igata_status status);
/* What went wrong in this thread's last call that failed. */
const char* statistics_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
