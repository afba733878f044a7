#include "data/csv_scan.h"
#include "base/bytes.h"
#include "base/memory.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK_BYTES = 1 << 16, END = -1 };

struct csv_scan {
    struct stream *stream;
    char separator;
    uint64_t line, column; // of the next byte
    size_t next, end;      // in `block`
    struct bytes text;
    struct csv_cell *cells;
    size_t n_cells, room;
    size_t n_columns; // of the first record; 0 before it
    bool is_quoted;   // the cell being read
    char block[BLOCK_BYTES];
};

enum status csv_error(const struct csv_scan *scan, const struct csv_cell *cell, struct error *error,
                      const char *format, ...)
{
    char message[ERROR_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return error_set(error, STATUS_INVALID_ARGUMENT, "%s:%" PRIu64 ":%" PRIu64 ": %s",
                     stream_name(scan->stream), cell->line, cell->column, message);
}

// The next byte without taking it, or END.
static enum status peek(struct csv_scan *scan, int *ret, struct error *error)
{
    if (scan->next == scan->end) {
        scan->next = 0;
        TRY(stream_read_some(scan->stream, scan->block, BLOCK_BYTES, &scan->end, error));
    }
    *ret = scan->end ? (unsigned char)scan->block[scan->next] : END;
    return STATUS_OK;
}

static void take(struct csv_scan *scan)
{
    if (scan->block[scan->next++] == '\n') {
        scan->line++;
        scan->column = 1;
    } else {
        scan->column++;
    }
}

enum status csv_scan_open(struct csv_scan **ret, const char *path, char separator, struct error *error)
{
    struct csv_scan *scan = memory_alloc(sizeof *scan);
    if (!scan)
        return error_no_memory(error, sizeof *scan);
    memset(scan, 0, offsetof(struct csv_scan, block));
    scan->separator = separator;
    scan->line = scan->column = 1;
    int c = END;
    enum status status = stream_open(&scan->stream, path, error);
    if (status == STATUS_OK)
        status = peek(scan, &c, error);
    if (status != STATUS_OK) {
        csv_scan_close(scan);
        return status;
    }
    if (scan->end >= 3 && memcmp(scan->block, "\xEF\xBB\xBF", 3) == 0) // UTF-8's byte order mark
        scan->next = 3;
    *ret = scan;
    return STATUS_OK;
}

struct csv_scan *csv_scan_close(struct csv_scan *scan)
{
    if (!scan)
        return NULL;
    stream_close(scan->stream);
    bytes_release(&scan->text);
    memory_free(scan->cells);
    return memory_free(scan);
}

static enum status begin_cell(struct csv_scan *scan, struct error *error)
{
    if (scan->n_cells == scan->room) {
        size_t room = scan->room ? 2 * scan->room : 32;
        struct csv_cell *cells = memory_resize(scan->cells, room, sizeof *cells);
        if (!cells)
            return error_no_memory(error, room * sizeof *cells);
        scan->cells = cells;
        scan->room = room;
    }
    struct csv_cell *cell = &scan->cells[scan->n_cells++];
    *cell = (struct csv_cell){.at = scan->text.n, .line = scan->line, .column = scan->column};
    scan->is_quoted = false;
    if (scan->n_cells > CSV_COLUMNS_MAX)
        return csv_error(scan, cell, error, "more than %d columns; transpose the table or check separator",
                         CSV_COLUMNS_MAX);
    return STATUS_OK;
}

static void end_cell(struct csv_scan *scan)
{
    struct csv_cell *cell = &scan->cells[scan->n_cells - 1];
    const char *text = scan->text.data;
    while (!scan->is_quoted && cell->at < scan->text.n && (text[cell->at] == ' ' || text[cell->at] == '\t'))
        cell->at++;
    size_t end = scan->text.n;
    while (!scan->is_quoted && end > cell->at && (text[end - 1] == ' ' || text[end - 1] == '\t'))
        end--;
    cell->n = end - cell->at;
    if (text && end < scan->text.n)
        scan->text.data[end] = '\0';
    bytes_append(&scan->text, "", 1);
}

// Appends the next byte to the cell.
static enum status keep(struct csv_scan *scan, int c, struct error *error)
{
    const struct csv_cell *cell = &scan->cells[scan->n_cells - 1];
    struct csv_cell here = {.line = scan->line, .column = scan->column};
    if (c == '\0')
        return csv_error(scan, &here, error, "a NUL byte, which text has not; save the table as UTF-8 CSV");
    if (scan->text.n >= CSV_RECORD_BYTES_MAX)
        return csv_error(scan, cell, error,
                         "the record with this cell is longer than %d bytes; close its quote or shorten it",
                         CSV_RECORD_BYTES_MAX);
    char byte = (char)c;
    bytes_append(&scan->text, &byte, 1);
    take(scan);
    return STATUS_OK;
}

// From the opening quote to after the closing one.
static enum status read_quoted(struct csv_scan *scan, struct error *error)
{
    struct csv_cell *cell = &scan->cells[scan->n_cells - 1];
    int c = END;
    scan->is_quoted = true;
    take(scan);
    for (;;) {
        TRY(peek(scan, &c, error));
        if (c == END)
            return csv_error(scan, cell, error, "the quote that opens here is never closed; close it");
        if (c == '"') {
            take(scan);
            TRY(peek(scan, &c, error));
            if (c != '"')
                break;
        }
        TRY(keep(scan, c, error));
    }
    if (c == END || c == '\r' || c == '\n' || c == scan->separator)
        return STATUS_OK;
    struct csv_cell here = {.line = scan->line, .column = scan->column};
    return csv_error(
        scan, &here, error,
        "'%c' after a closing quote; double the quotes inside of a cell, or put the separator here", c);
}

// One cell up to the separator, line end or end of file that closes it, which is left in `*ret_closer`.
static enum status read_cell(struct csv_scan *scan, int *ret_closer, struct error *error)
{
    int c = END;
    TRY(begin_cell(scan, error));
    TRY(peek(scan, &c, error));
    if (c == '"') {
        TRY(read_quoted(scan, error));
        TRY(peek(scan, &c, error));
    } else {
        while (c != END && c != '\r' && c != '\n' && c != scan->separator) {
            TRY(keep(scan, c, error));
            TRY(peek(scan, &c, error));
        }
    }
    end_cell(scan);
    *ret_closer = c;
    return STATUS_OK;
}

// A line end is LF, CRLF, or CR alone as old files have it.
static enum status take_line_end(struct csv_scan *scan, int c, struct error *error)
{
    if (c == END)
        return STATUS_OK;
    take(scan);
    if (c != '\r')
        return STATUS_OK;
    TRY(peek(scan, &c, error));
    if (c == '\n') {
        take(scan);
        return STATUS_OK;
    }
    scan->line++;
    scan->column = 1;
    return STATUS_OK;
}

static enum status read_record(struct csv_scan *scan, struct error *error)
{
    int c = END;
    scan->n_cells = 0;
    scan->text.n = 0;
    for (;;) {
        TRY(read_cell(scan, &c, error));
        if (scan->text.failed)
            return error_no_memory(error, scan->text.n);
        if (c != scan->separator)
            break;
        take(scan);
    }
    return take_line_end(scan, c, error);
}

enum status csv_scan_next(struct csv_scan *scan, struct csv_record *ret, struct error *error)
{
    int c = END;
    do {
        scan->n_cells = 0;
        TRY(peek(scan, &c, error));
        if (c == END)
            break;
        TRY(read_record(scan, error));
    } while (scan->n_cells == 1 && scan->cells[0].n == 0 && !scan->is_quoted);
    if (scan->n_cells && scan->n_columns && scan->n_cells != scan->n_columns)
        return csv_error(
            scan, &scan->cells[0], error,
            "this record has %zu columns, where those before it have %zu; quote cells that hold the "
            "separator, or mend the line",
            scan->n_cells, scan->n_columns);
    if (scan->n_cells)
        scan->n_columns = scan->n_cells;
    *ret = (struct csv_record){.text = scan->text.data, .cells = scan->cells, .n_cells = scan->n_cells};
    return STATUS_OK;
}
