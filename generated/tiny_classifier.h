/* tiny_classifier: a predictor cast from an ONNX model by Igata 0.1.0. Generated: to change it, cast again.
 *
 *     tiny_classifier_model* model;
 *     tiny_classifier_context* context;
 *     tiny_classifier_model_create(NULL, &model);
 *     tiny_classifier_context_create(model, &context);
 *     tiny_classifier_run(context, inputs, outputs, 0);
 *
 * input  image f32[1,3,32,32]
 * output scores f32[1,5]
 */
#ifndef IGATA_TINY_CLASSIFIER_H
#define IGATA_TINY_CLASSIFIER_H

#ifndef IGATA_PREDICTOR_ABI_3
#define IGATA_PREDICTOR_ABI_3
/* What every predictor that Igata casts has in common; the same text stands in each predictor's header. */

#include <stddef.h>
#include <stdint.h>

typedef enum igata_status {
    IGATA_OK = 0,
    IGATA_BAD_ARGUMENT = 1, /* a null pointer, an impossible batch, or dims that there is no plan for */
    IGATA_BAD_WEIGHTS = 2,  /* the weights file is missing, or not the one that belongs to this predictor */
    IGATA_OUT_OF_MEMORY = 3,
    IGATA_FAILED = 4 /* oneDNN refused; the message says at which step */
} igata_status;

/* Element types. Booleans are bytes of 0 or 1; f16, bf16 and the floats of 8 and 4 bits are passed as their bits. Types
   of fewer than 8 bits take a byte an element. */
typedef enum igata_dtype {
    IGATA_F32 = 1,
    IGATA_F64,
    IGATA_F16,
    IGATA_BF16,
    IGATA_I8,
    IGATA_I16,
    IGATA_I32,
    IGATA_I64,
    IGATA_U8,
    IGATA_U16,
    IGATA_U32,
    IGATA_U64,
    IGATA_BOOL,
    IGATA_F8E4M3FN,
    IGATA_F8E4M3FNUZ,
    IGATA_F8E5M2,
    IGATA_F8E5M2FNUZ,
    IGATA_F8E8M0,
    IGATA_F4E2M1,
    IGATA_I4,
    IGATA_U4,
    IGATA_I2,
    IGATA_U2
} igata_dtype;

/* One input or output: a dense row-major tensor. */
typedef struct igata_tensor_info {
    const char* name; /* as in the model */
    igata_dtype dtype;
    int rank;
    const int64_t* dims;
    size_t bytes; /* of the whole tensor */
    /* Of an output whose size depends on the data, the axis that does, else -1: dims are the most there can be, the
     * output number size_output (one i64) tells how many along the axis are meant, and the rest means nothing. */
    int open_axis;
    int size_output;
} igata_tensor_info;

/* One step of a run, and what it costs on paper. */
typedef struct igata_step_info {
    const char* name;
    const char* kind;   /* convolution, matmul, pooling, softmax, lrn, kernel or loop */
    const char* origin; /* the model's nodes that it stands for */
    const char* detail; /* kernel, shapes and post-ops, for people */
    int64_t flops;      /* of convolutions and matrix products, a multiply-add counting as two; 0 for others */
    int64_t bytes;      /* read and written, each operand once */
} igata_step_info;

/* A plan: what was cast for one set of dims. Where the model's open dims were bound to several values, a predictor has
 * several plans, of which <name>_info() is the first; `plans` has all. Steps are numbered through all plans. */
typedef struct igata_predictor_info {
    const char* name;
    int input_count;
    int output_count;
    const igata_tensor_info* inputs;
    const igata_tensor_info* outputs;
    int batched;         /* 1: dims[0] of every input and output is a batch, and run takes any multiple of it
                          * (or sum of multiples of those of several plans) */
    int weights_in_file; /* 1: igata_options.weights must name the .bin that was cast with the predictor */
    int step_count;
    size_t weight_bytes;
    size_t arena_bytes; /* activations of one context; oneDNN's scratch memory comes on top */
    const igata_step_info* steps;
    int plan_count;
    const struct igata_predictor_info* plans;
} igata_predictor_info;

typedef struct igata_options {
    int threads;         /* 0: as many as OpenMP would take; compiled without OpenMP, 0 and 1 alike */
    const char* weights; /* path of the weights file, where weights_in_file is 1; else NULL */
} igata_options;

#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Program and packed weights: immutable, to be shared by any number of threads. */
typedef struct tiny_classifier_model tiny_classifier_model;
/* The memory of one run at a time: one per thread. */
typedef struct tiny_classifier_context tiny_classifier_context;

const igata_predictor_info* tiny_classifier_info(void);

/* Pays every cost: primitives are made, weights packed. `options` may be NULL. */
igata_status tiny_classifier_model_create(const igata_options* options, tiny_classifier_model** model);
/* After the last of its contexts. NULL is fine. */
void tiny_classifier_model_destroy(tiny_classifier_model* model);

igata_status tiny_classifier_context_create(const tiny_classifier_model* model, tiny_classifier_context** context);
void tiny_classifier_context_destroy(tiny_classifier_context* context);
/* Bytes that one context of the model holds. */
size_t tiny_classifier_context_bytes(const tiny_classifier_model* model);

/* inputs[i] and outputs[i] point to dense row-major tensors as in tiny_classifier_info(). `batch` is the extent of axis 0, any
 * multiple of the predictor's own, or sum of multiples of those of its plans; 0 stands for the first plan's. Allocates, locks and prints nothing. */
igata_status tiny_classifier_run(tiny_classifier_context* context, const void* const* inputs, void* const* outputs, int64_t batch);

/* Like run for inputs of the dims input_dims[i][0 .. rank): those of one of the plans in tiny_classifier_info()->plans, or a batch made
 * up of them. For others IGATA_BAD_ARGUMENT, and tiny_classifier_last_error() lists those that there are. */
igata_status tiny_classifier_run_shaped(tiny_classifier_context* context, const void* const* inputs, const int64_t* const* input_dims,
                                 void* const* outputs);
/* The dims of the outputs of such a run: output_dims[i] has room for as many as the output's rank. */
igata_status tiny_classifier_output_dims(const int64_t* const* input_dims, int64_t* const* output_dims);

/* Like run, and adds the seconds that each step took to seconds[i]: first the steps of the first plan, then those of the next,
 * and so on; see igata_predictor_info.steps. */
igata_status tiny_classifier_profile(tiny_classifier_context* context, const void* const* inputs, void* const* outputs, int64_t batch,
                              double* seconds);
igata_status tiny_classifier_profile_shaped(tiny_classifier_context* context, const void* const* inputs, const int64_t* const* input_dims,
                                     void* const* outputs, double* seconds);
/* What runs a step on this processor: oneDNN's name of its implementation, or `igata:` and the kernel's. The model's; NULL
 * if there is no such step. */
const char* tiny_classifier_implementation(const tiny_classifier_model* model, int step);

/* What a status means, in a word or two. */
const char* tiny_classifier_status_message(igata_status status);
/* What went wrong in this thread's last call that failed. */
const char* tiny_classifier_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
