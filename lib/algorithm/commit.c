#include "algorithm/commit.h"
#include "base/memory.h"
#include <string.h>

enum { TILE_VALUES = 1 << 12 };

static unsigned int n_kept(const struct algorithm_plan *plan)
{
    return plan->n_shared + plan->n_private;
}

enum status commit_open(struct commit *commit, struct pool *pool, struct error *error)
{
    const struct algorithm_plan *plan = commit->step.plan;
    const struct settling settling = {.reference = plan->around_model ? commit->current : NULL,
                                      .n_reference = plan->around_model ? plan->n_values : 0,
                                      .pool = pool};
    commit->error = ERROR_INIT;
    commit->step.scalars = commit->scalars;
    TRY(reduction_settle(commit->reduction, &settling, error));
    if (plan->n_scalars)
        TRY(reduction_finish(commit->reduction, plan->n_vectors * plan->n_sent, plan->n_scalars,
                             commit->scalars, error));
    pthread_mutex_init(&commit->lock, NULL);
    return STATUS_OK;
}

enum status commit_close(struct commit *commit, struct error *error)
{
    pthread_mutex_destroy(&commit->lock);
    if (commit->error.status != STATUS_OK && error)
        *error = commit->error;
    return commit->error.status;
}

static void note(struct commit *commit, const struct error *error)
{
    pthread_mutex_lock(&commit->lock);
    if (commit->error.status == STATUS_OK)
        commit->error = *error;
    pthread_mutex_unlock(&commit->lock);
}

bool commit_is_whole(const struct commit *commit)
{
    return commit->kind->resolve != NULL;
}

static enum status reupdate_tile(const struct commit *commit, size_t at, size_t n, struct error *error)
{
    const struct algorithm_plan *plan = commit->step.plan;
    float tiles[ALGORITHM_VECTORS_MAX][TILE_VALUES];
    float *reduced[ALGORITHM_VECTORS_MAX], *values[ALGORITHM_VECTORS_MAX];
    for (unsigned int i = 0; i < plan->n_vectors; i++) {
        reduced[i] = tiles[i];
        TRY(reduction_finish(commit->reduction, i * plan->n_values + at, n, reduced[i], error));
    }
    for (unsigned int i = 0; i < n_kept(plan); i++) {
        values[i] = commit->next + i * plan->n_values + at;
        if (commit->next != commit->current)
            memcpy(values[i], commit->current + i * plan->n_values + at, n * sizeof(float));
    }
    commit->kind->reupdate(&commit->step, at, n, reduced, values);
    return STATUS_OK;
}

void commit_range(void *user, size_t first, size_t n)
{
    struct commit *commit = user;
    struct error error = ERROR_INIT;
    enum status status = STATUS_OK;
    if (!commit->kind->reupdate) // the mean is the next model
        status = reduction_finish(commit->reduction, first, n, commit->next + first, &error);
    for (size_t at = first; commit->kind->reupdate && at < first + n && status == STATUS_OK;
         at += TILE_VALUES)
        status =
            reupdate_tile(commit, at, first + n - at < TILE_VALUES ? first + n - at : TILE_VALUES, &error);
    if (status != STATUS_OK)
        note(commit, &error);
}

static enum status resolve(struct commit *commit, struct error *error)
{
    const struct algorithm_plan *plan = commit->step.plan;
    float *reduced[ALGORITHM_VECTORS_MAX], *values[ALGORITHM_VECTORS_MAX];
    size_t n = plan->n_vectors * plan->n_sent;
    cleanup_free float *all = memory_floats(n);
    if (!all)
        return error_no_memory(error, n * sizeof(float));
    TRY(reduction_finish(commit->reduction, 0, n, all, error));
    if (commit->next != commit->current)
        memcpy(commit->next, commit->current, plan_kept_values(plan) * sizeof(float));
    for (unsigned int i = 0; i < plan->n_vectors; i++)
        reduced[i] = all + i * plan->n_sent;
    for (unsigned int i = 0; i < n_kept(plan); i++)
        values[i] = commit->next + i * plan->n_values;
    return commit->kind->resolve(&commit->step, reduced, values, error);
}

void commit_whole(struct commit *commit)
{
    struct error error = ERROR_INIT;
    if (resolve(commit, &error) != STATUS_OK)
        note(commit, &error);
}
