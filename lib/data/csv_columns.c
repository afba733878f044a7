// Which columns of a CSV file are what.
#include "base/memory.h"
#include "data/csv.h"
#include "data/csv_value.h"
#include "data/shown.h"
#include <stdio.h>
#include <string.h>

bool csv_is_missing(const struct csv *csv, const char *text)
{
    const struct text_list *words = &csv->options->missing_values;
    for (size_t i = 0; i < words->n; i++)
        if (strcmp(words->values[i], text) == 0)
            return true;
    return false;
}

const char *csv_column_name(const struct csv *csv, size_t column, char ret[48])
{
    if (csv->has_header)
        return shown_text(csv->names[column], ret);
    snprintf(ret, 48, "%zu", column + 1);
    return ret;
}

static bool find_name(const struct csv *csv, const char *name, size_t *ret)
{
    for (size_t i = 0; csv->names && i < csv->n_columns; i++) {
        if (strcmp(csv->names[i], name) == 0) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static bool find_number(const struct csv *csv, const char *name, size_t *ret)
{
    double number;
    if (!csv_number(name, &number) || number < 1 || number > (double)csv->n_columns ||
        number != (double)(size_t)number)
        return false;
    *ret = (size_t)number - 1;
    return true;
}

enum status csv_find_column(const struct csv *csv, const char *name, const char *what, size_t *ret,
                            struct error *error)
{
    char shown[SHOWN_BYTES];
    if ((csv->has_header && find_name(csv, name, ret)) || find_number(csv, name, ret))
        return STATUS_OK;
    if (!csv->has_header)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "'%s' has no header, so that %s '%s' cannot be found by name; give a column's number from 1 "
            "to %zu, or set header: true",
            csv->path, what, shown_text(name, shown), csv->n_columns);
    const char *near = nearest_word(name, (const char *const *)csv->names, csv->n_columns);
    char first[48], last[48];
    return error_set(
        error, STATUS_INVALID_ARGUMENT,
        "'%s' has no column '%s' for %s; %s%s%sits columns are '%s' to '%s', or numbers from 1 to %zu",
        csv->path, shown_text(name, shown), what, near ? "did you mean '" : "", near ? near : "",
        near ? "'? " : "", csv_column_name(csv, 0, first), csv_column_name(csv, csv->n_columns - 1, last),
        csv->n_columns);
}

static enum status keep_names(struct csv *csv, const struct csv_record *record, struct error *error)
{
    csv->n_columns = record->n_cells;
    csv->names = memory_array(record->n_cells, sizeof *csv->names);
    if (!csv->names)
        return error_no_memory(error, record->n_cells * sizeof *csv->names);
    for (size_t i = 0; i < record->n_cells; i++) {
        csv->names[i] = memory_copy_text(csv_text(record, i));
        if (!csv->names[i])
            return error_no_memory(error, record->cells[i].n);
    }
    return STATUS_OK;
}

// True when an option names a column by one of the first record's texts that is no number.
static bool is_asked_for(const struct csv *csv)
{
    const struct csv_options *options = csv->options;
    const struct text_list *const lists[] = {&options->targets, &options->columns, &options->ignore};
    size_t column;
    double number;
    if (options->label && !csv_number(options->label, &number) && find_name(csv, options->label, &column))
        return true;
    for (size_t k = 0; k < ARRAY_SIZE(lists); k++)
        for (size_t i = 0; i < lists[k]->n; i++)
            if (!csv_number(lists[k]->values[i], &number) && find_name(csv, lists[k]->values[i], &column))
                return true;
    return false;
}

// The first record is a header when an option calls a column by it, or when a column has text there and a
// number below.
static bool guess_header(const struct csv *csv, const struct csv_record *second)
{
    double number;
    if (is_asked_for(csv))
        return true;
    for (size_t i = 0; i < second->n_cells; i++)
        if (!csv_number(csv->names[i], &number) && !csv_is_missing(csv, csv->names[i]) &&
            csv_number(csv_text(second, i), &number))
            return true;
    return false;
}

static enum status read_names(struct csv *csv, struct csv_scan *scan, struct error *error)
{
    struct csv_record record;
    TRY(csv_scan_next(scan, &record, error));
    if (record.n_cells == 0)
        return error_set(error, STATUS_INVALID_ARGUMENT, "'%s' has nothing but blank lines; give it data",
                         csv->path);
    TRY(keep_names(csv, &record, error));
    TRY(csv_scan_next(scan, &record, error));
    csv->has_header = csv->options->header == CSV_HEADER_TRUE ||
                      (csv->options->header == CSV_HEADER_AUTO && guess_header(csv, &record));
    return STATUS_OK;
}

static enum status find_targets(struct csv *csv, struct error *error)
{
    const struct csv_options *options = csv->options;
    csv->n_targets = options->targets.n ? options->targets.n : 1;
    csv->targets = memory_array(csv->n_targets, sizeof *csv->targets);
    if (!csv->targets)
        return error_no_memory(error, csv->n_targets * sizeof *csv->targets);
    for (size_t i = 0; i < options->targets.n; i++)
        TRY(csv_find_column(csv, options->targets.values[i], "targets", &csv->targets[i], error));
    if (options->targets.n)
        return STATUS_OK;
    csv->targets[0] = csv->n_columns - 1;
    return options->label ? csv_find_column(csv, options->label, "label", &csv->targets[0], error)
                          : STATUS_OK;
}

enum { UNUSED, FEATURE, TARGET };

// Marks the columns of a list.
static enum status mark_columns(const struct csv *csv, const struct text_list *list, const char *what,
                                unsigned char *uses, unsigned char use, struct error *error)
{
    for (size_t i = 0; i < list->n; i++) {
        size_t column;
        TRY(csv_find_column(csv, list->values[i], what, &column, error));
        if (uses[column] != TARGET)
            uses[column] = use;
    }
    return STATUS_OK;
}

static enum status find_features(struct csv *csv, struct error *error)
{
    const struct csv_options *options = csv->options;
    cleanup_free unsigned char *uses = memory_array(csv->n_columns, 1);
    csv->features = memory_array(csv->n_columns, sizeof *csv->features);
    if (!uses || !csv->features)
        return error_no_memory(error, csv->n_columns * sizeof *csv->features);
    memset(uses, options->columns.n ? UNUSED : FEATURE, csv->n_columns);
    for (size_t i = 0; i < csv->n_targets; i++)
        uses[csv->targets[i]] = TARGET;
    TRY(mark_columns(csv, &options->columns, "columns", uses, FEATURE, error));
    TRY(mark_columns(csv, &options->ignore, "ignore", uses, UNUSED, error));
    for (size_t i = 0; i < csv->n_columns; i++)
        if (uses[i] == FEATURE)
            csv->features[csv->n_features++] = i;
    if (csv->n_features == 0)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "'%s' has no column left for features: %zu in all, without the label and what ignore and "
            "columns leave out; check separator, label, columns and ignore",
            csv->path, csv->n_columns);
    return STATUS_OK;
}

// A test set's columns are the training set's, by name when both have a header, wherever they stand.
static enum status follow(struct csv *csv, const struct csv *like, struct error *error)
{
    if (csv->n_features != like->n_features || csv->n_targets != like->n_targets)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "'%s' has %zu columns of features and '%s' %zu; training and test data must have the same "
            "columns",
            csv->path, csv->n_features, like->path, like->n_features);
    for (size_t i = 0; csv->has_header && like->has_header && i < csv->n_features; i++)
        TRY(csv_find_column(csv, like->names[like->features[i]], "a feature of the training data",
                            &csv->features[i], error));
    return STATUS_OK;
}

enum status csv_find_columns(struct csv *csv, const struct csv *like, struct error *error)
{
    struct csv_scan *scan;
    TRY(csv_scan_open(&scan, csv->path, csv->separator, error));
    enum status status = read_names(csv, scan, error);
    csv_scan_close(scan);
    TRY(status);
    TRY(find_targets(csv, error));
    TRY(find_features(csv, error));
    return like ? follow(csv, like, error) : STATUS_OK;
}
