#include "nn/columns.h"
#include "base/kernel.h"
#include <assert.h>
#include <stdbool.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

static size_t n_blocks(const struct columns *columns)
{
    return (columns->n_all + COLUMNS_BLOCK - 1) / COLUMNS_BLOCK;
}

KERNEL static void find(size_t n_rows, size_t n_columns, const float *restrict x, uint32_t *restrict any)
{
    for (size_t row = 0; row < n_rows; row++)
        for (size_t i = 0; i < n_columns; i++) {
            uint32_t bits;
            memcpy(&bits, x + row * n_columns + i, sizeof bits);
            any[i] |= bits << 1; // either zero
        }
}

void columns_find(size_t n_rows, size_t n_columns, const float *x, uint32_t *work, struct columns *ret)
{
    assert(n_columns <= COLUMNS_MAX);
    memset(work, 0, n_columns * sizeof work[0]);
    find(n_rows, n_columns, x, work);
    ret->n_all = n_columns;
    ret->n = 0;
    for (size_t block = 0; block < n_blocks(ret); block++) {
        unsigned int kept = 0;
        for (size_t i = block * COLUMNS_BLOCK; i < (block + 1) * COLUMNS_BLOCK && i < n_columns; i++)
            kept |= (unsigned int)(work[i] != 0) << i % COLUMNS_BLOCK;
        ret->kept[block] = (uint16_t)kept;
        ret->before[block] = (uint16_t)ret->n;
        ret->n += (size_t)__builtin_popcount(kept);
    }
}

static void gather_any(const struct columns *columns, const float *restrict x, float *restrict ret)
{
    for (size_t block = 0; block < n_blocks(columns); block++)
        for (unsigned int kept = columns->kept[block]; kept; kept &= kept - 1)
            *ret++ = x[block * COLUMNS_BLOCK + (size_t)__builtin_ctz(kept)];
}

static void spread_any(const struct columns *columns, const float *restrict gathered, float *restrict ret)
{
    memset(ret, 0, columns->n_all * sizeof ret[0]);
    for (size_t block = 0; block < n_blocks(columns); block++)
        for (unsigned int kept = columns->kept[block]; kept; kept &= kept - 1)
            ret[block * COLUMNS_BLOCK + (size_t)__builtin_ctz(kept)] = *gathered++;
}

KERNEL static void descend_any(size_t n, float rate, float decay, float *restrict p, const float *restrict g)
{
    for (size_t i = 0; i < n; i++)
        p[i] -= rate * (g[i] + decay * p[i]);
}

#if defined(__x86_64__)
#define AVX512 __attribute__((target("avx512f")))

// Which of a block's columns there are.
static __mmask16 there(const struct columns *columns, size_t block)
{
    size_t left = columns->n_all - block * COLUMNS_BLOCK;
    return left < COLUMNS_BLOCK ? (__mmask16)((1U << left) - 1) : (__mmask16)0xffff;
}

AVX512 static __m512 spread_block(const struct columns *columns, const float *gathered, size_t block)
{
    return _mm512_maskz_expand_ps(columns->kept[block], _mm512_loadu_ps(gathered + columns->before[block]));
}

AVX512 static void gather_avx512(const struct columns *columns, const float *restrict x, float *restrict ret)
{
    for (size_t block = 0; block < n_blocks(columns); block++) {
        const __m512 all = _mm512_maskz_loadu_ps(there(columns, block), x + block * COLUMNS_BLOCK);
        _mm512_storeu_ps(ret + columns->before[block], _mm512_maskz_compress_ps(columns->kept[block], all));
    }
}

AVX512 static void spread_avx512(const struct columns *columns, const float *restrict gathered,
                                 float *restrict ret)
{
    for (size_t block = 0; block < n_blocks(columns); block++)
        _mm512_mask_storeu_ps(ret + block * COLUMNS_BLOCK, there(columns, block),
                              spread_block(columns, gathered, block));
}

AVX512 static void descend_avx512(const struct columns *columns, float rate, float decay,
                                  const float *restrict gathered, float *restrict p)
{
    const __m512 rates = _mm512_set1_ps(rate), decays = _mm512_set1_ps(decay);
    for (size_t block = 0; block < n_blocks(columns); block++) {
        const __mmask16 mask = there(columns, block);
        const __m512 at = _mm512_maskz_loadu_ps(mask, p + block * COLUMNS_BLOCK);
        const __m512 g = _mm512_add_ps(spread_block(columns, gathered, block), _mm512_mul_ps(decays, at));
        _mm512_mask_storeu_ps(p + block * COLUMNS_BLOCK, mask, _mm512_sub_ps(at, _mm512_mul_ps(rates, g)));
    }
}

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f");
}
#endif

void columns_gather(const struct columns *columns, size_t n_rows, const float *x, size_t width, float *ret)
{
    for (size_t row = 0; row < n_rows; row++, x += columns->n_all, ret += width) {
#if defined(__x86_64__)
        if (has_avx512())
            gather_avx512(columns, x, ret);
        else
#endif
            gather_any(columns, x, ret);
        memset(ret + columns->n, 0, (width - columns->n) * sizeof ret[0]);
    }
}

void columns_spread(const struct columns *columns, size_t n_rows, const float *gathered, size_t width,
                    float *ret)
{
    for (size_t row = 0; row < n_rows; row++, gathered += width, ret += columns->n_all) {
#if defined(__x86_64__)
        if (has_avx512()) {
            spread_avx512(columns, gathered, ret);
            continue;
        }
#endif
        spread_any(columns, gathered, ret);
    }
}

void columns_descend(const struct columns *columns, size_t n_rows, const float *gathered, size_t width,
                     float rate, float decay, float *p)
{
    for (size_t row = 0; row < n_rows; row++, gathered += width, p += columns->n_all) {
#if defined(__x86_64__)
        if (has_avx512()) {
            descend_avx512(columns, rate, decay, gathered, p);
            continue;
        }
#endif
        float g[COLUMNS_MAX];
        spread_any(columns, gathered, g);
        descend_any(columns->n_all, rate, decay, p, g);
    }
}
