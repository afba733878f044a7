#include "data/probe.h"
#include "base/memory.h"
#include "base/philox.h"
#include <inttypes.h>

enum status probe_check(const struct probe_options *probe, struct error *error)
{
    if ((probe->samples > 0) != (probe->files.features != NULL))
        return STATUS_OK;
    return error_set(error, STATUS_INVALID_ARGUMENT,
                     probe->samples ? "probe has both samples and a file; keep one of samples and features"
                                    : "probe is empty; add samples: NUMBER, or features: PATH");
}

// `n` of n_all rows, ascending.
static enum status draw(size_t n_all, size_t n, uint64_t seed, uint32_t **ret, struct error *error)
{
    cleanup_free uint32_t *order = memory_array(n_all, sizeof *order);
    cleanup_free bool *taken = memory_array(n_all, sizeof *taken);
    uint32_t *rows = memory_array(n, sizeof *rows);
    if (!order || !taken || !rows) {
        memory_free(rows);
        return error_no_memory(error, n_all * sizeof *order);
    }
    struct random random = random_open((struct random_key){.seed = seed, .purpose = RANDOM_PROBE});
    for (size_t i = 0; i < n_all; i++)
        order[i] = (uint32_t)i;
    random_shuffle(&random, order, n_all);
    for (size_t i = 0; i < n; i++)
        taken[order[i]] = true;
    for (size_t i = 0, k = 0; i < n_all; i++)
        if (taken[i])
            rows[k++] = (uint32_t)i;
    *ret = rows;
    return STATUS_OK;
}

// The rows of the training data that are the probe; none where it has a file of its own.
static enum status probe_rows(const struct data_options *data, const struct source *source, uint64_t seed,
                              uint32_t **ret, size_t *ret_n, struct error *error)
{
    size_t n_all = source_info(source)->n_samples, n = data->has_probe ? (size_t)data->probe.samples : 0;
    *ret = NULL;
    *ret_n = n;
    if (n == 0)
        return STATUS_OK;
    if (n >= n_all)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "probe.samples '%zu' leaves none of the %zu training samples; lower it", n, n_all);
    return draw(n_all, n, seed, ret, error);
}

enum status probe_partition(const struct data_options *data, struct source *source, size_t n_learners,
                            uint64_t seed, struct partition *ret, struct error *error)
{
    uint32_t *rows;
    size_t n;
    TRY(probe_rows(data, source, seed, &rows, &n, error));
    enum status status =
        partition_new_without(ret, &data->partition, source, n_learners, seed, rows, n, error);
    memory_free(rows);
    return status;
}

static enum status read_files(const struct data_options *data, const struct source *source,
                              struct dataset *ret, struct error *error)
{
    struct source *probe = NULL;
    struct data_files files = data->probe.files;
    files.unlabelled = true;
    TRY(source_open_test(&probe, source, &files, NULL, error));
    enum status status = source_read(probe, NULL, 0, ret, error);
    source_close(probe);
    return status;
}

enum status probe_read(const struct data_options *data, struct source *source, uint64_t seed,
                       struct dataset *ret, struct error *error)
{
    uint32_t *rows;
    size_t n;
    if (data->probe.files.features)
        return read_files(data, source, ret, error);
    TRY(probe_rows(data, source, seed, &rows, &n, error));
    enum status status = source_read(source, rows, n, ret, error);
    memory_free(rows);
    return status;
}
