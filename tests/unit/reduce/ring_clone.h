// The ring compiled once for each instruction set, so that one machine can compare them.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_CLONE(name)                                                                                     \
    bool ring_fold_##name(int64_t *restrict sum, const void *restrict x, size_t n, double scale);            \
    void ring_mean_##name(float *restrict mean, const int64_t *restrict sum, size_t n, double total);
RING_CLONE(v4)
RING_CLONE(v3)
RING_CLONE(baseline)
#undef RING_CLONE
