// Vectors of one length, a row each, in memory up to a bound and beyond it in one file that has no name: what
// is resident does not grow with the number of rows, and nothing is left behind when the process is killed.
// From any thread; a row is written by one thread at a time.
#pragma once

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

struct rows;
struct row;

// Nothing is taken yet: rows' memory comes with them, and the file with the first row that goes there, into
// `folder` (copied; NULL: $TMPDIR, or /tmp).
enum status rows_new(struct rows **ret, size_t n_values, size_t memory_bytes, const char *folder,
                     struct error *error);
struct rows *rows_free(struct rows *rows);

// A row whose values are not defined yet. With `spill` false, NULL and OK when memory has no room for it.
enum status rows_take(struct rows *rows, bool spill, struct row **ret, struct error *error);
void rows_give(struct rows *rows, struct row *row); // NULL is fine

// Values [n] from `offset`, at any address: RESOURCE_EXHAUSTED when the disk is full.
enum status rows_write(const struct rows *rows, struct row *row, size_t offset, const void *values, size_t n,
                       struct error *error);
enum status rows_read(const struct rows *rows, const struct row *row, size_t offset, size_t n, float *ret,
                      struct error *error);

// The Euclidean distance of the row from `reference` [n_reference] and, beyond that, from zero. The same
// bytes wherever the row lies.
enum status rows_distance(const struct rows *rows, const struct row *row, const float *reference,
                          size_t n_reference, double *ret, struct error *error);
