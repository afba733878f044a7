// FedProx (Li, Sahu, Zaheer, Sanjabi, Talwalkar and Smith, "Federated optimization in heterogeneous
// networks", MLSys 2020, Algorithm 2): as federated averaging, but learner k descends F_k(w) + mu/2 ||w -
// w_t||^2, whose proximal term keeps it near the round's model w_t. The learner's local solver is `training`;
// the mean is weighted by samples, where the paper draws learners by their samples and weights them alike.
#include "algorithm/local.h"
#include "base/kernel.h"
#include "config/fields.h"
#include <string.h>

struct fedprox_options {
    double mu;
};

static const struct field fields[] = {
    {.name = "mu",
     .type = FIELD_REAL,
     .offset = offsetof(struct fedprox_options, mu),
     .fallback = "0.01",
     .min = 0,
     .max = 1e6,
     .help = "Weight of the proximal term mu/2 ||w - w_t||^2 that holds learners near the round's model; 0: "
             "fedavg"},
    {0},
};

static enum status plan(const struct algorithm_setting *setting, struct algorithm_plan *plan,
                        struct error *error)
{
    plan->around_model = true;
    return STATUS_OK;
}

struct proximal_term {
    float mu;
    const float *center;
};

// g += mu (w - w_t)
KERNEL static void pull(size_t n, float mu, const float *restrict center, const float *restrict w,
                        float *restrict g)
{
    for (size_t i = 0; i < n; i++)
        g[i] += mu * (w[i] - center[i]);
}

static void amend(void *user, const float *parameters, float *gradient, size_t n)
{
    const struct proximal_term *term = user;
    pull(n, term->mu, term->center, parameters, gradient);
}

static enum status learn(const struct learner_step *step, struct learner_result *ret, struct error *error)
{
    const struct fedprox_options *options = step->options;
    struct proximal_term term = {(float)options->mu, step->shared};
    const struct local_amendment amendment = {amend, &term};
    TRY(local_train(step, step->parameters, &amendment, ret, error));
    memcpy(step->summary, step->parameters, step->plan->n_values * sizeof(float));
    return STATUS_OK;
}

// The mean of the weights is the next model.
const struct algorithm_kind algorithm_fedprox = {
    .kind = {.name = "fedprox",
             .help = "As fedavg, with a proximal term that holds each learner near the round's model",
             .fields = fields,
             .options_bytes = sizeof(struct fedprox_options)},
    .stale = STALE_WEIGHS_LESS,
    .plan = plan,
    .learn = learn,
};
