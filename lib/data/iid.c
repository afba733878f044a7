// Parts that are alike: a shuffle, dealt in equal shares.
#include "base/memory.h"
#include "data/partition.h"
#include "data/pools.h"

static enum status share(const void *options, size_t n_samples, const uint32_t *groups, size_t n_groups,
                         size_t n_learners, uint64_t seed, uint32_t *owner, struct error *error)
{
    cleanup_free uint32_t *order = memory_array(n_samples, sizeof *order);
    if (!order)
        return error_no_memory(error, n_samples * sizeof *order);
    for (size_t i = 0; i < n_samples; i++)
        order[i] = (uint32_t)i;
    struct random random = partition_random(seed, 0, 0, 1);
    random_shuffle(&random, order, n_samples);
    size_t next = 0;
    for (size_t learner = 0; learner < n_learners; learner++)
        for (size_t k = partition_quota(n_samples, n_learners, learner); k > 0; k--)
            owner[order[next++]] = (uint32_t)learner;
    return STATUS_OK;
}

const struct partition_kind partition_iid = {
    .kind = {.name = "iid", .help = "Equal parts of a shuffle, so that all learners' data are alike"},
    .share = share,
};
