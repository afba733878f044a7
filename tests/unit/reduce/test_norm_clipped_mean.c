#include "reduce_kit.h"

Test(norm_clipped_mean, shortens_long_updates_around_the_model)
{
    const float model[] = {10, 10}, values[] = {10, 11, 13, 14, 10, 10 + 1e6f};
    const uint64_t weights[] = {1, 1, 2};
    float mean[2];
    reduce_all(&(const struct reduce_case){.name = "norm_clipped_mean",
                                           .options = "{clip: 2}",
                                           .n_rows = 3,
                                           .n_values = 2,
                                           .values = values,
                                           .weights = weights,
                                           .reference = model},
               mean);
    // The updates count as (0, 1), (3, 4) * 2 / 5 and (0, 2).
    cr_assert_float_eq(mean[0], 10 + (0 + 1.2 + 2 * 0.0) / 4, 1e-6);
    cr_assert_float_eq(mean[1], 10 + (1 + 1.6 + 2 * 2.0) / 4, 1e-6);
}

Test(norm_clipped_mean, is_around_zero_without_a_model)
{
    const float values[] = {3, 4, 0, 1};
    float mean[2];
    reduce_all(&(const struct reduce_case){.name = "norm_clipped_mean",
                                           .options = "{clip: 1}",
                                           .n_rows = 2,
                                           .n_values = 2,
                                           .values = values},
               mean);
    cr_assert_float_eq(mean[0], 0.3, 1e-7);
    cr_assert_float_eq(mean[1], 0.9, 1e-7);
}

Test(norm_clipped_mean, with_a_large_clip_is_the_mean)
{
    const float values[] = {3, 4, 0, 1}, model[] = {1, 2};
    float mean[2];
    reduce_all(&(const struct reduce_case){.name = "norm_clipped_mean",
                                           .options = "{clip: 1000}",
                                           .n_rows = 2,
                                           .n_values = 2,
                                           .values = values,
                                           .reference = model},
               mean);
    cr_assert_eq(mean[0], 1.5f);
    cr_assert_eq(mean[1], 2.5f);
}
