// SCAFFOLD (Karimireddy, Kale, Mohri, Reddi, Stich and Suresh, "SCAFFOLD: stochastic controlled averaging for
// federated learning", ICML 2020, Algorithm 1, option II). Learner i steps along g_i(y) - c_i + c, so that
// its drift towards its own optimum is taken out; then
//     c_i+ = c_i - c + (x - y_i) / (K eta_l)
// and the coordinator, from the summaries y_i and c_i+ - c_i of the learners in S, of N in all,
//     x <- x + eta_g mean(y_i - x)        c <- c + |S|/N mean(c_i+ - c_i).
// K eta_l is the sum of the round's learning rates; means are weighted by samples.
#include "algorithm/plain_sgd.h"
#include "base/kernel.h"
#include "config/fields.h"
#include <string.h>

struct scaffold_options {
    double learning_rate;
};

static const struct field fields[] = {
    {.name = "learning_rate",
     .type = FIELD_REAL,
     .offset = offsetof(struct scaffold_options, learning_rate),
     .fallback = "1",
     .min = 0,
     .above = true,
     .help = "Of the coordinator: share of the way to the learners' mean that the model goes"},
    {0},
};

enum { MODEL, VARIATE }; // of the vectors that are shared, and of a summary's

static enum status plan(const struct algorithm_setting *setting, struct algorithm_plan *plan,
                        struct error *error)
{
    plan->n_shared = 2;
    plan->n_vectors = 2;
    plan->n_own = plan->n_values;
    plan->around_model = true;
    return STATUS_OK;
}

static enum status check_training(const void *options, const struct training_options *training,
                                  struct error *error)
{
    return plain_sgd_check("scaffold", training, error);
}

struct variates {
    const float *common, *own;
};

KERNEL static void correct(size_t n, const float *restrict common, const float *restrict own,
                           float *restrict g)
{
    for (size_t i = 0; i < n; i++)
        g[i] += common[i] - own[i];
}

static void amend(void *user, const float *parameters, float *gradient, size_t n)
{
    const struct variates *variates = user;
    correct(n, variates->common, variates->own, gradient);
}

// change = c_i+ - c_i
KERNEL static void find_change(size_t n, float per_rate, const float *restrict x, const float *restrict y,
                               const float *restrict common, float *restrict change)
{
    for (size_t i = 0; i < n; i++)
        change[i] = (x[i] - y[i]) * per_rate - common[i];
}

KERNEL static void add(size_t n, const float *restrict change, float *restrict own)
{
    for (size_t i = 0; i < n; i++)
        own[i] += change[i];
}

static enum status learn(const struct learner_step *step, struct learner_result *ret, struct error *error)
{
    size_t n = step->plan->n_values;
    struct variates variates = {step->shared + VARIATE * n, step->own};
    const struct local_amendment amendment = {amend, &variates};
    TRY(local_train(step, step->parameters, &amendment, ret, error));
    float *change = step->summary + VARIATE * n;
    double rates = plain_sgd_rates(step);
    memcpy(step->summary, step->parameters, n * sizeof(float));
    memset(change, 0, n * sizeof(float));
    if (rates > 0) // else the learner stood still and learnt nothing about its gradient
        find_change(n, (float)(1 / rates), step->shared, step->parameters, variates.common, change);
    TRY(local_check_summary(step, error)); // what is kept is kept for good
    add(n, change, step->own);
    return STATUS_OK;
}

KERNEL static void approach(size_t n, float rate, const float *restrict mean, float *restrict x)
{
    for (size_t i = 0; i < n; i++)
        x[i] += rate * (mean[i] - x[i]);
}

KERNEL static void add_share(size_t n, float share, const float *restrict change, float *restrict common)
{
    for (size_t i = 0; i < n; i++)
        common[i] += share * change[i];
}

static void reupdate(const struct reupdate_step *step, size_t offset, size_t n, float *const *reduced,
                     float *const *values)
{
    const struct scaffold_options *options = step->options;
    approach(n, (float)options->learning_rate, reduced[MODEL], values[MODEL]);
    add_share(n, (float)step->n_summaries / (float)step->n_learners, reduced[VARIATE], values[VARIATE]);
}

const struct algorithm_kind algorithm_scaffold = {
    .kind = {.name = "scaffold",
             .help = "Learners correct their steps by control variates, which take out their drift apart",
             .fields = fields,
             .options_bytes = sizeof(struct scaffold_options)},
    .check_training = check_training,
    .plan = plan,
    .learn = learn,
    .reupdate = reupdate,
};
