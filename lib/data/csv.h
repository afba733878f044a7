// What the files of the CSV format share.
#pragma once

#include "data/csv_scan.h"
#include "data/format.h"
#include "data/words.h"

enum csv_header { CSV_HEADER_AUTO, CSV_HEADER_TRUE, CSV_HEADER_FALSE };
enum csv_missing { CSV_MISSING_ERROR, CSV_MISSING_MEAN, CSV_MISSING_ZERO, CSV_MISSING_DROP };

struct csv_options {
    int header; // enum csv_header
    const char *separator;
    const char *label;
    struct text_list targets;
    int target; // enum target_type
    struct text_list classes;
    struct text_list columns, ignore;
    int missing; // enum csv_missing
    struct text_list missing_values;
    bool standardize;
    struct int_list shape;
};

struct csv {
    const struct csv_options *options;
    const char *path;
    char separator;
    struct source_info info;
    bool has_header;
    size_t n_columns;
    char **names;               // [n_columns], with has_header
    size_t *features, *targets; // column numbers
    size_t n_features, n_targets;
    double *center, *scale; // [n_features]: what a feature's mean is, and what it is divided by
    char **class_names;     // [info.n_outputs], with TARGET_CLASS
    int32_t *classes;       // [n_samples], with TARGET_CLASS
};

// Frees what it points to.
void csv_release(struct csv *csv);

// Reads the first records: finds whether there is a header, and which columns are features and targets; those
// of `like` when it is not NULL.
enum status csv_find_columns(struct csv *csv, const struct csv *like, struct error *error);
// The number of the column that is called `name`, or whose number from 1 it is.
enum status csv_find_column(const struct csv *csv, const char *name, const char *what, size_t *ret,
                            struct error *error);
// How errors call a column: its name, or its number from 1.
const char *csv_column_name(const struct csv *csv, size_t column, char ret[48]);

// Reads the whole file once: counts samples, checks every cell in use, learns classes, means and deviations.
enum status csv_survey(struct csv *csv, const struct csv *like, struct error *error);

// The samples one after another, without header and dropped rows.
struct csv_samples {
    struct csv_scan *scan;
    struct csv_record record;
    size_t n; // samples seen, the present one included
};

enum status csv_samples_open(struct csv_samples *ret, const struct csv *csv, struct error *error);
// `ret->record.n_cells` is 0 at the end.
enum status csv_samples_next(struct csv_samples *samples, const struct csv *csv, struct error *error);
bool csv_is_missing(const struct csv *csv, const char *text);
// The number in a cell that is not missing; fails with its position when there is none.
enum status csv_cell_number(const struct csv *csv, const struct csv_samples *samples, size_t column,
                            double *ret, struct error *error);
