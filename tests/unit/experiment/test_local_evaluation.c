#include "base/memory.h"
#include "experiment/local_evaluation.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N = 1000 };

Test(local_evaluation, is_due_every_so_many_rounds_and_after_the_last)
{
    const struct evaluation_options options = {.holdout = 0.2, .every = 3}, always = {.every = 1};
    for (uint32_t round = 1; round <= 10; round++) {
        cr_assert_eq(local_evaluation_due(&options, round, 10), round % 3 == 0 || round == 10);
        cr_assert(local_evaluation_due(&always, round, 10));
    }
}

static size_t split(double holdout, uint32_t learner, size_t n, uint32_t *rows)
{
    const struct evaluation_options options = {.holdout = holdout, .every = 1};
    return local_holdout(&options, 7, learner, n, rows);
}

Test(local_evaluation, every_sample_is_either_trained_on_or_held_out)
{
    uint32_t rows[N];
    size_t n_train = split(0.2, 3, N, rows), seen[N] = {0};
    cr_assert_eq(n_train, 800);
    for (size_t i = 0; i < N; i++) {
        seen[rows[i]]++;
        if (i > 0 && i != n_train)
            cr_assert_lt(rows[i - 1], rows[i], "both parts ascend");
    }
    for (size_t i = 0; i < N; i++)
        cr_assert_eq(seen[i], 1);
}

Test(local_evaluation, what_is_held_out_depends_on_the_learner_alone)
{
    uint32_t first[N], again[N], other[N];
    split(0.2, 3, N, first);
    split(0.2, 3, N, again);
    split(0.2, 4, N, other);
    cr_assert_eq(memcmp(first, again, sizeof first), 0);
    cr_assert_neq(memcmp(first, other, sizeof first), 0);
}

Test(local_evaluation, both_parts_have_a_sample_where_there_are_two)
{
    uint32_t rows[N];
    cr_assert_eq(split(0.2, 0, 1, rows), 1);
    cr_assert_eq(split(0.01, 0, 2, rows), 1);
    cr_assert_eq(split(0.9, 0, 2, rows), 1);
    cr_assert_eq(split(0, 0, N, rows), N);
    for (uint32_t i = 0; i < N; i++)
        cr_assert_eq(rows[i], i);
}

Test(local_evaluation, learners_metrics_are_put_together)
{
    const double accuracies[] = {0.5, 0.9, 1, 0.8};
    struct local_tally tally = {0};
    for (size_t i = 0; i < ARRAY_SIZE(accuracies); i++)
        local_tally_add(&tally, (double)i, accuracies[i]);
    local_tally_add(&tally, NAN, NAN);
    const struct local_metrics metrics = local_tally_metrics(&tally);
    cr_assert_eq(metrics.n_learners, 4);
    cr_assert_float_eq(metrics.loss, 1.5, 1e-12);
    cr_assert_float_eq(metrics.accuracy, 0.8, 1e-12);
    cr_assert_float_eq(metrics.worst, 0.5, 1e-12);
    cr_assert_float_eq(metrics.deviation, sqrt((0.09 + 0.01 + 0.04) / 4), 1e-12);
}

Test(local_evaluation, nothing_told_is_nothing_known)
{
    struct local_tally tally = {0};
    local_tally_add(&tally, 0.25, NAN); // target values have no accuracy
    const struct local_metrics metrics = local_tally_metrics(&tally);
    cr_assert_eq(metrics.n_learners, 1);
    cr_assert_float_eq(metrics.loss, 0.25, 1e-12);
    cr_assert(isnan(metrics.accuracy) && isnan(metrics.worst) && isnan(metrics.deviation));
}
