// The gradient of the mean loss over all of a learner's samples, for algorithms of one step a round.
#pragma once

#include "algorithm/local.h"

// At `parameters`, in batches that only bound the memory, into the trainer's gradient (trainer_gradient);
// fills the result's losses and weight.
enum status part_gradient(const struct learner_step *step, const float *parameters,
                          struct learner_result *ret, struct error *error);

// Refuses training that is not one plain step of gradient descent; `algorithm` is who asks.
enum status part_gradient_check(const char *algorithm, const struct training_options *training,
                                struct error *error);
// The optimizer's own step on a range of the mean gradient, with the rate that the schedule has for the
// round. It keeps no state, so it may go over ranges.
void part_gradient_descend(const struct reupdate_step *step, size_t n, float *gradient, float *parameters);
