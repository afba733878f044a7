// fedbuff and fedasync.
#include "problem.h"

TestSuite(asynchronous, .init = make_problem, .fini = free_problem);

#define TRAINING "optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 4, local_epochs: 2"

static double way_from_fedavg(const char *algorithm)
{
    struct loop *a = problem_of(algorithm, TRAINING, PROBLEM_NETWORK);
    struct loop *b = problem_of("fedavg", TRAINING, PROBLEM_NETWORK);
    problem_run(a, 3);
    problem_run(b, 3);
    double way = norm_of_difference(loop_parameters(a), loop_parameters(b), loop_n_parameters(a));
    loop_free(a);
    loop_free(b);
    return way;
}

Test(asynchronous, in_step_whole_steps_are_those_of_fedavg)
{
    cr_assert_lt(way_from_fedavg("fedbuff"), 1e-5);
    cr_assert_lt(way_from_fedavg("{kind: fedasync, mixing: 1}"), 1e-5);
    cr_assert_gt(way_from_fedavg("{kind: fedbuff, learning_rate: 0.5}"), 1e-2);
    cr_assert_gt(way_from_fedavg("{kind: fedasync, mixing: 0.5}"), 1e-2);
}

// Learner 0 alone, now and then: its update counts half once it is three commits old.
static double step_after(const char *algorithm, uint32_t n_others)
{
    const uint32_t other = 1, late = 0;
    struct loop *loop = problem_of(algorithm, TRAINING, PROBLEM_NETWORK);
    size_t n = loop_n_parameters(loop);
    cleanup_free float *before = memory_floats(n);
    for (uint32_t i = 0; i < n_others; i++)
        cr_assert_eq(loop_stale_round(loop, &other, 1, NULL), STATUS_OK);
    memcpy(before, loop_parameters(loop), n * sizeof *before);
    cr_assert_eq(loop_stale_round(loop, &late, 1, NULL), STATUS_OK);
    double step = norm_of_difference(loop_parameters(loop), before, n);
    loop_free(loop);
    return step;
}

Test(asynchronous, a_stale_update_makes_a_smaller_step)
{
    double fresh = step_after("fedbuff", 0), stale = step_after("fedbuff", 3);
    cr_assert_float_eq(stale, fresh / 2, 1e-4 * fresh, "%g %g", fresh, stale);
}
