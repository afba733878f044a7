// Columns of a matrix that are not zero throughout, apart from the others and back among them.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { COLUMNS_MAX = 8192, COLUMNS_BLOCK = 16 };

struct columns {
    size_t n_all, n; // of the matrix; those that are kept
    // Of each sixteen: a bit for one that is kept, and how many are kept before them.
    uint16_t kept[COLUMNS_MAX / COLUMNS_BLOCK], before[COLUMNS_MAX / COLUMNS_BLOCK];
};

// Those of x [n_rows, n_columns] that hold anything but zeros; n_columns is at most COLUMNS_MAX. `work` is
// overwritten: [n_columns].
void columns_find(size_t n_rows, size_t n_columns, const float *x, uint32_t *work, struct columns *ret);

// Up to so many values behind what follows are read or overwritten, and not used.
enum { COLUMNS_SLACK = COLUMNS_BLOCK };

// ret [n_rows, width]: the columns of x [n_rows, n_all] that are kept, then zeros.
void columns_gather(const struct columns *columns, size_t n_rows, const float *x, size_t width, float *ret);

// ret [n_rows, n_all]: zeros, but for the columns that are kept, which are the first of `gathered` [n_rows,
// width].
void columns_spread(const struct columns *columns, size_t n_rows, const float *gathered, size_t width,
                    float *ret);

// p [n_rows, n_all] -= rate * (g + decay * p), g being what columns_spread would return.
void columns_descend(const struct columns *columns, size_t n_rows, const float *gathered, size_t width,
                     float rate, float decay, float *p);
