#include "reduce_kit.h"

Test(trimmed_mean, leaves_out_the_ends)
{
    const float values[] = {-1e30f, 1, 2, 3, 6, 1e30f, 1e30f, 4, 5, 6};
    float mean;
    struct reduce_case test = {
        .name = "trimmed_mean", .options = "{trim: 0.2}", .n_rows = 10, .n_values = 1, .values = values};
    reduce_all(&test, &mean);
    cr_assert_float_eq(mean, (2 + 3 + 4 + 5 + 6 + 6) / 6.0, 1e-6);
    test.options = "{trim: 0.3}"; // 0.3 * 10 is three, also in binary
    reduce_all(&test, &mean);
    cr_assert_float_eq(mean, (3 + 4 + 5 + 6) / 4.0, 1e-6);
}

Test(trimmed_mean, refuses_to_leave_out_none_and_all)
{
    struct error error = ERROR_INIT;
    cr_assert_eq(reducer_check_learners("trimmed_mean", "{trim: 0.1}", 10, 10, &error), STATUS_OK);
    cr_assert_eq(reducer_check_learners("trimmed_mean", "{trim: 0.1}", 9, 10, &error),
                 STATUS_INVALID_ARGUMENT);
    cr_assert(strstr(error.message, "to 10 or more"), "%s", error.message);
    error = reduce_refused("trimmed_mean", "", 9);
    cr_assert_eq(error.status, STATUS_INVALID_ARGUMENT);
    const struct trimmed_half {
        double trim;
    } half = {0.5};
    const struct kind *kind = registry_find(&reducers, "trimmed_mean");
    cr_assert_eq(kind->check(&half, &error), STATUS_INVALID_ARGUMENT);
    cr_assert(strstr(error.message, "median"), "%s", error.message);
}
