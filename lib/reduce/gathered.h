// What a reducer that gathers works on once the collection is over: all summaries of a round, in the order of
// their sources, and passes over them by ranges. Neither the order of arrival nor the number of threads nor
// the width of the processor's vectors shows in a result.
#pragma once

#include "reduce/reducer.h"
#include "reduce/rows.h"

struct gathered {
    size_t n_rows, n_values;
    const uint64_t *weights; // [n_rows] samples
    // What settling decides: what each row counts for [n_rows], 1 before; a row of 0 is not read again.
    // `rest` is what the reference counts for, 0 before.
    double *shares;
    double rest;
    struct settling settling;
    const struct rows *rows;
    struct row *const *row; // [n_rows]
};

// A range of columns: values [n] of each of the rows, which may be overwritten, and of the reference.
struct tile {
    size_t n_rows, n;
    float *const *rows;
    const double *shares; // [n_rows]
    double rest;
    const float *reference; // NULL: zeros
};

// Calls visit(user, tile) for all columns of all rows, range by range, ascending. Here a tile's reference is
// never NULL.
enum status gathered_pass(const struct gathered *gathered, void (*visit)(void *user, const struct tile *tile),
                          void *user, struct error *error);
// The most columns of a tile of a pass.
size_t gathered_columns(const struct gathered *gathered);
// Calls body(user, i, 1) for each i below n, with the pool's help.
void gathered_share_out(const struct gathered *gathered, size_t n,
                        void (*body)(void *user, size_t first, size_t n), void *user);
// Squared distances between every two rows: [n_rows, n_rows], symmetric.
enum status gathered_distances(const struct gathered *gathered, double *ret, struct error *error);
// Each row's distance from the reference: [n_rows].
enum status gathered_norms(const struct gathered *gathered, double *ret, struct error *error);

// ret[n] = rest * reference + the sum over rows of share * row, for columns [n] from `first`: in double,
// rounded once.
void tile_sum(const struct tile *tile, size_t first, size_t n, float *ret);
// Sorts each column, ascending.
void tile_sort(const struct tile *tile);
