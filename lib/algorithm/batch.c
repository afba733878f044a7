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
        .targets = {.type = dataset->target_type},
        .room = memory_array(capacity, sample * sizeof(float)),
        .class_room = classes ? memory_array(capacity, sizeof(int32_t)) : NULL,
        .value_room = classes ? NULL : memory_array(capacity, dataset->n_outputs * sizeof(float)),
    };
    if (!made.room || !(classes ? (void *)made.class_room : (void *)made.value_room)) {
        batch_release(&made);
        return error_no_memory(error, capacity * sample * sizeof(float));
    }
    *batch = made;
    return STATUS_OK;
}

void batch_release(struct batch *batch)
{
    memory_free(batch->room);
    memory_free(batch->class_room);
    memory_free(batch->value_room);
    *batch = BATCH_INIT;
}

void batch_load(struct batch *batch, const struct part *part, const uint32_t *order, size_t first, size_t n)
{
    const struct dataset *dataset = part->dataset;
    size_t row;
    if (!order && part_lies_together(part, first, n, &row)) {
        batch->features = dataset->features + row * shape_size(&dataset->sample);
        batch->targets.classes = dataset->classes ? dataset->classes + row : NULL;
        batch->targets.values = dataset->values ? dataset->values + row * dataset->n_outputs : NULL;
        return;
    }
    part_gather(part, order ? order + first : NULL, first, n, batch->room, batch->class_room,
                batch->value_room);
    batch->features = batch->room;
    batch->targets.classes = batch->class_room;
    batch->targets.values = batch->value_room;
}
