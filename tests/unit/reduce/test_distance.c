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

Test(distance, of_a_part_of_a_vector_is_from_the_reference_as_far_as_it_goes)
{
    const float values[] = {3, 4, 5, 6}, reference[] = {9, 9, 1, 2, 3};
    cr_assert_eq(squared_distance_at(values, 2, 4, reference, 5), 4 + 4 + 4 + 36);
    cr_assert_eq(squared_distance_at(values, 2, 2, reference, 5), 8);
    cr_assert_eq(squared_distance_at(values, 5, 4, reference, 5), 9 + 16 + 25 + 36);
    cr_assert_eq(squared_distance_at(values, 0, 4, NULL, 0), 9 + 16 + 25 + 36);
}
