#include "base/memory.h"
#include "uploads.h"
#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

Test(ingest, means_are_weighted)
{
    expect_of_three();
    double sum = 0;
    for (uint32_t learner = 0; learner < 3; learner++) {
        draw(values, learner);
        sum += (5 + learner) * (double)values[4711];
    }
    cr_assert_float_eq((double)expected[4711], sum / 18, 1e-7);
}

Test(ingest, the_order_and_the_way_of_arrival_do_not_matter)
{
    expect_of_three();
    static const size_t buffers[] = {HELD, STREAMED, N * sizeof(float)}; // the last holds one back
    for (size_t i = 0; i < ARRAY_SIZE(buffers); i++) {
        struct ingest *ingest = open_ingest(buffers[i]);
        for (uint32_t learner = 3; learner-- > 0;)
            submit(ingest, learner, 5 + learner, 4096);
        finish(ingest, found);
        assert_same(expected, found);
        ingest_unref(ingest);
    }
}

Test(ingest, runs_may_end_at_any_byte)
{
    expect_of_three();
    static const size_t steps[] = {1, 2, 3, 5, 7, 1021, 4099, 65535};
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        struct ingest *ingest = open_ingest(STREAMED);
        for (uint32_t learner = 0; learner < 3; learner++)
            submit(ingest, learner, 5 + learner, steps[i]);
        finish(ingest, found);
        assert_same(expected, found);
        ingest_unref(ingest);
    }
}

Test(ingest, a_held_summary_that_is_unfit_leaves_nothing_behind)
{
    expect_of_three();
    struct ingest *ingest = open_ingest(HELD);
    for (uint32_t learner = 0; learner < 3; learner++)
        submit(ingest, learner, 5 + learner, 4096);
    draw(values, 9);
    values[N - 1] = NAN;
    struct upload *upload = begin(ingest, 7);
    struct error error = ERROR_INIT;
    cr_assert(take_all(upload, values, 4096));
    cr_assert_neq(upload_finish(upload, &error), STATUS_OK);
    cr_assert(strstr(error.message, "nan") != NULL, "%s", error.message);
    cr_assert_not(upload_free(upload), "nothing is spoilt");
    finish(ingest, found);
    assert_same(expected, found);
    ingest_unref(ingest);
}

Test(ingest, a_streamed_summary_that_is_unfit_or_cut_short_spoils_the_reduction)
{
    struct ingest *ingest = open_ingest(STREAMED);
    draw(values, 1);
    values[N - 1] = INFINITY;
    struct upload *upload = begin(ingest, 7);
    cr_assert_not(take_all(upload, values, 4096));
    cr_assert_neq(upload_fault(upload)->status, STATUS_OK);
    cr_assert(upload_free(upload));
    upload = begin(ingest, 7);
    cr_assert(upload_take(upload, 0, (const uint8_t *)values, 4096));
    cr_assert(upload_free(upload));
    ingest_unref(ingest);
}

Test(ingest, a_held_summary_cut_short_spoils_nothing)
{
    struct ingest *ingest = open_ingest(HELD);
    struct upload *upload = begin(ingest, 7);
    struct error error = ERROR_INIT;
    draw(values, 1);
    cr_assert(upload_take(upload, 0, (const uint8_t *)values, 4096));
    cr_assert_eq(upload_finish(upload, &error), STATUS_DATA_LOSS);
    cr_assert_not(upload_free(upload));
    ingest_unref(ingest);
}

// Two learners' summaries come as a relay's partial sum, the third by itself.
static void submit_sums(struct ingest *relay, struct ingest *ingest, size_t step)
{
    static int64_t sums[N];
    struct error error = ERROR_INIT;
    struct upload *upload = NULL;
    const struct contribution from = {.weight = 11, .discount = 1};
    submit(relay, 0, 5, 4096);
    submit(relay, 1, 6, 4096);
    memcpy(sums, reduction_sums(ingest_reduction(relay)), sizeof sums);
    cr_assert_eq(upload_new_sums(&upload, ingest, &from, 2, NULL), STATUS_OK);
    for (size_t at = 0; at < sizeof sums; at += step) {
        size_t n = sizeof sums - at < step ? sizeof sums - at : step;
        cr_assert(upload_take(upload, at, (const uint8_t *)sums + at, n));
    }
    cr_assert_eq(upload_finish(upload, &error), STATUS_OK, "%s", error.message);
    cr_assert_not(upload_free(upload));
}

Test(ingest, a_partial_sum_counts_as_its_summaries)
{
    expect_of_three();
    static const size_t buffers[] = {HELD, STREAMED}, steps[] = {1, 3, 4, 8, 4099, 65535};
    for (size_t i = 0; i < ARRAY_SIZE(buffers) * ARRAY_SIZE(steps); i++) {
        struct ingest *relay = open_ingest(HELD), *ingest = open_ingest(buffers[i % 2]);
        submit_sums(relay, ingest, steps[i / 2]);
        submit(ingest, 2, 7, 4096);
        cr_assert_eq(reduction_n_summaries(ingest_reduction(ingest)), 3);
        finish(ingest, found);
        assert_same(expected, found);
        ingest_unref(relay);
        ingest_unref(ingest);
    }
}

