// FedBuff (Nguyen, Malik, Zhan, Yousefpour, Rabbat, Malek and Huba, "Federated learning with buffered
// asynchronous aggregation", AISTATS 2022, Algorithm 1): learners send how far their training moved the model
// that they started from; the coordinator moves its own by eta_g times the mean of K such updates, each times
// s(staleness). K and s are the schedule's (experiment/asynchronous.c); in step, K is the round's learners
// and s is 1.
#include "algorithm/local.h"
#include "base/kernel.h"
#include "config/fields.h"

struct fedbuff_options {
    double learning_rate;
};

static const struct field fields[] = {
    {.name = "learning_rate",
     .type = FIELD_REAL,
     .offset = offsetof(struct fedbuff_options, learning_rate),
     .fallback = "1",
     .max = 1000,
     .above = true,
     .help = "The coordinator's step eta_g along the mean update"},
    {0},
};

KERNEL static void subtract(size_t n, const float *restrict to, const float *restrict from,
                            float *restrict update)
{
    for (size_t i = 0; i < n; i++)
        update[i] = to[i] - from[i];
}

static enum status learn(const struct learner_step *step, struct learner_result *ret, struct error *error)
{
    TRY(local_train(step, step->parameters, NULL, ret, error));
    subtract(step->plan->n_values, step->parameters, step->shared, step->summary);
    return STATUS_OK;
}

KERNEL static void move(size_t n, float rate, const float *restrict update, float *restrict w)
{
    for (size_t i = 0; i < n; i++)
        w[i] += rate * update[i];
}

static void reupdate(const struct reupdate_step *step, size_t offset, size_t n, float *const *reduced,
                     float *const *values)
{
    const struct fedbuff_options *options = step->options;
    move(n, (float)options->learning_rate, reduced[0], values[0]);
}

const struct algorithm_kind algorithm_fedbuff = {
    .kind = {.name = "fedbuff",
             .help = "Learners send updates, whose mean moves the model: for rounds that nobody waits in",
             .fields = fields,
             .options_bytes = sizeof(struct fedbuff_options)},
    .stale = STALE_STEPS_LESS,
    .learn = learn,
    .reupdate = reupdate,
};
