// CSV as spreadsheets and pandas write it (RFC 4180): a record a sample. Two readings: the survey at opening,
// and one for the rows asked for, so that memory holds no more than those.
#include "data/csv.h"
#include "base/memory.h"
#include "data/csv_value.h"
#include <string.h>

static const char *const header_words[] = {"auto", "true", "false", NULL};
static const char *const missing_words[] = {"error", "mean", "zero", "drop", NULL};

#define ROW(name_, type_, fallback_, help_)                                                                  \
    .name = #name_, .type = (type_), .offset = offsetof(struct csv_options, name_), .fallback = (fallback_), \
    .help = (help_)

static const struct field fields[] = {
    {ROW(header, FIELD_WORD, "auto", "Whether the first record names the columns; auto looks"),
     .words = header_words},
    {ROW(separator, FIELD_TEXT, "','", "The one character between cells; write tab for a tab")},
    {ROW(label, FIELD_TEXT, NULL, "The column to learn, by name or by number from 1; default the last")},
    {ROW(targets, FIELD_TEXTS, NULL, "The columns to predict when they are several, with target: values")},
    {ROW(target, FIELD_WORD, "class", "Whether the label is a class or a value to predict"),
     .words = dataset_target_words},
    {ROW(classes, FIELD_TEXTS, NULL,
         "Every label in order of its class; default those in the training file, sorted")},
    {ROW(columns, FIELD_TEXTS, NULL, "The columns that are features; default all but the label")},
    {ROW(ignore, FIELD_TEXTS, NULL, "Columns that are no features")},
    {ROW(missing, FIELD_WORD, "error",
         "What a missing feature becomes: its column's mean, zero, an error, or the record is dropped"),
     .words = missing_words},
    {ROW(missing_values, FIELD_TEXTS, "['', NA, NaN, nan, '?']", "The cells that count as missing")},
    {ROW(standardize, FIELD_BOOL, "false",
         "Whether features get mean 0 and deviation 1, by the whole training file's statistics")},
    {ROW(shape, FIELD_INTS, NULL, "The shape of a sample, when not a row of numbers: [1, 28, 28]"), .min = 1},
    {0},
};

static char separator_of(const struct csv_options *options)
{
    return strcmp(options->separator, "tab") == 0 ? '\t' : *options->separator;
}

static enum status check_classes(const struct text_list *classes, struct error *error)
{
    struct words words = WORDS_INIT;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < classes->n && status == STATUS_OK; i++) {
        uint32_t number = 0;
        status = words_add(&words, classes->values[i], &number, error);
        if (status == STATUS_OK && number != i)
            status = error_set(error, STATUS_INVALID_ARGUMENT, "classes has '%s' twice; list each class once",
                               classes->values[i]);
    }
    words_release(&words);
    return status;
}

static enum status check(const void *kind_options, struct error *error)
{
    const struct csv_options *options = kind_options;
    const char *separator = options->separator;
    if (strcmp(separator, "tab") && (strlen(separator) != 1 || strchr("\"\r\n", *separator)))
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "separator '%s' must be one character and no quote, such as ',', ';' or tab",
                         separator);
    if (options->targets.n && options->target != TARGET_VALUES)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "targets is for several values to predict; set target: values, or name the class with label");
    if (options->targets.n && options->label)
        return error_set(error, STATUS_INVALID_ARGUMENT, "targets and label exclude each other; keep one");
    if (options->classes.n && options->target != TARGET_CLASS)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "classes is for target: class; leave it out, or set target: class");
    return check_classes(&options->classes, error);
}

void csv_release(struct csv *csv)
{
    for (size_t i = 0; csv->names && i < csv->n_columns; i++)
        memory_free(csv->names[i]);
    for (size_t i = 0; csv->class_names && i < csv->info.n_outputs; i++)
        memory_free(csv->class_names[i]);
    memory_free(csv->names);
    memory_free(csv->class_names);
    memory_free(csv->features);
    memory_free(csv->targets);
    memory_free(csv->center);
    memory_free(csv->scale);
    memory_free(csv->classes);
}

static void csv_close(void *source)
{
    csv_release(source);
    memory_free(source);
}

static enum status open_csv(struct csv *csv, const struct data_files *files, const struct csv *like,
                            struct error *error)
{
    const struct csv_options *options = csv->options;
    if (files->labels)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "'%s' is named for labels, which CSV has in a column of the features' file; leave labels "
            "out and set the format's label",
            files->labels);
    csv->path = files->features;
    csv->separator = separator_of(options);
    csv->info.target_type = options->target;
    TRY(csv_find_columns(csv, like, error));
    csv->info.sample = (struct shape){.rank = 1, .extents = {csv->n_features}};
    if (options->shape.n)
        TRY(dataset_reshape(&csv->info.sample, &options->shape, csv->path, &csv->info.sample, error));
    return csv_survey(csv, like, error);
}

