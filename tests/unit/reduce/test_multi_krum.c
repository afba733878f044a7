#include "reduce_kit.h"

static const float values[] = {0, 1, 2, 3, 4, 1000, 1001};

static float reduced(const char *options)
{
    float mean;
    reduce_all(
        &(const struct reduce_case){
            .name = "multi_krum", .options = options, .n_rows = 7, .n_values = 1, .values = values},
        &mean);
    return mean;
}

Test(multi_krum, is_the_mean_of_those_nearest_to_their_neighbours)
{
    // With three neighbours: 0 scores 1 + 4 + 9, 1 scores 1 + 1 + 4, 2 scores 1 + 1 + 4, 3 as 1, 4 as 0.
    cr_assert_float_eq(reduced("{byzantine: 2, keep: 1}"), 1, 1e-6);
    cr_assert_float_eq(reduced("{byzantine: 2, keep: 2}"), 1.5, 1e-6);
    cr_assert_float_eq(reduced("{byzantine: 2}"), 2, 1e-6); // n - f - 2
    cr_assert_float_eq(reduced("{byzantine: 2, keep: 5}"), 2, 1e-6);
}

Test(multi_krum, refuses_to_keep_bad_ones)
{
    struct error error = ERROR_INIT;
    cr_assert_eq(reducer_check_learners("multi_krum", "{byzantine: 2, keep: 5}", 7, 9, &error), STATUS_OK);
    cr_assert_eq(reducer_check_learners("multi_krum", "{byzantine: 2, keep: 6}", 7, 9, &error),
                 STATUS_INVALID_ARGUMENT);
    cr_assert(strstr(error.message, "lower keep"), "%s", error.message);
    cr_assert_eq(reduce_refused("multi_krum", "{byzantine: 3}", 8).status, STATUS_INVALID_ARGUMENT);
}
