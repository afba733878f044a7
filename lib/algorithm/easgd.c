// Elastic averaging, synchronous (Zhang, Choromanska and LeCun, "Deep learning with elastic averaging SGD",
// NeurIPS 2015, equations 5 and 6, with the communication period of Algorithm 1): each learner trains
// parameters x_i of its own, and in each exchange an elastic force draws x_i and the centre x~ together, both
// moves from where both stood before it:
//   x_i <- x_i - alpha (x_i - x~)      x~ <- (1 - beta) x~ + beta mean_i x_i
// The period is a round's local training. The gradient after an exchange is taken at the moved x_i, where
// Algorithm 1 still takes it at the one before the move. The centre is the model.
#include "algorithm/local.h"
#include "base/kernel.h"
#include <string.h>

struct easgd_options {
    double alpha, beta;
};

static const struct field fields[] = {
    {.name = "alpha",
     .type = FIELD_REAL,
     .offset = offsetof(struct easgd_options, alpha),
     .fallback = "0.5",
     .above = true,
     .max = 1,
     .help = "Share of the way to the centre that a learner's parameters go in an exchange; the paper takes "
             "beta divided by the number of learners"},
    {.name = "beta",
     .type = FIELD_REAL,
     .offset = offsetof(struct easgd_options, beta),
     .fallback = "0.9",
     .above = true,
     .max = 1,
     .help = "Share of the way to the learners' mean that the centre goes in an exchange"},
    {0},
};

static enum status plan(const struct algorithm_setting *setting, struct algorithm_plan *plan,
                        struct error *error)
{
    plan->n_own = plan->n_values; // x_i
    plan->around_model = true;
    return STATUS_OK;
}

static void begin_own(const struct learner_step *step, float *own)
{
    memcpy(own, step->shared, step->plan->n_own * sizeof *own);
}

// values[i] += share * (target[i] - values[i])
KERNEL
static void approach(float *restrict values, const float *restrict target, size_t n, float share)
{
    for (size_t i = 0; i < n; i++)
        values[i] += share * (target[i] - values[i]);
}

static enum status learn(const struct learner_step *step, struct learner_result *ret, struct error *error)
{
    const struct easgd_options *options = step->options;
    size_t n = step->plan->n_values;
    memcpy(step->parameters, step->own, n * sizeof(float));
    TRY(local_train(step, step->parameters, NULL, ret, error));
    TRY(local_check_parameters(step, step->parameters, error));
    memcpy(step->summary, step->parameters, n * sizeof(float));
    approach(step->parameters, step->shared, n, (float)options->alpha);
    memcpy(step->own, step->parameters, n * sizeof(float));
    return STATUS_OK;
}

static void reupdate(const struct reupdate_step *step, size_t offset, size_t n, float *const *reduced,
                     float *const *values)
{
    const struct easgd_options *options = step->options;
    approach(values[0], reduced[0], n, (float)options->beta);
}

const struct algorithm_kind algorithm_easgd = {
    .kind = {.name = "easgd",
             .help =
                 "Elastic averaging: learners keep parameters of their own, which a centre draws to itself "
                 "and is drawn by",
             .fields = fields,
             .options_bytes = sizeof(struct easgd_options)},
    .plan = plan,
    .begin_own = begin_own,
    .learn = learn,
    .reupdate = reupdate,
};
