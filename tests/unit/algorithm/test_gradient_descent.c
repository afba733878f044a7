#include "base/memory.h"
#include "loop.h"
#include "toy.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define MODEL "model: {layers: [dense: {units: 6, activation: relu}, dense: {units: 3}], loss: cross_entropy}"

enum { N_SAMPLES = 60, N_LEARNERS = 3 };

static struct toy toy;

static void make_toy(void)
{
    cr_assert_eq(toy_init(&toy, TOY_CLASSES, N_SAMPLES, 4, 3, N_LEARNERS, NULL), STATUS_OK);
}

static void free_toy(void)
{
    toy_release(&toy);
}

TestSuite(gradient_descent, .init = make_toy, .fini = free_toy);

static enum status open_loop(struct loop **ret, const char *training, const struct part *parts, size_t n,
                             struct error *error)
{
    cleanup_free char *yaml =
        memory_format("{algorithm: gradient_descent, training: {%s}, " MODEL "}", training);
    return loop_new(ret, yaml, parts, n, 1, 10, error);
}

static struct loop *loop_of(const char *training, const struct part *parts, size_t n)
{
    struct loop *loop = NULL;
    struct error error = ERROR_INIT;
    cr_assert_eq(open_loop(&loop, training, parts, n, &error), STATUS_OK, "%s", error.message);
    return loop;
}

Test(gradient_descent, batches_give_the_gradient_of_the_whole_part)
{
    struct loop *whole = loop_of("batch_size: 1000", &toy.all, 1),
                *pieces = loop_of("batch_size: 7", &toy.all, 1);
    struct learner_result a, b;
    cr_assert_eq(loop_learn(whole, 0, &a, NULL), STATUS_OK);
    cr_assert_eq(loop_learn(pieces, 0, &b, NULL), STATUS_OK);
    cr_assert_eq(a.weight, N_SAMPLES);
    cr_assert_eq(b.weight, N_SAMPLES);
    cr_assert_float_eq(a.train_loss, b.train_loss, 1e-7);
    cr_assert_eq(a.train_accuracy, b.train_accuracy);
    for (size_t i = 0; i < loop_n_parameters(whole); i++)
        cr_assert_float_eq((double)loop_summary(whole)[i], (double)loop_summary(pieces)[i], 1e-7);
    loop_free(whole);
    loop_free(pieces);
}

Test(gradient_descent, the_loss_is_that_of_the_rounds_model)
{
    struct loop *loop = loop_of("batch_size: 7", toy.parts, N_LEARNERS);
    struct evaluation evaluation;
    double loss;
    cr_assert_eq(loop_evaluate(loop, &toy.all, &evaluation, NULL), STATUS_OK);
    cr_assert_eq(loop_round(loop, false, &loss, NULL), STATUS_OK);
    cr_assert_float_eq(loss, evaluation.loss, 1e-7);
    loop_free(loop);
}

Test(gradient_descent, one_round_is_one_step_against_the_gradient)
{
    struct loop *loop = loop_of("optimizer: {kind: sgd, learning_rate: 0.5, weight_decay: 0.1}", &toy.all, 1);
    struct learner_result result;
    size_t n = loop_n_parameters(loop);
    double *expected = memory_array(n, sizeof *expected);
    cr_assert_eq(loop_learn(loop, 0, &result, NULL), STATUS_OK);
    for (size_t i = 0; i < n; i++) {
        double parameter = (double)loop_parameters(loop)[i];
        expected[i] = parameter - 0.5 * ((double)loop_summary(loop)[i] + 0.1 * parameter);
    }
    cr_assert_eq(loop_round(loop, false, NULL, NULL), STATUS_OK);
    for (size_t i = 0; i < n; i++)
        cr_assert_float_eq((double)loop_parameters(loop)[i], expected[i], 1e-7);
    memory_free(expected);
    loop_free(loop);
}

