#include "reduce/rows.h"
#include "base/file.h"
#include "base/memory.h"
#include "reduce/distance.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct row {
    float *values; // [n_values]; NULL: in the file
    off_t at;
    struct row *next; // free ones
};

struct rows {
    size_t n_values, n_memory_max;
    char *folder;
    pthread_mutex_t lock; // guards what follows, except that a taken row is its taker's and `fd` stays
    int fd;               // -1: no row is in a file yet
    size_t n_memory, n_file, n_file_taken;
    struct row *free_memory, *free_file;
};

enum status rows_new(struct rows **ret, size_t n_values, size_t memory_bytes, const char *folder,
                     struct error *error)
{
    const char *temporary = getenv("TMPDIR");
    struct rows *rows = memory_zalloc(sizeof *rows);
    if (!rows)
        return error_no_memory(error, sizeof *rows);
    rows->n_values = n_values;
    rows->n_memory_max = memory_bytes / sizeof(float) / n_values;
    rows->fd = -1;
    rows->folder = memory_copy_text(folder ? folder : temporary && *temporary ? temporary : "/tmp");
    if (!rows->folder) {
        memory_free(rows);
        return error_no_memory(error, 64);
    }
    pthread_mutex_init(&rows->lock, NULL);
    *ret = rows;
    return STATUS_OK;
}

static void free_list(struct row *row)
{
    while (row) {
        struct row *next = row->next;
        memory_free(row->values);
        memory_free(row);
        row = next;
    }
}

struct rows *rows_free(struct rows *rows)
{
    if (!rows)
        return NULL;
    free_list(rows->free_memory);
    free_list(rows->free_file);
    if (rows->fd >= 0)
        close(rows->fd);
    pthread_mutex_destroy(&rows->lock);
    memory_free(rows->folder);
    return memory_free(rows);
}

// ---- taking ---------------------------------------------------------------------------------------------

static enum status open_file(struct rows *rows, struct error *error)
{
    rows->fd = open(rows->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (rows->fd >= 0)
        return STATUS_OK;
    char *path =
        memory_format("%s/cohort-summaries-XXXXXX", rows->folder); // not every file system has the above
    if (!path)
        return error_no_memory(error, strlen(rows->folder));
    rows->fd = mkostemp(path, O_CLOEXEC);
    enum status status =
        rows->fd >= 0 ? STATUS_OK : error_errno(error, errno, "cannot make a file in", rows->folder);
    if (rows->fd >= 0)
        unlink(path);
    memory_free(path);
    return status;
}

static struct row *pop(struct row **list)
{
    struct row *row = *list;
    if (row)
        *list = row->next;
    return row;
}

// With the lock held. NULL: no room, or out of memory, which only means that the row goes into the file.
static struct row *take_memory(struct rows *rows)
{
    struct row *row = pop(&rows->free_memory);
    if (row || rows->n_memory >= rows->n_memory_max)
        return row;
    row = memory_zalloc(sizeof *row);
    float *values = row ? memory_floats(rows->n_values) : NULL;
    if (!values)
        return memory_free(row);
    row->values = values;
    rows->n_memory++;
    return row;
}

// With the lock held.
static enum status take_file(struct rows *rows, struct row **ret, struct error *error)
{
    if (rows->fd < 0)
        TRY(open_file(rows, error));
    struct row *row = pop(&rows->free_file);
    if (!row) {
        row = memory_zalloc(sizeof *row);
        if (!row)
            return error_no_memory(error, sizeof *row);
        row->at = (off_t)(rows->n_file++ * rows->n_values * sizeof(float));
    }
    rows->n_file_taken++;
    *ret = row;
    return STATUS_OK;
}

enum status rows_take(struct rows *rows, bool spill, struct row **ret, struct error *error)
{
    enum status status = STATUS_OK;
    pthread_mutex_lock(&rows->lock);
    struct row *row = take_memory(rows);
    if (!row && spill)
        status = take_file(rows, &row, error);
    pthread_mutex_unlock(&rows->lock);
    if (status == STATUS_OK)
        *ret = row;
    return status;
}

// So that nobody writes to the disk what nobody reads; where that fails, the space is used again all the
// same.
static void drop_values(int fd)
{
    int failed = ftruncate(fd, 0);
    (void)failed;
}

void rows_give(struct rows *rows, struct row *row)
{
    if (!row)
        return;
    pthread_mutex_lock(&rows->lock);
    struct row **list = row->values ? &rows->free_memory : &rows->free_file;
    row->next = *list;
    *list = row;
    if (!row->values && --rows->n_file_taken == 0)
        drop_values(rows->fd);
    pthread_mutex_unlock(&rows->lock);
}

// ---- values ---------------------------------------------------------------------------------------------

enum status rows_write(const struct rows *rows, struct row *row, size_t offset, const void *values, size_t n,
                       struct error *error)
{
    if (row->values) {
        memcpy(row->values + offset, values, n * sizeof(float));
        return STATUS_OK;
    }
    const char *bytes = values;
    off_t at = row->at + (off_t)(offset * sizeof(float));
    for (size_t left = n * sizeof(float); left;) {
        ssize_t written = pwrite(rows->fd, bytes, left, at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return error_errno(error, written ? errno : ENOSPC, "cannot keep a summary in", rows->folder);
        bytes += written;
        at += written;
        left -= (size_t)written;
    }
    return STATUS_OK;
}

enum status rows_read(const struct rows *rows, const struct row *row, size_t offset, size_t n, float *ret,
                      struct error *error)
{
    if (row->values) {
        memcpy(ret, row->values + offset, n * sizeof(float));
        return STATUS_OK;
    }
    char *bytes = (char *)ret;
    off_t at = row->at + (off_t)(offset * sizeof(float));
    for (size_t left = n * sizeof(float); left;) {
        ssize_t got = pread(rows->fd, bytes, left, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return error_errno(error, got ? errno : EIO, "cannot read a summary back from", rows->folder);
        bytes += got;
        at += got;
        left -= (size_t)got;
    }
    return STATUS_OK;
}

enum status rows_distance(const struct rows *rows, const struct row *row, const float *reference,
                          size_t n_reference, double *ret, struct error *error)
{
    float tile[DISTANCE_TILE];
    double sum = 0;
    for (size_t at = 0; at < rows->n_values; at += DISTANCE_TILE) {
        size_t n = rows->n_values - at < DISTANCE_TILE ? rows->n_values - at : DISTANCE_TILE;
        TRY(rows_read(rows, row, at, n, tile, error));
        sum += squared_distance_at(tile, at, n, reference, n_reference);
    }
    *ret = sqrt(sum);
    return STATUS_OK;
}
