// The first reading of a CSV file: how many samples, which classes, what means and deviations.
#include "base/memory.h"
#include "data/csv.h"
#include "data/csv_value.h"
#include "data/shown.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum status csv_samples_open(struct csv_samples *ret, const struct csv *csv, struct error *error)
{
    struct csv_samples samples = {0};
    TRY(csv_scan_open(&samples.scan, csv->path, csv->separator, error));
    enum status status = csv->has_header ? csv_scan_next(samples.scan, &samples.record, error) : STATUS_OK;
    if (status != STATUS_OK) {
        csv_scan_close(samples.scan);
        return status;
    }
    *ret = samples;
    return STATUS_OK;
}

// True when a cell in use is missing.
static bool has_missing(const struct csv *csv, const struct csv_record *record)
{
    for (size_t i = 0; i < csv->n_features; i++)
        if (csv_is_missing(csv, csv_text(record, csv->features[i])))
            return true;
    for (size_t i = 0; i < csv->n_targets; i++)
        if (csv_is_missing(csv, csv_text(record, csv->targets[i])))
            return true;
    return false;
}

enum status csv_samples_next(struct csv_samples *samples, const struct csv *csv, struct error *error)
{
    do {
        TRY(csv_scan_next(samples->scan, &samples->record, error));
        if (samples->record.n_cells && samples->record.n_cells != csv->n_columns)
            return error_set(error, STATUS_ABORTED,
                             "'%s' was changed while it was read; start again when its writer is done",
                             csv->path);
    } while (samples->record.n_cells && csv->options->missing == CSV_MISSING_DROP &&
             has_missing(csv, &samples->record));
    samples->n += samples->record.n_cells != 0;
    return STATUS_OK;
}

enum status csv_cell_number(const struct csv *csv, const struct csv_samples *samples, size_t column,
                            double *ret, struct error *error)
{
    const struct csv_cell *cell = &samples->record.cells[column];
    const char *text = csv_text(&samples->record, column);
    char shown[SHOWN_BYTES], name[48];
    double number;
    if (csv_number(text, &number) && isfinite((float)number)) {
        *ret = number;
        return STATUS_OK;
    }
    shown_text(text, shown);
    csv_column_name(csv, column, name);
    if (csv_is_not_finite(text) || csv_number(text, &number))
        return csv_error(samples->scan, cell, error,
                         "'%s' in column '%s' is no finite number; replace it, or add it to missing_values",
                         shown, name);
    return csv_error(
        samples->scan, cell, error,
        "'%s' in column '%s' is not a number; encode it as numbers, add it to missing_values, or "
        "leave the column out with ignore%s",
        shown, name, samples->n == 1 && !csv->has_header ? "; if this is the header, set header: true" : "");
}

// What is learned on the way. Means and variances by Welford (1962).
struct survey {
    struct words labels;
    uint32_t *label_of; // [n samples]
    size_t room;
    size_t *n; // [n_features]: cells that are not missing
    double *mean, *square;
};

static enum status missing_cell(const struct csv *csv, const struct csv_samples *samples, size_t column,
                                bool is_target, struct error *error)
{
    char name[48];
    return csv_error(samples->scan, &samples->record.cells[column], error,
                     is_target
                         ? "the label in column '%s' is missing; fill it in, or set missing: drop"
                         : "the value in column '%s' is missing; fill it in, or set missing to mean, zero or "
                           "drop",
                     csv_column_name(csv, column, name));
}

static enum status survey_features(const struct csv *csv, const struct csv_samples *samples,
                                   struct survey *survey, struct error *error)
{
    for (size_t i = 0; i < csv->n_features; i++) {
        double value = 0;
        size_t column = csv->features[i];
        if (csv_is_missing(csv, csv_text(&samples->record, column))) {
            if (csv->options->missing == CSV_MISSING_ERROR)
                return missing_cell(csv, samples, column, false, error);
            continue;
        }
        TRY(csv_cell_number(csv, samples, column, &value, error));
        double off = value - survey->mean[i];
        survey->mean[i] += off / (double)++survey->n[i];
        survey->square[i] += off * (value - survey->mean[i]);
    }
    return STATUS_OK;
}

