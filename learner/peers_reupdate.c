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

// Eight sums of products by odd numbers (a multiplicative hash, word by word), then mixed into one.
void peer_round_digest(const float *values, size_t n, char ret[17])
{
    enum { LANES = 8 };
    uint64_t lanes[LANES] = {1, 2, 3, 4, 5, 6, 7, 8}, digest = n;
    size_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        uint64_t words[LANES];
        memcpy(words, values + i, sizeof words);
        for (size_t k = 0; k < LANES; k++)
            lanes[k] = (lanes[k] ^ words[k]) * UINT64_C(0x9e3779b97f4a7c15);
    }
    for (size_t k = 0; i < n; i++, k = (k + 1) % LANES) {
        uint32_t word;
        memcpy(&word, values + i, sizeof word);
        lanes[k] = (lanes[k] ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    }
    for (size_t k = 0; k < LANES; k++)
        digest = (digest ^ (lanes[k] ^ lanes[k] >> 29)) * UINT64_C(0xbf58476d1ce4e5b9);
    snprintf(ret, 17, "%016llx", (unsigned long long)(digest ^ digest >> 32));
}
