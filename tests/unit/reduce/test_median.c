#include "reduce_kit.h"

Test(median, ignores_one_outlier)
{
    const float values[] = {1, -5, 2, 1e30f, 3, -1e30f};
    float median[2];
    reduce_all(
        &(const struct reduce_case){
            .name = "median", .options = "", .n_rows = 3, .n_values = 2, .values = values},
        median);
    cr_assert_eq(median[0], 2.0f);
    cr_assert_eq(median[1], -5.0f);
}

Test(median, of_an_even_number_is_the_mean_of_the_middle_two)
{
    const float values[] = {4, 1, 3, 100};
    float median;
    reduce_all(
        &(const struct reduce_case){
            .name = "median", .options = "", .n_rows = 4, .n_values = 1, .values = values},
        &median);
    cr_assert_eq(median, 3.5f);
}

Test(median, does_not_weigh)
{
    const float values[] = {1, 2, 3};
    const uint64_t weights[] = {1000000, 1, 1};
    float median;
    reduce_all(&(const struct reduce_case){.name = "median",
                                           .options = "",
                                           .n_rows = 3,
                                           .n_values = 1,
                                           .values = values,
                                           .weights = weights},
               &median);
    cr_assert_eq(median, 2.0f);
}
