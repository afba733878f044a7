#include "base/memory.h"
#include "reduce/reducer.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { BLOCK = 1 << 18 };

#define OF(samples) (&(const struct contribution){.weight = (samples), .discount = 1})

static struct reduction *mean_of(size_t n_values, uint64_t weight_unit)
{
    struct choice choice = {.kind = registry_find(&reducers, "mean")};
    struct reduction *reduction = NULL;
    struct error error = ERROR_INIT;
    cr_assert_eq(reduction_new(&reduction, &choice, n_values, NULL, &error), STATUS_OK, "%s", error.message);
    reduction_reset(reduction, weight_unit);
    return reduction;
}

Test(reducer, weighs_by_samples)
{
    struct reduction *reduction = mean_of(2, 10);
    float a[] = {1, -4}, b[] = {4, 8}, mean[2];
    cr_assert_eq(reduction_fold(reduction, 0, a, 2, OF(20), NULL), STATUS_OK);
    reduction_count(reduction, OF(20));
    cr_assert_eq(reduction_fold(reduction, 0, b, 2, OF(10), NULL), STATUS_OK);
    reduction_count(reduction, OF(10));
    cr_assert_eq(reduction_weight(reduction), 30);
    cr_assert_eq(reduction_finish(reduction, 0, 2, mean, NULL), STATUS_OK);
    cr_assert_eq(mean[0], 2.0f);
    cr_assert_eq(mean[1], 0.0f);
    reduction_free(reduction);
}

Test(reducer, a_discount_lessens_the_values_and_not_the_total)
{
    struct reduction *reduction = mean_of(2, 10);
    float a[] = {1, -4}, b[] = {4, 8}, mean[2];
    const struct contribution stale = {.source = 1, .weight = 10, .discount = 0.5};
    cr_assert_eq(reduction_fold(reduction, 0, a, 2, OF(10), NULL), STATUS_OK);
    reduction_count(reduction, OF(10));
    cr_assert_eq(reduction_fold(reduction, 0, b, 2, &stale, NULL), STATUS_OK);
    reduction_count(reduction, &stale);
    cr_assert_eq(reduction_n_summaries(reduction), 2);
    cr_assert_eq(reduction_finish(reduction, 0, 2, mean, NULL), STATUS_OK);
    cr_assert_eq(mean[0], 1.5f);
    cr_assert_eq(mean[1], 0.0f);
    for (int discount = -1; discount <= 2; discount += discount == 0 ? 2 : 1) {
        const struct contribution wrong = {.weight = 10, .discount = discount};
        cr_assert_eq(reduction_fold(reduction, 0, b, 2, &wrong, NULL), STATUS_OUT_OF_RANGE);
    }
    const struct contribution none = {.weight = 10, .discount = NAN};
    cr_assert_eq(reduction_fold(reduction, 0, b, 2, &none, NULL), STATUS_OUT_OF_RANGE);
    reduction_free(reduction);
}

Test(reducer, has_nothing_to_settle_without_a_summary)
{
    struct reduction *reduction = mean_of(2, 10);
    struct error error = ERROR_INIT;
    const struct settling settling = {0};
    cr_assert_eq(reduction_settle(reduction, &settling, &error), STATUS_FAILED_PRECONDITION);
    reduction_free(reduction);
}

Test(reducer, starts_over_after_a_reset)
{
    size_t n = 2 * BLOCK + 3;
    struct reduction *reduction = mean_of(n, 1);
    float *first = memory_floats(n), *second = memory_floats(n), *mean = memory_floats(n);
    for (size_t i = 0; i < n; i++) {
        first[i] = 5;
        second[i] = (float)(i % 1000);
    }
    cr_assert_eq(reduction_fold(reduction, 0, first, n, OF(1), NULL), STATUS_OK);
    reduction_count(reduction, OF(1));
    reduction_reset(reduction, 3);
    cr_assert_eq(reduction_weight(reduction), 0);
    cr_assert_eq(reduction_fold(reduction, 100, second + 100, n - 100, OF(3), NULL), STATUS_OK);
    cr_assert_eq(reduction_fold(reduction, 0, second, 100, OF(3), NULL), STATUS_OK);
    reduction_count(reduction, OF(3));
    cr_assert_eq(reduction_finish(reduction, 0, n, mean, NULL), STATUS_OK);
    cr_assert_eq(memcmp(mean, second, n * sizeof *mean), 0);
    memory_free(first);
    memory_free(second);
    memory_free(mean);
    reduction_free(reduction);
}

