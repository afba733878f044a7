// Few classes a learner, in equal parts: the samples in order of their class are cut into shards, which are
// dealt at random (McMahan et al., "Communication-efficient learning of deep networks from decentralized
// data", 2017).
#include "base/memory.h"
#include "data/partition.h"
#include "data/pools.h"
#include <inttypes.h>

struct shards_options {
    int64_t shards;
};

static const struct field fields[] = {
    {.name = "shards",
     .type = FIELD_INT,
     .offset = offsetof(struct shards_options, shards),
     .fallback = "2",
     .min = 1,
     .max = 1 << 20,
     .help = "Shards a learner gets, each of one class or of two that follow each other"},
    {0},
};

static enum status share(const void *options, size_t n_samples, const uint32_t *groups, size_t n_groups,
                         size_t n_learners, uint64_t seed, uint32_t *owner, struct error *error)
{
    size_t each = (size_t)((const struct shards_options *)options)->shards, n = each * n_learners;
    if (n > n_samples)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "%zu samples cannot be cut into %zu shards, %zu for each of %zu learners; lower shards or "
            "learners",
            n_samples, n, each, n_learners);
    cleanup_free uint32_t *order = memory_array(n, sizeof *order);
    struct pools pools;
    if (!order)
        return error_no_memory(error, n * sizeof *order);
    TRY(pools_new(&pools, groups, n_samples, n_groups, seed, error));
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    struct random random = partition_random(seed, 0, 0, 1);
    random_shuffle(&random, order, n);
    size_t next = 0; // pools.rows are in order of their group
    for (size_t shard = 0; shard < n; shard++)
        for (size_t k = partition_quota(n_samples, n, shard); k > 0; k--)
            owner[pools.rows[next++]] = (uint32_t)(order[shard] / each);
    pools_release(&pools);
    return STATUS_OK;
}

const struct partition_kind partition_shards = {
    .kind =
        {
            .name = "shards",
            .help = "Equal parts of a few classes each, as in McMahan et al. 2017",
            .fields = fields,
            .options_bytes = sizeof(struct shards_options),
        },
    .needs_groups = true,
    .share = share,
};
