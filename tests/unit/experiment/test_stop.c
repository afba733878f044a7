#include "base/memory.h"
#include "experiment/stop.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

// The look (from 1) at which it stops, or 0.
static size_t stops_at(const struct stop_options *options, const double *values, size_t n)
{
    struct stop_progress progress = {0};
    for (size_t i = 0; i < n; i++)
        if (stop_reached(options, &progress, values[i]))
            return i + 1;
    return 0;
}

Test(stop, a_value_is_reached_from_either_side)
{
    const struct stop_options up = {.metric = METRIC_TEST_ACCURACY, .has_at_least = true, .at_least = 0.5};
    const struct stop_options down = {.metric = METRIC_TRAIN_LOSS, .has_at_most = true, .at_most = 0.5};
    cr_assert_eq(stops_at(&up, (double[]){0.1, 0.49, 0.5, 0.6}, 4), 3);
    cr_assert_eq(stops_at(&down, (double[]){0.9, 0.51, 0.5}, 3), 3);
    cr_assert_eq(stops_at(&down, (double[]){NAN, INFINITY, 0.6}, 3), 0);
}

Test(stop, a_plateau_is_rounds_without_improvement_by_delta)
{
    const struct stop_options options = {
        .metric = METRIC_TEST_ACCURACY, .has_plateau = true, .plateau = {.rounds = 3, .delta = 0.01}};
    cr_assert_eq(stops_at(&options, (double[]){0.5, 0.505, 0.509, 0.4}, 4), 4);
    cr_assert_eq(stops_at(&options, (double[]){0.5, 0.505, 0.515, 0.4, 0.3, 0.2}, 6), 6);
    // Slow gains add up against the best, not against the round before.
    cr_assert_eq(stops_at(&options, (double[]){0.5, 0.506, 0.512, 0.518, 0.524, 0.53}, 6), 0);
}

Test(stop, less_loss_is_better_and_no_number_no_improvement)
{
    const struct stop_options options = {
        .metric = METRIC_TEST_LOSS, .has_plateau = true, .plateau = {.rounds = 2, .delta = 0}};
    cr_assert_eq(stops_at(&options, (double[]){2, 1, 0.5, 0.5, 0.6}, 5), 5);
    cr_assert_eq(stops_at(&options, (double[]){2, NAN, 1, NAN, NAN}, 5), 5);
}

Test(stop, a_plateau_and_a_value_go_together)
{
    const struct stop_options options = {.metric = METRIC_LOCAL_ACCURACY,
                                         .has_at_least = true,
                                         .at_least = 0.9,
                                         .has_plateau = true,
                                         .plateau = {.rounds = 5, .delta = 0}};
    cr_assert_eq(stops_at(&options, (double[]){0.5, 0.95}, 2), 2);
}

Test(stop, conditions_that_are_none_are_refused)
{
    const struct stop_options none = {.metric = METRIC_TRAIN_LOSS};
    const struct stop_options never = {
        .metric = METRIC_LOCAL_ACCURACY_WORST, .has_at_least = true, .at_least = 1.5};
    struct error error = ERROR_INIT;
    cr_assert_eq(stop_check(&none, &error), STATUS_INVALID_ARGUMENT);
    cr_assert_str_eq(error.message, "stop names 'train_loss' but no value; add at_least, at_most or plateau");
    cr_assert_eq(stop_check(&never, &error), STATUS_INVALID_ARGUMENT);
    cr_assert(strstr(error.message, "local_accuracy_worst lies between 0 and 1"), "%s", error.message);
}
