// Records of a CSV file (RFC 4180), one at a time: quotes with doubled quotes and line ends inside, CRLF or
// LF, a byte order mark, blank lines passed over. Holds one record.
#pragma once

#include "data/stream.h"

enum { CSV_RECORD_BYTES_MAX = 1 << 24, CSV_COLUMNS_MAX = 1 << 20 };

struct csv_cell {
    size_t at; // of its text in csv_record.text, NUL-terminated, without quotes or surrounding blanks
    size_t n;
    uint64_t line, column; // where it starts, from 1
};

struct csv_record {
    const char *text;
    const struct csv_cell *cells;
    size_t n_cells;
};

struct csv_scan;

enum status csv_scan_open(struct csv_scan **ret, const char *path, char separator, struct error *error);
struct csv_scan *csv_scan_close(struct csv_scan *scan);

// The next record, valid until the next call; `ret->n_cells` is 0 at the end of the file. Every record has as
// many cells as the first, or the error says where not.
enum status csv_scan_next(struct csv_scan *scan, struct csv_record *ret, struct error *error);

static inline const char *csv_text(const struct csv_record *record, size_t column)
{
    return record->text + record->cells[column].at;
}

// error_set with "file:line:column: " of a cell before the message.
enum status csv_error(const struct csv_scan *scan, const struct csv_cell *cell, struct error *error,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));