static enum status keep_label(struct survey *survey, size_t sample, const char *text, struct error *error)
{
    if (sample >= survey->room) {
        size_t room = survey->room ? 2 * survey->room : 1024;
        uint32_t *label_of = memory_resize(survey->label_of, room, sizeof *label_of);
        if (!label_of)
            return error_no_memory(error, room * sizeof *label_of);
        survey->label_of = label_of;
        survey->room = room;
    }
    return words_add(&survey->labels, text, &survey->label_of[sample], error);
}

static enum status survey_targets(const struct csv *csv, const struct csv_samples *samples,
                                  struct survey *survey, struct error *error)
{
    for (size_t i = 0; i < csv->n_targets; i++) {
        size_t column = csv->targets[i];
        const char *text = csv_text(&samples->record, column);
        double value;
        if (csv_is_missing(csv, text))
            return missing_cell(csv, samples, column, true, error);
        if (csv->options->target == TARGET_VALUES) {
            TRY(csv_cell_number(csv, samples, column, &value, error));
            continue;
        }
        TRY(keep_label(survey, samples->n - 1, text, error));
        if (survey->labels.n > DATASET_OUTPUTS_MAX)
            return csv_error(
                samples->scan, &samples->record.cells[column], error,
                "more than %d different labels; if they are numbers to predict, set target: values",
                DATASET_OUTPUTS_MAX);
    }
    return STATUS_OK;
}

