#include "classifier.h"

int run_from_c(float* scores);

int run_from_c(float* scores) {
    static float image[3 * 32 * 32];
    const void* inputs[1];
    void* outputs[1];
    classifier_model* model = NULL;
    classifier_context* context = NULL;
    igata_status status;
    size_t i;
    for (i = 0; i < sizeof image / sizeof image[0]; ++i) image[i] = 0.5f;
    inputs[0] = image;
    outputs[0] = scores;
    status = classifier_model_create(NULL, &model);
    if (status == IGATA_OK) status = classifier_context_create(model, &context);
    if (status == IGATA_OK) status = classifier_run(context, inputs, outputs, 0);
    classifier_context_destroy(context);
    classifier_model_destroy(model);
    return status == IGATA_OK ? 0 : 1;
}