Test(reducer, a_bad_value_in_a_later_block_leaves_the_earlier_ones_alone)
{
    size_t n = 2 * BLOCK + 5;
    struct reduction *reduction = mean_of(n, 1);
    float *values = memory_floats(n), *mean = memory_floats(n);
    for (size_t i = 0; i < n; i++)
        values[i] = 1;
    cr_assert_eq(reduction_fold(reduction, 0, values, n, OF(1), NULL), STATUS_OK);
    reduction_count(reduction, OF(1));
    values[n - 1] = NAN;
    struct error error = ERROR_INIT;
    cr_assert_eq(reduction_fold(reduction, 0, values, n, OF(1), &error), STATUS_INVALID_ARGUMENT);
    cr_assert(strstr(error.message, "value 524292 of the summary is 'nan'"), "%s", error.message);
    cr_assert_eq(reduction_finish(reduction, 0, n, mean, NULL), STATUS_OK);
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(mean[i], 1.0f);
    memory_free(values);
    memory_free(mean);
    reduction_free(reduction);
}

Test(reducer, a_huge_value_is_refused_with_what_to_do)
{
    struct reduction *reduction = mean_of(1, 1);
    struct error error = ERROR_INIT;
    float x = 20000;
    cr_assert_eq(reduction_fold(reduction, 0, &x, 1, OF(2), &error), STATUS_OUT_OF_RANGE);
    cr_assert(strstr(error.message, "'20000', times its weight 2 is not below 32768"), "%s", error.message);
    reduction_free(reduction);
}

Test(reducer, impossible_weights_and_ranges_are_refused)
{
    struct reduction *reduction = mean_of(4, 1);
    float x[4] = {0};
    struct error error = ERROR_INIT;
    cr_assert_eq(reduction_fold(reduction, 0, x, 4, OF(0), &error), STATUS_OUT_OF_RANGE);
    cr_assert_eq(reduction_fold(reduction, 0, x, 4, OF(REDUCTION_WEIGHT_MAX + 1), &error),
                 STATUS_OUT_OF_RANGE);
    cr_assert_eq(reduction_fold(reduction, 1, x, 4, OF(1), &error), STATUS_OUT_OF_RANGE);
    cr_assert_eq(reduction_fold(reduction, 5, x, 0, OF(1), &error), STATUS_OUT_OF_RANGE);
    cr_assert_eq(reduction_fold(reduction, SIZE_MAX, x, 4, OF(1), &error), STATUS_OUT_OF_RANGE);
    reduction_free(reduction);
}

Test(reducer, more_summaries_than_the_ring_holds_are_refused)
{
    struct reduction *reduction = mean_of(3, 1);
    float x[3] = {32767.5f, -32767.5f, 1}, mean[3];
    for (int i = 0; i < RING_TERMS_MAX; i++) {
        cr_assert_eq(reduction_fold(reduction, 0, x, 3, OF(1), NULL), STATUS_OK);
        reduction_count(reduction, OF(1));
    }
    struct error error = ERROR_INIT;
    cr_assert_eq(reduction_fold(reduction, 0, x, 3, OF(1), &error), STATUS_OUT_OF_RANGE);
    cr_assert(strstr(error.message, "'4096' summaries"), "%s", error.message);
    cr_assert_eq(reduction_finish(reduction, 0, 3, mean, NULL), STATUS_OK);
    cr_assert_eq(memcmp(mean, x, sizeof x), 0);
    reduction_unfold(reduction, 0, x, 3, OF(1));
    cr_assert_eq(reduction_fold(reduction, 0, x, 3, OF(1), &error), STATUS_OK);
    reduction_free(reduction);
}

