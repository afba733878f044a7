// Products with an image's patches, without copying them out (im2col without the matrix). A patch's element
// is at image[row offset + column offset], so two lists of offsets stand for the whole matrix: for a
// convolution's output, rows are the kernel's taps and columns the pixels; for its weights' gradient it is
// the other way around. A plain matrix and its transpose are such products too.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The matrix P [n_rows, n_columns] with P[r, c] = image[rows[r] + columns[c]].
struct patches {
    const float *image;
    const int32_t *rows, *columns;
    size_t n_rows, n_columns;
};

// n rounded up to whole vectors of this CPU.
size_t patches_width(size_t n);

// ret [n_columns, n] = transpose(P) * right [n_rows, n], added to ret with `add`. right_row and ret_row are
// row strides; n, a multiple of patches_width(1), or without `add` anything from it on. The order of the sums
// depends on the CPU's vector width alone. Goto and van de Geijn 2008 for the blocking into registers.
void patches_multiply(const struct patches *patches, size_t n, const float *right, size_t right_row, bool add,
                      float *ret, size_t ret_row);

// ret [n_columns, n_rows] = transpose(a [n_rows, n_columns]); lda and ldr are row strides.
void patches_transpose(size_t n_rows, size_t n_columns, const float *a, size_t lda, float *ret, size_t ldr);
