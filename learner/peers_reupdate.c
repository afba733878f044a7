// The re-update after an exchange between peers, by the learner itself, as the coordinator does it in a star
// (algorithm/commit.h).
#include "base/memory.h"
#include "base/pool.h"
#include "learner/host.h"
#include <stdio.h>
#include <string.h>

enum { RANGE_VALUES = 1 << 18 };

struct reupdate {
    const struct algorithm_kind *kind;
    struct reupdate_step step;
    float *reduced, *values;
};

static void reupdate_range(void *user, size_t first, size_t n)
{
    const struct reupdate *work = user;
    const struct algorithm_plan *plan = work->step.plan;
    float *reduced[ALGORITHM_VECTORS_MAX], *values[ALGORITHM_VECTORS_MAX];
    for (unsigned int i = 0; i < plan->n_vectors; i++)
        reduced[i] = work->reduced + i * plan->n_values + first;
    for (unsigned int i = 0; i < plan->n_shared + plan->n_private; i++)
        values[i] = work->values + i * plan->n_values + first;
    work->kind->reupdate(&work->step, first, n, reduced, values);
}

void peer_round_reupdate(struct learner *learner)
{
    struct peer_round *it = &learner->peer;
    const struct experiment_options *options = &learner->study->experiment.options;
    const struct algorithm_plan *plan = &learner->study->plan;
    static const float no_scalars[1];
    if (it->next == it->result)
        return;
    memcpy(it->next, it->kept, plan_kept_values(plan) * sizeof(float));
    struct reupdate work = {
        .kind = study_algorithm(learner->study),
        .step = {.options = options->collaboration.algorithm.options,
                 .training = &options->training,
                 .model = learner->variant->model,
                 .plan = plan,
                 .round = it->exchange.round,
                 .rounds = (uint32_t)options->collaboration.rounds,
                 .n_summaries = it->exchange.n_learners,
                 .n_learners = learner->n_learners,
                 .scalars = no_scalars},
        .reduced = it->result,
        .values = it->next,
    };
    if (work.kind->reupdate)
        pool_for(learner->host->pool, plan->n_values, RANGE_VALUES, reupdate_range, &work);
    else
        memcpy(it->next, it->result, plan->n_values * sizeof(float));
}
