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

// What is shared out: all samples of a source but some.
struct sharing {
    const struct choice *choice;
    struct source *source;
    size_t n_samples; // to be shared out
    uint32_t *rows;   // [n_samples] in the source, ascending; NULL: all
    size_t n_learners;
    uint64_t seed;
};

static enum status share(const struct sharing *sharing, uint32_t *owner, struct error *error)
{
    const struct partition_kind *kind = (const struct partition_kind *)sharing->choice->kind;
    const void *options = sharing->choice->options;
    size_t n_all = source_info(sharing->source)->n_samples, n_groups = 0;
    if (!kind->needs_groups)
        return kind->share(options, sharing->n_samples, NULL, 0, sharing->n_learners, sharing->seed, owner,
                           error);
    cleanup_free uint32_t *groups = memory_array(n_all, sizeof *groups);
    if (!groups)
        return error_no_memory(error, n_all * sizeof *groups);
    TRY(read_groups(kind, options, sharing->source, groups, &n_groups, error));
    for (size_t i = 0; sharing->rows && i < sharing->n_samples; i++)
        groups[i] = groups[sharing->rows[i]]; // rows ascend: none is read after it was overwritten
    return kind->share(options, sharing->n_samples, groups, n_groups, sharing->n_learners, sharing->seed,
                       owner, error);
}

// From owners to rows: a counting sort, so that each learner's rows ascend.
static enum status collect(struct partition *partition, const struct sharing *sharing, const uint32_t *owner,
                           struct error *error)
{
    size_t n = partition->n_learners, n_samples = sharing->n_samples;
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
        partition->rows[next[owner[i]]++] = sharing->rows ? sharing->rows[i] : (uint32_t)i;
    return STATUS_OK;
}

static enum status share_out(const struct sharing *sharing, struct partition *ret, struct error *error)
{
    size_t n_samples = sharing->n_samples, n_learners = sharing->n_learners;
    if (n_learners == 0 || n_learners > n_samples)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "%zu samples cannot be shared out among %zu learners, at least one each; set learners to "
            "between 1 and %zu, or use more data",
            n_samples, n_learners, n_samples);
    cleanup_free uint32_t *owner = memory_array(n_samples, sizeof *owner);
    if (!owner)
        return error_no_memory(error, n_samples * sizeof *owner);
    TRY(share(sharing, owner, error));
    struct partition partition = {.n_learners = n_learners};
    enum status status = collect(&partition, sharing, owner, error);
    if (status == STATUS_OK)
        *ret = partition;
    else
        partition_release(&partition);
    return status;
}

enum status partition_new(struct partition *ret, const struct choice *kind, struct source *source,
                          size_t n_learners, uint64_t seed, struct error *error)
{
    return partition_new_without(ret, kind, source, n_learners, seed, NULL, 0, error);
}

enum status partition_new_without(struct partition *ret, const struct choice *kind, struct source *source,
                                  size_t n_learners, uint64_t seed, const uint32_t *held_out,
                                  size_t n_held_out, struct error *error)
{
    size_t n_all = source_info(source)->n_samples, n = 0;
    cleanup_free uint32_t *rows = n_held_out ? memory_array(n_all, sizeof *rows) : NULL;
    if (n_held_out && !rows)
        return error_no_memory(error, n_all * sizeof *rows);
    for (size_t i = 0, k = 0; rows && held_out && i < n_all; i++)
        if (k < n_held_out && held_out[k] == i)
            k++;
        else
            rows[n++] = (uint32_t)i;
    const struct sharing sharing = {kind, source, rows ? n : n_all, rows, n_learners, seed};
    return share_out(&sharing, ret, error);
}

void partition_release(struct partition *partition)
{
    memory_free(partition->offsets);
    memory_free(partition->rows);
    *partition = (struct partition){0};
}
