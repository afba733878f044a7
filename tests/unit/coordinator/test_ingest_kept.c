// Summaries that are kept apart: gathered, held, or waited with until their norm is known.
#include "base/memory.h"
#include "uploads.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

// ---- a reducer that gathers -----------------------------------------------------------------------------

static void submit_of(struct ingest *ingest, uint32_t source, size_t step)
{
    struct upload *upload = begin_of(ingest, source);
    draw(values, source);
    cr_assert(take_all(upload, values, step));
    cr_assert_eq(upload_finish(upload, NULL), STATUS_OK);
    cr_assert_not(upload_free(upload));
}

Test(ingest_kept, gathered_summaries_that_break_or_are_unfit_leave_nothing_behind)
{
    static const size_t buffers[] = {HELD, STREAMED, N * sizeof(float)};
    for (size_t i = 0; i < ARRAY_SIZE(buffers); i++) {
        struct ingest *ingest = open_gathering(buffers[i]);
        for (uint32_t source = 0; source < 3; source++)
            submit_of(ingest, source, N * sizeof(float));
        finish_gathered(ingest, expected);
        ingest_reset(ingest, 10);
        struct upload *unfit = begin_of(ingest, 1), *broken = begin_of(ingest, 2);
        draw(values, 1);
        values[N - 1] = NAN;
        cr_assert_not(take_all(unfit, values, 4099));
        cr_assert_eq(upload_fault(unfit)->status, STATUS_INVALID_ARGUMENT);
        cr_assert_not(upload_free(unfit), "nothing is spoilt");
        cr_assert(upload_take(broken, 0, (const uint8_t *)values, 4098));
        cr_assert_not(upload_free(broken), "nothing is spoilt");
        for (uint32_t source = 3; source-- > 0;)
            submit_of(ingest, source, 4099);
        finish_gathered(ingest, found);
        assert_same(expected, found);
        ingest_unref(ingest);
    }
}

Test(ingest_kept, what_a_reset_voided_is_not_gathered)
{
    struct ingest *ingest = open_gathering(STREAMED);
    struct upload *old = begin_of(ingest, 1);
    draw(values, 9);
    cr_assert(upload_take(old, 0, (const uint8_t *)values, 4096));
    ingest_reset(ingest, 10);
    submit_of(ingest, 1, 4099);
    cr_assert(upload_take(old, 4096, (const uint8_t *)values + 4096, 4096));
    cr_assert_not(upload_free(old));
    finish_gathered(ingest, found);
    draw(values, 1);
    assert_same(values, found);
    ingest_unref(ingest);
}

// ---- a bounded norm -------------------------------------------------------------------------------------

static struct version *version_of(float value)
{
    struct version *version = NULL;
    struct layout layout = {0};
    cr_assert_eq(version_new(&version, &layout, N, N, NULL), STATUS_OK);
    for (size_t i = 0; i < N; i++)
        version->values[i] = value;
    return version;
}

// N values that lie 3 each from the version's are 3 * sqrt(N) from it.
static enum status submit_near(struct ingest *ingest, uint32_t source, struct version *version, float value,
                               struct error *error)
{
    struct upload *upload = begin_of(ingest, source);
    upload_around(upload, version, N - 7);
    for (size_t i = 0; i < N; i++)
        values[i] = i < N - 7 ? value : 0;
    cr_assert(take_all(upload, values, 4099));
    enum status status = upload_finish(upload, error);
    cr_assert_not(upload_free(upload), "nothing is spoilt");
    return status;
}

Test(ingest_kept, summaries_too_far_away_are_refused_and_leave_nothing_behind)
{
    static const size_t buffers[] = {HELD, STREAMED};
    struct version *version = version_of(10);
    for (size_t i = 0; i < 4; i++) {
        struct ingest *ingest = i < 2 ? open_ingest(buffers[i]) : open_gathering(buffers[i - 2]);
        struct error error = ERROR_INIT;
        ingest_set_max_norm(ingest, 2.5 * sqrt(N));
        cr_assert_eq(submit_near(ingest, 1, version, 12, &error), STATUS_OK, "%s", error.message);
        cr_assert_eq(submit_near(ingest, 2, version, 13, &error), STATUS_FAILED_PRECONDITION);
        cr_assert(strstr(error.message, "max_norm, 250.087"), "%s", error.message);
        cr_assert_eq(submit_near(ingest, 2, version, 7, &error), STATUS_FAILED_PRECONDITION);
        cr_assert_eq(submit_near(ingest, 2, NULL, 3, &error), STATUS_FAILED_PRECONDITION);
        cr_assert_eq(submit_near(ingest, 2, version, 9, &error), STATUS_OK, "%s", error.message);
        finish_gathered(ingest, found);
        cr_assert_eq(found[17], 10.5f);
        cr_assert(version_unshared(version));
        ingest_unref(ingest);
    }
    version_unref(version);
}

