#include "reduce_kit.h"

Test(bulyan, means_the_values_around_the_median_of_the_chosen)
{
    // f = 1: five of the seven are chosen, and the three nearest to their median count.
    const float values[] = {0, 1, 2, 3, 5, 9, 1000};
    float mean;
    reduce_all(
        &(const struct reduce_case){
            .name = "bulyan", .options = "{byzantine: 1}", .n_rows = 7, .n_values = 1, .values = values},
        &mean);
    // Chosen one after the other: 2 (scored by four), then 1, 0, 3, 5; their median is 2.
    cr_assert_float_eq(mean, 2, 1e-6);
}

Test(bulyan, stands_an_outlier_in_one_value_alone)
{
    enum { N_ROWS = 11, N = 500 };
    static float values[N_ROWS][N];
    float mean[N];
    for (size_t r = 0; r < N_ROWS; r++)
        for (size_t i = 0; i < N; i++)
            values[r][i] = (float)((r * 37 + i * 11) % 19) * 0.01f;
    values[2][77] = 3; // not far enough for krum to see
    values[5][78] = -3;
    reduce_all(&(const struct reduce_case){.name = "bulyan",
                                           .options = "{byzantine: 2}",
                                           .n_rows = N_ROWS,
                                           .n_values = N,
                                           .values = values[0]},
               mean);
    for (size_t i = 0; i < N; i++)
        cr_assert(mean[i] >= 0 && mean[i] <= 0.18f, "%g", (double)mean[i]);
}

Test(bulyan, needs_enough_summaries)
{
    struct error error = ERROR_INIT;
    cr_assert_eq(reducer_check_learners("bulyan", "{byzantine: 2}", 11, 11, &error), STATUS_OK);
    cr_assert_eq(reducer_check_learners("bulyan", "{byzantine: 2}", 10, 11, &error), STATUS_INVALID_ARGUMENT);
    cr_assert_eq(reduce_refused("bulyan", "", 6).status, STATUS_INVALID_ARGUMENT);
}
