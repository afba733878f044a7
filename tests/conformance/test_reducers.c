// Every reducer, with its defaults: the bytes of the result do not depend on who comes first, how the work is
// split, how many threads do it or where summaries lie; bad values are refused and leave no trace.
#include "base/memory.h"
#include "base/philox.h"
#include "base/pool.h"
#include "nn_kit.h"
#include "reduce/reducer.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

// Beyond a block of the ring, and beyond a tile of what is gathered.
enum { N_LEARNERS = 11, N_STREAMED = (1 << 18) + 1234, N_GATHERED = (1 << 15) + 1234, UNIT = 100 };

static size_t n_values; // of the reducer under test

static float *summaries[N_LEARNERS];
static uint64_t weights[N_LEARNERS];

static void make_summaries(void)
{
    for (size_t i = 0; i < N_LEARNERS; i++) {
        struct random random =
            random_open((struct random_key){.seed = 3, .learner = (uint32_t)i, .purpose = RANDOM_TEST});
        summaries[i] = memory_floats(N_STREAMED);
        weights[i] = 1 + random_below(&random, 3 * UNIT);
        for (size_t k = 0; k < N_STREAMED; k++)
            summaries[i][k] = random_float(&random) - 0.5f;
    }
}

static void free_summaries(void)
{
    for (size_t i = 0; i < N_LEARNERS; i++)
        summaries[i] = memory_free(summaries[i]);
}

TestSuite(reducers, .init = make_summaries, .fini = free_summaries);

static bool streams(const struct kind *kind)
{
    return ((const struct reducer_kind *)kind)->streams;
}

static struct reduction *reduction_in(const struct kind *kind, const struct reduction_room *room)
{
    struct kit kit = {0};
    struct choice choice = kit_choice(&kit, &reducers, kind->name, "");
    struct reduction *reduction = NULL;
    struct error error = ERROR_INIT;
    n_values = streams(kind) ? N_STREAMED : N_GATHERED;
    cr_assert_eq(reduction_new(&reduction, &choice, n_values, room, &error), STATUS_OK, "%s", error.message);
    kit_release(&kit);
    reduction_reset(reduction, UNIT);
    return reduction;
}

static struct reduction *reduction_of(const struct kind *kind)
{
    return reduction_in(kind, NULL);
}

static struct contribution contribution_of(size_t learner)
{
    return (struct contribution){.source = (uint32_t)learner, .weight = weights[learner], .discount = 1};
}

static void fold_whole(struct reduction *reduction, size_t learner, size_t piece)
{
    struct error error = ERROR_INIT;
    const struct contribution from = contribution_of(learner);
    for (size_t at = 0; at < n_values; at += piece) {
        size_t n = piece < n_values - at ? piece : n_values - at;
        cr_assert_eq(reduction_fold(reduction, at, summaries[learner] + at, n, &from, &error), STATUS_OK,
                     "%s", error.message);
    }
    reduction_count(reduction, &from);
}

// Around the first summary.
static void settle(struct reduction *reduction, struct pool *pool)
{
    struct error error = ERROR_INIT;
    const struct settling settling = {.reference = summaries[0], .n_reference = n_values, .pool = pool};
    cr_assert_eq(reduction_settle(reduction, &settling, &error), STATUS_OK, "%s", error.message);
}

static float *finished(struct reduction *reduction)
{
    settle(reduction, NULL);
    float *values = memory_floats(n_values);
    cr_assert_eq(reduction_finish(reduction, 0, n_values, values, NULL), STATUS_OK);
    return values;
}

// What folding one after the other, each whole, gives.
static float *reference_of(const struct kind *kind)
{
    struct reduction *reduction = reduction_of(kind);
    for (size_t i = 0; i < N_LEARNERS; i++)
        fold_whole(reduction, i, n_values);
    float *values = finished(reduction);
    reduction_free(reduction);
    return values;
}

static void assert_same(const float *a, const float *b, const struct kind *kind, const char *what)
{
    cr_assert_eq(memcmp(a, b, n_values * sizeof *a), 0, "%s depends on %s", kind->name, what);
}

Test(reducers, do_not_depend_on_order_or_split)
{
    const size_t pieces[] = {SIZE_MAX, 1 << 18, 9991, 1000};
    for (size_t k = 0; k < reducers.n_kinds; k++) {
        const struct kind *kind = reducers.kinds[k];
        float *reference = reference_of(kind);
        struct random random = random_open((struct random_key){.seed = 4, .purpose = RANDOM_TEST});
        for (size_t p = 0; p < ARRAY_SIZE(pieces); p++) {
            struct reduction *reduction = reduction_of(kind);
            uint32_t order[N_LEARNERS];
            for (uint32_t i = 0; i < N_LEARNERS; i++)
                order[i] = i;
            random_shuffle(&random, order, N_LEARNERS);
            for (size_t i = 0; i < N_LEARNERS; i++)
                fold_whole(reduction, order[i], pieces[p] < n_values ? pieces[p] : n_values);
            float *values = finished(reduction);
            assert_same(reference, values, kind, "order or split");
            memory_free(values);
            reduction_free(reduction);
        }
        memory_free(reference);
    }
}

