#include "reduce/finite.h"
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

Test(finite, finds_the_first_that_is_none)
{
    float x[67];
    const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 67; i++)
        x[i] = i % 3 ? FLT_MAX : -FLT_MIN / 4;
    cr_assert_eq(first_not_finite(x, 67), 67);
    cr_assert_eq(first_not_finite(x, 0), 0);
    for (size_t i = 0; i < 67; i++) {
        float kept = x[i];
        x[i] = bad[i % 4];
        cr_assert_eq(first_not_finite(x, 67), i);
        cr_assert_eq(first_not_finite(x, i), i);
        x[i] = kept;
    }
}
