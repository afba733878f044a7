#include "algorithm/information.h"
#include "base/memory.h"
#include "base/philox.h"
#include <criterion/criterion.h>
#include <math.h>

enum { N = 5, CLASSES = 4, N_VALUES = N * CLASSES };

// Logits of five samples at temperature 1.7, and what the other two of three learners predict.
struct fixture {
    float outputs[N_VALUES], others[N_VALUES];
    double p[N_VALUES], marginal[CLASSES];
    struct prediction_rows rows;
};

static void renew(struct fixture *fixture)
{
    predictions_softmax(fixture->outputs, N, CLASSES, fixture->rows.temperature, fixture->p);
    predictions_marginal(fixture->p, N, CLASSES, fixture->marginal);
}

static void make(struct fixture *fixture)
{
    struct random random = random_open((struct random_key){.seed = 5, .purpose = RANDOM_TEST});
    float logits[N_VALUES];
    double p[N_VALUES];
    for (size_t i = 0; i < N_VALUES; i++) {
        fixture->outputs[i] = (float)(2 * random_normal(&random));
        logits[i] = (float)(2 * random_normal(&random));
    }
    predictions_softmax(logits, N, CLASSES, 1, p);
    for (size_t i = 0; i < N_VALUES; i++)
        fixture->others[i] = (float)(p[i] * 2 / 3);
    fixture->rows = (struct prediction_rows){.n = N,
                                             .n_classes = CLASSES,
                                             .n_mean = N,
                                             .temperature = 1.7,
                                             .share = 1.0 / 3,
                                             .p = fixture->p,
                                             .others = fixture->others,
                                             .marginal = fixture->marginal};
    renew(fixture);
}

static double objective_at(struct fixture *fixture, const struct information_options *options, size_t at,
                           float value)
{
    float before = fixture->outputs[at];
    fixture->outputs[at] = value;
    renew(fixture);
    double objective = information_objective(options, &fixture->rows);
    fixture->outputs[at] = before;
    renew(fixture);
    return objective;
}

static void compare_with_differences(struct fixture *fixture, const struct information_options *options)
{
    float gradient[N_VALUES] = {0};
    const float h = 1e-2F;
    information_gradient(options, &fixture->rows, gradient);
    for (size_t i = 0; i < N_VALUES; i++) {
        float above = fixture->outputs[i] + h, below = fixture->outputs[i] - h;
        double slope = (objective_at(fixture, options, i, above) - objective_at(fixture, options, i, below)) /
                       ((double)above - (double)below);
        cr_assert_float_eq((double)gradient[i], slope, 1e-5 + 1e-3 * fabs(slope), "output %zu: %g, not %g", i,
                           (double)gradient[i], slope);
    }
}

Test(information, gradients_are_those_of_finite_differences)
{
    struct fixture fixture;
    const struct information_options options[] = {{.alpha = 3}, {.beta = 2}, {.alpha = 3, .beta = 2}};
    make(&fixture);
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        compare_with_differences(&fixture, &options[i]);
}

Test(information, a_sample_that_others_have_not_predicted_disagrees_with_nobody)
{
    struct fixture fixture;
    const struct information_options options = {.alpha = 3};
    float gradient[N_VALUES] = {0};
    make(&fixture);
    for (size_t k = 0; k < CLASSES; k++)
        fixture.others[2 * CLASSES + k] = 0;
    compare_with_differences(&fixture, &options);
    information_gradient(&options, &fixture.rows, gradient);
    for (size_t k = 0; k < CLASSES; k++)
        cr_assert_eq(gradient[2 * CLASSES + k], 0);
}