Test(reducer, running_out_of_memory_is_an_error)
{
    struct choice choice = {.kind = registry_find(&reducers, "mean")};
    for (unsigned long nth = 1; nth <= 3; nth++) {
        struct reduction *reduction = NULL;
        struct error error = ERROR_INIT;
        memory_fail_after(nth);
        cr_assert_eq(reduction_new(&reduction, &choice, 1000, NULL, &error), STATUS_RESOURCE_EXHAUSTED);
        cr_assert_null(reduction);
    }
    memory_fail_after(0);
    struct reduction *reduction = NULL;
    struct error error = ERROR_INIT;
    cr_assert_eq(reduction_new(&reduction, &choice, 0, NULL, &error), STATUS_INVALID_ARGUMENT);
    cr_assert_eq(reduction_new(&reduction, &choice, SIZE_MAX, NULL, &error), STATUS_INVALID_ARGUMENT);
}

// ---- partial sums ---------------------------------------------------------------------------------------

enum { WIDE = 2 * BLOCK + 3 };

static float wide(size_t i, uint32_t learner)
{
    return (float)((i * 7 + learner * 13) % 1009) / 257 - 1.5f;
}

static void fold_wide(struct reduction *reduction, uint32_t learner)
{
    float *values = memory_floats(WIDE);
    for (size_t i = 0; i < WIDE; i++)
        values[i] = wide(i, learner);
    cr_assert_eq(reduction_fold(reduction, 0, values, WIDE, OF(learner + 3), NULL), STATUS_OK);
    reduction_count(reduction, OF(learner + 3));
    memory_free(values);
}

Test(reducer, a_reduction_of_partial_sums_is_that_of_all_summaries)
{
    struct reduction *all = mean_of(WIDE, 10), *root = mean_of(WIDE, 10), *relay = mean_of(WIDE, 10);
    float *expected = memory_floats(WIDE), *found = memory_floats(WIDE);
    for (uint32_t learner = 0; learner < 5; learner++) {
        fold_wide(all, learner);
        fold_wide(learner < 2 ? root : relay, learner);
    }
    cr_assert_eq(reduction_fold_sums(root, 0, reduction_sums(relay), WIDE, 3, NULL), STATUS_OK);
    reduction_count_sums(root, 3, reduction_weight(relay));
    cr_assert_eq(reduction_n_summaries(root), 5);
    cr_assert_eq(reduction_weight(root), reduction_weight(all));
    cr_assert_eq(reduction_finish(all, 0, WIDE, expected, NULL), STATUS_OK);
    cr_assert_eq(reduction_finish(root, 0, WIDE, found, NULL), STATUS_OK);
    cr_assert_eq(memcmp(found, expected, WIDE * sizeof *found), 0);
    memory_free(expected);
    memory_free(found);
    reduction_free(all);
    reduction_free(root);
    reduction_free(relay);
}

Test(reducer, a_partial_sum_that_is_too_large_or_too_many_leaves_no_trace)
{
    struct reduction *reduction = mean_of(WIDE, 10), *same = mean_of(WIDE, 10);
    int64_t *sums = (int64_t *)(void *)memory_floats(2 * WIDE);
    struct error error = ERROR_INIT;
    fold_wide(reduction, 1);
    fold_wide(same, 1);
    for (size_t i = 0; i < WIDE; i++)
        sums[i] = (int64_t)i;
    sums[WIDE - 1] = INT64_C(1) << 53; // in the last block: the others are taken back
    cr_assert_eq(reduction_fold_sums(reduction, 0, sums, WIDE, 2, &error), STATUS_OUT_OF_RANGE);
    cr_assert(strstr(error.message, "relay"), "%s", error.message);
    sums[WIDE - 1] = 0;
    cr_assert_eq(reduction_fold_sums(reduction, 0, sums, WIDE, RING_TERMS_MAX, &error), STATUS_OUT_OF_RANGE);
    cr_assert_eq(reduction_fold_sums(reduction, 0, sums, WIDE, 0, &error), STATUS_OUT_OF_RANGE);
    cr_assert_eq(reduction_fold_sums(reduction, 1, sums, WIDE, 1, &error), STATUS_OUT_OF_RANGE);
    cr_assert_eq(memcmp(reduction_sums(reduction), reduction_sums(same), WIDE * sizeof *sums), 0);
    cr_assert_eq(reduction_fold_sums(reduction, 0, sums, WIDE, RING_TERMS_MAX - 1, &error), STATUS_OK,
                 "room was lost: %s", error.message);
    memory_free(sums);
    reduction_free(reduction);
    reduction_free(same);
}
