#include "base/memory.h"
#include "cli/data_inspect.h"
#include "data/csv.h"
#include "data/csv_value.h"
#include "data/shown.h"
#include <stdio.h>
#include <string.h>

enum { VALUES_MAX = 64, VALUES_SHOWN_MAX = 12, COLUMNS_SHOWN_MAX = 200 };

// What is gathered of a column.
struct column {
    size_t n, n_missing, n_numbers;
    double low, high, sum;
    struct words values; // at most VALUES_MAX, then no more are told apart
    size_t counts[VALUES_MAX];
};

static enum status look_at(struct column *column, const char *text, bool is_missing, struct error *error)
{
    double number;
    uint32_t value = 0;
    column->n++;
    if (is_missing) {
        column->n_missing++;
        return STATUS_OK;
    }
    if (csv_number(text, &number)) {
        column->low = column->n_numbers++ && column->low < number ? column->low : number;
        column->high = column->n_numbers > 1 && column->high > number ? column->high : number;
        column->sum += number;
    }
    if (column->values.n == VALUES_MAX)
        return STATUS_OK;
    TRY(words_add(&column->values, text, &value, error));
    column->counts[value]++;
    return STATUS_OK;
}

static void print_column(const struct csv *csv, size_t number, const struct column *column)
{
    char name[48], shown[SHOWN_BYTES];
    bool is_number = column->n_numbers && column->n_numbers == column->n - column->n_missing;
    printf("  %-3zu %-20s %-7s", number + 1, csv->has_header ? csv_column_name(csv, number, name) : "",
           is_number ? "number" : "text");
    if (is_number)
        printf(" least %g, greatest %g, mean %.6g", column->low, column->high,
               column->sum / (double)column->n_numbers);
    if (column->n_missing)
        printf(" %zu missing", column->n_missing);
    if (column->values.n == VALUES_MAX)
        printf("  many values");
    else
        printf("  %zu values", column->values.n);
    for (size_t i = 0; column->values.n <= VALUES_SHOWN_MAX && i < column->values.n; i++)
        printf("%s %s (%zu)", i ? "," : ":", shown_text(column->values.items[i], shown), column->counts[i]);
    printf("\n");
}

static enum status gather(const struct csv *csv, struct csv_samples *samples, struct column *columns,
                          struct error *error)
{
    for (;;) {
        TRY(csv_samples_next(samples, csv, error));
        if (samples->record.n_cells == 0)
            return STATUS_OK;
        for (size_t i = 0; i < csv->n_columns && i < COLUMNS_SHOWN_MAX; i++) {
            const char *text = csv_text(&samples->record, i);
            TRY(look_at(&columns[i], text, csv_is_missing(csv, text), error));
        }
    }
}

static enum status inspect_columns(const struct csv *csv, struct error *error)
{
    size_t n = csv->n_columns < COLUMNS_SHOWN_MAX ? csv->n_columns : COLUMNS_SHOWN_MAX;
    struct csv_samples samples;
    TRY(csv_samples_open(&samples, csv, error));
    struct column *columns = memory_array(n, sizeof *columns);
    enum status status =
        columns ? gather(csv, &samples, columns, error) : error_no_memory(error, n * sizeof *columns);
    csv_scan_close(samples.scan);
    if (status == STATUS_OK)
        printf("%s: %zu records of %zu columns, %s\n", csv->path, samples.n, csv->n_columns,
               csv->has_header ? "with a header" : "no header");
    for (size_t i = 0; columns && i < n; i++) {
        if (status == STATUS_OK)
            print_column(csv, i, &columns[i]);
        words_release(&columns[i].values);
    }
    if (status == STATUS_OK && n < csv->n_columns)
        printf("  ... and %zu more\n", csv->n_columns - n);
    memory_free(columns);
    return status;
}

enum status inspect_table(const char *path, const char *separator, struct error *error)
{
    static const char *missing[] = {"", "NA", "NaN", "nan", "?"};
    struct csv_options options = {.separator = separator,
                                  .missing_values = {.n = ARRAY_SIZE(missing), .values = missing}};
    struct csv csv = {.options = &options, .path = path};
    if (strcmp(separator, "tab") && strlen(separator) != 1)
        return error_set(error, STATUS_INVALID_ARGUMENT, "--separator '%s' must be one character, or tab",
                         separator);
    csv.separator = strcmp(separator, "tab") ? *separator : '\t';
    enum status status = csv_find_columns(&csv, NULL, error);
    if (status == STATUS_OK)
        status = inspect_columns(&csv, error);
    csv_release(&csv);
    return status;
}
