// What a model is to predict for each sample of a batch.
#pragma once

#include <stdint.h>

// A class index, or a row of numbers.
enum target_type { TARGET_CLASS, TARGET_VALUES };

struct targets {
    enum target_type type;
    const int32_t *classes; // [batch], with TARGET_CLASS
    const float *values;    // [batch, n_outputs], with TARGET_VALUES
};
