// What algorithms share whose formulas take a learner's steps for plain stochastic gradient descent.
#pragma once

#include "algorithm/local.h"

// Refuses everything but sgd without momentum and without clipping: only then is the way that a learner went
// the sum of its steps' learning rates times gradients. `algorithm` is who asks.
enum status plain_sgd_check(const char *algorithm, const struct training_options *training,
                            struct error *error);
// The sum of the learning rates of the steps of this learner's round, as its schedule has them.
double plain_sgd_rates(const struct learner_step *step);