struct fold_job {
    struct pool_job job;
    struct reduction *reduction;
    size_t learner;
};

static void run_fold(struct pool_job *job)
{
    struct fold_job *fold = (struct fold_job *)job;
    fold_whole(fold->reduction, fold->learner, 5000 + fold->learner);
}

Test(reducers, do_not_depend_on_the_number_of_threads)
{
    for (size_t k = 0; k < reducers.n_kinds; k++) {
        float *reference = reference_of(reducers.kinds[k]);
        for (size_t n_threads = 2; n_threads <= 4; n_threads += 2) {
            struct reduction *reduction = reduction_of(reducers.kinds[k]);
            struct pool *pool = NULL;
            struct fold_job jobs[N_LEARNERS];
            cr_assert_eq(pool_new(&pool, n_threads, "fold", NULL), STATUS_OK);
            for (size_t i = 0; i < N_LEARNERS; i++) {
                jobs[i] = (struct fold_job){{.run = run_fold}, reduction, i};
                pool_post(pool, &jobs[i].job);
            }
            pool_free(pool);
            float *values = finished(reduction);
            assert_same(reference, values, reducers.kinds[k], "threads");
            memory_free(values);
            reduction_free(reduction);
        }
        memory_free(reference);
    }
}

Test(reducers, finish_ranges_as_they_finish_the_whole)
{
    for (size_t k = 0; k < reducers.n_kinds; k++) {
        struct reduction *reduction = reduction_of(reducers.kinds[k]);
        for (size_t i = 0; i < N_LEARNERS; i++)
            fold_whole(reduction, i, n_values);
        float *whole = finished(reduction), *pieces = memory_floats(n_values);
        for (size_t at = 0; at < n_values; at += 777)
            cr_assert_eq(
                reduction_finish(reduction, at, 777 < n_values - at ? 777 : n_values - at, pieces + at, NULL),
                STATUS_OK);
        assert_same(whole, pieces, reducers.kinds[k], "the ranges finished");
        memory_free(whole);
        memory_free(pieces);
        reduction_free(reduction);
    }
}

static bool reduces(const struct kind *kind, size_t n)
{
    struct kit kit = {0};
    struct choice choice = kit_choice(&kit, &reducers, kind->name, "");
    const struct reducer_kind *reducer = (const struct reducer_kind *)kind;
    struct error error = ERROR_INIT;
    bool fine =
        !reducer->check_learners || reducer->check_learners(choice.options, n, n, &error) == STATUS_OK;
    cr_assert(fine || strstr(error.message, "collaboration.participation.minimum"), "%s", error.message);
    kit_release(&kit);
    return fine;
}

Test(reducers, give_one_learner_alone_itself_or_say_how_many_they_need)
{
    for (size_t k = 0; k < reducers.n_kinds; k++) {
        struct reduction *reduction = reduction_of(reducers.kinds[k]);
        const struct settling settling = {.reference = summaries[0], .n_reference = n_values};
        fold_whole(reduction, 0, n_values);
        if (reduces(reducers.kinds[k], 1)) {
            float *values = finished(reduction);
            double worst = 0;
            for (size_t v = 0; v < n_values; v++)
                worst = fmax(worst, fabs((double)values[v] - (double)summaries[0][v]));
            // Half a unit of the ring at the lightest weight, and half a unit in the last place of 0.5.
            double bound = 0x1p-37 * UNIT / (double)weights[0] + 0x1p-26;
            cr_assert_leq(worst, bound, "%s: off by %g", reducers.kinds[k]->name, worst);
            memory_free(values);
        } else {
            cr_assert_eq(reduction_settle(reduction, &settling, NULL), STATUS_INVALID_ARGUMENT);
        }
        reduction_free(reduction);
    }
}