// Lin 1991: zero among equals, and at most the logarithm of the number of learners, of whom one is this one.
Test(information, disagreement_is_none_among_equals_and_has_a_bound)
{
    struct fixture fixture;
    const struct information_options options = {.alpha = 1};
    float gradient[N_VALUES] = {0};
    make(&fixture);
    for (size_t i = 0; i < N_VALUES; i++)
        fixture.others[i] = (float)(fixture.p[i] * 2 / 3);
    information_gradient(&options, &fixture.rows, gradient);
    for (size_t i = 0; i < N_VALUES; i++)
        cr_assert_float_eq((double)gradient[i], 0, 1e-7);
    for (size_t i = 0; i < N_VALUES; i++) {
        fixture.outputs[i] = i % CLASSES == 0 ? 100 : 0;
        fixture.others[i] = i % CLASSES == 1 ? 2.0F / 3 : 0;
    }
    renew(&fixture);
    double most = -(log(1.0 / 3) + 2 * log(2.0 / 3)) / 3; // of one against two that agree
    cr_assert_float_eq(information_objective(&options, &fixture.rows), most, 1e-6);
}

Test(information, is_most_where_predictions_are_sure_and_balanced)
{
    struct fixture fixture;
    const struct information_options options = {.beta = 1};
    make(&fixture);
    fixture.rows.n = fixture.rows.n_mean = CLASSES;
    for (size_t i = 0; i < N_VALUES; i++)
        fixture.outputs[i] = i / CLASSES == i % CLASSES ? 100 : 0;
    predictions_softmax(fixture.outputs, CLASSES, CLASSES, 1, fixture.p);
    predictions_marginal(fixture.p, CLASSES, CLASSES, fixture.marginal);
    cr_assert_float_eq(information_objective(&options, &fixture.rows), -log(CLASSES), 1e-9);
    for (size_t i = 0; i < N_VALUES; i++)
        fixture.outputs[i] = i % CLASSES == 0 ? 100 : 0; // sure, of one class only
    predictions_softmax(fixture.outputs, CLASSES, CLASSES, 1, fixture.p);
    predictions_marginal(fixture.p, CLASSES, CLASSES, fixture.marginal);
    cr_assert_float_eq(information_objective(&options, &fixture.rows), 0, 1e-9);
}

static double confidence_at(const float *outputs, double gamma)
{
    double p[N_VALUES], sum = 0;
    predictions_softmax(outputs, N, CLASSES, 1, p);
    for (size_t i = 0; i < N_VALUES; i++)
        sum += gamma * p[i] * log(p[i]) / N;
    return sum;
}

Test(information, the_confidence_penalty_is_that_of_finite_differences)
{
    struct fixture fixture;
    const struct information_options options = {.gamma = 0.8};
    float gradient[N_VALUES] = {0};
    make(&fixture);
    information_penalise_confidence(&options, fixture.outputs, N, CLASSES, gradient);
    for (size_t i = 0; i < N_VALUES; i++) {
        float middle = fixture.outputs[i], above = middle + 1e-2F, below = middle - 1e-2F;
        fixture.outputs[i] = above;
        double slope = confidence_at(fixture.outputs, options.gamma);
        fixture.outputs[i] = below;
        slope = (slope - confidence_at(fixture.outputs, options.gamma)) / ((double)above - (double)below);
        fixture.outputs[i] = middle;
        cr_assert_float_eq((double)gradient[i], slope, 1e-5 + 1e-3 * fabs(slope));
    }
}

Test(information, extreme_logits_give_finite_gradients)
{
    struct fixture fixture;
    const struct information_options options = {.alpha = 3, .beta = 2, .gamma = 1};
    float gradient[N_VALUES] = {0};
    make(&fixture);
    for (size_t i = 0; i < N_VALUES; i++)
        fixture.outputs[i] = i % 2 ? 3e38F : -3e38F;
    renew(&fixture);
    information_gradient(&options, &fixture.rows, gradient);
    for (size_t i = 0; i < N_VALUES; i++)
        fixture.outputs[i] = i % 2 ? 1e4F : -1e4F;
    information_penalise_confidence(&options, fixture.outputs, N, CLASSES, gradient);
    for (size_t i = 0; i < N_VALUES; i++)
        cr_assert(isfinite(gradient[i]), "output %zu", i);
}