static enum status survey_samples(struct csv *csv, struct survey *survey, struct error *error)
{
    struct csv_samples samples;
    TRY(csv_samples_open(&samples, csv, error));
    enum status status;
    while ((status = csv_samples_next(&samples, csv, error)) == STATUS_OK && samples.record.n_cells) {
        if (samples.n >= UINT32_MAX)
            status = error_set(error, STATUS_INVALID_ARGUMENT, "'%s' has more than %u samples; split it",
                               csv->path, UINT32_MAX - 1);
        if (status == STATUS_OK)
            status = survey_features(csv, &samples, survey, error);
        if (status == STATUS_OK)
            status = survey_targets(csv, &samples, survey, error);
        if (status != STATUS_OK)
            break;
    }
    csv->info.n_samples = samples.n;
    csv_scan_close(samples.scan);
    if (status == STATUS_OK && samples.n == 0)
        return error_set(error, STATUS_INVALID_ARGUMENT, "'%s' holds no samples%s; give it data", csv->path,
                         csv->options->missing == CSV_MISSING_DROP ? " without a missing value" : "");
    return status;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_numbers(const void *a, const void *b)
{
    double x = 0, y = 0;
    csv_number(*(char *const *)a, &x);
    csv_number(*(char *const *)b, &y);
    return x < y ? -1 : x > y ? 1 : compare_texts(a, b);
}

// The classes' names in order: as given by the option or by the training data, or else what labels there are,
// sorted: by value when all are numbers.
static enum status name_classes(struct csv *csv, const struct csv *like, const struct words *labels,
                                struct error *error)
{
    const struct text_list *given = &csv->options->classes;
    size_t n = like ? like->info.n_outputs : given->n ? given->n : labels->n;
    char *const *names = like ? like->class_names : given->n ? (char *const *)given->values : labels->items;
    bool numbers = true;
    double number;
    csv->class_names = memory_array(n, sizeof *csv->class_names);
    if (!csv->class_names)
        return error_no_memory(error, n * sizeof *csv->class_names);
    csv->info.n_outputs = n;
    for (size_t i = 0; i < n; i++) {
        csv->class_names[i] = memory_copy_text(names[i]);
        if (!csv->class_names[i])
            return error_no_memory(error, strlen(names[i]));
        numbers = numbers && csv_number(names[i], &number);
    }
    if (!like && given->n == 0)
        qsort(csv->class_names, n, sizeof *csv->class_names, numbers ? compare_numbers : compare_texts);
    return STATUS_OK;
}

static enum status unknown_label(const struct csv *csv, const struct csv *like, const char *label,
                                 size_t sample, struct error *error)
{
    char shown[SHOWN_BYTES];
    return error_set(
        error, STATUS_INVALID_ARGUMENT,
        "'%s': the label '%s' of sample %zu (from 0) is none of the %zu classes %s; mend it, or list "
        "every class in classes",
        csv->path, shown_text(label, shown), sample, csv->info.n_outputs,
        like ? "that the training data has" : "that are listed");
}

// From labels by appearance to classes by name.
static enum status number_classes(struct csv *csv, const struct csv *like, const struct survey *survey,
                                  struct error *error)
{
    struct words names = WORDS_INIT;
    size_t n = csv->info.n_samples;
    uint32_t number = 0;
    enum status status = name_classes(csv, like, &survey->labels, error);
    for (size_t i = 0; i < csv->info.n_outputs && status == STATUS_OK && csv->class_names; i++)
        status = words_add(&names, csv->class_names[i], &number, error);
    csv->classes = memory_array(n, sizeof *csv->classes);
    if (status == STATUS_OK && !csv->classes)
        status = error_no_memory(error, n * sizeof *csv->classes);
    assert(survey->label_of || n == 0);
    for (size_t i = 0; i < n && status == STATUS_OK; i++) {
        const char *label = survey->labels.items[survey->label_of[i]];
        status = words_add(&names, label, &number, error);
        if (status == STATUS_OK && number >= csv->info.n_outputs)
            status = unknown_label(csv, like, label, i, error);
        csv->classes[i] = (int32_t)number;
    }
    words_release(&names);
    return status;
}

// What each feature is centred by and divided by; the training data's own for its test data. A feature that
// never varies becomes 0 when standardised.
static enum status learn_scales(struct csv *csv, const struct csv *like, const struct survey *survey,
                                struct error *error)
{
    csv->center = memory_array(csv->n_features, sizeof *csv->center);
    csv->scale = memory_array(csv->n_features, sizeof *csv->scale);
    if (!csv->center || !csv->scale)
        return error_no_memory(error, csv->n_features * sizeof *csv->center);
    for (size_t i = 0; i < csv->n_features; i++) {
        double variance = survey->n[i] ? survey->square[i] / (double)survey->n[i] : 0;
        csv->center[i] = like ? like->center[i] : survey->mean[i];
        csv->scale[i] = like ? like->scale[i] : variance > 0 ? sqrt(variance) : 1;
    }
    return STATUS_OK;
}

static enum status learn(struct csv *csv, const struct csv *like, struct survey *survey, struct error *error)
{
    size_t n = csv->n_features;
    survey->n = memory_array(n, sizeof *survey->n);
    survey->mean = memory_array(n, sizeof *survey->mean);
    survey->square = memory_array(n, sizeof *survey->square);
    if (!survey->n || !survey->mean || !survey->square)
        return error_no_memory(error, n * sizeof *survey->mean);
    TRY(survey_samples(csv, survey, error));
    TRY(learn_scales(csv, like, survey, error));
    csv->info.n_outputs = csv->n_targets;
    return csv->info.target_type == TARGET_CLASS ? number_classes(csv, like, survey, error) : STATUS_OK;
}

enum status csv_survey(struct csv *csv, const struct csv *like, struct error *error)
{
    struct survey survey = {0};
    enum status status = learn(csv, like, &survey, error);
    words_release(&survey.labels);
    memory_free(survey.label_of);
    memory_free(survey.n);
    memory_free(survey.mean);
    memory_free(survey.square);
    return status;
}
