// A small problem for tests of one algorithm: three learners' parts of 7, 15 and 23 samples and a small
// network.
#pragma once

#include "base/memory.h"
#include "loop.h"
#include "toy.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { PROBLEM_SAMPLES = 45, PROBLEM_LEARNERS = 3, PROBLEM_ROUNDS = 10 };

#define PROBLEM_NETWORK "[dense: {units: 6, activation: relu}, dense: {units: 3}]"
#define PROBLEM_LINEAR  "[dense: {units: 3}]"

static struct toy toy;

static inline void make_problem(void)
{
    cr_assert_eq(toy_init(&toy, TOY_CLASSES, PROBLEM_SAMPLES, 4, 3, PROBLEM_LEARNERS, NULL), STATUS_OK);
}

static inline void free_problem(void)
{
    toy_release(&toy);
}

// `algorithm` and `training` as in YAML, the latter without its braces.
static inline enum status problem_open(struct loop **ret, const char *algorithm, const char *training,
                                       const char *layers, const struct part *parts, size_t n_parts,
                                       struct error *error)
{
    cleanup_free char *yaml =
        memory_format("{algorithm: %s, training: {%s}, model: {layers: %s, loss: cross_entropy}}", algorithm,
                      training, layers);
    return loop_new(ret, yaml, parts, n_parts, 1, PROBLEM_ROUNDS, error);
}

static inline struct loop *problem_of(const char *algorithm, const char *training, const char *layers)
{
    struct loop *loop = NULL;
    struct error error = ERROR_INIT;
    cr_assert_eq(problem_open(&loop, algorithm, training, layers, toy.parts, PROBLEM_LEARNERS, &error),
                 STATUS_OK, "%s", error.message);
    return loop;
}

static inline void problem_run(struct loop *loop, int n_rounds)
{
    struct error error = ERROR_INIT;
    for (int i = 0; i < n_rounds; i++)
        cr_assert_eq(loop_round(loop, false, NULL, &error), STATUS_OK, "%s", error.message);
}

static inline void problem_learn(struct loop *loop, uint32_t learner)
{
    struct learner_result result;
    struct error error = ERROR_INIT;
    cr_assert_eq(loop_learn(loop, learner, &result, &error), STATUS_OK, "%s", error.message);
}

static inline void assert_near(const float *a, const float *b, size_t n, double tolerance)
{
    for (size_t i = 0; i < n; i++)
        cr_assert_float_eq((double)a[i], (double)b[i], tolerance, "value %zu: %g, not %g", i, (double)a[i],
                           (double)b[i]);
}

static inline double norm_of_difference(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sqrt(sum);
}

// The norm of the gradient of the mean loss over everyone's samples at `parameters`, of a linear model.
static inline double problem_gradient_norm(const float *parameters)
{
    struct loop *loop = NULL;
    cr_assert_eq(
        problem_open(&loop, "gradient_descent", "batch_size: 1000", PROBLEM_LINEAR, &toy.all, 1, NULL),
        STATUS_OK);
    size_t n = loop_n_parameters(loop);
    double sum = 0;
    memcpy(loop_parameters(loop), parameters, n * sizeof *parameters);
    problem_learn(loop, 0);
    for (size_t i = 0; i < n; i++)
        sum += (double)loop_summary(loop)[i] * (double)loop_summary(loop)[i];
    loop_free(loop);
    return sqrt(sum);
}
