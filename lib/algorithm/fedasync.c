// FedAsync (Xie, Koyejo and Gupta, "Asynchronous federated optimization", 2019, Algorithm 1): the coordinator
// mixes each learner's weights w_i into the model as they come,
//     w <- (1 - a s) w + a s w_i    with s = s(staleness), the schedule's (experiment/asynchronous.c)
// With more than one summary a round, a s w_i and a s are means over them. The paper's learners may add a
// proximal term, as fedprox does; here they do not.
#include "algorithm/local.h"
#include "base/kernel.h"
#include "config/fields.h"
#include <string.h>

struct fedasync_options {
    double mixing;
};

static const struct field fields[] = {
    {.name = "mixing",
     .type = FIELD_REAL,
     .offset = offsetof(struct fedasync_options, mixing),
     .fallback = "0.6",
     .max = 1,
     .above = true,
     .help = "How far the model goes towards a fresh summary's weights"},
    {0},
};

// The one after the weights: what is left of it after discounts is the mean of s.
static enum status plan(const struct algorithm_setting *setting, struct algorithm_plan *plan,
                        struct error *error)
{
    plan->around_model = true;
    plan->n_scalars = 1;
    return STATUS_OK;
}

static enum status learn(const struct learner_step *step, struct learner_result *ret, struct error *error)
{
    size_t n = step->plan->n_values;
    TRY(local_train(step, step->parameters, NULL, ret, error));
    memcpy(step->summary, step->parameters, n * sizeof(float));
    step->summary[n] = 1;
    return STATUS_OK;
}

KERNEL static void mix(size_t n, float a, float s, const float *restrict mean, float *restrict w)
{
    for (size_t i = 0; i < n; i++)
        w[i] += a * (mean[i] - s * w[i]);
}

static void reupdate(const struct reupdate_step *step, size_t offset, size_t n, float *const *reduced,
                     float *const *values)
{
    const struct fedasync_options *options = step->options;
    mix(n, (float)options->mixing, step->scalars[0], reduced[0], values[0]);
}

const struct algorithm_kind algorithm_fedasync = {
    .kind = {.name = "fedasync",
             .help = "The model goes part of the way to each learner's weights as they come",
             .fields = fields,
             .options_bytes = sizeof(struct fedasync_options)},
    .stale = STALE_STEPS_LESS,
    .plan = plan,
    .learn = learn,
    .reupdate = reupdate,
};
