// An optimizer turns a gradient into a step on the flat parameter vector.
#pragma once

#include "base/registry.h"
#include <stddef.h>
#include <stdint.h>

struct optimizer_kind {
    struct kind kind;
    // How many vectors of the parameters' length the optimizer keeps between steps (momentum 1, Adam 2).
    size_t (*n_state_vectors)(const void *options);
    double (*learning_rate)(const void *options);
    // One step in place. `rate` is the scheduled learning rate; `step` counts from 1. state:
    // [n_state_vectors, n], zeroed at the start.
    void (*step)(const void *options, double rate, uint64_t step, size_t n, float *parameters,
                 const float *gradient, float *state);
};

extern const struct registry optimizers;

// A schedule scales the learning rate.
struct schedule_kind {
    struct kind kind;
    // The factor at `step` (from 0) of `n_steps` in all.
    double (*factor)(const void *options, uint64_t step, uint64_t n_steps);
};

extern const struct registry schedules;
