#include "pool_geometries.h"

extern const struct layer_kind layer_max_pool2d;

// Every window's largest value, and its gradient to the first input that has it.
static void twin(struct layer_fixture *fixture, const struct pool_geometry *g, double *output,
                 double *input_gradient)
{
    const struct layer_pass *pass = &fixture->pass;
    for (size_t out = 0; out < pass->batch * shape_size(&fixture->plan.output); out++) {
        size_t winner = pool_input(fixture, g, out, 0, 0);
        for (size_t i = 0; i < (size_t)g->size[0]; i++)
            for (size_t j = 0; j < (size_t)g->size[1]; j++) {
                size_t in = pool_input(fixture, g, out, i, j);
                winner = pass->input[in] > pass->input[winner] ? in : winner;
            }
        output[out] = (double)pass->input[winner];
        input_gradient[winner] += (double)pass->output_gradient[out];
    }
}

static void check(const struct pool_geometry *g, bool coarse)
{
    struct layer_fixture fixture;
    open_pool(&fixture, &layer_max_pool2d, g);
    const struct layer_pass *pass = &fixture.pass;
    size_t n_input = pass->batch * shape_size(&fixture.plan.input);
    size_t n_output = pass->batch * shape_size(&fixture.plan.output);
    if (coarse) // many ties
        for (size_t i = 0; i < n_input; i++)
            ((float *)pass->input)[i] = roundf(pass->input[i]);
    double *output = arena_array(&fixture.arena, n_output, sizeof *output);
    double *gradient = arena_array(&fixture.arena, n_input, sizeof *gradient);
    twin(&fixture, g, output, gradient);
    layer_max_pool2d.forward(pass);
    layer_max_pool2d.backward(pass);
    fixture_check_floats("output", pass->output, output, n_output, 0);
    fixture_check_floats("input gradient", pass->input_gradient, gradient, n_input, 1e-5);
    fixture_release(&fixture);
}

Test(max_pool2d, both_passes_agree_with_plain_loops)
{
    for (size_t i = 0; i < ARRAY_SIZE(pool_geometries); i++)
        check(&pool_geometries[i], false);
}

Test(max_pool2d, the_first_of_equal_values_gets_the_gradient)
{
    for (size_t i = 0; i < ARRAY_SIZE(pool_geometries); i++)
        check(&pool_geometries[i], true);
}

Test(max_pool2d, gradients_agree_with_finite_differences)
{
    for (size_t i = 0; i < ARRAY_SIZE(pool_geometries); i++) {
        struct layer_fixture fixture;
        open_pool(&fixture, &layer_max_pool2d, &pool_geometries[i]);
        const struct layer_pass *pass = &fixture.pass;
        layer_max_pool2d.forward(pass);
        layer_max_pool2d.backward(pass);
        fixture_check_gradient(&fixture, "input", pass->input, pass->input_gradient,
                               pass->batch * shape_size(&fixture.plan.input), 1e-5f);
        fixture_release(&fixture);
    }
}

Test(max_pool2d, a_value_that_is_no_number_comes_through)
{
    for (size_t at = 0; at < 4; at++) {
        struct layer_fixture fixture;
        open_pool(&fixture, &layer_max_pool2d, &pool_geometries[0]);
        ((float *)fixture.pass.input)[at / 2 * 4 + at % 2] = NAN;
        layer_max_pool2d.forward(&fixture.pass);
        cr_assert(isnan(fixture.pass.output[0]));
        cr_assert_not(isnan(fixture.pass.output[1]));
        fixture_release(&fixture);
    }
}

Test(max_pool2d, windows_stand_side_by_side_when_no_stride_is_given)
{
    struct layer_fixture fixture;
    const struct option options[] = {{"size", 2, {2, 3}}, {0}};
    cr_assert_eq(fixture_plan(&fixture, &layer_max_pool2d, options, (struct shape){2, {9, 9}}), STATUS_OK);
    cr_assert(shape_equal(&fixture.plan.output, &(struct shape){3, {1, 4, 3}}));
    fixture_release(&fixture);
}

static void refuse(const struct option *options, struct shape input, const char *message)
{
    struct layer_fixture fixture;
    cr_assert_eq(fixture_plan(&fixture, &layer_max_pool2d, options, input), STATUS_INVALID_ARGUMENT);
    cr_assert_not_null(strstr(fixture.error.message, message), "%s", fixture.error.message);
    fixture_release(&fixture);
}

Test(max_pool2d, refuses_what_does_not_fit_and_says_so)
{
    const struct option two[] = {{"size", 1, {2}}, {0}}, three[] = {{"size", 3, {2, 2, 2}}, {0}};
    refuse(two, (struct shape){1, {784}}, "input [784] is not an image");
    refuse(two, (struct shape){3, {8, 1, 9}}, "size 2 is larger than the input's height 1");
    refuse(three, (struct shape){3, {1, 28, 28}}, "size has 3 numbers");
}
