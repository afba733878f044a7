#include "reduce/ring.h"
#include "base/kernel.h"
#include <math.h>
#include <string.h>

// Adding 1.5 * 2^52 to a double below 2^51 in size leaves its nearest integer, ties to even, in the low bits
// of the significand (Hecker 1996). Unlike a conversion instruction this needs nothing beyond SSE2, so every
// clone computes the same sum at the speed of memory; it must not be contracted with the product before it
// (-ffp-contract=off).
static const double round_magic = 0x1.8p52;
static const double term_limit = 0x1p51 - 0.5; // below this the rounded term is at most 2^51 - 1 in size

static uint64_t bits_of(double x)
{
    uint64_t bits; // the difference of two is taken before it is known to be one that fits
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

typedef float any_float __attribute__((aligned(1), may_alias));

// Bad terms count as zero, so the loop has no branch and can be taken back whole.
KERNEL
static int64_t fold(int64_t *restrict sum, const any_float *restrict x, size_t n, double units)
{
    int64_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        double term = (double)x[i] * units;
        int64_t fine = fabs(term) < term_limit ? -1 : 0; // false for NaN
        sum[i] += (int64_t)(bits_of(term + round_magic) - bits_of(round_magic)) & fine;
        bad |= ~fine;
    }
    return bad;
}

bool ring_fold(int64_t *restrict sum, const void *restrict x, size_t n, double scale)
{
    double units = ldexp(scale, RING_FRACTION_BITS);
    if (fold(sum, x, n, units) == 0)
        return true;
    fold(sum, x, n, -units);
    return false;
}

enum ring_fault ring_check(const void *values, size_t n, double scale, size_t *ret_index)
{
    const any_float *x = values;
    double units = ldexp(scale, RING_FRACTION_BITS);
    for (size_t i = 0; i < n; i++) {
        if (fabs((double)x[i] * units) < term_limit)
            continue;
        if (ret_index)
            *ret_index = i;
        return isfinite(x[i]) ? RING_OUT_OF_RANGE : RING_NOT_FINITE;
    }
    return RING_FINE;
}

// Sums that are too large count as zero, as bad terms do above.
KERNEL
static int64_t add(int64_t *restrict sum, const int64_t *restrict x, size_t n, int64_t limit, int64_t sign)
{
    int64_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t fine = x[i] <= limit && x[i] >= -limit ? -1 : 0;
        sum[i] += ((x[i] & fine) ^ sign) - sign;
        bad |= ~fine;
    }
    return bad;
}

bool ring_add(int64_t *restrict sum, const int64_t *restrict x, size_t n, uint32_t n_terms)
{
    int64_t limit = (int64_t)n_terms * ((INT64_C(1) << (RING_FRACTION_BITS + RING_TERM_BITS)) - 1);
    if (add(sum, x, n, limit, 0) == 0)
        return true;
    add(sum, x, n, limit, -1);
    return false;
}

void ring_take(int64_t *restrict sum, const int64_t *restrict x, size_t n)
{
    add(sum, x, n, INT64_MAX, -1);
}

KERNEL
void ring_mean(float *restrict mean, const int64_t *restrict sum, size_t n, double total)
{
    for (size_t i = 0; i < n; i++)
        mean[i] = (float)((double)sum[i] * 0x1p-36 / total);
}
