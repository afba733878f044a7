#include "problem.h"

TestSuite(fedprox, .init = make_problem, .fini = free_problem);

#define TRAINING "optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 4, local_epochs: 2"

Test(fedprox, without_its_term_is_fedavg)
{
    struct loop *a = problem_of("{kind: fedprox, mu: 0}", TRAINING, PROBLEM_NETWORK);
    struct loop *b = problem_of("fedavg", TRAINING, PROBLEM_NETWORK);
    problem_run(a, 3);
    problem_run(b, 3);
    cr_assert_eq(memcmp(loop_parameters(a), loop_parameters(b), loop_n_parameters(a) * sizeof(float)), 0);
    loop_free(a);
    loop_free(b);
}

Test(fedprox, holds_learners_near_the_model_the_more_the_larger_mu)
{
    const char *names[] = {"{kind: fedprox, mu: 0}", "{kind: fedprox, mu: 1}", "{kind: fedprox, mu: 5}"};
    double last = INFINITY;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct loop *loop = problem_of(names[i], TRAINING, PROBLEM_NETWORK);
        problem_learn(loop, 2);
        double way = norm_of_difference(loop_summary(loop), loop_parameters(loop), loop_n_parameters(loop));
        cr_assert_lt(way, 0.9 * last, "%s: %g", names[i], way);
        last = way;
        loop_free(loop);
    }
}
