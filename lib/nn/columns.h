// Columns of a matrix that are not zero throughout, apart from the others and back among them.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { COLUMNS_MAX = 8192 };

// The numbers of the columns of x [n_rows, n_columns] that hold anything but zeros, ascending, in ret
// [n_columns]; returns how many. `work` is overwritten: [n_columns].
size_t columns_find(size_t n_rows, size_t n_columns, const float *x, uint32_t *work, int32_t *ret);

// ret [n_rows, width]: the n columns `places` of x [n_rows, n_columns], then zeros.
void columns_gather(size_t n_rows, size_t n_columns, const float *x, const int32_t *places, size_t n,
                    size_t width, float *ret);

// ret [n_rows, n_columns]: zeros, but for the columns `places`, which are the first n of `gathered` [n_rows,
// width]. At most COLUMNS_MAX columns; up to COLUMNS_SLACK values behind `gathered` are read, and not used.
enum { COLUMNS_SLACK = 16 };
void columns_spread(size_t n_rows, size_t n_columns, const float *gathered, size_t width,
                    const int32_t *places, size_t n, float *ret);
