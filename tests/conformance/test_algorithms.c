// Every algorithm: a pure function of experiment and seed, whatever the order of arrival and whatever was
// restarted on the way; alike learners make no difference; the re-update goes over ranges in any order.
#include "base/memory.h"
#include "base/philox.h"
#include "loop.h"
#include "toy.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N_SAMPLES = 90, N_LEARNERS = 4, ROUNDS = 4, SEED = 11 };

static struct toy toy;

static void make_toy(void)
{
    cr_assert_eq(toy_init(&toy, TOY_CLASSES, N_SAMPLES, 5, 3, N_LEARNERS, NULL), STATUS_OK);
}

static void free_toy(void)
{
    toy_release(&toy);
}

TestSuite(algorithms, .init = make_toy, .fini = free_toy);

// Algorithms that cannot train the layers that the others do.
static const char *model_of(const struct kind *kind)
{
    if (strcmp(kind->name, "linear_regression") == 0)
        return "{layers: [dense: {units: 3}], loss: mse}";
    return "{layers: [dense: {units: 8, activation: relu}, dense: {units: 3}], loss: cross_entropy}";
}

static struct loop *loop_of(const struct kind *kind, const struct part *parts, size_t n, size_t batch_size)
{
    struct loop *loop = NULL;
    struct error error = ERROR_INIT;
    cleanup_free char *yaml = memory_format(
        "{algorithm: %s, probe: 24, training: {optimizer: {kind: sgd, learning_rate: 0.2}, batch_size: %zu},"
        " model: %s}",
        kind->name, batch_size, model_of(kind));
    cr_assert_eq(loop_new(&loop, yaml, parts, n, SEED, ROUNDS, &error), STATUS_OK, "%s", error.message);
    return loop;
}

static void run(struct loop *loop, int n_rounds, bool backwards)
{
    struct error error = ERROR_INIT;
    for (int i = 0; i < n_rounds; i++)
        cr_assert_eq(loop_round(loop, backwards, NULL, &error), STATUS_OK, "%s", error.message);
}

static void assert_same(struct loop *a, struct loop *b, const struct kind *kind, const char *what)
{
    size_t bytes = loop_n_values(a) * sizeof(float);
    cr_assert_eq(memcmp(loop_parameters(a), loop_parameters(b), bytes), 0, "%s depends on %s", kind->name,
                 what);
}

Test(algorithms, give_the_same_bytes_again_and_in_any_order)
{
    for (size_t k = 0; k < algorithms.n_kinds; k++) {
        struct loop *a = loop_of(algorithms.kinds[k], toy.parts, N_LEARNERS, 8);
        struct loop *b = loop_of(algorithms.kinds[k], toy.parts, N_LEARNERS, 8);
        run(a, ROUNDS, false);
        run(b, ROUNDS, true);
        assert_same(a, b, algorithms.kinds[k], "the order of arrival");
        loop_free(a);
        loop_free(b);
    }
}

Test(algorithms, go_on_from_a_rounds_model_as_if_never_stopped)
{
    for (size_t k = 0; k < algorithms.n_kinds; k++) {
        struct loop *a = loop_of(algorithms.kinds[k], toy.parts, N_LEARNERS, 8);
        struct loop *b = loop_of(algorithms.kinds[k], toy.parts, N_LEARNERS, 8);
        run(a, 2, false);
        loop_resume(b, 3, a);
        run(a, ROUNDS - 2, false);
        run(b, ROUNDS - 2, false);
        assert_same(a, b, algorithms.kinds[k], "what is forgotten in a restart");
        loop_free(a);
        loop_free(b);
    }
}

Test(algorithms, change_the_model_and_with_it_the_loss_unless_they_train_nothing)
{
    for (size_t k = 0; k < algorithms.n_kinds; k++) {
        struct loop *loop = loop_of(algorithms.kinds[k], toy.parts, N_LEARNERS, 8);
        struct evaluation before, after;
        cr_assert_eq(loop_evaluate(loop, &toy.all, &before, NULL), STATUS_OK);
        run(loop, ROUNDS, false);
        cr_assert_eq(loop_evaluate(loop, &toy.all, &after, NULL), STATUS_OK);
        if (((const struct algorithm_kind *)algorithms.kinds[k])->trains_nothing)
            cr_assert_float_eq(after.loss, before.loss, 1e-9, "%s", algorithms.kinds[k]->name);
        else
            cr_assert_lt(after.loss, before.loss, "%s", algorithms.kinds[k]->name);
        loop_free(loop);
    }
}

