// What the algorithms share whose learners train as fedavg's do, and whose coordinator takes an optimizer's
// step along the mean of their changes, d = mean(w_i) - w, instead of going to the mean.
#pragma once

#include "algorithm/local.h"
#include "config/fields.h"
#include <math.h>

struct server_options {
    double learning_rate;
    double beta1, beta2;
    double tau;
};

#define SERVER_REAL(option, member_, default_, low, open, high, meaning)                                     \
    {                                                                                                        \
        .name = (option), .type = FIELD_REAL, .offset = offsetof(struct server_options, member_),            \
        .fallback = (default_), .min = (low), .max = (high), .above = (open), .help = (meaning)              \
    }

#define SERVER_RATE(default_)                                                                                \
    SERVER_REAL("learning_rate", learning_rate, default_, 0, true, 0, "Of the coordinator: length of a step")
#define SERVER_BETA1(default_)                                                                               \
    SERVER_REAL("beta1", beta1, default_, 0, false, 0.999999, "Decay of the changes' running mean")
#define SERVER_BETA2                                                                                         \
    SERVER_REAL("beta2", beta2, "0.99", 0, false, 0.999999, "Decay of the squared changes' running mean")
#define SERVER_TAU                                                                                           \
    SERVER_REAL("tau", tau, "0.001", 1e-9, false, 1e6,                                                       \
                "Added to the root of the squared changes; the larger, the less steps adapt to them")

enum { SERVER_MODEL, SERVER_FIRST, SERVER_SECOND }; // the values: model, first moment, second moment

// The learners' half.
static inline enum status server_learn(const struct learner_step *step, struct learner_result *ret,
                                       struct error *error)
{
    return local_train(step, step->parameters, NULL, ret, error);
}

// A model that is shared, two moments that are not.
static inline enum status server_plan(const struct algorithm_setting *setting, struct algorithm_plan *plan,
                                      struct error *error)
{
    plan->in_place = plan->around_model = true;
    plan->n_private = 2;
    return STATUS_OK;
}

// The least that the paper has: v = tau^2 before the first round.
static inline void server_begin(const struct algorithm_setting *setting, const struct algorithm_plan *plan,
                                float *values)
{
    const struct server_options *options = setting->options;
    float *second = values + SERVER_SECOND * plan->n_values;
    for (size_t i = 0; i < plan->n_values; i++)
        second[i] = (float)(options->tau * options->tau);
}

// One value's step: m <- beta1 m + (1 - beta1) d, then w <- w + eta m / (sqrt(v) + tau).
struct server_rates {
    float learning_rate, beta1, beta2, tau;
};

static inline struct server_rates server_rates(const struct reupdate_step *step)
{
    const struct server_options *options = step->options;
    return (struct server_rates){(float)options->learning_rate, (float)options->beta1, (float)options->beta2,
                                 (float)options->tau};
}

static inline void server_move(const struct server_rates *rates, float change, float *w, float *first,
                               float second)
{
    *first = rates->beta1 * *first + (1 - rates->beta1) * change;
    *w += rates->learning_rate * *first / (sqrtf(second) + rates->tau);
}