Test(ingest, a_partial_sum_that_is_unfit_or_cut_short_leaves_nothing_behind_when_held)
{
    static int64_t sums[N];
    expect_of_three();
    struct ingest *ingest = open_ingest(HELD);
    struct error error = ERROR_INIT;
    struct upload *upload = NULL;
    const struct contribution from = {.weight = 11, .discount = 1};
    sums[N - 1] = INT64_MAX;
    for (uint32_t learner = 0; learner < 3; learner++)
        submit(ingest, learner, 5 + learner, 4096);
    cr_assert_eq(upload_new_sums(&upload, ingest, &from, 2, NULL), STATUS_OK);
    cr_assert(upload_take(upload, 0, (const uint8_t *)sums, sizeof sums));
    cr_assert_eq(upload_finish(upload, &error), STATUS_OUT_OF_RANGE);
    cr_assert_not(upload_free(upload), "nothing is spoilt");
    cr_assert_eq(upload_new_sums(&upload, ingest, &from, 2, NULL), STATUS_OK);
    cr_assert(upload_take(upload, 0, (const uint8_t *)sums, 801));
    cr_assert_not(upload_free(upload), "nothing is spoilt");
    finish(ingest, found);
    assert_same(expected, found);
    ingest_unref(ingest);
}

Test(ingest, gaps_repetitions_and_excess_are_refused)
{
    struct ingest *ingest = open_ingest(HELD);
    draw(values, 1);
    struct upload *upload = begin(ingest, 7);
    cr_assert(upload_take(upload, 0, (const uint8_t *)values, 100));
    cr_assert_not(upload_take(upload, 101, (const uint8_t *)values, 100));
    cr_assert_eq(upload_fault(upload)->status, STATUS_DATA_LOSS);
    cr_assert_not(upload_take(upload, 100, (const uint8_t *)values, 100), "a fault stays");
    upload_free(upload);
    upload = begin(ingest, 7);
    cr_assert(take_all(upload, values, 4096));
    cr_assert_not(upload_take(upload, N * sizeof(float), (const uint8_t *)values, 1));
    upload_free(upload);
    ingest_unref(ingest);
}

Test(ingest, a_reset_voids_uploads_under_way)
{
    static const size_t buffers[] = {HELD, STREAMED};
    for (size_t i = 0; i < ARRAY_SIZE(buffers); i++) {
        struct ingest *ingest = open_ingest(buffers[i]);
        struct error error = ERROR_INIT;
        draw(values, 1);
        struct upload *upload = begin(ingest, 7);
        cr_assert(upload_take(upload, 0, (const uint8_t *)values, 4096));
        ingest_reset(ingest, 10);
        cr_assert(upload_take(upload, 4096, (const uint8_t *)values + 4096, N * sizeof(float) - 4096));
        cr_assert_eq(upload_finish(upload, &error), STATUS_ABORTED);
        cr_assert_not(upload_free(upload), "what it folded was cleared");
        submit(ingest, 2, 5, 4096);
        finish(ingest, found);
        draw(values, 2);
        for (size_t k = 0; k < N; k++)
            cr_assert_float_eq(found[k], values[k], 1e-7);
        ingest_unref(ingest);
    }
}

Test(ingest, uploads_outlive_their_owner)
{
    struct ingest *ingest = open_ingest(STREAMED);
    struct upload *upload = begin(ingest, 7);
    ingest_unref(ingest);
    draw(values, 1);
    cr_assert(take_all(upload, values, 4096));
    upload_free(upload);
}

struct sending {
    struct ingest *ingest;
    uint32_t learner;
    pthread_t thread;
};

static void *send_often(void *argument)
{
    struct sending *sending = argument;
    float *own = memory_floats(N);
    draw(own, sending->learner);
    for (unsigned int i = 0; i < 40; i++) {
        struct upload *upload = begin(sending->ingest, 5 + sending->learner);
        if (take_all(upload, own, 4099))
            upload_finish(upload, NULL);
        upload_free(upload);
    }
    memory_free(own);
    return NULL;
}

Test(ingest, resets_while_others_upload_leave_nothing_behind, .timeout = 60)
{
    expect_of_three();
    static const size_t buffers[] = {HELD, STREAMED};
    for (size_t i = 0; i < ARRAY_SIZE(buffers); i++) {
        struct ingest *ingest = open_ingest(buffers[i]);
        struct sending sending[3];
        for (uint32_t learner = 0; learner < 3; learner++) {
            sending[learner] = (struct sending){.ingest = ingest, .learner = learner};
            pthread_create(&sending[learner].thread, NULL, send_often, &sending[learner]);
        }
        for (unsigned int k = 0; k < 60; k++)
            ingest_reset(ingest, 10);
        for (size_t k = 0; k < 3; k++)
            pthread_join(sending[k].thread, NULL);
        ingest_reset(ingest, 10);
        for (uint32_t learner = 0; learner < 3; learner++)
            submit(ingest, learner, 5 + learner, 4096);
        finish(ingest, found);
        assert_same(expected, found);
        ingest_unref(ingest);
    }
}
