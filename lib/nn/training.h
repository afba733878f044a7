// How a learner trains: optimizer, schedule, batches, epochs, clipping. The state of one run of steps over a
// parameter vector.
#pragma once

#include "config/fields.h"
#include "nn/model.h"
#include "nn/optimizer.h"

// As written in YAML: `training: {...}`.
struct training_options {
    struct choice optimizer;
    struct choice schedule;
    int64_t batch_size;
    int64_t local_epochs;
    double clip_norm; // of the whole gradient, L2; 0: no clipping
};

extern const struct field training_fields[];

struct trainer;

// Everything a step needs for `model`: workspace, gradient and optimizer state. One a thread; reset between
// learners.
enum status trainer_new(struct trainer **ret, const struct model *model,
                        const struct training_options *options, size_t max_batch, struct error *error);
struct trainer *trainer_free(struct trainer *trainer);
// A new trainer stands as after trainer_reset(trainer, 0, 0). Forgets the optimizer's state and counts steps
// from `first_step` of `n_steps` for the schedule.
void trainer_reset(struct trainer *trainer, uint64_t first_step, uint64_t n_steps);
// One step in place on `parameters`; the batch's mean loss before the step. Allocates nothing.
double trainer_step(struct trainer *trainer, float *parameters, const float *input,
                    const struct targets *targets, size_t batch, struct random_key key);
// The second half of a step: clips the trainer's gradient, which the caller has filled or changed, and moves
// `parameters` along it. trainer_step does the same as model_gradient into trainer_gradient, then this, but
// leaves nothing of use in trainer_gradient.
void trainer_apply(struct trainer *trainer, float *parameters);
// The trainer's own gradient buffer [n_parameters] and workspace, for algorithms that need the gradient
// alone.
float *trainer_gradient(struct trainer *trainer);
struct workspace *trainer_workspace(struct trainer *trainer);
