#include "datasets.h"
#include "base/memory.h"

enum {
    VALUES_MAX = 1 << 22
}; // what a gzip file grows to is bounded by its size only: read no more than this

static void check(const struct source_info *info, const struct dataset *read, size_t n)
{
    fuzz_require(read->n_samples == n && shape_equal(&read->sample, &info->sample));
    fuzz_require(read->n_outputs == info->n_outputs);
    for (size_t i = 0; i < n && read->target_type == TARGET_CLASS; i++)
        fuzz_require(read->classes[i] >= 0 && (size_t)read->classes[i] < read->n_outputs);
}

static void read_rows(struct source *source, const uint32_t *rows, size_t n)
{
    struct dataset read = DATASET_INIT;
    struct error error = ERROR_INIT;
    if (source_read(source, rows, n, &read, &error) == STATUS_OK)
        check(source_info(source), &read, n);
    else
        fuzz_require(error.message[0]);
    dataset_release(&read);
}

static void read_all(struct source *source)
{
    const struct source_info *info = source_info(source);
    fuzz_require(info->n_samples > 0 && info->n_outputs <= DATASET_OUTPUTS_MAX);
    if (info->n_samples > VALUES_MAX / (shape_size(&info->sample) + 1))
        return;
    uint32_t *groups = memory_array(info->n_samples, sizeof *groups);
    fuzz_require(groups != NULL);
    source_groups(source, NULL, groups, NULL);
    memory_free(groups);
    read_rows(source, NULL, info->n_samples);
    const uint32_t last = (uint32_t)(info->n_samples - 1);
    read_rows(source, &last, 1);
}

void fuzz_dataset(const struct choice *format, const struct data_files *files)
{
    struct source *source = NULL, *test = NULL;
    struct error error = ERROR_INIT;
    if (source_open(&source, format, files, NULL, &error) != STATUS_OK) {
        fuzz_require(error.status != STATUS_OK && error.message[0]);
        return;
    }
    read_all(source);
    if (source_open_test(&test, source, files, NULL, &error) == STATUS_OK)
        read_all(test);
    source_close(test);
    source_close(source);
}