Test(reducers, do_not_depend_on_where_summaries_lie)
{
    for (size_t k = 0; k < reducers.n_kinds; k++) {
        float *reference = reference_of(reducers.kinds[k]);
        const size_t rows_in_memory[] = {0, 3};
        for (size_t m = 0; m < ARRAY_SIZE(rows_in_memory); m++) {
            const struct reduction_room room = {.memory_bytes = rows_in_memory[m] * n_values * sizeof(float)};
            struct reduction *reduction = reduction_in(reducers.kinds[k], &room);
            for (int round = 0; round < 2; round++) {
                reduction_reset(reduction, UNIT);
                for (size_t i = 0; i < N_LEARNERS; i++)
                    fold_whole(reduction, i, 5001);
                float *values = finished(reduction);
                assert_same(reference, values, reducers.kinds[k], "where summaries lie");
                memory_free(values);
            }
            reduction_free(reduction);
        }
        memory_free(reference);
    }
}

Test(reducers, settle_the_same_with_help)
{
    for (size_t k = 0; k < reducers.n_kinds; k++) {
        float *reference = reference_of(reducers.kinds[k]), *values = memory_floats(n_values);
        struct reduction *reduction = reduction_of(reducers.kinds[k]);
        struct pool *pool = NULL;
        cr_assert_eq(pool_new(&pool, 4, "settle", NULL), STATUS_OK);
        for (size_t i = 0; i < N_LEARNERS; i++)
            fold_whole(reduction, i, n_values);
        settle(reduction, pool);
        cr_assert_eq(reduction_finish(reduction, 0, n_values, values, NULL), STATUS_OK);
        assert_same(reference, values, reducers.kinds[k], "the threads that settle");
        pool_free(pool);
        memory_free(values);
        memory_free(reference);
        reduction_free(reduction);
    }
}

Test(reducers, stay_within_the_summaries)
{
    for (size_t k = 0; k < reducers.n_kinds; k++) {
        float *values = reference_of(reducers.kinds[k]);
        for (size_t v = 0; v < n_values; v++) {
            float low = INFINITY, high = -INFINITY;
            for (size_t i = 0; i < N_LEARNERS; i++) {
                low = fminf(low, summaries[i][v]);
                high = fmaxf(high, summaries[i][v]);
            }
            cr_assert(low <= values[v] && values[v] <= high, "%s at %zu", reducers.kinds[k]->name, v);
        }
        memory_free(values);
    }
}

Test(reducers, refuse_bad_values_without_a_trace)
{
    const float bad[] = {NAN, INFINITY, -INFINITY, 1e30f};
    for (size_t k = 0; k < reducers.n_kinds; k++) {
        float *reference = reference_of(reducers.kinds[k]);
        struct reduction *reduction = reduction_of(reducers.kinds[k]);
        float *spoiled = memory_floats(n_values);
        memcpy(spoiled, summaries[0], n_values * sizeof *spoiled);
        const struct contribution from = contribution_of(0);
        for (size_t b = 0; b < ARRAY_SIZE(bad); b++) {
            struct error error = ERROR_INIT;
            spoiled[n_values - 7] = bad[b];
            if (isfinite(bad[b]) && !streams(reducers.kinds[k]))
                continue; // large is no fault where nothing is added in fixed point
            cr_assert_eq(reduction_fold(reduction, 0, spoiled, n_values, &from, &error),
                         isfinite(bad[b]) ? STATUS_OUT_OF_RANGE : STATUS_INVALID_ARGUMENT, "%s took %g",
                         reducers.kinds[k]->name, (double)bad[b]);
            cr_assert(strstr(error.message, "of the summary"), "%s", error.message);
        }
        for (size_t i = 0; i < N_LEARNERS; i++)
            fold_whole(reduction, i, n_values);
        float *values = finished(reduction);
        assert_same(reference, values, reducers.kinds[k], "what was refused");
        memory_free(values);
        memory_free(spoiled);
        memory_free(reference);
        reduction_free(reduction);
    }
}

Test(reducers, can_do_without_half_a_summary)
{
    for (size_t k = 0; k < reducers.n_kinds; k++) {
        float *reference = reference_of(reducers.kinds[k]);
        for (int given_up = 0; given_up < 2; given_up++) {
            struct reduction *reduction = reduction_of(reducers.kinds[k]);
            const struct contribution half = {.source = N_LEARNERS, .weight = 17, .discount = 1};
            cr_assert_eq(reduction_fold(reduction, 0, summaries[3], n_values / 2, &half, NULL), STATUS_OK);
            for (size_t i = 0; i < N_LEARNERS; i++)
                fold_whole(reduction, i, n_values);
            if (streams(reducers.kinds[k]))
                reduction_unfold(reduction, 0, summaries[3], n_values / 2, &half);
            else if (given_up) // one that is not whole when the round ends does not count either
                cr_assert(reduction_forget(reduction, &half));
            float *values = finished(reduction);
            assert_same(reference, values, reducers.kinds[k], "what was given up");
            memory_free(values);
            reduction_free(reduction);
        }
        memory_free(reference);
    }
}

