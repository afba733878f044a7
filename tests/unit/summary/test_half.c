#include "summary/half.h"
#include <criterion/criterion.h>
#include <math.h>

Test(half, every_binary16_comes_back)
{
    for (uint32_t bits = 0; bits < 1 << 16; bits++) {
        float x = f16_value((uint16_t)bits);
        if (isnan(x))
            cr_assert(isnan(f16_value(f16_of(x))));
        else
            cr_assert_eq(f16_of(x), bits, "%#x", bits);
    }
}

Test(half, every_bfloat16_comes_back)
{
    for (uint32_t bits = 0; bits < 1 << 16; bits++) {
        float x = bf16_value((uint16_t)bits);
        if (isnan(x))
            cr_assert(isnan(bf16_value(bf16_of(x))));
        else
            cr_assert_eq(bf16_of(x), bits, "%#x", bits);
    }
}

#ifndef __clang__ // which has no _Float16 on all processors
// Against the compiler's own conversion, over values of all sizes.
Test(half, rounds_to_nearest_even_as_the_compiler_does)
{
    for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += 9973) {
        union {
            uint32_t bits;
            float x;
        } u = {(uint32_t)bits};
        union {
            _Float16 half;
            uint16_t bits;
        } expected = {(_Float16)u.x};
        if (!isnan(u.x))
            cr_assert_eq(f16_of(u.x), expected.bits, "%a", (double)u.x);
    }
}
#endif

Test(half, ties_go_to_even)
{
    cr_assert_eq(f16_value(f16_of(2049)), 2048);
    cr_assert_eq(f16_value(f16_of(2051)), 2052);
    cr_assert_eq(bf16_value(bf16_of(257)), 256);
    cr_assert_eq(bf16_value(bf16_of(259)), 260);
    cr_assert(isinf(f16_value(f16_of(65520))));
    cr_assert_eq(f16_value(f16_of(65519)), 65504);
}
