#include "base/memory.h"
#include "loop.h"
#include "toy.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N_FEATURES = 4, N_SAMPLES = 60, N_LEARNERS = 3, N_OUTPUTS = 2, N_PARAMETERS = 10 };

#define MODEL "model: {layers: [dense: {units: 2}], loss: mse}"

static struct toy toy;

static void make_toy(void)
{
    cr_assert_eq(toy_init(&toy, TOY_VALUES, N_SAMPLES, N_FEATURES, N_OUTPUTS, N_LEARNERS, NULL), STATUS_OK);
}

static void free_toy(void)
{
    toy_release(&toy);
}

TestSuite(linear_regression, .init = make_toy, .fini = free_toy);

static enum status open_loop(struct loop **ret, const char *options, const char *model, size_t n_learners,
                             struct error *error)
{
    cleanup_free char *yaml = memory_format("{algorithm: {kind: linear_regression, %s}, %s}", options, model);
    return loop_new(ret, yaml, toy.parts, n_learners, 1, 2, error);
}

static void mean_error(const struct loop *loop, double ret[N_OUTPUTS][N_FEATURES + 1])
{
    const float *w = loop_parameters((struct loop *)loop), *bias = w + N_OUTPUTS * N_FEATURES;
    memset(ret, 0, N_OUTPUTS * sizeof ret[0]);
    for (size_t s = 0; s < N_SAMPLES; s++) {
        const float *x = toy.dataset.features + s * N_FEATURES;
        for (size_t k = 0; k < N_OUTPUTS; k++) {
            double off = (double)bias[k] - (double)toy.dataset.values[s * N_OUTPUTS + k];
            for (size_t i = 0; i < N_FEATURES; i++)
                off += (double)w[k * N_FEATURES + i] * (double)x[i];
            for (size_t i = 0; i < N_FEATURES; i++)
                ret[k][i] += off * (double)x[i] / N_SAMPLES;
            ret[k][N_FEATURES] += off / N_SAMPLES;
        }
    }
}

// The normal equations: the gradient of the penalised error on the union of the data is 0.
Test(linear_regression, makes_the_penalised_error_on_all_data_smallest_in_one_round)
{
    static const double lambdas[] = {0, 0.5};
    for (size_t l = 0; l < 2; l++) {
        struct loop *loop = NULL;
        double error[N_OUTPUTS][N_FEATURES + 1];
        cleanup_free char *options = memory_format("lambda: %g", lambdas[l]);
        cr_assert_eq(open_loop(&loop, options, MODEL, N_LEARNERS, NULL), STATUS_OK);
        cr_assert_eq(loop_round(loop, false, NULL, NULL), STATUS_OK);
        mean_error(loop, error);
        for (size_t k = 0; k < N_OUTPUTS; k++) {
            for (size_t i = 0; i < N_FEATURES; i++)
                cr_assert_float_eq(error[k][i],
                                   -lambdas[l] * (double)loop_parameters(loop)[k * N_FEATURES + i], 1e-5);
            cr_assert_float_eq(error[k][N_FEATURES], 0, 1e-5); // no penalty on the intercept
        }
        loop_free(loop);
    }
}

Test(linear_regression, sends_products_and_shares_a_model)
{
    struct loop *loop = NULL;
    cr_assert_eq(open_loop(&loop, "lambda: 0", MODEL, N_LEARNERS, NULL), STATUS_OK);
    cr_assert_eq(plan_summary_values(loop_plan(loop)), 5 * 6 / 2 + 5 * 2);
    cr_assert_eq(plan_shared_values(loop_plan(loop)), N_PARAMETERS);
    loop_free(loop);
}

Test(linear_regression, refuses_any_other_model)
{
    static const char *const models[] = {
        "model: {layers: [dense: {units: 2, activation: relu}], loss: mse}",
        "model: {layers: [dense: {units: 3}, dense: {units: 2}], loss: mse}",
        "model: {layers: [dense: {units: 2}], loss: binary_cross_entropy}",
        "model: {layers: [dropout: {rate: 0.5}, dense: {units: 2}], loss: mse}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
        struct loop *loop = NULL;
        struct error error = ERROR_INIT;
        cr_assert_eq(open_loop(&loop, "lambda: 0", models[i], 1, &error), STATUS_INVALID_ARGUMENT);
        cr_assert(strstr(error.message, "one dense layer"), "%s", error.message);
    }
}

// The last feature repeats the first.
static void repeat_a_feature(void)
{
    for (size_t s = 0; s < N_SAMPLES; s++)
        toy.dataset.features[s * N_FEATURES + 3] = toy.dataset.features[s * N_FEATURES];
}

Test(linear_regression, tells_features_that_others_determine_and_takes_a_penalty_for_it)
{
    struct loop *loop = NULL;
    struct error error = ERROR_INIT;
    repeat_a_feature();
    cr_assert_eq(open_loop(&loop, "lambda: 0", MODEL, N_LEARNERS, NULL), STATUS_OK);
    cr_assert_eq(loop_round(loop, false, NULL, &error), STATUS_FAILED_PRECONDITION);
    cr_assert(strstr(error.message, "feature '4'") && strstr(error.message, "set lambda"), "%s",
              error.message);
    loop_free(loop);
    cr_assert_eq(open_loop(&loop, "lambda: 0.01", MODEL, N_LEARNERS, NULL), STATUS_OK);
    cr_assert_eq(loop_round(loop, false, NULL, &error), STATUS_OK, "%s", error.message);
    const float *w = loop_parameters(loop);
    cr_assert_float_eq((double)w[0], (double)w[3], 1e-3);
    loop_free(loop);
}

Test(linear_regression, refuses_features_beyond_the_rings_range)
{
    struct loop *loop = NULL;
    struct error error = ERROR_INIT;
    struct learner_result result;
    cr_assert_eq(open_loop(&loop, "lambda: 0", MODEL, N_LEARNERS, NULL), STATUS_OK);
    for (size_t s = 0; s < N_SAMPLES; s++)
        toy.dataset.features[s * N_FEATURES] *= 1000;
    cr_assert_eq(loop_learn(loop, 1, &result, &error), STATUS_OUT_OF_RANGE);
    cr_assert(strstr(error.message, "scale features"), "%s", error.message);
    loop_free(loop);
}
