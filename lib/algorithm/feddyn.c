// FedDyn (Acar, Zhao, Matas Navarro, Mattina, Whatmough and Saligrama, "Federated learning based on dynamic
// regularization", ICLR 2021, Algorithm 1). Learner k descends
//     L_k(w) - <g_k, w> + alpha/2 ||w - w_t||^2    to w_k, then    g_k <- g_k - alpha (w_k - w_t)
// and the coordinator, from the learners in P, of m in all,
//     h <- h - alpha |P|/m mean(w_k - w_t)         w <- mean(w_k) - h / alpha.
// Means are weighted by samples. Kept are g_k / alpha and h / alpha: ways in the space of weights, which do
// not vanish with a small alpha.
#include "algorithm/local.h"
#include "base/kernel.h"
#include "config/fields.h"
#include <string.h>

struct feddyn_options {
    double alpha;
};

static const struct field fields[] = {
    {.name = "alpha",
     .type = FIELD_REAL,
     .offset = offsetof(struct feddyn_options, alpha),
     .fallback = "0.1",
     .min = 0,
     .above = true,
     .max = 1e6,
     .help = "Weight of the dynamic regulariser; the smaller, the more steps a round must take to be stable"},
    {0},
};

enum { MODEL, DEBT }; // of the values: the model, h / alpha

static enum status plan(const struct algorithm_setting *setting, struct algorithm_plan *plan,
                        struct error *error)
{
    plan->n_private = 1;
    plan->n_own = plan->n_values; // g_k / alpha
    plan->around_model = true;
    return STATUS_OK;
}

struct regulariser {
    float alpha;
    const float *center, *own;
};

// gradient += alpha (w - w_t - g_k / alpha)
KERNEL static void regularise(size_t n, float alpha, const float *restrict center, const float *restrict own,
                              const float *restrict w, float *restrict gradient)
{
    for (size_t i = 0; i < n; i++)
        gradient[i] += alpha * (w[i] - center[i] - own[i]);
}

static void amend(void *user, const float *parameters, float *gradient, size_t n)
{
    const struct regulariser *regulariser = user;
    regularise(n, regulariser->alpha, regulariser->center, regulariser->own, parameters, gradient);
}

// own -= w - w_t
KERNEL static void go_back(size_t n, const float *restrict center, const float *restrict w,
                           float *restrict own)
{
    for (size_t i = 0; i < n; i++)
        own[i] -= w[i] - center[i];
}

static enum status learn(const struct learner_step *step, struct learner_result *ret, struct error *error)
{
    const struct feddyn_options *options = step->options;
    struct regulariser regulariser = {(float)options->alpha, step->shared, step->own};
    const struct local_amendment amendment = {amend, &regulariser};
    size_t n = step->plan->n_values;
    TRY(local_train(step, step->parameters, &amendment, ret, error));
    memcpy(step->summary, step->parameters, n * sizeof(float));
    TRY(local_check_summary(step, error)); // what is kept is kept for good
    go_back(n, step->shared, step->parameters, step->own);
    return STATUS_OK;
}

KERNEL static void pay_back(size_t n, float share, const float *restrict mean, float *restrict w,
                            float *restrict debt)
{
    for (size_t i = 0; i < n; i++) {
        debt[i] -= share * (mean[i] - w[i]);
        w[i] = mean[i] - debt[i];
    }
}

static void reupdate(const struct reupdate_step *step, size_t offset, size_t n, float *const *reduced,
                     float *const *values)
{
    pay_back(n, (float)step->n_summaries / (float)step->n_learners, reduced[0], values[MODEL], values[DEBT]);
}

const struct algorithm_kind algorithm_feddyn = {
    .kind = {.name = "feddyn",
             .help =
                 "Learners' losses are regularised anew each round, so that their optima meet in one model",
             .fields = fields,
             .options_bytes = sizeof(struct feddyn_options)},
    .plan = plan,
    .learn = learn,
    .reupdate = reupdate,
};
