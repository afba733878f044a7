#include "base/memory.h"
#include "loop.h"
#include "toy.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define YAML                                                                                                 \
    "{algorithm: %s, training: {batch_size: 4, local_epochs: 2}, "                                           \
    "model: {layers: [dense: {units: 3}], loss: cross_entropy}}"

enum { N_LEARNERS = 4, N_SAMPLES = 60 };

static struct toy toy;

static void make_toy(void)
{
    cr_assert_eq(toy_init(&toy, TOY_CLASSES, N_SAMPLES, 4, 3, N_LEARNERS, NULL), STATUS_OK);
}

static void free_toy(void)
{
    toy_release(&toy);
}

TestSuite(easgd, .init = make_toy, .fini = free_toy);

static struct loop *loop_of(const char *algorithm)
{
    struct loop *loop = NULL;
    struct error error = ERROR_INIT;
    cleanup_free char *yaml = memory_format(YAML, algorithm);
    cr_assert_eq(loop_new(&loop, yaml, toy.parts, N_LEARNERS, 1, 8, &error), STATUS_OK, "%s", error.message);
    return loop;
}

static void run(struct loop *loop, int n_rounds)
{
    for (int i = 0; i < n_rounds; i++)
        cr_assert_eq(loop_round(loop, false, NULL, NULL), STATUS_OK);
}

static bool always(void *user)
{
    return true;
}

// Everyone starts from the centre.
Test(easgd, with_a_centre_at_the_mean_follows_fedavg_in_the_first_round)
{
    struct loop *elastic = loop_of("{kind: easgd, beta: 1}"), *fedavg = loop_of("fedavg");
    run(elastic, 1);
    run(fedavg, 1);
    for (size_t i = 0; i < loop_n_parameters(fedavg); i++)
        cr_assert_float_eq((double)loop_parameters(elastic)[i], (double)loop_parameters(fedavg)[i], 1e-6);
    loop_free(elastic);
    loop_free(fedavg);
}

Test(easgd, moves_a_learner_from_what_it_sent_towards_the_centre_of_before)
{
    struct loop *loop = loop_of("{kind: easgd, alpha: 0.25}");
    struct learner_result result;
    run(loop, 2);
    cr_assert_eq(loop_learn(loop, 1, &result, NULL), STATUS_OK);
    for (size_t i = 0; i < loop_n_parameters(loop); i++)
        cr_assert_float_eq((double)loop_own(loop, 1)[i],
                           0.75 * (double)loop_summary(loop)[i] + 0.25 * (double)loop_parameters(loop)[i],
                           1e-6);
    loop_free(loop);
}

static double spread(const char *algorithm)
{
    struct loop *loop = loop_of(algorithm);
    double sum = 0;
    run(loop, 6);
    for (uint32_t k = 0; k < N_LEARNERS; k++)
        for (size_t i = 0; i < loop_n_parameters(loop); i++)
            sum += pow((double)loop_own(loop, k)[i] - (double)loop_parameters(loop)[i], 2);
    loop_free(loop);
    return sqrt(sum);
}

Test(easgd, lets_learners_explore_the_further_the_weaker_the_force)
{
    double weak = spread("{kind: easgd, alpha: 0.02}"), strong = spread("{kind: easgd, alpha: 0.5}");
    cr_assert_lt(strong, 0.7 * weak, "%g, %g", strong, weak);
}

Test(easgd, keeps_a_learners_parameters_when_its_step_is_given_up)
{
    struct loop *loop = loop_of("easgd");
    struct learner_result result;
    run(loop, 1);
    size_t bytes = loop_n_parameters(loop) * sizeof(float);
    float *before = memory_floats(loop_n_parameters(loop));
    memcpy(before, loop_own(loop, 2), bytes);
    loop_set_stop(loop, always, NULL);
    cr_assert_eq(loop_learn(loop, 2, &result, NULL), STATUS_CANCELLED);
    cr_assert_eq(memcmp(before, loop_own(loop, 2), bytes), 0);
    memory_free(before);
    loop_free(loop);
}
