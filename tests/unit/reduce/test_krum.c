#include "reduce_kit.h"

Test(krum, gives_one_of_the_close_ones_as_it_is)
{
    // Five near (1, 1), of which the third has the nearest neighbours; two far away, and together.
    const float values[] = {1.3f, 1, 0.8f, 1, 1, 1.1f, 1, 0.7f, 1.1f, 1.2f, 50, 50, 50, 50};
    float chosen[2];
    reduce_all(
        &(const struct reduce_case){
            .name = "krum", .options = "{byzantine: 2}", .n_rows = 7, .n_values = 2, .values = values},
        chosen);
    cr_assert_eq(chosen[0], 1.0f);
    cr_assert_eq(chosen[1], 1.1f);
}

Test(krum, needs_enough_summaries)
{
    struct error error = ERROR_INIT;
    cr_assert_eq(reducer_check_learners("krum", "{byzantine: 2}", 7, 7, &error), STATUS_OK);
    cr_assert_eq(reducer_check_learners("krum", "{byzantine: 2}", 6, 7, &error), STATUS_INVALID_ARGUMENT);
    cr_assert_eq(reducer_check_learners("krum", "", 5, 2000, &error), STATUS_INVALID_ARGUMENT);
    error = reduce_refused("krum", "{byzantine: 2}", 6);
    cr_assert_eq(error.status, STATUS_INVALID_ARGUMENT);
    cr_assert(strstr(error.message, "krum with byzantine '2' needs 7"), "%s", error.message);
}
