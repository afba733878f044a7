#include "report/history.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

#include "base/memory.h"

static struct history history;

static void release(void)
{
    history_release(&history);
}

static struct round_record timed(uint32_t round, double seconds)
{
    return (struct round_record){.round = round, .seconds = seconds};
}

Test(history, quantiles_are_interpolated_as_numpy_does, .fini = release)
{
    const double seconds[] = {4, 1, 3, 2};
    for (uint32_t i = 0; i < 4; i++) {
        struct round_record record = timed(i + 1, seconds[i]);
        cr_assert_eq(history_add_round(&history, &record, NULL), 0);
    }
    cr_assert_float_eq(history_round_seconds(&history, 0.5), 2.5, 1e-12);
    cr_assert_float_eq(history_round_seconds(&history, 0.95), 3.85, 1e-12);
    cr_assert_float_eq(history_round_seconds(&history, 1), 4, 1e-12);
}

Test(history, quantiles_of_nothing_are_unknown, .fini = release)
{
    cr_assert(isnan(history_round_seconds(&history, 0.5)));
}

Test(history, a_metric_that_a_round_lacks_is_unknown_there, .fini = release)
{
    struct round_record record = timed(1, 1);
    cr_assert_eq(history_add_round(&history, &record, NULL), 0);
    record.n_metrics = 1;
    record.metrics[0] = (struct metric){"test_loss", 0.5};
    cr_assert_eq(history_add_round(&history, &record, NULL), 0);
    size_t loss = history_metric(&history, "test_loss");
    cr_assert_eq(loss, 0);
    cr_assert(isnan(history.rounds[0].metrics[loss]));
    cr_assert(history.rounds[1].metrics[loss] == 0.5);
    cr_assert_eq(history_metric(&history, "absent"), 1);
}

Test(history, more_metrics_than_fit_are_left_out, .fini = release)
{
    struct round_record record = timed(1, 1);
    for (int round = 0; round < 2; round++) {
        record.n_metrics = 16;
        for (int i = 0; i < 16; i++)
            snprintf(record.metrics[i].name, sizeof record.metrics[i].name, "metric_%d_%d", round, i);
        cr_assert_eq(history_add_round(&history, &record, NULL), 0);
    }
    cr_assert_eq(history.n_metrics, HISTORY_METRICS_MAX);
}

Test(history, learners_are_told_apart_by_name, .fini = release)
{
    for (uint32_t i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof name, "site-%u", i * 7 % 100);
        struct learner_record record = {.round = i / 100 + 1, .learner = name, .weight = i};
        cr_assert_eq(history_add_learner(&history, &record, NULL), 0);
    }
    cr_assert_eq(history.n_learners, 100);
    cr_assert_eq(history.n_points, 300);
    cr_assert_str_eq(history.learners[history.points[101].learner], "site-7");
}

Test(history, evaluations_are_of_the_same_learners, .fini = release)
{
    const struct learner_record trained = {.round = 1, .learner = "site-1"};
    const char *const names[] = {"site-2", "site-1"};
    cr_assert_eq(history_add_learner(&history, &trained, NULL), 0);
    for (uint32_t i = 0; i < 2; i++) {
        struct evaluation_record record = {
            .round = 1, .learner = names[i], .n_metrics = 1, .metrics = {{"local_accuracy", 0.5 + 0.25 * i}}};
        cr_assert_eq(history_add_evaluation(&history, &record, NULL), 0);
    }
    cr_assert_eq(history.n_learners, 2);
    cr_assert_eq(history.n_evaluations, 2);
    cr_assert_eq(history.evaluations[1].learner, history.points[0].learner);
    cr_assert(history.evaluations[1].accuracy == 0.75f);
    cr_assert(isnan(history.evaluations[1].loss));
}

Test(history, rounds_are_found_by_number, .fini = release)
{
    for (uint32_t i = 1; i <= 9; i += 2) {
        struct round_record record = timed(i, 1);
        cr_assert_eq(history_add_round(&history, &record, NULL), 0);
    }
    cr_assert_eq(history_round(&history, 1), 0);
    cr_assert_eq(history_round(&history, 9), 4);
    cr_assert_eq(history_round(&history, 4), history.n_rounds);
    cr_assert_eq(history_round(&history, 10), history.n_rounds);
}

Test(history, running_out_of_memory_is_an_error_and_no_loss, .fini = release)
{
    for (unsigned long nth = 1; nth <= 3; nth++) {
        struct learner_record record = {.round = 1, .learner = "site"};
        memory_fail_after(nth);
        cr_assert(history_add_learner(&history, &record, NULL) == STATUS_RESOURCE_EXHAUSTED);
        memory_fail_after(0);
        release();
    }
}
