// Every reducer: the bytes of the result do not depend on who comes first, how the work is split or how many
// threads do it; bad values are refused and leave no trace.
#include "base/memory.h"
#include "base/philox.h"
#include "base/pool.h"
#include "reduce/reducer.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N_LEARNERS = 7, N_VALUES = (1 << 18) + 1234, UNIT = 100 };

static float *summaries[N_LEARNERS];
static uint64_t weights[N_LEARNERS];

static void make_summaries(void)
{
    for (size_t i = 0; i < N_LEARNERS; i++) {
        struct random random =
            random_open((struct random_key){.seed = 3, .learner = (uint32_t)i, .purpose = RANDOM_TEST});
        summaries[i] = memory_floats(N_VALUES);
        weights[i] = 1 + random_below(&random, 3 * UNIT);
        for (size_t k = 0; k < N_VALUES; k++)
            summaries[i][k] = random_float(&random) - 0.5f;
    }
}

static void free_summaries(void)
{
    for (size_t i = 0; i < N_LEARNERS; i++)
        summaries[i] = memory_free(summaries[i]);
}

TestSuite(reducers, .init = make_summaries, .fini = free_summaries);

static struct reduction *reduction_of(const struct kind *kind)
{
    struct choice choice = {.kind = kind};
    struct reduction *reduction = NULL;
    struct error error = ERROR_INIT;
    cr_assert_eq(reduction_new(&reduction, &choice, N_VALUES, NULL, &error), STATUS_OK, "%s", error.message);
    reduction_reset(reduction, UNIT);
    return reduction;
}

static struct contribution contribution_of(size_t learner)
{
    return (struct contribution){.source = (uint32_t)learner, .weight = weights[learner], .discount = 1};
}

static void fold_whole(struct reduction *reduction, size_t learner, size_t piece)
{
    struct error error = ERROR_INIT;
    const struct contribution from = contribution_of(learner);
    for (size_t at = 0; at < N_VALUES; at += piece) {
        size_t n = piece < N_VALUES - at ? piece : N_VALUES - at;
        cr_assert_eq(reduction_fold(reduction, at, summaries[learner] + at, n, &from, &error), STATUS_OK,
                     "%s", error.message);
    }
    reduction_count(reduction, &from);
}

static float *finished(const struct reduction *reduction)
{
    float *values = memory_floats(N_VALUES);
    cr_assert_eq(reduction_finish(reduction, 0, N_VALUES, values, NULL), STATUS_OK);
    return values;
}

// What folding one after the other, each whole, gives.
static float *reference_of(const struct kind *kind)
{
    struct reduction *reduction = reduction_of(kind);
    for (size_t i = 0; i < N_LEARNERS; i++)
        fold_whole(reduction, i, N_VALUES);
    float *values = finished(reduction);
    reduction_free(reduction);
    return values;
}

static void assert_same(const float *a, const float *b, const struct kind *kind, const char *what)
{
    cr_assert_eq(memcmp(a, b, N_VALUES * sizeof *a), 0, "%s depends on %s", kind->name, what);
}

Test(reducers, do_not_depend_on_order_or_split)
{
    const size_t pieces[] = {N_VALUES, 1 << 18, 99991, 1000};
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
                fold_whole(reduction, order[i], pieces[p]);
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
            fold_whole(reduction, i, N_VALUES);
        float *whole = finished(reduction), *pieces = memory_floats(N_VALUES);
        for (size_t at = 0; at < N_VALUES; at += 777)
            cr_assert_eq(
                reduction_finish(reduction, at, 777 < N_VALUES - at ? 777 : N_VALUES - at, pieces + at, NULL),
                STATUS_OK);
        assert_same(whole, pieces, reducers.kinds[k], "the ranges finished");
        memory_free(whole);
        memory_free(pieces);
        reduction_free(reduction);
    }
}

Test(reducers, give_one_learner_alone_itself)
{
    for (size_t k = 0; k < reducers.n_kinds; k++)
        for (size_t i = 0; i < N_LEARNERS; i++) {
            struct reduction *reduction = reduction_of(reducers.kinds[k]);
            fold_whole(reduction, i, N_VALUES);
            float *values = finished(reduction);
            double worst = 0;
            for (size_t v = 0; v < N_VALUES; v++)
                worst = fmax(worst, fabs((double)values[v] - (double)summaries[i][v]));
            // Half a unit of the ring at the lightest weight, and half a unit in the last place of 0.5.
            double bound = 0x1p-37 * UNIT / (double)weights[i] + 0x1p-26;
            cr_assert_leq(worst, bound, "%s: off by %g", reducers.kinds[k]->name, worst);
            memory_free(values);
            reduction_free(reduction);
        }
}

Test(reducers, stay_within_the_summaries)
{
    for (size_t k = 0; k < reducers.n_kinds; k++) {
        float *values = reference_of(reducers.kinds[k]);
        for (size_t v = 0; v < N_VALUES; v++) {
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
        float *spoiled = memory_floats(N_VALUES);
        memcpy(spoiled, summaries[0], N_VALUES * sizeof *spoiled);
        const struct contribution from = contribution_of(0);
        for (size_t b = 0; b < ARRAY_SIZE(bad); b++) {
            struct error error = ERROR_INIT;
            spoiled[N_VALUES - 7] = bad[b];
            cr_assert_eq(reduction_fold(reduction, 0, spoiled, N_VALUES, &from, &error),
                         isfinite(bad[b]) ? STATUS_OUT_OF_RANGE : STATUS_INVALID_ARGUMENT, "%s took %g",
                         reducers.kinds[k]->name, (double)bad[b]);
            cr_assert(strstr(error.message, "of the summary"), "%s", error.message);
        }
        for (size_t i = 0; i < N_LEARNERS; i++)
            fold_whole(reduction, i, N_VALUES);
        float *values = finished(reduction);
        assert_same(reference, values, reducers.kinds[k], "what was refused");
        memory_free(values);
        memory_free(spoiled);
        memory_free(reference);
        reduction_free(reduction);
    }
}

Test(reducers, that_stream_take_back_half_a_summary)
{
    for (size_t k = 0; k < reducers.n_kinds; k++) {
        if (!((const struct reducer_kind *)reducers.kinds[k])->streams)
            continue;
        float *reference = reference_of(reducers.kinds[k]);
        struct reduction *reduction = reduction_of(reducers.kinds[k]);
        const struct contribution half = {.source = 3, .weight = 17, .discount = 1};
        cr_assert_eq(reduction_fold(reduction, 0, summaries[3], N_VALUES / 2, &half, NULL), STATUS_OK);
        for (size_t i = 0; i < N_LEARNERS; i++)
            fold_whole(reduction, i, N_VALUES);
        reduction_unfold(reduction, 0, summaries[3], N_VALUES / 2, &half);
        float *values = finished(reduction);
        assert_same(reference, values, reducers.kinds[k], "what was taken back");
        memory_free(values);
        memory_free(reference);
        reduction_free(reduction);
    }
}