Test(ingest_kept, a_summary_that_waited_and_is_out_of_range_is_taken_out_again)
{
    expect_of_three();
    struct ingest *ingest = open_ingest(STREAMED);
    struct error error = ERROR_INIT;
    ingest_set_max_norm(ingest, 1e30);
    for (uint32_t learner = 0; learner < 3; learner++)
        submit(ingest, learner, 5 + learner, 4096);
    draw(values, 9);
    values[N - 1] = 1e20f;
    struct upload *upload = begin(ingest, 7);
    cr_assert(take_all(upload, values, 4096));
    cr_assert_eq(upload_finish(upload, &error), STATUS_OUT_OF_RANGE);
    cr_assert_not(upload_free(upload));
    finish(ingest, found);
    assert_same(expected, found);
    ingest_unref(ingest);
}

// ---- summaries that are held ----------------------------------------------------------------------------

Test(ingest_kept, holds_summaries_beyond_the_buffer_too)
{
    static const size_t buffers[] = {HELD, STREAMED, N * sizeof(float)};
    static float sent[3][N];
    for (size_t i = 0; i < 6; i++) {
        struct ingest *ingest = i < 3 ? open_ingest(buffers[i]) : open_gathering(buffers[i - 3]);
        struct upload *uploads[3];
        const struct settling settling = {0};
        for (uint32_t k = 0; k < 3; k++) {
            draw(sent[k], k);
            uploads[k] = begin_of(ingest, k);
            cr_assert_eq(upload_hold(uploads[k], NULL), STATUS_OK);
            cr_assert(upload_is_held(uploads[k]));
            cr_assert(take_all(uploads[k], sent[k], 4099));
        }
        cr_assert_not(upload_free(uploads[1]));
        cr_assert_eq(upload_finish(uploads[2], NULL), STATUS_OK);
        cr_assert_eq(upload_finish(uploads[0], NULL), STATUS_OK);
        cr_assert_eq(reduction_settle(ingest_reduction(ingest), &settling, NULL), STATUS_OK);
        finish(ingest, found);
        for (size_t v = 0; v < N; v++)
            cr_assert_float_eq(found[v], (sent[0][v] + sent[2][v]) / 2, 1e-7);
        upload_free(uploads[0]);
        upload_free(uploads[2]);
        ingest_unref(ingest);
    }
}

Test(ingest_kept, of_a_held_one_the_norm_is_looked_at_when_it_is_folded)
{
    struct ingest *ingests[] = {open_ingest(STREAMED), open_gathering(STREAMED)};
    for (size_t i = 0; i < 2; i++) {
        ingest_set_max_norm(ingests[i], 1);
        struct upload *upload = begin_of(ingests[i], 1);
        cr_assert_eq(upload_hold(upload, NULL), STATUS_OK);
        draw(values, 1);
        cr_assert(take_all(upload, values, 4099));
        cr_assert_eq(upload_finish(upload, NULL), STATUS_FAILED_PRECONDITION);
        cr_assert_not(upload_free(upload));
        ingest_unref(ingests[i]);
    }
}

Test(ingest_kept, a_held_summary_counts_in_the_reduction_that_it_is_bound_to)
{
    static float sent[N], reduced[N];
    struct ingest *ingest = open_ingest(HELD);
    struct error error = ERROR_INIT;
    draw(sent, 3);
    struct upload *upload = begin(ingest, 1);
    cr_assert(take_all(upload, sent, 1000));
    ingest_reset(ingest, 10);
    cr_assert_eq(upload_finish(upload, &error), STATUS_ABORTED);
    const struct contribution from = {.weight = 4, .discount = 0.5};
    upload_bind(upload, &from);
    cr_assert_eq(upload_finish(upload, &error), STATUS_OK);
    cr_assert_eq(reduction_weight(ingest_reduction(ingest)), 4);
    finish(ingest, reduced);
    for (size_t i = 0; i < N; i++)
        cr_assert_float_eq(reduced[i], sent[i] / 2, 1e-6);
    upload_free(upload);
    ingest_unref(ingest);
}
