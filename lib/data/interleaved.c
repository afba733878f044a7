// Parts as the order of the samples has them: those whose numbers leave the same rest go to one learner, as
// where sources took turns (`cohort data make --writers N`).
#include "base/memory.h"
#include "data/partition.h"
#include "data/pools.h"
#include <assert.h>

struct interleaved_options {
    int64_t period;
};

static const struct field fields[] = {
    {.name = "period",
     .type = FIELD_INT,
     .offset = offsetof(struct interleaved_options, period),
     .fallback = "0",
     .max = 1 << 30,
     .help = "Samples i, i + period, i + 2 period, ... are of one source; 0: as many sources as learners"},
    {0},
};

// The sources, shuffled, are dealt one by one.
static enum status share(const void *options, size_t n_samples, const uint32_t *groups, size_t n_groups,
                         size_t n_learners, uint64_t seed, uint32_t *owner, struct error *error)
{
    size_t given = (size_t)((const struct interleaved_options *)options)->period;
    size_t period = given ? given : n_learners;
    assert(n_learners > 0);
    if (period < n_learners || period > n_samples)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "period '%zu' must be from %zu, the number of learners, to %zu, that of samples: each "
            "learner needs a source of its own",
            period, n_learners, n_samples);
    cleanup_free uint32_t *order = memory_array(period, sizeof *order);
    if (!order)
        return error_no_memory(error, period * sizeof *order);
    for (size_t i = 0; i < period; i++)
        order[i] = (uint32_t)i;
    struct random random = partition_random(seed, 0, 0, 1);
    random_shuffle(&random, order, period);
    for (size_t i = 0; i < n_samples; i++)
        owner[i] = (uint32_t)(order[i % period] % n_learners);
    return STATUS_OK;
}

const struct partition_kind partition_interleaved = {
    .kind = {.name = "interleaved",
             .help = "Samples whose numbers leave the same rest, divided by the period, go to one learner",
             .fields = fields,
             .options_bytes = sizeof(struct interleaved_options)},
    .share = share,
};
