#include "nn/patches.h"
#include "base/kernel.h"
#include <string.h>

// Sums in the tiles may fuse multiply and add: which CPU's tile runs decides the rounding, as it does in
// BLAS.
#pragma GCC push_options
#pragma GCC optimize("fp-contract=fast")

#define LANES          4
#define COLUMNS        5
#define PANEL_FUNCTION baseline_panel
#define WIDE           2
#include "nn/patches_tile.inc"
#define PANEL_FUNCTION baseline_narrow_panel
#define WIDE           1
#include "nn/patches_tile.inc"
#undef LANES
#undef COLUMNS

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v3")
#define LANES          8
#define COLUMNS        6
#define PANEL_FUNCTION avx2_panel
#define WIDE           2
#include "nn/patches_tile.inc"
#define PANEL_FUNCTION avx2_narrow_panel
#define WIDE           1
#include "nn/patches_tile.inc"
#undef LANES
#undef COLUMNS
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4")
#define LANES          16
#define COLUMNS        8
#define PANEL_FUNCTION avx512_panel
#define WIDE           2
#include "nn/patches_tile.inc"
#define PANEL_FUNCTION avx512_narrow_panel
#define WIDE           1
#include "nn/patches_tile.inc"
#undef LANES
#undef COLUMNS
#pragma GCC pop_options
#endif

#pragma GCC pop_options

typedef void panel_function(const struct patches *patches, const float *restrict right, size_t right_row,
                            bool add, float *restrict ret, size_t ret_row);

struct kernel_set {
    size_t lanes;
    panel_function *wide, *narrow; // two vectors of the result's rows, or one
};

static struct kernel_set kernel_set(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("x86-64-v4"))
        return (struct kernel_set){16, avx512_panel, avx512_narrow_panel};
    if (__builtin_cpu_supports("x86-64-v3"))
        return (struct kernel_set){8, avx2_panel, avx2_narrow_panel};
#endif
    return (struct kernel_set){4, baseline_panel, baseline_narrow_panel};
}

size_t patches_width(size_t n)
{
    size_t lanes = kernel_set().lanes;
    return (n + lanes - 1) / lanes * lanes;
}

void patches_multiply(const struct patches *patches, size_t n, const float *right, size_t right_row, bool add,
                      float *ret, size_t ret_row)
{
    const struct kernel_set set = kernel_set();
    size_t from = 0;
    for (; from + 2 * set.lanes <= n; from += 2 * set.lanes)
        set.wide(patches, right + from, right_row, add, ret + from, ret_row);
    for (; from < n; from += set.lanes) {
        size_t at = from + set.lanes <= n ? from : n - set.lanes; // the last ones overlap those before
        set.narrow(patches, right + at, right_row, add, ret + at, ret_row);
    }
}

enum { TRANSPOSE_BLOCK = 16 };

KERNEL static void transpose_block(const float *restrict a, size_t lda, float *restrict ret, size_t ldr)
{
    for (size_t column = 0; column < TRANSPOSE_BLOCK; column++)
        for (size_t row = 0; row < TRANSPOSE_BLOCK; row++)
            ret[column * ldr + row] = a[row * lda + column];
}

void patches_transpose(size_t n_rows, size_t n_columns, const float *a, size_t lda, float *ret, size_t ldr)
{
    const size_t block = TRANSPOSE_BLOCK;
    size_t whole_rows = n_rows / block * block, whole_columns = n_columns / block * block;
    for (size_t row = 0; row < whole_rows; row += block)
        for (size_t column = 0; column < whole_columns; column += block)
            transpose_block(a + row * lda + column, lda, ret + column * ldr + row, ldr);
    for (size_t row = 0; row < n_rows; row++)
        for (size_t column = row < whole_rows ? whole_columns : 0; column < n_columns; column++)
            ret[column * ldr + row] = a[row * lda + column];
}
