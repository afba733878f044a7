#include "problem.h"

TestSuite(feddyn, .init = make_problem, .fini = free_problem);

#define TRAINING "optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 4, local_epochs: 2"

Test(feddyn, begins_with_the_steps_of_fedprox_and_goes_twice_as_far)
{
    struct loop *a = problem_of("{kind: feddyn, alpha: 0.5}", TRAINING, PROBLEM_NETWORK);
    struct loop *b = problem_of("{kind: fedprox, mu: 0.5}", TRAINING, PROBLEM_NETWORK);
    size_t n = loop_n_parameters(a);
    float *twice = memory_floats(n);
    for (uint32_t k = 0; k < PROBLEM_LEARNERS; k++) {
        problem_learn(b, k);
        problem_learn(a, k);
        assert_near(loop_summary(a), loop_summary(b), n, 1e-7);
    }
    struct loop *fresh = problem_of("{kind: feddyn, alpha: 0.5}", TRAINING, PROBLEM_NETWORK);
    memcpy(twice, loop_parameters(b), n * sizeof *twice);
    problem_run(fresh, 1);
    problem_run(b, 1);
    for (size_t i = 0; i < n; i++)
        twice[i] = 2 * loop_parameters(b)[i] - twice[i];
    assert_near(loop_parameters(fresh), twice, n, 1e-6);
    memory_free(twice);
    loop_free(a);
    loop_free(b);
    loop_free(fresh);
}

Test(feddyn, the_coordinators_debt_grows_by_the_share_of_learners_heard)
{
    struct loop *loop = problem_of("feddyn", TRAINING, PROBLEM_LINEAR);
    struct reupdate_step step = loop_reupdate_step(loop);
    float mean = 3, values[2] = {1, 4};
    float *reduced[1] = {&mean}, *kept[2] = {&values[0], &values[1]};
    step.n_summaries = 3;
    step.n_learners = 12;
    ((const struct algorithm_kind *)registry_find(&algorithms, "feddyn"))
        ->reupdate(&step, 0, 1, reduced, kept);
    cr_assert_float_eq((double)values[1], 4 - 0.25 * (3 - 1), 1e-6);
    cr_assert_float_eq((double)values[0], 3 - 3.5, 1e-6);
    loop_free(loop);
}

// As scaffold's test of the same name.
Test(feddyn, takes_out_the_drift)
{
    const char *training = "optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 1000, local_epochs: 20";
    struct loop *feddyn = problem_of("{kind: feddyn, alpha: 0.5}", training, PROBLEM_LINEAR);
    struct loop *fedavg = problem_of("fedavg", training, PROBLEM_LINEAR);
    problem_run(feddyn, 300);
    problem_run(fedavg, 300);
    double with = problem_gradient_norm(loop_parameters(feddyn));
    double without = problem_gradient_norm(loop_parameters(fedavg));
    cr_assert_lt(with, 0.02 * without, "%g, %g with fedavg", with, without);
    loop_free(feddyn);
    loop_free(fedavg);
}

Test(feddyn, keeps_nothing_of_a_step_that_failed)
{
    struct loop *loop =
        problem_of("feddyn", "optimizer: {kind: sgd, learning_rate: 1e39}, batch_size: 1000", PROBLEM_LINEAR);
    struct learner_result result;
    cr_assert_eq(loop_learn(loop, 1, &result, NULL), STATUS_INVALID_ARGUMENT);
    for (size_t i = 0; i < loop_n_parameters(loop); i++)
        cr_assert(loop_own(loop, 1)[i] == 0);
    loop_free(loop);
}
