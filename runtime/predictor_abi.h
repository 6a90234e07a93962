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
