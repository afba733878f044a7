// What the schedules share: a linear warm-up.
#pragma once

#include "config/fields.h"
#include "nn/optimizer.h"

// The row for a schedule with a member `int64_t warmup_steps` in its options.
#define WARMUP_FIELD(options_type)                                                                           \
    {                                                                                                        \
        .name = "warmup_steps", .type = FIELD_INT, .offset = offsetof(options_type, warmup_steps),           \
        .fallback = "0", .min = 0, .max = 1e12,                                                              \
        .help = "Steps over which the learning rate rises in a straight line to its full value"              \
    }

// True while warming up: the factor is then *ret = (step + 1) / warmup_steps.
static inline bool warming_up(int64_t warmup_steps, uint64_t step, double *ret)
{
    if (step >= (uint64_t)warmup_steps)
        return false;
    *ret = (double)(step + 1) / (double)warmup_steps;
    return true;
}
