#include "problem.h"

TestSuite(q_fedavg, .init = make_problem, .fini = free_problem);

#define TRAINING "optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 4, local_epochs: 2"

Test(q_fedavg, with_q_of_zero_is_fedavg)
{
    struct loop *a = problem_of("{kind: q_fedavg, q: 0}", TRAINING, PROBLEM_NETWORK);
    struct loop *b = problem_of("fedavg", TRAINING, PROBLEM_NETWORK);
    problem_run(a, 3);
    problem_run(b, 3);
    assert_near(loop_parameters(a), loop_parameters(b), loop_n_parameters(a), 1e-6);
    loop_free(a);
    loop_free(b);
}

Test(q_fedavg, the_unit_cancels_out)
{
    struct loop *a = problem_of("{kind: q_fedavg, q: 3, unit: 0.4}", TRAINING, PROBLEM_NETWORK);
    struct loop *b = problem_of("{kind: q_fedavg, q: 3, unit: 5}", TRAINING, PROBLEM_NETWORK);
    problem_run(a, 3);
    problem_run(b, 3);
    assert_near(loop_parameters(a), loop_parameters(b), loop_n_parameters(a), 1e-5);
    loop_free(a);
    loop_free(b);
}

static double largest_loss(struct loop *loop)
{
    double largest = 0;
    for (size_t k = 0; k < PROBLEM_LEARNERS; k++) {
        struct evaluation evaluation;
        cr_assert_eq(loop_evaluate(loop, &toy.parts[k], &evaluation, NULL), STATUS_OK);
        largest = fmax(largest, evaluation.loss);
    }
    return largest;
}

Test(q_fedavg, the_learner_with_the_largest_loss_fares_better_with_a_larger_q)
{
    const char *training = "optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 1000";
    struct loop *alike = problem_of("{kind: q_fedavg, q: 0}", training, PROBLEM_LINEAR);
    struct loop *fair = problem_of("{kind: q_fedavg, q: 5}", training, PROBLEM_LINEAR);
    problem_run(alike, 1000);
    problem_run(fair, 1000);
    cr_assert_lt(largest_loss(fair), 0.97 * largest_loss(alike), "%g, %g with q 0", largest_loss(fair),
                 largest_loss(alike));
    loop_free(alike);
    loop_free(fair);
}

Test(q_fedavg, losses_that_are_too_large_beside_the_unit_are_refused_with_what_to_do)
{
    struct loop *loop = problem_of("{kind: q_fedavg, q: 4, unit: 0.01}", TRAINING, PROBLEM_LINEAR);
    struct learner_result result;
    struct error error = ERROR_INIT;
    cr_assert_eq(loop_learn(loop, 1, &result, &error), STATUS_OUT_OF_RANGE);
    cr_assert(strstr(error.message, "set a larger unit"), "%s", error.message);
    loop_free(loop);
}

Test(q_fedavg, losses_that_are_nothing_beside_the_unit_leave_the_model_as_it_is)
{
    struct loop *loop = problem_of("q_fedavg", TRAINING, PROBLEM_LINEAR);
    struct reupdate_step step = loop_reupdate_step(loop);
    float delta = 0, value = 1, sum = 0;
    float *reduced[1] = {&delta}, *kept[1] = {&value};
    step.scalars = &sum;
    ((const struct algorithm_kind *)registry_find(&algorithms, "q_fedavg"))
        ->reupdate(&step, 0, 1, reduced, kept);
    cr_assert(value == 1);
    loop_free(loop);
}
