#include "base/memory.h"
#include "base/philox.h"
#include "coordinator/ingest.h"
#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

enum { N = 10007, HELD = 1 << 20, STREAMED = 0 };

static const struct kind *mean(void)
{
    return registry_find(&reducers, "mean");
}

static struct ingest *open_ingest(size_t buffer_bytes)
{
    struct ingest *ingest = NULL;
    struct choice choice = {.kind = mean()};
    struct error error = ERROR_INIT;
    const struct reduction_room room = {.memory_bytes = buffer_bytes};
    cr_assert_eq(ingest_new(&ingest, &choice, N, &room, &error), STATUS_OK, "%s", error.message);
    ingest_reset(ingest, 10);
    return ingest;
}

static void draw(float values[N], uint32_t learner)
{
    struct random random = random_open((struct random_key){.learner = learner, .purpose = RANDOM_TEST});
    for (size_t i = 0; i < N; i++)
        values[i] = random_float(&random) - 0.5f;
}

static struct upload *begin(struct ingest *ingest, uint64_t weight)
{
    struct upload *upload = NULL;
    const struct contribution from = {.weight = weight, .discount = 1};
    cr_assert_eq(upload_new(&upload, ingest, &from, NULL), STATUS_OK);
    return upload;
}

// Hands over the bytes in runs of `step`, copied to an odd address.
static bool take_all(struct upload *upload, const float values[N], size_t step)
{
    const uint8_t *bytes = (const uint8_t *)values;
    cleanup_free uint8_t *run = memory_alloc(step + 1);
    for (size_t at = 0; at < N * sizeof(float); at += step) {
        size_t n = N * sizeof(float) - at < step ? N * sizeof(float) - at : step;
        memcpy(run + 1, bytes + at, n);
        if (!upload_take(upload, at, run + 1, n))
            return false;
    }
    return true;
}

static void submit(struct ingest *ingest, uint32_t learner, uint64_t weight, size_t step)
{
    static _Thread_local float values[N];
    struct error error = ERROR_INIT;
    draw(values, learner);
    struct upload *upload = begin(ingest, weight);
    cr_assert(take_all(upload, values, step));
    cr_assert_eq(upload_finish(upload, &error), STATUS_OK, "%s", error.message);
    cr_assert_not(upload_free(upload));
}

static void finish(struct ingest *ingest, float ret[N])
{
    cr_assert_eq(reduction_finish(ingest_reduction(ingest), 0, N, ret, NULL), STATUS_OK);
}

static void assert_same(const float *a, const float *b)
{
    cr_assert_eq(memcmp(a, b, N * sizeof *a), 0);
}

static float expected[N], found[N], values[N];

static void expect_of_three(void)
{
    struct ingest *ingest = open_ingest(HELD);
    for (uint32_t learner = 0; learner < 3; learner++)
        submit(ingest, learner, 5 + learner, N * sizeof(float));
    finish(ingest, expected);
    ingest_unref(ingest);
}

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

// ---- a reducer that gathers -----------------------------------------------------------------------------

static struct ingest *open_gathering(size_t buffer_bytes)
{
    struct ingest *ingest = NULL;
    const struct choice choice = {.kind = registry_find(&reducers, "median")};
    const struct reduction_room room = {.memory_bytes = buffer_bytes};
    cr_assert_eq(ingest_new(&ingest, &choice, N, &room, NULL), STATUS_OK);
    ingest_reset(ingest, 10);
    return ingest;
}

static struct upload *begin_of(struct ingest *ingest, uint32_t source)
{
    struct upload *upload = NULL;
    const struct contribution from = {.source = source, .weight = 5, .discount = 1};
    cr_assert_eq(upload_new(&upload, ingest, &from, NULL), STATUS_OK);
    return upload;
}

static void submit_of(struct ingest *ingest, uint32_t source, size_t step)
{
    struct upload *upload = begin_of(ingest, source);
    draw(values, source);
    cr_assert(take_all(upload, values, step));
    cr_assert_eq(upload_finish(upload, NULL), STATUS_OK);
    cr_assert_not(upload_free(upload));
}

static void finish_gathered(struct ingest *ingest, float ret[N])
{
    const struct settling settling = {0};
    cr_assert_eq(reduction_settle(ingest_reduction(ingest), &settling, NULL), STATUS_OK);
    finish(ingest, ret);
}

Test(ingest, gathered_summaries_that_break_or_are_unfit_leave_nothing_behind)
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

Test(ingest, what_a_reset_voided_is_not_gathered)
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

Test(ingest, summaries_too_far_away_are_refused_and_leave_nothing_behind)
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

Test(ingest, a_summary_that_waited_and_is_out_of_range_is_taken_out_again)
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

Test(ingest, holds_summaries_beyond_the_buffer_too)
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

Test(ingest, of_a_held_one_the_norm_is_looked_at_when_it_is_folded)
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

Test(ingest, a_held_summary_counts_in_the_reduction_that_it_is_bound_to)
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
