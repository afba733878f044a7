#include "reduce/finite.h"
#include "base/kernel.h"
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// All bits of the exponent are set in a NaN or an infinity, and in no other number.
KERNEL
static bool all_finite(const float *restrict x, size_t n)
{
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        bad |= (bits & UINT32_C(0x7f800000)) == UINT32_C(0x7f800000);
    }
    return bad == 0;
}

size_t first_not_finite(const float *x, size_t n)
{
    size_t i = all_finite(x, n) ? n : 0;
    while (i < n && isfinite(x[i]))
        i++;
    return i;
}
