// FedAvgM (Hsu, Qi and Brown, "Measuring the effects of non-identical data distribution for federated visual
// classification", 2019, section 4.3): server momentum. With d the mean change of the learners' weights,
//     v <- beta v + d    w <- w + eta v
#include "algorithm/server_impl.h"
#include "base/kernel.h"

static const struct field fields[] = {
    SERVER_REAL("momentum", beta1, "0.9", 0, false, 0.999999, "Share of the last change that is kept"),
    SERVER_RATE("1"),
    {0},
};

static enum status plan(const struct algorithm_setting *setting, struct algorithm_plan *plan,
                        struct error *error)
{
    plan->in_place = plan->around_model = true;
    plan->n_private = 1;
    return STATUS_OK;
}

KERNEL static void take_step(size_t n, float rate, float momentum, const float *restrict mean,
                             float *restrict w, float *restrict v)
{
    for (size_t i = 0; i < n; i++) {
        v[i] = momentum * v[i] + (mean[i] - w[i]);
        w[i] += rate * v[i];
    }
}

static void reupdate(const struct reupdate_step *step, size_t offset, size_t n, float *const *reduced,
                     float *const *values)
{
    const struct server_options *options = step->options;
    take_step(n, (float)options->learning_rate, (float)options->beta1, reduced[0], values[SERVER_MODEL],
              values[SERVER_FIRST]);
}

const struct algorithm_kind algorithm_fedavgm = {
    .kind = {.name = "fedavgm",
             .help =
                 "Learners train as in fedavg, and the coordinator follows their mean change with momentum",
             .fields = fields,
             .options_bytes = sizeof(struct server_options)},
    .plan = plan,
    .learn = server_learn,
    .reupdate = reupdate,
};
