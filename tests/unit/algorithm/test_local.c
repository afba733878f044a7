#include "algorithm/local.h"
#include "base/memory.h"
#include "loop.h"
#include "toy.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define MODEL "model: {layers: [dense: {units: 6, activation: relu}, dense: {units: 3}], loss: cross_entropy}"

enum { N_SAMPLES = 45, N_LEARNERS = 3, ROUNDS = 4 }; // parts of 7, 15 and 23 samples

static struct toy toy;

static void make_toy(void)
{
    cr_assert_eq(toy_init(&toy, TOY_CLASSES, N_SAMPLES, 4, 3, N_LEARNERS, NULL), STATUS_OK);
}

static void free_toy(void)
{
    toy_release(&toy);
}

TestSuite(local, .init = make_toy, .fini = free_toy);

static struct loop *loop_of(const char *training)
{
    struct loop *loop = NULL;
    struct error error = ERROR_INIT;
    cleanup_free char *yaml = memory_format("{algorithm: fedavg, training: {%s}, " MODEL "}", training);
    cr_assert_eq(loop_new(&loop, yaml, toy.parts, N_LEARNERS, 1, ROUNDS, &error), STATUS_OK, "%s",
                 error.message);
    return loop;
}

Test(local, the_order_is_a_shuffle_named_by_seed_learner_round_and_epoch)
{
    struct part part = toy.parts[2];
    struct learner_step step = {.part = &part, .seed = 1, .learner = 2, .round = 3}, other;
    uint32_t order[N_SAMPLES], again[N_SAMPLES], n = (uint32_t)part.n_samples;
    bool seen[N_SAMPLES] = {false};
    local_order(&step, 4, order);
    for (size_t i = 0; i < n; i++) {
        cr_assert(order[i] < n && !seen[order[i]]);
        seen[order[i]] = true;
    }
    local_order(&step, 4, again);
    cr_assert_eq(memcmp(order, again, n * sizeof *order), 0);
    local_order(&step, 5, again);
    cr_assert_neq(memcmp(order, again, n * sizeof *order), 0);
    other = step, other.seed++;
    local_order(&other, 4, again);
    cr_assert_neq(memcmp(order, again, n * sizeof *order), 0);
    other = step, other.learner++;
    local_order(&other, 4, again);
    cr_assert_neq(memcmp(order, again, n * sizeof *order), 0);
    other = step, other.round++;
    local_order(&other, 4, again);
    cr_assert_neq(memcmp(order, again, n * sizeof *order), 0);
}

static bool stop_after(void *user)
{
    size_t *n_left = user;
    return (*n_left)-- == 0;
}

Test(local, trains_every_epoch_with_the_short_last_batch_too)
{
    struct loop *loop = loop_of("batch_size: 10, local_epochs: 2");
    struct learner_result result;
    struct error error = ERROR_INIT;
    size_t n_steps = 6; // 10 + 10 + 3 samples, twice
    loop_set_stop(loop, stop_after, &n_steps);
    cr_assert_eq(loop_learn(loop, 2, &result, &error), STATUS_OK);
    cr_assert_eq(n_steps, 0);
    loop_free(loop);
}

Test(local, stops_between_batches_when_told)
{
    struct loop *loop = loop_of("batch_size: 10");
    struct learner_result result;
    struct error error = ERROR_INIT;
    size_t n_steps = 2;
    loop_set_stop(loop, stop_after, &n_steps);
    cr_assert_eq(loop_learn(loop, 2, &result, &error), STATUS_CANCELLED);
    cr_assert(strstr(error.message, "stopped in round 1"), "%s", error.message);
    loop_free(loop);
}

