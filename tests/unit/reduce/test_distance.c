#include "reduce/distance.h"
#include <criterion/criterion.h>

Test(distance, is_the_sum_of_squares_at_any_length)
{
    float a[100], b[100];
    for (size_t i = 0; i < 100; i++) {
        a[i] = (float)(i % 7);
        b[i] = (float)(i % 5) * 0.5f;
    }
    for (size_t n = 0; n <= 100; n++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        cr_assert_eq(squared_distance(a, b, n), sum, "of %zu", n); // quarters are exact
        cr_assert_eq(squared_distance(a, a, n), 0);
    }
}

Test(distance, of_large_values_does_not_overflow)
{
    const float a[] = {3e38f, 0}, b[] = {-3e38f, 0};
    double squared = squared_distance(a, b, 2);
    cr_assert_float_eq(squared, 3.6e77, 1e71);
}
