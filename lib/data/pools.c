#include "data/pools.h"
#include "base/memory.h"

struct random partition_random(uint64_t seed, uint32_t learner, uint32_t step, uint16_t index)
{
    return random_open((struct random_key){
        .seed = seed, .purpose = RANDOM_PARTITION, .learner = learner, .step = step, .index = index});
}

size_t partition_quota(size_t n_samples, size_t n_learners, size_t learner)
{
    return n_samples / n_learners + (learner < n_samples % n_learners);
}

// A counting sort, filled from behind so that each group's rows ascend.
static void sort(struct pools *pools, const uint32_t *groups, size_t n_samples)
{
    for (size_t i = 0; i < n_samples; i++)
        pools->end[groups[i]]++;
    for (size_t g = 0; g < pools->n_groups; g++) {
        pools->end[g] += g ? pools->end[g - 1] : 0;
        pools->next[g] = pools->end[g];
    }
    for (size_t i = n_samples; i-- > 0;)
        pools->rows[--pools->next[groups[i]]] = (uint32_t)i;
}

enum status pools_new(struct pools *ret, const uint32_t *groups, size_t n_samples, size_t n_groups,
                      uint64_t seed, struct error *error)
{
    struct pools pools = {
        .n_groups = n_groups,
        .next = memory_array(n_groups, sizeof *pools.next),
        .end = memory_array(n_groups, sizeof *pools.end),
        .rows = memory_array(n_samples, sizeof *pools.rows),
    };
    if (!pools.next || !pools.end || !pools.rows) {
        pools_release(&pools);
        return error_no_memory(error, (n_samples + n_groups) * sizeof *pools.next);
    }
    sort(&pools, groups, n_samples);
    for (size_t g = 0; g < n_groups; g++) {
        struct random random = partition_random(seed, 0, (uint32_t)g, 0);
        random_shuffle(&random, pools.rows + pools.next[g], pools.end[g] - pools.next[g]);
    }
    *ret = pools;
    return STATUS_OK;
}

void pools_release(struct pools *pools)
{
    memory_free(pools->next);
    memory_free(pools->end);
    memory_free(pools->rows);
    *pools = (struct pools){0};
}
