// An optimizer turns a gradient into a step on the flat parameter vector.
#pragma once

#include "base/registry.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct columns; // nn/columns.h

struct optimizer_kind {
    struct kind kind;
    // How many vectors of the parameters' length the optimizer keeps between steps (momentum 1, Adam 2).
    size_t (*n_state_vectors)(const void *options);
    double (*learning_rate)(const void *options);
    // One step in place on n parameters, of all or of some. `rate` is the scheduled learning rate; `step`
    // counts from 1. state: those parameters' part of [n_state_vectors, n of all], zeroed at the start; from
    // one vector's to the next's are `stride` values. Each parameter's step depends on its own values alone.
    void (*step)(const void *options, double rate, uint64_t step, size_t n, float *parameters,
                 const float *gradient, float *state, size_t stride);
    // Whether with these options step_columns does the same on n_rows rows of parameters, of which the
    // gradient is given as to columns_spread. NULL: never.
    bool (*steps_columns)(const void *options);
    void (*step_columns)(const void *options, double rate, const struct columns *columns, size_t n_rows,
                         float *parameters, const float *gathered, size_t width);
};

extern const struct registry optimizers;

// A schedule scales the learning rate.
struct schedule_kind {
    struct kind kind;
    // The factor at `step` (from 0) of `n_steps` in all.
    double (*factor)(const void *options, uint64_t step, uint64_t n_steps);
};

extern const struct registry schedules;
