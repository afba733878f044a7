#include "algorithm/plain_sgd.h"
#include <string.h>

enum status plain_sgd_check(const char *algorithm, const struct training_options *training,
                            struct error *error)
{
    const struct optimizer_kind *optimizer = (const struct optimizer_kind *)training->optimizer.kind;
    if (strcmp(optimizer->kind.name, "sgd") != 0)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "optimizer '%s' does not go with %s, which reckons with plain steps along the "
                         "gradient: choose sgd, or the algorithm fedprox",
                         optimizer->kind.name, algorithm);
    if (optimizer->n_state_vectors(training->optimizer.options) > 0)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "sgd with momentum does not go with %s, which reckons with plain steps along the "
                         "gradient: set momentum to 0, or choose the algorithm fedprox",
                         algorithm);
    if (training->clip_norm > 0)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "clip_norm '%g' must be 0 with %s, which reckons with plain steps along the "
                         "gradient: set a smaller learning_rate, or choose the algorithm fedprox",
                         training->clip_norm, algorithm);
    return STATUS_OK;
}

double plain_sgd_rates(const struct learner_step *step)
{
    const struct choice *schedule = &step->training->schedule, *choice = &step->training->optimizer;
    double rate = ((const struct optimizer_kind *)choice->kind)->learning_rate(choice->options), sum = 0;
    uint64_t n_steps = local_n_steps(step), first = (step->round - 1) * n_steps;
    if (!schedule->kind)
        return rate * (double)n_steps;
    for (uint64_t i = 0; i < n_steps; i++)
        sum += rate * ((const struct schedule_kind *)schedule->kind)
                          ->factor(schedule->options, first + i, step->rounds * n_steps);
    return sum;
}
