#include "base/memory.h"
#include "loop.h"
#include "toy.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define YAML                                                                                                 \
    "{algorithm: %s, training: {optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 8}, "                \
    "model: {layers: [dense: {units: 3}], loss: cross_entropy}}"

enum { N_LEARNERS = 3, N_SAMPLES = 60, ROUNDS = 6 };

static struct toy toy;

static void make_toy(void)
{
    cr_assert_eq(toy_init(&toy, TOY_CLASSES, N_SAMPLES, 4, 3, N_LEARNERS, NULL), STATUS_OK);
}

static void free_toy(void)
{
    toy_release(&toy);
}

TestSuite(ditto, .init = make_toy, .fini = free_toy);

static struct loop *loop_of(const char *algorithm, const struct part *parts, size_t n)
{
    struct loop *loop = NULL;
    struct error error = ERROR_INIT;
    cleanup_free char *yaml = memory_format(YAML, algorithm);
    cr_assert_eq(loop_new(&loop, yaml, parts, n, 1, ROUNDS, &error), STATUS_OK, "%s", error.message);
    return loop;
}

static void run(struct loop *loop)
{
    for (int i = 0; i < ROUNDS; i++)
        cr_assert_eq(loop_round(loop, false, NULL, NULL), STATUS_OK);
}

Test(ditto, has_fedavgs_global_model_whatever_the_learners_keep)
{
    struct loop *ditto = loop_of("{kind: ditto, lambda: 0.7, personal_epochs: 2}", toy.parts, N_LEARNERS);
    struct loop *fedavg = loop_of("fedavg", toy.parts, N_LEARNERS);
    run(ditto);
    run(fedavg);
    cr_assert_eq(
        memcmp(loop_parameters(ditto), loop_parameters(fedavg), loop_n_parameters(fedavg) * sizeof(float)),
        0);
    loop_free(ditto);
    loop_free(fedavg);
}

// Alone: what one learner by itself makes of the same data by fedavg, which is then plain training. The
// learner's number is part of the shuffle's name, hence learner 0.
Test(ditto, without_a_pull_trains_alone)
{
    struct loop *ditto = loop_of("{kind: ditto, lambda: 0}", toy.parts, N_LEARNERS);
    struct loop *alone = loop_of("fedavg", toy.parts, 1);
    run(ditto);
    run(alone);
    for (size_t i = 0; i < loop_n_parameters(alone); i++)
        cr_assert_float_eq((double)loop_own(ditto, 0)[i], (double)loop_parameters(alone)[i], 1e-6);
    loop_free(ditto);
    loop_free(alone);
}

static double distance_to_global(const char *algorithm)
{
    struct loop *loop = loop_of(algorithm, toy.parts, N_LEARNERS);
    double sum = 0;
    run(loop);
    for (uint32_t k = 0; k < N_LEARNERS; k++)
        for (size_t i = 0; i < loop_n_parameters(loop); i++)
            sum += pow((double)loop_own(loop, k)[i] - (double)loop_parameters(loop)[i], 2);
    loop_free(loop);
    return sqrt(sum);
}

Test(ditto, stays_the_nearer_to_the_global_model_the_stronger_the_pull)
{
    double free = distance_to_global("{kind: ditto, lambda: 0}");
    double drawn = distance_to_global("{kind: ditto, lambda: 1}");
    double held = distance_to_global("{kind: ditto, lambda: 5}");
    cr_assert_lt(drawn, 0.8 * free, "%g, %g", drawn, free);
    cr_assert_lt(held, 0.8 * drawn, "%g, %g", held, drawn);
}

static bool stop_after(void *user)
{
    size_t *n_left = user;
    return (*n_left)-- == 0;
}

// In the last batch of its own model's training.
Test(ditto, keeps_a_learners_model_when_its_step_is_given_up)
{
    struct loop *loop = loop_of("ditto", toy.parts, N_LEARNERS);
    struct learner_result result;
    size_t bytes = loop_n_parameters(loop) * sizeof(float), n_batches = (toy.parts[1].n_samples + 7) / 8;
    size_t n_left = 2 * n_batches - 1;
    run(loop);
    float *before = memory_floats(loop_n_parameters(loop));
    memcpy(before, loop_own(loop, 1), bytes);
    loop_set_stop(loop, stop_after, &n_left);
    cr_assert_eq(loop_learn(loop, 1, &result, NULL), STATUS_CANCELLED);
    cr_assert_eq(memcmp(before, loop_own(loop, 1), bytes), 0);
    n_left = 2 * n_batches;
    cr_assert_eq(loop_learn(loop, 1, &result, NULL), STATUS_OK);
    cr_assert_neq(memcmp(before, loop_own(loop, 1), bytes), 0);
    memory_free(before);
    loop_free(loop);
}

// The steps' losses are finite, but the last of them leaves what is not.
Test(ditto, keeps_no_model_that_is_not_finite)
{
    struct loop *loop = NULL;
    struct learner_result result;
    struct error error = ERROR_INIT;
    const char *yaml = "{algorithm: {kind: ditto, lambda: 1000000}, training: {optimizer: {kind: sgd, "
                       "learning_rate: 1}, batch_size: 1000, local_epochs: 1}, "
                       "model: {layers: [dense: {units: 3}], loss: cross_entropy}}";
    cr_assert_eq(loop_new(&loop, yaml, toy.parts, N_LEARNERS, 1, ROUNDS, NULL), STATUS_OK);
    size_t n = loop_n_parameters(loop);
    enum status status = STATUS_OK;
    for (int i = 0; i < 20 && status == STATUS_OK; i++)
        status = loop_learn(loop, 1, &result, &error);
    cr_assert_eq(status, STATUS_INVALID_ARGUMENT);
    for (size_t i = 0; i < n; i++)
        cr_assert(isfinite(loop_own(loop, 1)[i]));
    loop_free(loop);
}
