#include "problem.h"

enum { N_PROBE = 20 };

TestSuite(distributed_collaborative, .init = make_problem, .fini = free_problem);

static enum status open_with(struct loop **ret, const char *algorithm, const char *training,
                             const struct part *parts, size_t n_parts, struct error *error)
{
    cleanup_free char *yaml =
        memory_format("{algorithm: %s, probe: %d, training: {%s}, model: {layers: " PROBLEM_NETWORK
                      ", loss: cross_entropy}}",
                      algorithm, N_PROBE, training);
    return loop_new(ret, yaml, parts, n_parts, 1, PROBLEM_ROUNDS, error);
}

static struct loop *open_parts(const char *algorithm, const struct part *parts, size_t n_parts)
{
    struct loop *loop = NULL;
    struct error error = ERROR_INIT;
    cr_assert_eq(open_with(&loop, algorithm, "optimizer: {kind: sgd, learning_rate: 0.5}, batch_size: 4",
                           parts, n_parts, &error),
                 STATUS_OK, "%s", error.message);
    return loop;
}

#define GROUPS(g, rest) "{kind: distributed_collaborative, groups: " #g ", " rest "}"

Test(distributed_collaborative, groups_that_ignore_each_other_descend_their_own_gradients)
{
    const struct part even[2] = {toy.parts[0], toy.parts[2]}; // learners 0 and 2 of group 0
    struct loop *loop = open_parts(GROUPS(2, "alpha: 0, beta: 0"), toy.parts, PROBLEM_LEARNERS);
    struct loop *first = open_parts("gradient_descent", even, 2);
    struct loop *second = open_parts("gradient_descent", &toy.parts[1], 1);
    size_t n = loop_n_parameters(loop), block = loop_plan(loop)->n_values / 2;
    problem_run(loop, PROBLEM_ROUNDS);
    problem_run(first, PROBLEM_ROUNDS);
    problem_run(second, PROBLEM_ROUNDS);
    assert_near(loop_parameters(loop), loop_parameters(first), n, 1e-5);
    assert_near(loop_parameters(loop) + block, loop_parameters(second), n, 1e-5);
    loop_free(loop);
    loop_free(first);
    loop_free(second);
}

// Of one round's end: how far the two groups' predictions lie from each other.
static double disagreement_of(const char *algorithm)
{
    struct loop *loop = open_parts(algorithm, toy.parts, PROBLEM_LEARNERS);
    size_t n = loop_n_parameters(loop), block = loop_plan(loop)->n_values / 2;
    problem_run(loop, PROBLEM_ROUNDS);
    double found =
        norm_of_difference(loop_parameters(loop) + n, loop_parameters(loop) + block + n, block - n);
    loop_free(loop);
    return found;
}

Test(distributed_collaborative, groups_agree_the_more_the_more_that_weighs)
{
    double none = disagreement_of(GROUPS(2, "alpha: 0, beta: 0")),
           some = disagreement_of(GROUPS(2, "alpha: 2, beta: 0"));
    cr_assert_lt(some, 0.8 * none, "%g of %g", some, none);
}

Test(distributed_collaborative, a_group_that_nobody_was_of_stays_as_it_is)
{
    struct loop *loop = open_parts(GROUPS(2, "alpha: 1"), toy.parts, PROBLEM_LEARNERS);
    const struct algorithm_kind *kind =
        (const struct algorithm_kind *)registry_find(&algorithms, "distributed_collaborative");
    struct reupdate_step step = loop_reupdate_step(loop);
    const float scalars[2] = {1, 0};
    size_t n = loop_plan(loop)->n_values;
    cleanup_free float *before = memory_floats(n);
    float *values = loop_parameters(loop);
    cleanup_free float *reduced = memory_floats(n);
    memcpy(before, values, n * sizeof *before);
    for (size_t i = 0; i < n; i++)
        reduced[i] = 1;
    step.scalars = scalars;
    kind->reupdate(&step, 0, n, (float *const[]){reduced}, (float *const[]){values});
    cr_assert_float_eq((double)values[0], (double)before[0] - 0.5, 1e-6);
    cr_assert_eq(values[loop_n_parameters(loop)], 1);
    cr_assert_eq(memcmp(values + n / 2, before + n / 2, n / 2 * sizeof(float)), 0);
    loop_free(loop);
}

Test(distributed_collaborative, what_cannot_be_is_refused_with_what_to_do)
{
    static const struct {
        const char *algorithm, *training, *message;
    } refusals[] = {
        {GROUPS(4, "alpha: 1"), "batch_size: 4", "groups '4' must be at most 3"},
        {GROUPS(2, "alpha: 1"), "local_epochs: 2",
         "local_epochs '2' must be 1 with distributed_collaborative"},
        {GROUPS(2, "alpha: 1"), "clip_norm: 2", "clip_norm '2' must be 0 with distributed_collaborative"},
        {GROUPS(2, "alpha: 1"), "optimizer: adam", "'adam' does not go with distributed_collaborative"},
        {GROUPS(2, "alpha: 1"), "optimizer: {kind: sgd, momentum: 0.9}",
         "momentum does not go with distributed_collaborative"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        struct loop *loop = NULL;
        struct error error = ERROR_INIT;
        cr_assert_eq(open_with(&loop, refusals[i].algorithm, refusals[i].training, toy.parts,
                               PROBLEM_LEARNERS, &error),
                     STATUS_INVALID_ARGUMENT, "%s", refusals[i].message);
        cr_assert(strstr(error.message, refusals[i].message), "%s", error.message);
    }
}

Test(distributed_collaborative, running_out_of_memory_is_an_error)
{
    struct loop *loop = open_parts(GROUPS(2, "alpha: 1"), toy.parts, PROBLEM_LEARNERS);
    struct learner_result result;
    enum status status = STATUS_RESOURCE_EXHAUSTED;
    unsigned long nth = 0;
    while (status != STATUS_OK) {
        memory_fail_after(++nth);
        status = loop_learn(loop, 1, &result, NULL);
        cr_assert(status == STATUS_OK || status == STATUS_RESOURCE_EXHAUSTED, "allocation %lu", nth);
    }
    memory_fail_after(0);
    cr_assert_gt(nth, 10);
    loop_free(loop);
}