// With one batch a round the shuffle does not matter, so that equal learners take equal steps.
Test(algorithms, do_with_two_equal_learners_what_they_do_with_one)
{
    const struct part twice[2] = {toy.parts[1], toy.parts[1]};
    for (size_t k = 0; k < algorithms.n_kinds; k++) {
        struct loop *one = loop_of(algorithms.kinds[k], twice, 1, N_SAMPLES);
        struct loop *two = loop_of(algorithms.kinds[k], twice, 2, N_SAMPLES);
        run(one, ROUNDS, false);
        run(two, ROUNDS, false);
        for (size_t i = 0; i < loop_n_values(one); i++)
            cr_assert_float_eq((double)loop_parameters(one)[i], (double)loop_parameters(two)[i], 1e-6, "%s",
                               algorithms.kinds[k]->name);
        loop_free(one);
        loop_free(two);
    }
}

Test(algorithms, answer_after_a_step_with_a_learners_own_model_where_it_has_one)
{
    for (size_t k = 0; k < algorithms.n_kinds; k++) {
        const struct algorithm_kind *algorithm = (const struct algorithm_kind *)algorithms.kinds[k];
        struct loop *loop = loop_of(algorithms.kinds[k], toy.parts, N_LEARNERS, 8);
        struct learner_result result;
        size_t n = loop_n_parameters(loop);
        cleanup_free float *own = memory_floats(n);
        run(loop, 1, false);
        cr_assert_eq(loop_learn(loop, 2, &result, NULL), STATUS_OK);
        if (algorithm->own_model) {
            loop_own_model(loop, 2, own);
            cr_assert_eq(memcmp(loop_answering(loop), own, n * sizeof *own), 0, "%s", algorithm->kind.name);
        }
        loop_free(loop);
    }
}

static bool always(void *user)
{
    return true;
}

Test(algorithms, stop_when_told)
{
    for (size_t k = 0; k < algorithms.n_kinds; k++) {
        struct loop *loop = loop_of(algorithms.kinds[k], toy.parts, N_LEARNERS, 8);
        struct learner_result result;
        loop_set_stop(loop, always, NULL);
        cr_assert_eq(loop_learn(loop, 0, &result, NULL), STATUS_CANCELLED, "%s", algorithms.kinds[k]->name);
        loop_free(loop);
    }
}

static float *random_values(size_t n, uint32_t step)
{
    float *values = memory_floats(n);
    struct random random = random_open((struct random_key){.seed = 1, .step = step, .purpose = RANDOM_TEST});
    cr_assert(values);
    for (size_t i = 0; i < n; i++)
        values[i] = random_float(&random);
    return values;
}

// Re-updates [0, n) by pieces from the last to the first; `reduced` and `values` hold vectors of n values.
static void reupdate(const struct algorithm_kind *algorithm, const struct reupdate_step *step, size_t piece,
                     float *reduced, float *values)
{
    const struct algorithm_plan *plan = step->plan;
    float *from[ALGORITHM_VECTORS_MAX], *to[ALGORITHM_VECTORS_MAX];
    size_t n = plan->n_values;
    for (size_t at = (n + piece - 1) / piece * piece; at > 0;) {
        at -= piece;
        for (unsigned int i = 0; i < plan->n_vectors; i++)
            from[i] = reduced + i * n + at;
        for (unsigned int i = 0; i < plan->n_shared + plan->n_private; i++)
            to[i] = values + i * n + at;
        algorithm->reupdate(step, at, piece < n - at ? piece : n - at, from, to);
    }
}

static void compare_ranges(const struct kind *kind)
{
    const struct algorithm_kind *algorithm = (const struct algorithm_kind *)kind;
    struct loop *loop = loop_of(kind, toy.parts, N_LEARNERS, 8); // its options and plan serve here
    const struct algorithm_plan *plan = loop_plan(loop);
    struct reupdate_step step = loop_reupdate_step(loop);
    float scalars[ALGORITHM_SCALARS_MAX];
    size_t n_reduced = plan->n_vectors * plan->n_values, n_kept = plan_kept_values(plan);
    for (unsigned int i = 0; i < plan->n_scalars; i++)
        scalars[i] = 0.5F + (float)i;
    step.scalars = scalars;
    if (algorithm->reupdate) {
        float *whole = random_values(n_kept, 1), *pieces = random_values(n_kept, 1);
        float *once = random_values(n_reduced, 2), *again = random_values(n_reduced, 2);
        reupdate(algorithm, &step, plan->n_values, once, whole);
        reupdate(algorithm, &step, 7, again, pieces);
        cr_assert_eq(memcmp(whole, pieces, n_kept * sizeof(float)), 0, "%s", kind->name);
        memory_free(whole);
        memory_free(pieces);
        memory_free(once);
        memory_free(again);
    }
    loop_free(loop);
}

Test(algorithms, reupdate_ranges_in_any_order_as_the_whole)
{
    for (size_t k = 0; k < algorithms.n_kinds; k++)
        compare_ranges(algorithms.kinds[k]);
}
