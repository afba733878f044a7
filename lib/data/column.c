// Parts as the data have them: all samples with one value in a column (a speaker, a hospital) go to one
// learner.
#include "base/memory.h"
#include "data/partition.h"
#include "data/pools.h"
#include <assert.h>

struct column_options {
    const char *by;
};

static const struct field fields[] = {
    {.name = "by",
     .type = FIELD_TEXT,
     .offset = offsetof(struct column_options, by),
     .required = true,
     .help = "The column, by name or by number from 1, whose values are spread over the learners"},
    {0},
};

static const char *column(const void *options)
{
    return ((const struct column_options *)options)->by;
}

// The values, shuffled, are dealt one by one.
static enum status share(const void *options, size_t n_samples, const uint32_t *groups, size_t n_groups,
                         size_t n_learners, uint64_t seed, uint32_t *owner, struct error *error)
{
    if (n_groups < n_learners)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "column '%s' has %zu distinct values, too few for %zu learners with at least one each; set "
            "learners to at most %zu, or use another partition",
            column(options), n_groups, n_learners, n_groups);
    cleanup_free uint32_t *order = memory_array(n_groups, sizeof *order);
    if (!order)
        return error_no_memory(error, n_groups * sizeof *order);
    for (size_t i = 0; i < n_groups; i++)
        order[i] = (uint32_t)i;
    assert(n_learners > 0);
    struct random random = partition_random(seed, 0, 0, 1);
    random_shuffle(&random, order, n_groups);
    for (size_t i = 0; i < n_samples; i++)
        owner[i] = (uint32_t)(order[groups[i]] % n_learners);
    return STATUS_OK;
}

const struct partition_kind partition_column = {
    .kind =
        {
            .name = "column",
            .help = "All samples with the same value in a column go to the same learner",
            .fields = fields,
            .options_bytes = sizeof(struct column_options),
        },
    .column = column,
    .needs_groups = true,
    .share = share,
};
