#include "reduce/gather.h"
#include "reduce_kit.h"
#include <math.h>

static struct gathering *gathering_of(const char *name, size_t n_values)
{
    struct kit kit = {0};
    struct choice choice = kit_choice(&kit, &reducers, name, "");
    struct gathering *gathering = NULL;
    cr_assert_eq(gathering_new(&gathering, &choice, n_values, NULL, NULL), STATUS_OK);
    kit_release(&kit);
    return gathering;
}

static enum status fold(struct gathering *gathering, uint32_t source, size_t offset, const float *values,
                        size_t n)
{
    const struct contribution from = {.source = source, .weight = 1, .discount = 1};
    return gathering_fold(gathering, offset, values, n, &from, NULL);
}

static void count(struct gathering *gathering, uint32_t source)
{
    const struct contribution from = {.source = source, .weight = 1, .discount = 1};
    gathering_count(gathering, &from);
}

static float median_of_one_value(struct gathering *gathering)
{
    const struct settling settling = {0};
    float median = NAN;
    cr_assert_eq(gathering_settle(gathering, &settling, NULL), STATUS_OK);
    cr_assert_eq(gathering_finish(gathering, 0, 1, &median, NULL), STATUS_OK);
    return median;
}

Test(gather, one_learner_may_send_twice_once_the_first_is_whole)
{
    struct gathering *gathering = gathering_of("median", 1);
    const float values[] = {1, 2, 30};
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(fold(gathering, 7, 0, &values[i], 1), STATUS_OK);
        cr_assert_eq(fold(gathering, 7, 0, &values[i], 1), STATUS_OUT_OF_RANGE, "a range came twice");
        count(gathering, 7);
    }
    cr_assert_eq(median_of_one_value(gathering), 2.0f);
    gathering_free(gathering);
}

Test(gather, forgets_one_that_is_not_whole_and_no_other)
{
    struct gathering *gathering = gathering_of("median", 1);
    const float one = 1, two = 2;
    cr_assert_eq(fold(gathering, 3, 0, &one, 1), STATUS_OK);
    count(gathering, 3);
    cr_assert_eq(fold(gathering, 4, 0, &two, 1), STATUS_OK);
    gathering_forget(gathering, 3); // it is whole
    gathering_forget(gathering, 4);
    gathering_forget(gathering, 5); // nothing came
    cr_assert_eq(median_of_one_value(gathering), 1.0f);
    cr_assert_eq(fold(gathering, 4, 0, &two, 1), STATUS_OK, "it may come again");
    count(gathering, 4);
    cr_assert_eq(median_of_one_value(gathering), 1.5f);
    gathering_free(gathering);
}

Test(gather, holds_as_many_summaries_as_a_round_may_have)
{
    struct gathering *gathering = gathering_of("median", 1);
    for (uint32_t i = 0; i < RING_TERMS_MAX; i++) {
        const float value = (float)(i * 7919 % RING_TERMS_MAX);
        cr_assert_eq(fold(gathering, (i * 31) % RING_TERMS_MAX, 0, &value, 1), STATUS_OK);
        count(gathering, (i * 31) % RING_TERMS_MAX);
    }
    const float value = 1;
    cr_assert_eq(fold(gathering, RING_TERMS_MAX, 0, &value, 1), STATUS_OUT_OF_RANGE);
    cr_assert_eq(median_of_one_value(gathering), (RING_TERMS_MAX - 1) / 2.0f);
    gathering_free(gathering);
}

Test(gather, a_discount_lessens_the_values)
{
    struct gathering *gathering = gathering_of("median", 3000);
    float values[3000], median[3000];
    const struct contribution stale = {.source = 1, .weight = 1, .discount = 0.25};
    for (size_t i = 0; i < 3000; i++)
        values[i] = (float)i;
    cr_assert_eq(gathering_fold(gathering, 0, values, 3000, &stale, NULL), STATUS_OK);
    count(gathering, 1);
    const struct settling settling = {0};
    cr_assert_eq(gathering_settle(gathering, &settling, NULL), STATUS_OK);
    cr_assert_eq(gathering_finish(gathering, 0, 3000, median, NULL), STATUS_OK);
    for (size_t i = 0; i < 3000; i++)
        cr_assert_eq(median[i], values[i] / 4);
    gathering_free(gathering);
}

Test(gather, tells_how_far_one_lies_before_it_counts)
{
    struct gathering *gathering = gathering_of("median", 3);
    const float values[] = {3, 4, 12}, reference[] = {0, 4};
    double distance = 0;
    cr_assert_eq(gathering_distance(gathering, 2, NULL, 0, &distance, NULL), STATUS_NOT_FOUND);
    cr_assert_eq(fold(gathering, 2, 0, values, 3), STATUS_OK);
    cr_assert_eq(gathering_distance(gathering, 2, NULL, 0, &distance, NULL), STATUS_OK);
    cr_assert_eq(distance, 13);
    cr_assert_eq(gathering_distance(gathering, 2, reference, 2, &distance, NULL), STATUS_OK);
    cr_assert_float_eq(distance, sqrt(153), 1e-12);
    count(gathering, 2);
    cr_assert_eq(gathering_distance(gathering, 2, NULL, 0, &distance, NULL), STATUS_NOT_FOUND);
    gathering_free(gathering);
}

Test(gather, starts_over_after_a_reset)
{
    struct gathering *gathering = gathering_of("median", 1);
    const float one = 1, two = 2;
    cr_assert_eq(fold(gathering, 1, 0, &one, 1), STATUS_OK);
    count(gathering, 1);
    cr_assert_eq(median_of_one_value(gathering), 1.0f);
    cr_assert_eq(fold(gathering, 2, 0, &two, 1), STATUS_OK);
    gathering_reset(gathering);
    cr_assert_eq(fold(gathering, 2, 0, &two, 1), STATUS_OK);
    count(gathering, 2);
    cr_assert_eq(median_of_one_value(gathering), 2.0f);
    gathering_free(gathering);
}
