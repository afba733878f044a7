#include "base/memory.h"
#include "loop.h"
#include "toy.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define YAML                                                                                                 \
    "{algorithm: %s, training: {batch_size: 4}, model: {layers: [dense: {units: 3}], loss: cross_entropy}}"

enum { N_FEATURES = 4, N_SAMPLES = 60, N_LEARNERS = 2 };

static struct toy toy;

static void make_toy(void)
{
    cr_assert_eq(toy_init(&toy, TOY_CLASSES, N_SAMPLES, N_FEATURES, 3, N_LEARNERS, NULL), STATUS_OK);
}

static void free_toy(void)
{
    toy_release(&toy);
}

TestSuite(fisher, .init = make_toy, .fini = free_toy);

static struct loop *loop_of(const char *algorithm)
{
    struct loop *loop = NULL;
    struct error error = ERROR_INIT;
    cleanup_free char *yaml = memory_format(YAML, algorithm);
    cr_assert_eq(loop_new(&loop, yaml, toy.parts, N_LEARNERS, 1, 8, &error), STATUS_OK, "%s", error.message);
    return loop;
}

// The first feature is always 0 for the second learner, whose weights of it stay and tell nothing.
static void blind_the_second(void)
{
    for (size_t i = 0; i < toy.parts[1].n_samples; i++)
        toy.dataset.features[toy.parts[1].rows[i] * N_FEATURES] = 0;
}

Test(fisher, follows_the_learner_whose_data_tell_about_a_parameter)
{
    blind_the_second();
    struct loop *loop = loop_of("{kind: fisher, floor: 0.00001}");
    struct learner_result result;
    size_t n = loop_n_parameters(loop);
    double moved[3], before[3];
    cr_assert_eq(loop_learn(loop, 0, &result, NULL), STATUS_OK);
    for (size_t k = 0; k < 3; k++) {
        size_t i = k * N_FEATURES; // of weights [units, inputs]
        moved[k] = (double)loop_summary(loop)[i] / (double)loop_summary(loop)[n + i];
        before[k] = (double)loop_parameters(loop)[i];
    }
    cr_assert_eq(loop_round(loop, false, NULL, NULL), STATUS_OK);
    for (size_t k = 0; k < 3; k++)
        cr_assert_float_eq((double)loop_parameters(loop)[k * N_FEATURES] - before[k], moved[k],
                           0.02 * fabs(moved[k]));
    loop_free(loop);
}

Test(fisher, weights_are_one_on_average_and_never_below_the_floor)
{
    blind_the_second();
    struct loop *loop = loop_of("{kind: fisher, floor: 0.01}");
    struct learner_result result;
    size_t n = loop_n_parameters(loop);
    cr_assert_eq(loop_learn(loop, 1, &result, NULL), STATUS_OK);
    const float *weights = loop_summary(loop) + n;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        cr_assert_geq(weights[i], 0.01F);
        sum += (double)weights[i];
    }
    cr_assert_float_eq(sum / (double)n, 1, 0.01);
    for (size_t k = 0; k < 3; k++)
        cr_assert_eq(weights[k * N_FEATURES], 0.01F);
    loop_free(loop);
}

Test(fisher, takes_all_samples_when_it_is_told_none_or_more_than_there_are)
{
    struct loop *all = loop_of("{kind: fisher, samples: 0}"),
                *many = loop_of("{kind: fisher, samples: 1000}");
    struct loop *few = loop_of("{kind: fisher, samples: 5}");
    size_t bytes = loop_n_values(all) * sizeof(float);
    cr_assert_eq(loop_round(all, false, NULL, NULL), STATUS_OK);
    cr_assert_eq(loop_round(many, false, NULL, NULL), STATUS_OK);
    cr_assert_eq(loop_round(few, false, NULL, NULL), STATUS_OK);
    cr_assert_eq(memcmp(loop_parameters(all), loop_parameters(many), bytes), 0);
    cr_assert_neq(memcmp(loop_parameters(all), loop_parameters(few), bytes), 0);
    loop_free(all);
    loop_free(many);
    loop_free(few);
}

static bool stop_after(void *user)
{
    size_t *n_left = user;
    return (*n_left)-- == 0;
}

Test(fisher, stops_among_the_samples_when_told)
{
    struct loop *loop = loop_of("fisher");
    struct learner_result result;
    size_t n_left = (toy.parts[0].n_samples + 3) / 4 + 2;
    loop_set_stop(loop, stop_after, &n_left);
    cr_assert_eq(loop_learn(loop, 0, &result, NULL), STATUS_CANCELLED);
    loop_free(loop);
}
