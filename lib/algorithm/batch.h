// Batches: samples of a learner's part that lie together, where they are or gathered into one buffer, again
// and again.
#pragma once

#include "data/dataset.h"

struct batch {
    const float *features;  // [n, sample] of what was loaded last
    struct targets targets; // likewise
    float *room;            // [capacity, sample], where samples are gathered
    int32_t *class_room;
    float *value_room;
};

#define BATCH_INIT ((struct batch){0})

// Room for `capacity` samples of the part, or all of them if they are fewer.
enum status batch_init(struct batch *batch, const struct part *part, size_t capacity, struct error *error);
void batch_release(struct batch *batch);

// Loads samples order[first .. first + n) of the part; `order` NULL: in the part's own order.
void batch_load(struct batch *batch, const struct part *part, const uint32_t *order, size_t first, size_t n);
