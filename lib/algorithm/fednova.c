// FedNova (Wang, Liu, Liang, Joshi and Poor, "Tackling the objective inconsistency problem in heterogeneous
// federated optimization", NeurIPS 2020, equations 4 and 5): learners that take more steps, or larger ones,
// do not pull the model further. With G_i the gradients of learner i's steps and a_i their weights in the way
// it went, x - y_i = eta G_i a_i, and p_i its share of the samples,
//     x <- x - tau_eff sum_i p_i eta d_i    d_i = G_i a_i / ||a_i||_1    tau_eff = sum_i p_i ||a_i||_1.
// a_i follows from the steps' schedule and momentum (section 4 there: for SGD all ones, for momentum rho
// (1 - rho^(tau - k)) / (1 - rho)); weight decay counts as part of the gradient. The optimizer starts afresh
// every round, as a_i supposes.
#include "algorithm/local.h"
#include "base/kernel.h"
#include <math.h>
#include <string.h>

// ||a_i||_1 is sent in this unit, so that millions of steps by a learner with a thousand times the others'
// samples are within the range of a sum (reduce/ring.h).
static const double steps_unit = 0x1p16;

static enum status plan(const struct algorithm_setting *setting, struct algorithm_plan *plan,
                        struct error *error)
{
    plan->n_scalars = 1;
    return STATUS_OK;
}

static enum status check_training(const void *options, const struct training_options *training,
                                  struct error *error)
{
    const char *name = training->optimizer.kind->name;
    if (strcmp(name, "sgd") == 0)
        return STATUS_OK;
    return error_set(
        error, STATUS_INVALID_ARGUMENT,
        "optimizer '%s' does not go with fednova, which must know how much each gradient counts: "
        "choose sgd, with or without momentum, or the algorithm fedavg",
        name);
}

static double base_rate(const struct training_options *training)
{
    return ((const struct optimizer_kind *)training->optimizer.kind)
        ->learning_rate(training->optimizer.options);
}

// ||a_i||_1: the way that the optimizer goes when every gradient is 1, in units of the learning rate. Steps
// are taken from 0, where weight decay is nothing.
static double norm_of_steps(const struct learner_step *step)
{
    const struct choice *schedule = &step->training->schedule, *choice = &step->training->optimizer;
    const struct optimizer_kind *optimizer = (const struct optimizer_kind *)choice->kind;
    uint64_t n_steps = local_n_steps(step), first = (step->round - 1) * n_steps;
    double rate = base_rate(step->training), way = 0;
    float velocity = 0, gradient = 1;
    for (uint64_t i = 0; i < n_steps; i++) {
        float parameter = 0;
        double factor = schedule->kind ? ((const struct schedule_kind *)schedule->kind)
                                             ->factor(schedule->options, first + i, step->rounds * n_steps)
                                       : 1;
        optimizer->step(choice->options, rate * factor, i + 1, 1, &parameter, &gradient, &velocity, 1);
        way -= (double)parameter;
    }
    return way / rate;
}

// d = (x - y) times `factor`
KERNEL static void normalise(size_t n, float factor, const float *restrict x, const float *restrict y,
                             float *restrict d)
{
    for (size_t i = 0; i < n; i++)
        d[i] = (x[i] - y[i]) * factor;
}

static enum status learn(const struct learner_step *step, struct learner_result *ret, struct error *error)
{
    size_t n = step->plan->n_values;
    TRY(local_train(step, step->parameters, NULL, ret, error));
    double norm = norm_of_steps(step), factor = norm > 0 ? 1 / (base_rate(step->training) * norm) : 0;
    normalise(n, (float)factor, step->shared, step->parameters, step->summary);
    step->summary[n] = (float)(norm / steps_unit);
    return STATUS_OK;
}

KERNEL static void descend(size_t n, float way, const float *restrict d, float *restrict x)
{
    for (size_t i = 0; i < n; i++)
        x[i] -= way * d[i];
}

static void reupdate(const struct reupdate_step *step, size_t offset, size_t n, float *const *reduced,
                     float *const *values)
{
    double tau_eff = (double)step->scalars[0] * steps_unit;
    descend(n, (float)(tau_eff * base_rate(step->training)), reduced[0], values[0]);
}

const struct algorithm_kind algorithm_fednova = {
    .kind = {.name = "fednova",
             .help =
                 "Learners send their mean step, so that those who take more steps do not count for more"},
    .check_training = check_training,
    .plan = plan,
    .learn = learn,
    .reupdate = reupdate,
};