Test(reducers, refuse_what_does_not_fit)
{
    const struct contribution from = {.source = 1, .weight = 5, .discount = 1};
    for (size_t k = 0; k < reducers.n_kinds; k++) {
        struct reduction *reduction = reduction_of(reducers.kinds[k]);
        cr_assert_eq(reduction_fold(reduction, 1, summaries[0], n_values, &from, NULL), STATUS_OUT_OF_RANGE);
        cr_assert_eq(reduction_fold(reduction, SIZE_MAX, summaries[0], 2, &from, NULL), STATUS_OUT_OF_RANGE);
        const struct contribution nothing = {.source = 1, .weight = 0, .discount = 1};
        cr_assert_eq(reduction_fold(reduction, 0, summaries[0], 2, &nothing, NULL), STATUS_OUT_OF_RANGE);
        const struct settling settling = {0};
        cr_assert_eq(reduction_settle(reduction, &settling, NULL), STATUS_FAILED_PRECONDITION);
        reduction_free(reduction);
    }
}

static enum status reduce_a_little(const struct choice *choice)
{
    struct reduction *reduction = NULL;
    const struct settling settling = {.reference = summaries[0], .n_reference = 90};
    float values[100];
    enum status status = reduction_new(&reduction, choice, 100, NULL, NULL);
    for (size_t i = 0; i < N_LEARNERS && status == STATUS_OK; i++) {
        const struct contribution from = contribution_of(i);
        status = reduction_fold(reduction, 0, summaries[i], 100, &from, NULL);
        if (status == STATUS_OK)
            reduction_count(reduction, &from);
    }
    if (status == STATUS_OK)
        status = reduction_settle(reduction, &settling, NULL);
    if (status == STATUS_OK)
        status = reduction_finish(reduction, 0, 100, values, NULL);
    reduction_free(reduction);
    return status;
}

// The nth allocation fails, in every step of a round.
Test(reducers, running_out_of_memory_is_an_error)
{
    for (size_t k = 0; k < reducers.n_kinds; k++) {
        struct kit kit = {0};
        struct choice choice = kit_choice(&kit, &reducers, reducers.kinds[k]->name, "");
        unsigned int n_failed = 0;
        for (unsigned long nth = 1; nth < 100; nth++) {
            memory_fail_after(nth);
            enum status status = reduce_a_little(&choice);
            memory_fail_after(0);
            cr_assert(status == STATUS_OK || status == STATUS_RESOURCE_EXHAUSTED, "status %d", status);
            n_failed += status != STATUS_OK;
        }
        cr_assert_geq(n_failed, 2, "%s", reducers.kinds[k]->name);
        kit_release(&kit);
    }
}

#ifdef COHORT_SANITIZE
enum { GROWTH_MAX = 512 << 20 }; // freed memory stays resident for a while
#else
enum { GROWTH_MAX = 16 << 20 };
#endif

// 40 summaries of 2 MiB, and no memory for them: neither folding, nor settling, nor finishing holds many.
Test(reducers, that_gather_hold_no_more_than_they_may)
{
    enum { N = 1 << 19, N_ROWS = 40 };
    float *values = memory_floats(N);
    for (size_t k = 0; k < reducers.n_kinds; k++) {
        if (streams(reducers.kinds[k]))
            continue;
        struct kit kit = {0};
        struct choice choice = kit_choice(&kit, &reducers, reducers.kinds[k]->name, "");
        const struct reduction_room room = {0};
        const struct settling settling = {0};
        struct reduction *reduction = NULL;
        size_t before = memory_peak_rss();
        cr_assert_eq(reduction_new(&reduction, &choice, N, &room, NULL), STATUS_OK);
        for (uint32_t i = 0; i < N_ROWS; i++) {
            const struct contribution from = {.source = i, .weight = 1, .discount = 1};
            for (size_t v = 0; v < N; v++)
                values[v] = (float)(i * v % 1009);
            cr_assert_eq(reduction_fold(reduction, 0, values, N, &from, NULL), STATUS_OK);
            reduction_count(reduction, &from);
        }
        cr_assert_eq(reduction_settle(reduction, &settling, NULL), STATUS_OK);
        cr_assert_eq(reduction_finish(reduction, 0, N, values, NULL), STATUS_OK);
        size_t grown = memory_peak_rss() - before;
        cr_assert_lt(grown, GROWTH_MAX, "%s grew by %zu bytes", reducers.kinds[k]->name, grown);
        reduction_free(reduction);
        kit_release(&kit);
    }
    memory_free(values);
}