Test(gradient_descent, the_schedule_counts_rounds)
{
    struct loop *loop = loop_of("optimizer: {kind: sgd, learning_rate: 1},"
                                " schedule: {kind: constant, warmup_steps: 4}",
                                &toy.all, 1);
    struct learner_result result;
    size_t n = loop_n_parameters(loop);
    float *before = memory_floats(n);
    for (uint32_t round = 1; round <= 5; round++) {
        memcpy(before, loop_parameters(loop), n * sizeof *before);
        cr_assert_eq(loop_learn(loop, 0, &result, NULL), STATUS_OK);
        float gradient = loop_summary(loop)[0];
        cr_assert_eq(loop_round(loop, false, NULL, NULL), STATUS_OK);
        double rate = fmin((double)round / 4, 1);
        cr_assert_float_eq((double)loop_parameters(loop)[0], (double)before[0] - rate * (double)gradient,
                           1e-6);
    }
    memory_free(before);
    loop_free(loop);
}

Test(gradient_descent, many_learners_go_where_one_goes)
{
    struct loop *one = loop_of("optimizer: {kind: sgd, learning_rate: 0.5}", &toy.all, 1);
    struct loop *many = loop_of("optimizer: {kind: sgd, learning_rate: 0.5}", toy.parts, N_LEARNERS);
    for (int round = 0; round < 10; round++) {
        double a, b;
        cr_assert_eq(loop_round(one, false, &a, NULL), STATUS_OK);
        cr_assert_eq(loop_round(many, true, &b, NULL), STATUS_OK);
        cr_assert_float_eq(a, b, 1e-6 * a);
    }
    loop_free(one);
    loop_free(many);
}

struct refusal {
    char training[100];
    char message[100];
};

Test(gradient_descent, training_that_is_no_plain_step_is_refused_with_what_to_do)
{
    const struct refusal refusals[] = {
        {"optimizer: {kind: sgd, momentum: 0.9}", "set momentum to 0, or choose the algorithm fedavg"},
        {"local_epochs: 3", "local_epochs '3' must be 1"},
        {"clip_norm: 1", "clip_norm '1' must be 0"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        struct loop *loop = NULL;
        struct error error = ERROR_INIT;
        cr_assert_eq(open_loop(&loop, refusals[i].training, &toy.all, 1, &error), STATUS_INVALID_ARGUMENT,
                     "%s", refusals[i].training);
        cr_assert(strstr(error.message, refusals[i].message), "%s", error.message);
    }
}

Test(gradient_descent, every_optimizer_but_sgd_is_refused)
{
    for (size_t k = 0; k < optimizers.n_kinds; k++) {
        if (strcmp(optimizers.kinds[k]->name, "sgd") == 0)
            continue;
        struct loop *loop = NULL;
        struct error error = ERROR_INIT;
        cleanup_free char *training = memory_format("optimizer: %s", optimizers.kinds[k]->name);
        cr_assert_eq(open_loop(&loop, training, &toy.all, 1, &error), STATUS_INVALID_ARGUMENT);
        cr_assert(strstr(error.message, "choose sgd"), "%s", error.message);
    }
}

static bool always(void *user)
{
    return true;
}

Test(gradient_descent, stops_when_told)
{
    struct loop *loop = loop_of("batch_size: 7", &toy.all, 1);
    struct learner_result result;
    loop_set_stop(loop, always, NULL);
    cr_assert_eq(loop_learn(loop, 0, &result, NULL), STATUS_CANCELLED);
    loop_free(loop);
}

Test(gradient_descent, running_out_of_memory_is_an_error)
{
    struct loop *loop = loop_of("batch_size: 7", &toy.all, 1);
    struct learner_result result;
    for (unsigned long nth = 1; nth <= 3; nth++) {
        memory_fail_after(nth);
        cr_assert_eq(loop_learn(loop, 0, &result, NULL), STATUS_RESOURCE_EXHAUSTED);
    }
    memory_fail_after(0);
    cr_assert_eq(loop_learn(loop, 0, &result, NULL), STATUS_OK);
    loop_free(loop);
}
