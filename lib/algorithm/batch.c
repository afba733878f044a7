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
