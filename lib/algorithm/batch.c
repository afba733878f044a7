#include "algorithm/batch.h"
#include "base/memory.h"

enum status batch_init(struct batch *batch, const struct part *part, size_t capacity, struct error *error)
{
    const struct dataset *dataset = part->dataset;
    size_t sample = shape_size(&dataset->sample);
    bool classes = dataset->target_type == TARGET_CLASS;
    if (capacity > part->n_samples)
        capacity = part->n_samples;
    struct batch made = {
        .features = memory_array(capacity, sample * sizeof(float)),
        .classes = classes ? memory_array(capacity, sizeof(int32_t)) : NULL,
        .values = classes ? NULL : memory_array(capacity, dataset->n_outputs * sizeof(float)),
    };
    if (!made.features || !(classes ? (void *)made.classes : (void *)made.values)) {
        batch_release(&made);
        return error_no_memory(error, capacity * sample * sizeof(float));
    }
    made.targets = (struct targets){dataset->target_type, made.classes, made.values};
    *batch = made;
    return STATUS_OK;
}

void batch_release(struct batch *batch)
{
    memory_free(batch->features);
    memory_free(batch->classes);
    memory_free(batch->values);
    *batch = BATCH_INIT;
}

void batch_load(struct batch *batch, const struct part *part, const uint32_t *order, size_t first, size_t n)
{
    part_gather(part, order ? order + first : NULL, first, n, batch->features, batch->classes, batch->values);
}

static int32_t class_of(const float *outputs, size_t n_outputs)
{
    size_t best = 0;
    for (size_t i = 1; i < n_outputs; i++)
        if (outputs[i] > outputs[best])
            best = i;
    return (int32_t)best;
}

size_t batch_n_correct(const struct batch *batch, const float *outputs, size_t n, size_t n_outputs)
{
    size_t n_correct = 0;
    for (size_t i = 0; i < n; i++)
        n_correct += class_of(outputs + i * n_outputs, n_outputs) == batch->classes[i];
    return n_correct;
}