static enum status csv_open(const void *options, const struct data_files *files, const void *like, void **ret,
                            struct source_info *ret_info, struct error *error)
{
    struct csv *csv = memory_zalloc(sizeof *csv);
    if (!csv)
        return error_no_memory(error, sizeof *csv);
    csv->options = options;
    enum status status = open_csv(csv, files, like, error);
    if (status != STATUS_OK) {
        csv_close(csv);
        return status;
    }
    *ret = csv;
    *ret_info = csv->info;
    return STATUS_OK;
}

static enum status read_features(const struct csv *csv, const struct csv_samples *samples, float *ret,
                                 struct error *error)
{
    bool standardize = csv->options->standardize;
    for (size_t i = 0; i < csv->n_features; i++) {
        double value = csv->options->missing == CSV_MISSING_MEAN ? csv->center[i] : 0;
        size_t column = csv->features[i];
        if (!csv_is_missing(csv, csv_text(&samples->record, column)))
            TRY(csv_cell_number(csv, samples, column, &value, error));
        ret[i] = (float)(standardize ? (value - csv->center[i]) / csv->scale[i] : value);
    }
    return STATUS_OK;
}

static enum status read_sample(const struct csv *csv, const struct csv_samples *samples, size_t at,
                               struct dataset *ret, struct error *error)
{
    TRY(read_features(csv, samples, ret->features + at * csv->n_features, error));
    if (ret->target_type == TARGET_CLASS) {
        ret->classes[at] = csv->classes[samples->n - 1];
        return STATUS_OK;
    }
    for (size_t i = 0; i < csv->n_targets; i++) {
        double value;
        TRY(csv_cell_number(csv, samples, csv->targets[i], &value, error));
        ret->values[at * csv->n_targets + i] = (float)value;
    }
    return STATUS_OK;
}

static enum status read_rows(const struct csv *csv, struct csv_samples *samples, const uint32_t *rows,
                             size_t n, struct dataset *ret, struct error *error)
{
    for (size_t taken = 0; taken < n;) {
        TRY(csv_samples_next(samples, csv, error));
        if (samples->record.n_cells == 0 || samples->n > csv->info.n_samples)
            return error_set(error, STATUS_ABORTED,
                             "'%s' was changed while it was read; start again when its writer is done",
                             csv->path);
        if (samples->n - 1 == (rows ? rows[taken] : taken))
            TRY(read_sample(csv, samples, taken++, ret, error));
    }
    return STATUS_OK;
}

static enum status csv_read(void *source, const uint32_t *rows, size_t n, struct dataset *ret,
                            struct error *error)
{
    const struct csv *csv = source;
    struct csv_samples samples;
    TRY(csv_samples_open(&samples, csv, error));
    enum status status = read_rows(csv, &samples, rows, n, ret, error);
    csv_scan_close(samples.scan);
    return status;
}

static enum status number_column(const struct csv *csv, struct csv_samples *samples, size_t column,
                                 struct words *words, uint32_t *ret, struct error *error)
{
    for (size_t i = 0; i < csv->info.n_samples; i++) {
        TRY(csv_samples_next(samples, csv, error));
        if (samples->record.n_cells == 0)
            return error_set(error, STATUS_ABORTED,
                             "'%s' was changed while it was read; start again when its writer is done",
                             csv->path);
        TRY(words_add(words, csv_text(&samples->record, column), &ret[i], error));
    }
    return STATUS_OK;
}

static enum status csv_groups(void *source, const char *name, uint32_t *ret, struct error *error)
{
    const struct csv *csv = source;
    struct csv_samples samples;
    struct words words = WORDS_INIT;
    size_t column;
    for (size_t i = 0; !name && i < csv->info.n_samples; i++)
        ret[i] = (uint32_t)csv->classes[i];
    if (!name)
        return STATUS_OK;
    TRY(csv_find_column(csv, name, "by", &column, error));
    TRY(csv_samples_open(&samples, csv, error));
    enum status status = number_column(csv, &samples, column, &words, ret, error);
    words_release(&words);
    csv_scan_close(samples.scan);
    return status;
}

const struct format_kind format_csv = {
    .kind =
        {
            .name = "csv",
            .help = "A table of numbers with the label in a column, plain or gzipped",
            .fields = fields,
            .options_bytes = sizeof(struct csv_options),
            .check = check,
        },
    .open = csv_open,
    .groups = csv_groups,
    .read = csv_read,
    .close = csv_close,
};
