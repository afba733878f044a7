#include "data/partition.h"
#include "base/memory.h"

#define X(name) extern const struct partition_kind partition_##name;
#include "data/partitions.def"
#undef X

static const struct kind *const kinds[] = {
#define X(name) &partition_##name.kind,
#include "data/partitions.def"
#undef X
};

const struct registry partitions = {.what = "partition", .kinds = kinds, .n_kinds = ARRAY_SIZE(kinds)};

// Group numbers of every sample, and how many groups there are.
static enum status read_groups(const struct partition_kind *kind, const void *options, struct source *source,
                               uint32_t *ret, size_t *ret_n, struct error *error)
{
    TRY(source_groups(source, kind->column ? kind->column(options) : NULL, ret, error));
    size_t n = 0;
    for (size_t i = 0; i < source_info(source)->n_samples; i++)
        if (ret[i] >= n)
            n = (size_t)ret[i] + 1;
    *ret_n = n;
    return STATUS_OK;
}

static enum status share(const struct choice *choice, struct source *source, size_t n_learners, uint64_t seed,
                         uint32_t *owner, struct error *error)
{
    const struct partition_kind *kind = (const struct partition_kind *)choice->kind;
    size_t n_samples = source_info(source)->n_samples, n_groups = 0;
    if (!kind->needs_groups)
        return kind->share(choice->options, n_samples, NULL, 0, n_learners, seed, owner, error);
    cleanup_free uint32_t *groups = memory_array(n_samples, sizeof *groups);
    if (!groups)
        return error_no_memory(error, n_samples * sizeof *groups);
    TRY(read_groups(kind, choice->options, source, groups, &n_groups, error));
    return kind->share(choice->options, n_samples, groups, n_groups, n_learners, seed, owner, error);
}

// From owners to rows: a counting sort, so that each learner's rows ascend.
static enum status collect(struct partition *partition, const uint32_t *owner, size_t n_samples,
                           struct error *error)
{
    size_t n = partition->n_learners;
    partition->offsets = memory_array(n + 2, sizeof *partition->offsets);
    partition->rows = memory_array(n_samples, sizeof *partition->rows);
    if (!partition->offsets || !partition->rows)
        return error_no_memory(error, n_samples * sizeof *partition->rows);
    size_t *next = partition->offsets + 1; // where learner i's next row goes; ends as offsets[i + 1]
    for (size_t i = 0; i < n_samples; i++)
        next[owner[i] + 1]++;
    for (size_t i = 0; i < n; i++) {
        if (next[i + 1] == 0)
            return error_set(
                error, STATUS_FAILED_PRECONDITION,
                "learner %zu of %zu would get none of the %zu samples; use fewer learners or another "
                "partition",
                i, n, n_samples);
        next[i + 1] += next[i];
    }
    for (size_t i = 0; i < n_samples; i++)
        partition->rows[next[owner[i]]++] = (uint32_t)i;
    return STATUS_OK;
}

enum status partition_new(struct partition *ret, const struct choice *kind, struct source *source,
                          size_t n_learners, uint64_t seed, struct error *error)
{
    size_t n_samples = source_info(source)->n_samples;
    if (n_learners == 0 || n_learners > n_samples)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "%zu samples cannot be shared out among %zu learners, at least one each; set learners to "
            "between 1 and %zu, or use more data",
            n_samples, n_learners, n_samples);
    cleanup_free uint32_t *owner = memory_array(n_samples, sizeof *owner);
    if (!owner)
        return error_no_memory(error, n_samples * sizeof *owner);
    TRY(share(kind, source, n_learners, seed, owner, error));
    struct partition partition = {.n_learners = n_learners};
    enum status status = collect(&partition, owner, n_samples, error);
    if (status == STATUS_OK)
        *ret = partition;
    else
        partition_release(&partition);
    return status;
}

void partition_release(struct partition *partition)
{
    memory_free(partition->offsets);
    memory_free(partition->rows);
    *partition = (struct partition){0};
}
