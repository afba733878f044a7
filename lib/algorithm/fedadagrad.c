// FedAdagrad (Reddi, Charles, Zaheer, Garrett, Rush, Konecny, Kumar and McMahan, "Adaptive federated
// optimization", ICLR 2021, Algorithm 2): with d the mean change of the learners' weights,
//     m <- beta1 m + (1 - beta1) d    v <- v + d^2    w <- w + eta m / (sqrt(v) + tau)
#include "algorithm/server_impl.h"
#include "base/kernel.h"

static const struct field fields[] = {
    SERVER_RATE("0.01"),
    SERVER_BETA1("0"),
    SERVER_TAU,
    {0},
};

KERNEL static void take_step(size_t n, struct server_rates rates, const float *restrict mean,
                             float *restrict w, float *restrict m, float *restrict v)
{
    for (size_t i = 0; i < n; i++) {
        float d = mean[i] - w[i];
        v[i] += d * d;
        server_move(&rates, d, &w[i], &m[i], v[i]);
    }
}

static void reupdate(const struct reupdate_step *step, size_t offset, size_t n, float *const *reduced,
                     float *const *values)
{
    take_step(n, server_rates(step), reduced[0], values[SERVER_MODEL], values[SERVER_FIRST],
              values[SERVER_SECOND]);
}

const struct algorithm_kind algorithm_fedadagrad = {
    .kind = {.name = "fedadagrad",
             .help = "Learners train as in fedavg, and the coordinator takes a step of Adagrad along their "
                     "mean change",
             .fields = fields,
             .options_bytes = sizeof(struct server_options)},
    .plan = server_plan,
    .begin = server_begin,
    .learn = server_learn,
    .reupdate = reupdate,
};
