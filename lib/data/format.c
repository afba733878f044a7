#include "data/format.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/partition.h"
#include "data/probe.h"
#include <inttypes.h>

#define X(name) extern const struct format_kind format_##name;
#include "data/formats.def"
#undef X

static const struct kind *const kinds[] = {
#define X(name) &format_##name.kind,
#include "data/formats.def"
#undef X
};

const struct registry formats = {.what = "format", .kinds = kinds, .n_kinds = ARRAY_SIZE(kinds)};

static const struct field files_fields[] = {
    {.name = "features",
     .type = FIELD_TEXT,
     .offset = offsetof(struct data_files, features),
     .help = "The file of the samples, which every format but `generated` needs; a relative path starts at "
             "the current folder"},
    {.name = "labels",
     .type = FIELD_TEXT,
     .offset = offsetof(struct data_files, labels),
     .help = "The file of their labels, for formats that keep them apart"},
    {0},
};

static const struct field probe_fields[] = {
    {.name = "samples",
     .type = FIELD_INT,
     .offset = offsetof(struct probe_options, samples),
     .fallback = "0",
     .min = 0,
     .max = 1e6,
     .help = "Drawn from the training samples by the seed, before these are shared out; 0: a file is named"},
    {.name = "features",
     .type = FIELD_TEXT,
     .offset = offsetof(struct probe_options, files.features),
     .help = "A file of such samples, the same for every learner"},
    {.name = "labels",
     .type = FIELD_TEXT,
     .offset = offsetof(struct probe_options, files.labels),
     .help = "Never used; a file of arrays needs none"},
    {0},
};

const struct field data_fields[] = {
    {.name = "format",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct data_options, format),
     .required = true,
     .registry = &formats,
     .help = "How the files are written"},
    {.name = "train",
     .type = FIELD_SECTION,
     .offset = offsetof(struct data_options, train),
     .fields = files_fields,
     .help = "What the learners learn from"},
    {.name = "test",
     .type = FIELD_SECTION,
     .offset = offsetof(struct data_options, test),
     .fields = files_fields,
     .optional = true,
     .given_offset = offsetof(struct data_options, has_test),
     .help = "What the model is tested on after each round"},
    {.name = "probe",
     .type = FIELD_SECTION,
     .offset = offsetof(struct data_options, probe),
     .fields = probe_fields,
     .optional = true,
     .given_offset = offsetof(struct data_options, has_probe),
     .help = "Unlabelled samples that all learners share, for algorithms that exchange predictions on them"},
    {.name = "partition",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct data_options, partition),
     .fallback = "iid",
     .registry = &partitions,
     .help = "How the training samples are shared out among the learners of one machine"},
    {0},
};

static enum status check_files(const struct kind *kind, const struct data_files *files, const char *what,
                               struct error *error)
{
    bool reads_files = !((const struct format_kind *)kind)->no_files;
    if (reads_files && !files->features)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "%s.features is missing, and the format '%s' reads files; add `%s: {features: PATH}`", what,
            kind->name, what);
    if (!reads_files && (files->features || files->labels))
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "the format '%s' reads no files, but %s names '%s'; leave it out, or choose the "
                         "format of the file",
                         kind->name, what, files->features ? files->features : files->labels);
    return STATUS_OK;
}

enum status data_check(const struct data_options *data, struct error *error)
{
    TRY(check_files(data->format.kind, &data->train, "train", error));
    if (data->has_test)
        TRY(check_files(data->format.kind, &data->test, "test", error));
    if (!data->has_probe)
        return STATUS_OK;
    if (data->probe.files.features)
        TRY(check_files(data->format.kind, &data->probe.files, "probe", error));
    return probe_check(&data->probe, error);
}

struct source {
    struct choice format;
    void *object;
    char *features, *labels; // joined paths; without files, the format's name for messages
    struct source_info info;
};

static const struct format_kind *format_of(const struct source *source)
{
    return (const struct format_kind *)source->format.kind;
}

static enum status open_files(struct source *source, const struct data_files *files, const char *folder,
                              const struct source *like, struct error *error)
{
    source->features =
        files->features ? file_join(folder, files->features) : memory_copy_text(source->format.kind->name);
    source->labels = files->labels ? file_join(folder, files->labels) : NULL;
    if (!source->features || (files->labels && !source->labels))
        return error_no_memory(error, 1);
    struct data_files joined = {
        .features = source->features, .labels = source->labels, .unlabelled = files->unlabelled};
    if (!format_of(source)->no_files)
        TRY(check_files(source->format.kind, files, "train", error));
    return format_of(source)->open(source->format.options, &joined, like ? like->object : NULL,
                                   &source->object, &source->info, error);
}

static enum status open_like(struct source **ret, const struct choice *format, const struct data_files *files,
                             const char *folder, const struct source *like, struct error *error)
{
    struct source *source = memory_zalloc(sizeof *source);
    if (!source)
        return error_no_memory(error, sizeof *source);
    source->format = *format;
    enum status status = open_files(source, files, folder, like, error);
    if (status != STATUS_OK) {
        source_close(source);
        return status;
    }
    *ret = source;
    return STATUS_OK;
}

enum status source_open(struct source **ret, const struct choice *format, const struct data_files *files,
                        const char *folder, struct error *error)
{
    return open_like(ret, format, files, folder, NULL, error);
}

enum status source_open_test(struct source **ret, const struct source *train, const struct data_files *files,
                             const char *folder, struct error *error)
{
    return open_like(ret, &train->format, files, folder, train, error);
}

struct source *source_close(struct source *source)
{
    if (!source)
        return NULL;
    if (source->object)
        format_of(source)->close(source->object);
    memory_free(source->features);
    memory_free(source->labels);
    return memory_free(source);
}

const struct source_info *source_info(const struct source *source)
{
    return &source->info;
}

static enum status check_rows(const struct source *source, const uint32_t *rows, size_t n,
                              struct error *error)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i] >= source->info.n_samples || (i && rows[i] <= rows[i - 1]))
            return error_set(error, STATUS_OUT_OF_RANGE,
                             "'%s': row %" PRIu32 " was asked for at place %zu, where rows ascend below %zu",
                             source->features, rows[i], i, source->info.n_samples);
    return STATUS_OK;
}

enum status source_read(struct source *source, const uint32_t *rows, size_t n, struct dataset *ret,
                        struct error *error)
{
    if (rows)
        TRY(check_rows(source, rows, n, error));
    else
        n = source->info.n_samples;
    struct dataset dataset = {
        .sample = source->info.sample,
        .target_type = source->info.target_type,
        .n_outputs = source->info.n_outputs,
    };
    TRY(dataset_reserve(&dataset, n, error));
    enum status status = format_of(source)->read(source->object, rows, n, &dataset, error);
    if (status != STATUS_OK) {
        dataset_release(&dataset);
        return status;
    }
    *ret = dataset;
    return STATUS_OK;
}

enum status source_groups(struct source *source, const char *column, uint32_t *ret, struct error *error)
{
    if (!column && source->info.target_type != TARGET_CLASS)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "'%s' has values to predict and no classes to share out by; use the partition iid, or "
            "column with by: NAME",
            source->features);
    return format_of(source)->groups(source->object, column, ret, error);
}