Test(local, tells_loss_accuracy_and_weight)
{
    struct loop *loop = loop_of("optimizer: {kind: sgd, learning_rate: 0.000001}, batch_size: 4");
    struct learner_result result;
    struct evaluation evaluation;
    cr_assert_eq(loop_learn(loop, 2, &result, NULL), STATUS_OK);
    cr_assert_eq(loop_evaluate(loop, &toy.parts[2], &evaluation, NULL), STATUS_OK);
    cr_assert_eq(result.weight, toy.parts[2].n_samples);
    cr_assert_float_eq(result.train_loss, evaluation.loss, 1e-4); // the model has hardly moved
    cr_assert_eq(result.train_accuracy, evaluation.accuracy);
    loop_free(loop);
}

Test(local, starts_the_optimizer_afresh_each_time)
{
    struct loop *loop = loop_of("optimizer: {kind: sgd, momentum: 0.9}, batch_size: 4");
    struct learner_result result;
    size_t bytes = loop_n_parameters(loop) * sizeof(float);
    cr_assert_eq(loop_learn(loop, 1, &result, NULL), STATUS_OK);
    float *first = memory_floats(loop_n_parameters(loop));
    memcpy(first, loop_summary(loop), bytes);
    cr_assert_eq(loop_learn(loop, 0, &result, NULL), STATUS_OK);
    cr_assert_neq(memcmp(first, loop_summary(loop), bytes), 0);
    cr_assert_eq(loop_learn(loop, 1, &result, NULL), STATUS_OK);
    cr_assert_eq(memcmp(first, loop_summary(loop), bytes), 0);
    memory_free(first);
    loop_free(loop);
}

static double distance(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sqrt(sum);
}

Test(local, the_schedule_runs_over_all_rounds)
{
    // While warming up, step k has rate k / 1e6: steps 1 to 3 of round 1 sum to 6, steps 4 to 6 to 15.
    struct loop *loop = loop_of("optimizer: {kind: sgd, learning_rate: 1}, batch_size: 100, local_epochs: 3,"
                                " schedule: {kind: constant, warmup_steps: 1000000}");
    struct learner_result result;
    size_t n = loop_n_parameters(loop);
    cr_assert_eq(loop_learn(loop, 2, &result, NULL), STATUS_OK);
    double first = distance(loop_summary(loop), loop_parameters(loop), n);
    loop_resume(loop, 2, loop);
    cr_assert_eq(loop_learn(loop, 2, &result, NULL), STATUS_OK);
    double second = distance(loop_summary(loop), loop_parameters(loop), n);
    cr_assert(first > 0);
    cr_assert_float_eq(second / first, 15.0 / 6, 0.01, "%g", second / first);
    loop_free(loop);
}

Test(local, a_diverging_loss_is_an_error_with_what_to_do)
{
    struct loop *loop = loop_of("optimizer: {kind: sgd, learning_rate: 1e30}, batch_size: 4");
    struct learner_result result = {.weight = 99};
    struct error error = ERROR_INIT;
    cr_assert_eq(loop_learn(loop, 2, &result, &error), STATUS_INVALID_ARGUMENT);
    cr_assert(strstr(error.message, "set a smaller learning_rate"), "%s", error.message);
    cr_assert_eq(result.weight, 99);
    loop_free(loop);
}

Test(local, a_learner_without_samples_is_refused)
{
    struct loop *loop = loop_of("");
    struct learner_result result;
    struct error error = ERROR_INIT;
    toy.parts[1].n_samples = 0;
    cr_assert_eq(loop_learn(loop, 1, &result, &error), STATUS_FAILED_PRECONDITION);
    cr_assert(strstr(error.message, "learner '1' has no samples"), "%s", error.message);
    loop_free(loop);
}

Test(local, running_out_of_memory_is_an_error)
{
    struct loop *loop = loop_of("");
    struct learner_result result;
    struct error error = ERROR_INIT;
    for (unsigned long nth = 1; nth <= 3; nth++) {
        memory_fail_after(nth);
        cr_assert_eq(loop_learn(loop, 1, &result, &error), STATUS_RESOURCE_EXHAUSTED);
    }
    memory_fail_after(0);
    cr_assert_eq(loop_learn(loop, 1, &result, &error), STATUS_OK);
    loop_free(loop);
}
