#include "nn/columns.h"
#include "base/kernel.h"
#include <assert.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

KERNEL static void find(size_t n_rows, size_t n_columns, const float *restrict x, uint32_t *restrict any)
{
    for (size_t row = 0; row < n_rows; row++)
        for (size_t i = 0; i < n_columns; i++) {
            uint32_t bits;
            memcpy(&bits, x + row * n_columns + i, sizeof bits);
            any[i] |= bits << 1; // either zero
        }
}

size_t columns_find(size_t n_rows, size_t n_columns, const float *x, uint32_t *work, int32_t *ret)
{
    size_t n = 0;
    memset(work, 0, n_columns * sizeof work[0]);
    find(n_rows, n_columns, x, work);
    for (size_t i = 0; i < n_columns; i++) {
        ret[n] = (int32_t)i;
        n += work[i] != 0;
    }
    return n;
}

void columns_gather(size_t n_rows, size_t n_columns, const float *x, const int32_t *places, size_t n,
                    size_t width, float *ret)
{
    for (size_t row = 0; row < n_rows; row++, x += n_columns, ret += width) {
        for (size_t k = 0; k < n; k++)
            ret[k] = x[places[k]];
        memset(ret + n, 0, (width - n) * sizeof ret[0]);
    }
}

static void spread_any(size_t n_rows, size_t n_columns, const float *restrict gathered, size_t width,
                       const int32_t *restrict places, size_t n, float *restrict ret)
{
    for (size_t row = 0; row < n_rows; row++, gathered += width, ret += n_columns) {
        memset(ret, 0, n_columns * sizeof ret[0]);
        for (size_t k = 0; k < n; k++)
            ret[places[k]] = gathered[k];
    }
}

#if defined(__x86_64__)
enum { LANES = 16, BLOCKS_MAX = COLUMNS_MAX / LANES };

// Which of each sixteen columns are there, and how many were before.
struct blocks {
    uint16_t mask[BLOCKS_MAX], before[BLOCKS_MAX];
};

static void make_blocks(const int32_t *places, size_t n, size_t n_blocks, struct blocks *ret)
{
    size_t k = 0;
    for (size_t block = 0; block < n_blocks; block++) {
        uint16_t mask = 0;
        ret->before[block] = (uint16_t)k;
        for (; k < n && (size_t)places[k] < (block + 1) * LANES; k++)
            mask |= (uint16_t)(1U << ((size_t)places[k] % LANES));
        ret->mask[block] = mask;
    }
}

__attribute__((target("avx512f"))) static void spread_avx512(size_t n_rows, size_t n_columns,
                                                             const float *restrict gathered, size_t width,
                                                             const struct blocks *blocks, float *restrict ret)
{
    const size_t n_whole = n_columns / LANES;
    const __mmask16 rest = (__mmask16)((1U << n_columns % LANES) - 1);
    for (size_t row = 0; row < n_rows; row++, gathered += width, ret += n_columns) {
        for (size_t i = 0; i < n_whole; i++)
            _mm512_storeu_ps(
                ret + i * LANES,
                _mm512_maskz_expand_ps(blocks->mask[i], _mm512_loadu_ps(gathered + blocks->before[i])));
        if (rest)
            _mm512_mask_storeu_ps(
                ret + n_whole * LANES, rest,
                _mm512_maskz_expand_ps(blocks->mask[n_whole],
                                       _mm512_loadu_ps(gathered + blocks->before[n_whole])));
    }
}
#endif

void columns_spread(size_t n_rows, size_t n_columns, const float *gathered, size_t width,
                    const int32_t *places, size_t n, float *ret)
{
    assert(n_columns <= COLUMNS_MAX);
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) {
        struct blocks blocks = {0};
        make_blocks(places, n, (n_columns + LANES - 1) / LANES, &blocks);
        spread_avx512(n_rows, n_columns, gathered, width, &blocks, ret);
        return;
    }
#endif
    spread_any(n_rows, n_columns, gathered, width, places, n, ret);
}
