#include "problem.h"

TestSuite(server_optimizers, .init = make_problem, .fini = free_problem);

#define TRAINING "optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 4, local_epochs: 2"

Test(server_optimizers, momentum_of_nothing_is_fedavg)
{
    struct loop *a = problem_of("{kind: fedavgm, momentum: 0}", TRAINING, PROBLEM_NETWORK);
    struct loop *b = problem_of("fedavg", TRAINING, PROBLEM_NETWORK);
    problem_run(a, 3);
    problem_run(b, 3);
    assert_near(loop_parameters(a), loop_parameters(b), loop_n_parameters(a), 1e-6);
    loop_free(a);
    loop_free(b);
}

struct adaptive {
    char yaml[90];
    char name[16];
    double second; // after a change of 0.2 from 0.01, with beta2 0.75
};

static const struct adaptive adaptives[] = {
    {"{kind: fedadagrad, learning_rate: 0.5, beta1: 0.6, tau: 0.1}", "fedadagrad", 0.01 + 0.04},
    {"{kind: fedadam, learning_rate: 0.5, beta1: 0.6, beta2: 0.75, tau: 0.1}", "fedadam",
     0.75 * 0.01 + 0.25 * 0.04},
    {"{kind: fedyogi, learning_rate: 0.5, beta1: 0.6, beta2: 0.75, tau: 0.1}", "fedyogi", 0.01 + 0.25 * 0.04},
};

Test(server_optimizers, second_moments_begin_at_tau_squared_and_only_the_model_is_sent)
{
    for (size_t k = 0; k < ARRAY_SIZE(adaptives); k++) {
        struct loop *loop = problem_of(adaptives[k].yaml, TRAINING, PROBLEM_LINEAR);
        size_t n = loop_n_parameters(loop);
        cr_assert_eq(loop_n_values(loop), 3 * n);
        cr_assert_eq(plan_shared_values(loop_plan(loop)), n);
        cr_assert_eq(plan_summary_values(loop_plan(loop)), n);
        for (size_t i = 0; i < n; i++) {
            cr_assert(loop_parameters(loop)[n + i] == 0);
            cr_assert_float_eq((double)loop_parameters(loop)[2 * n + i], 0.01, 1e-8);
        }
        loop_free(loop);
    }
}

Test(server_optimizers, step_along_the_mean_change_by_its_moments)
{
    for (size_t k = 0; k < ARRAY_SIZE(adaptives); k++) {
        struct loop *loop = problem_of(adaptives[k].yaml, TRAINING, PROBLEM_LINEAR);
        struct reupdate_step step = loop_reupdate_step(loop);
        float mean = 1.2F, values[3] = {1, 0.3F, 0.01F};
        float *reduced[1] = {&mean}, *kept[3] = {&values[0], &values[1], &values[2]};
        ((const struct algorithm_kind *)registry_find(&algorithms, adaptives[k].name))
            ->reupdate(&step, 0, 1, reduced, kept);
        double first = 0.6 * 0.3 + 0.4 * 0.2, second = adaptives[k].second;
        cr_assert_float_eq((double)values[1], first, 1e-6, "%s", adaptives[k].name);
        cr_assert_float_eq((double)values[2], second, 1e-6, "%s", adaptives[k].name);
        cr_assert_float_eq((double)values[0], 1 + 0.5 * first / (sqrt(second) + 0.1), 1e-6, "%s",
                           adaptives[k].name);
        loop_free(loop);
    }
}
