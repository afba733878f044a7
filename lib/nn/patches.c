#include "nn/patches.h"

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

#if defined(__x86_64__) && !defined(__clang__) // clang knows neither these pragmas nor the names
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
#if defined(__x86_64__) && !defined(__clang__) // clang knows neither these pragmas nor the names
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

// Four by four, in vectors that every x86-64 CPU has whole.
typedef float four __attribute__((vector_size(16), aligned(4), may_alias));

static inline void transpose_four(const float *restrict a, size_t lda, float *restrict ret, size_t ldr)
{
    const four row0 = *(const four *)a, row1 = *(const four *)(a + lda);
    const four row2 = *(const four *)(a + 2 * lda), row3 = *(const four *)(a + 3 * lda);
    const four low01 = __builtin_shufflevector(row0, row1, 0, 4, 1, 5);
    const four low23 = __builtin_shufflevector(row2, row3, 0, 4, 1, 5);
    const four high01 = __builtin_shufflevector(row0, row1, 2, 6, 3, 7);
    const four high23 = __builtin_shufflevector(row2, row3, 2, 6, 3, 7);
    *(four *)ret = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
    *(four *)(ret + ldr) = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
    *(four *)(ret + 2 * ldr) = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
    *(four *)(ret + 3 * ldr) = __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
}

// Bands of this many rows fill whole cache lines of the result.
enum { BAND = 16 };

void patches_transpose(size_t n_rows, size_t n_columns, const float *a, size_t lda, float *ret, size_t ldr)
{
    const size_t whole_rows = n_rows - n_rows % 4, whole_columns = n_columns - n_columns % 4;
    for (size_t band = 0; band < whole_rows; band += BAND)
        for (size_t column = 0; column < whole_columns; column += 4)
            for (size_t row = band; row < band + BAND && row < whole_rows; row += 4)
                transpose_four(a + row * lda + column, lda, ret + column * ldr + row, ldr);
    for (size_t row = 0; row < n_rows; row++)
        for (size_t column = row < whole_rows ? whole_columns : 0; column < n_columns; column++)
            ret[column * ldr + row] = a[row * lda + column];
}
