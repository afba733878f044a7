#include "problem.h"

TestSuite(scaffold, .init = make_problem, .fini = free_problem);

#define TRAINING "optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 4, local_epochs: 2"
#define ONE_STEP "optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 1000"

Test(scaffold, begins_as_fedavg)
{
    struct loop *a = problem_of("scaffold", TRAINING, PROBLEM_NETWORK);
    struct loop *b = problem_of("fedavg", TRAINING, PROBLEM_NETWORK);
    problem_run(a, 1);
    problem_run(b, 1);
    assert_near(loop_parameters(a), loop_parameters(b), loop_n_parameters(a), 1e-6);
    loop_free(a);
    loop_free(b);
}

// After one step of all its samples, a learner's variate is its gradient, and the common one their mean.
Test(scaffold, variates_are_gradients)
{
    struct loop *loop = problem_of("scaffold", ONE_STEP, PROBLEM_LINEAR);
    struct loop *gradients = problem_of("gradient_descent", ONE_STEP, PROBLEM_LINEAR);
    size_t n = loop_n_parameters(loop);
    cr_assert_eq(loop_n_values(loop), 2 * n);
    problem_run(loop, 1);
    const float *common = loop_parameters(loop) + n;
    double *mean = memory_array(n, sizeof *mean);
    for (uint32_t k = 0; k < PROBLEM_LEARNERS; k++) {
        problem_learn(gradients, k);
        assert_near(loop_own(loop, k), loop_summary(gradients), n, 1e-5);
        for (size_t i = 0; i < n; i++)
            mean[i] += (double)loop_summary(gradients)[i] * (double)toy.parts[k].n_samples / PROBLEM_SAMPLES;
    }
    for (size_t i = 0; i < n; i++)
        cr_assert_float_eq((double)common[i], mean[i], 1e-5);
    memory_free(mean);
    loop_free(loop);
    loop_free(gradients);
}

Test(scaffold, the_common_variate_follows_by_the_share_of_learners_heard)
{
    struct loop *loop = problem_of("{kind: scaffold, learning_rate: 0.5}", TRAINING, PROBLEM_LINEAR);
    struct reupdate_step step = loop_reupdate_step(loop);
    float mean[2] = {3, 8}, values[2] = {1, 4};
    float *reduced[2] = {&mean[0], &mean[1]}, *kept[2] = {&values[0], &values[1]};
    step.n_summaries = 3;
    step.n_learners = 12;
    ((const struct algorithm_kind *)registry_find(&algorithms, "scaffold"))
        ->reupdate(&step, 0, 1, reduced, kept);
    cr_assert_float_eq((double)values[0], 1 + 0.5 * (3 - 1), 1e-6);
    cr_assert_float_eq((double)values[1], 4 + 0.25 * 8, 1e-6);
    loop_free(loop);
}

// Unlike federated averaging of several steps, it comes to rest where the gradient over everyone's samples
// vanishes.
Test(scaffold, takes_out_the_drift)
{
    const char *training = "optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 1000, local_epochs: 20";
    struct loop *scaffold = problem_of("scaffold", training, PROBLEM_LINEAR);
    struct loop *fedavg = problem_of("fedavg", training, PROBLEM_LINEAR);
    problem_run(scaffold, 300);
    problem_run(fedavg, 300);
    double with = problem_gradient_norm(loop_parameters(scaffold));
    double without = problem_gradient_norm(loop_parameters(fedavg));
    cr_assert_lt(with, 0.02 * without, "%g, %g with fedavg", with, without);
    loop_free(scaffold);
    loop_free(fedavg);
}

Test(scaffold, keeps_nothing_of_a_step_that_failed)
{
    struct loop *loop = problem_of(
        "scaffold", "optimizer: {kind: sgd, learning_rate: 1e39}, batch_size: 1000", PROBLEM_LINEAR);
    struct learner_result result;
    struct error error = ERROR_INIT;
    cr_assert_eq(loop_learn(loop, 1, &result, &error), STATUS_INVALID_ARGUMENT);
    cr_assert(strstr(error.message, "set a smaller learning_rate"), "%s", error.message);
    for (size_t i = 0; i < loop_n_parameters(loop); i++)
        cr_assert(loop_own(loop, 1)[i] == 0);
    loop_free(loop);
}
