#include "problem.h"

TestSuite(fednova, .init = make_problem, .fini = free_problem);

#define TRAINING "optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 4, local_epochs: 2"

// What learner 1, of 15 samples, tells of its steps.
static double told_norm(const char *training)
{
    struct loop *loop = problem_of("fednova", training, PROBLEM_LINEAR);
    problem_learn(loop, 1);
    double norm = (double)loop_summary(loop)[loop_n_parameters(loop)] * 0x1p16;
    loop_free(loop);
    return norm;
}

Test(fednova, counts_plain_steps)
{
    cr_assert_float_eq(told_norm(TRAINING), 8, 1e-5);
    cr_assert_float_eq(told_norm("optimizer: {kind: sgd, weight_decay: 0.5}, batch_size: 5"), 3, 1e-5);
}

Test(fednova, counts_what_momentum_makes_of_them)
{
    // Velocities 1, 1.5 and 1.75; with Nesterov's steps 1 + 0.5 * 1 and so on.
    cr_assert_float_eq(told_norm("optimizer: {kind: sgd, momentum: 0.5}, batch_size: 5"), 4.25, 1e-5);
    cr_assert_float_eq(told_norm("optimizer: {kind: sgd, momentum: 0.5, nesterov: true}, batch_size: 5"),
                       1.5 + 1.75 + 1.875, 1e-5);
}

Test(fednova, counts_steps_by_their_schedule)
{
    cr_assert_float_eq(
        told_norm("optimizer: sgd, schedule: {kind: constant, warmup_steps: 4}, batch_size: 5"), 1.5, 1e-5);
}

Test(fednova, is_fedavg_where_all_take_as_many_steps)
{
    const char *training = "optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 1000, local_epochs: 3";
    struct loop *a = problem_of("fednova", training, PROBLEM_NETWORK);
    struct loop *b = problem_of("fedavg", training, PROBLEM_NETWORK);
    problem_run(a, 3);
    problem_run(b, 3);
    assert_near(loop_parameters(a), loop_parameters(b), loop_n_parameters(a), 1e-6);
    loop_free(a);
    loop_free(b);
}

// Where a learner of twice the samples takes twice the steps, it does not pull any further: the way is that
// of the mean number of steps along the mean of the normalised ways.
Test(fednova, more_steps_pull_no_further)
{
    struct loop *loop = problem_of("fednova", TRAINING, PROBLEM_LINEAR);
    size_t n = loop_n_parameters(loop);
    double *mean = memory_array(n, sizeof *mean), steps = 0;
    float *before = memory_floats(n);
    memcpy(before, loop_parameters(loop), n * sizeof *before);
    for (uint32_t k = 0; k < PROBLEM_LEARNERS; k++) {
        double share = (double)toy.parts[k].n_samples / PROBLEM_SAMPLES;
        double taken = 2 * ceil((double)toy.parts[k].n_samples / 4);
        struct loop *fedavg = problem_of("fedavg", TRAINING, PROBLEM_LINEAR);
        problem_learn(fedavg, k);
        for (size_t i = 0; i < n; i++)
            mean[i] += share * ((double)loop_summary(fedavg)[i] - (double)before[i]) / taken;
        steps += share * taken;
        loop_free(fedavg);
    }
    problem_run(loop, 1);
    for (size_t i = 0; i < n; i++)
        cr_assert_float_eq((double)loop_parameters(loop)[i], (double)before[i] + steps * mean[i], 1e-6);
    memory_free(mean);
    memory_free(before);
    loop_free(loop);
}

Test(fednova, an_optimizer_whose_steps_it_cannot_count_is_refused)
{
    struct loop *loop = NULL;
    struct error error = ERROR_INIT;
    cr_assert_eq(problem_open(&loop, "fednova", "optimizer: adam", PROBLEM_LINEAR, toy.parts, 1, &error),
                 STATUS_INVALID_ARGUMENT);
    cr_assert(strstr(error.message, "choose sgd"), "%s", error.message);
}
