#include "reduce_kit.h"
#include <math.h>

// Of a triangle with no angle above 120 degrees it is the Fermat point, which sees all sides under 120.
Test(geometric_median, of_a_triangle_is_its_fermat_point)
{
    const float corners[] = {0, 0, 6, 0, 2, 5};
    float point[2];
    reduce_all(&(const struct reduce_case){.name = "geometric_median",
                                           .options = "{iterations: 200}",
                                           .n_rows = 3,
                                           .n_values = 2,
                                           .values = corners},
               point);
    double sum[2] = {0};
    for (size_t i = 0; i < 3; i++) {
        double x = (double)(corners[2 * i] - point[0]), y = (double)(corners[2 * i + 1] - point[1]);
        sum[0] += x / hypot(x, y);
        sum[1] += y / hypot(x, y);
    }
    cr_assert_lt(hypot(sum[0], sum[1]), 1e-5, "at %g, %g", (double)point[0], (double)point[1]);
}

Test(geometric_median, weighs_by_samples)
{
    const float values[] = {1, 2, 30};
    const uint64_t weights[] = {1, 1, 3};
    float point;
    reduce_all(&(const struct reduce_case){.name = "geometric_median",
                                           .options = "{iterations: 100}",
                                           .n_rows = 3,
                                           .n_values = 1,
                                           .values = values,
                                           .weights = weights},
               &point);
    cr_assert_float_eq(point, 30, 1e-3);
}

Test(geometric_median, is_not_drawn_by_one_that_is_far_away)
{
    const float values[] = {1, 2, 3, 2, 1e30f}, model = 1.5f;
    float point;
    reduce_all(&(const struct reduce_case){.name = "geometric_median",
                                           .options = "",
                                           .n_rows = 5,
                                           .n_values = 1,
                                           .values = values,
                                           .reference = &model},
               &point);
    cr_assert(point >= 1 && point <= 3, "%g", (double)point);
}
